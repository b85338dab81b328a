"""WGAN-GP against closed forms: a linear critic has one slope everywhere, a quadratic one the slope of its point."""

import torch

from aishw.train.critic import CRITICS
from aishw.train.objectives import critic_loss, generator_loss, gradient_penalty

SLOPE = torch.tensor([3.0, 4.0])  # length 5


def linear(images):
    return images @ SLOPE[:, None]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_linear_critics_penalty_is_its_slope_less_one_squared():
    real, fake = torch.randn(7, 2, generator=seeded(1)), torch.randn(7, 2, generator=seeded(2))
    assert torch.isclose(gradient_penalty(linear, real, fake, seeded()), torch.tensor(16.0))


def test_the_penalty_is_taken_between_real_and_fake():
    real, fake = torch.full((500, 1), 1.0), torch.full((500, 1), 3.0)
    # D = x^2 / 2 has slope x; for x uniform on 1..3, E[(x - 1)^2] = 4/3.
    penalty = gradient_penalty(lambda x: x**2 / 2, real, fake, seeded())
    assert abs(penalty.item() - 4 / 3) < 0.1


def test_the_critic_wants_real_above_fake_and_the_generator_the_opposite():
    real, fake = torch.tensor([[1.0, 1.0]]), torch.tensor([[0.0, 2.0]])
    assert critic_loss(linear, real, fake, 0.0, seeded()) == 8.0 - 7.0
    assert critic_loss(linear, real, fake, 10.0, seeded()) == 1.0 + 160.0
    assert generator_loss(linear, fake) == -8.0


def test_the_penalty_teaches_the_critic_and_not_the_generator():
    scale = torch.tensor(2.0, requires_grad=True)
    fake = torch.ones(3, 1, requires_grad=True)
    gradient_penalty(lambda x: scale * x, torch.zeros(3, 1), fake, seeded()).backward()
    assert scale.grad == 2.0  # d (s - 1)^2 / ds at s = 2
    assert fake.grad is None


def test_critics_judge_each_image_alone():
    images = torch.randn(5, 6 * 4, generator=seeded(3))
    assert len(CRITICS) == 2
    for make in CRITICS.values():
        critic = make(6, 4, 16)
        assert critic(images).shape == (5, 1)
        assert torch.allclose(critic(images)[2:3], critic(images[2:3]), atol=1e-6)
