"""Objectives against closed forms: a linear critic has one slope everywhere, a quadratic one the slope of its point;
a shift is as far as its projections say; a flow's derivative is the family's."""

import numpy as np
import pytest
import torch

from aishw.ais.families import FAMILIES
from aishw.ais.topology import grid
from aishw.train import Settings
from aishw.train.critic import CRITICS
from aishw.train.objectives import (
    critic_loss,
    derivative,
    generator_loss,
    gradient_penalty,
    paired,
    sliced_distance,
    state,
    wgan,
)  # fmt: skip
from aishw.train.perturb import random_detuning, with_weight_error
from aishw.train.run import begin, parameters_of
from aishw.train.schedule import SCHEDULES
from aishw.train.weights import first_weights

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


def test_a_new_critic_learns_before_the_first_step():
    settings = Settings(height=4, width=4, neighbourhood="cross4", segments=1, batch=3, critic_steps=2, critic_first=6)
    run = begin(settings, grid(4, 4, "cross4", image=(2, 2)), np.zeros((5, 2, 2), np.float32))
    done = []
    for step in range(2):
        wgan(run, step)
        done.append(next(iter(run.critic_optimiser.state.values()))["step"].item())
    assert done == [8, 10]


def test_critics_judge_each_image_alone():
    images = torch.randn(5, 6 * 4, generator=seeded(3))
    assert len(CRITICS) == 4
    for make in CRITICS.values():
        critic = make(6, 4, 16)
        assert critic(images).shape == (5, 1)
        assert torch.allclose(critic(images)[2:3], critic(images[2:3]), atol=1e-6)


def test_dcgans_stack_doubles_its_channels_until_four_pixels_are_left():
    channels = [layer.out_channels for layer in CRITICS["dcgan"](64, 64, 8) if hasattr(layer, "out_channels")]
    assert channels == [8, 16, 32, 64]  # 64 to 512 in the paper, whose first layer has 64


def test_a_shift_is_as_far_as_its_mean_projection():
    shift = torch.tensor([[3.0, 4.0]])
    fake = torch.randn(50, 2, generator=seeded(1))
    found = sliced_distance(fake, fake + shift, 4000, seeded(2))
    assert abs(found.item() - 5 * 2 / np.pi) < 0.1  # E|cos| of a random angle
    assert sliced_distance(fake, fake.flip(0), 10, seeded(2)) < 1e-6  # order does not count


def test_pairs_are_those_of_least_total_distance():
    first = torch.tensor([[0.0], [1.0], [2.0]])
    assert torch.equal(paired(first, torch.tensor([[2.5], [0.5], [1.5]])), torch.tensor([[0.5], [1.5], [2.5]]))


@pytest.mark.parametrize("readout", ["sin", "cos", "identity"])
def test_a_state_shows_its_pixel(readout):
    from aishw.ais.families import read

    shown = torch.linspace(-1, 1, 9, dtype=torch.float64)
    assert torch.allclose(read(state(shown, readout), readout), shown)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_flows_derivative_is_the_familys(family):
    settings = Settings(family=family, height=4, width=4, neighbourhood="cross4", segments=2, layers=2, layer_width=3)
    topology = grid(4, 4, "cross4")
    parameters = parameters_of(first_weights(settings, topology, seeded(4)), settings, topology)
    x = torch.randn(3, 16, generator=seeded(5))
    terms = {name: value[1][:, None] if value.ndim == 2 else value[1] for name, value in parameters.terms.items()}
    rows, driven = x.T, topology.edges[0].reshape(16, 4)
    near = rows[topology.edges[1].reshape(16, 4)]
    weight = parameters.coupling[1].reshape(16, 4, 1) if parameters.coupling.numel() else torch.zeros(16, 4, 1)
    sine = FAMILIES[family].pairing == "sine"
    pair = (weight * ((rows[driven] - near).sin() if sine else near)).sum(dim=1)
    wanted = FAMILIES[family].drift(rows, (rows.sin(), rows.cos()), pair, terms).T
    assert torch.allclose(derivative(parameters, x, 1), wanted, atol=1e-5)


def test_a_weight_error_is_relative_and_a_detuning_is_each_images_own():
    weights = {"coupling": torch.full((2, 5000), 3.0), "shil": torch.zeros(2, 4)}
    seen = with_weight_error(weights, 0.1, seeded())
    assert abs(seen["coupling"].std() - 0.3) < 0.02 and not seen["shil"].any()
    assert with_weight_error(weights, 0.0, None)["coupling"] is weights["coupling"]
    assert random_detuning((2, 3), 0.0, None) is None
    assert random_detuning((2, 3), 0.5, seeded()).unique().numel() == 6


def test_schedules_begin_with_all_and_end_with_none():
    for name, schedule in SCHEDULES.items():
        values = [schedule(done) for done in np.linspace(0, 1, 11)]
        assert values[0] == 1.0 and (np.diff(values) <= 0).all()
        assert values[-1] == pytest.approx(1.0 if name == "constant" else 0.0)
    assert SCHEDULES["linear"](0.5) == 1.0 and SCHEDULES["linear"](0.75) == 0.5
