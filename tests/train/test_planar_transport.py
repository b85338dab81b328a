"""Exact transport, the sliced distance and the pairs against closed forms."""

import math

import numpy as np
import pytest
import torch

from aishw.train.planar.bank import Shape
from aishw.train.planar.objectives import coupled_batches, flow_loss, sliced_distance
from aishw.train.planar.pairs import PAIRS
from aishw.train.planar.transport import coupled, floor, judge, w2_squared


def points(count=200, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 2))


def test_a_shift_costs_its_square_and_the_order_of_points_nothing():
    here = points()
    assert w2_squared(here, here[::-1]) == pytest.approx(0, abs=1e-12)
    assert w2_squared(here, here[::-1] + np.array([3.0, 4.0])) == pytest.approx(25)
    assert w2_squared(here, np.full((200, 2), np.nan)) == math.inf


def test_on_a_line_sorted_points_go_to_sorted_points():
    a, b = (np.stack([np.random.default_rng(seed).normal(size=50), np.zeros(50)], axis=1) for seed in (1, 2))
    assert w2_squared(a, b) == pytest.approx(((np.sort(a[:, 0]) - np.sort(b[:, 0])) ** 2).mean())
    assert (np.argsort(coupled(a, b)[:, 0]) == np.argsort(a[:, 0])).all()


def test_the_sliced_distance_of_a_shift_is_its_mean_projection_and_its_slope_points_back():
    here = torch.tensor(points(64), dtype=torch.float64)
    fake = torch.stack([here + torch.tensor([0.3, 0.0]), here]).requires_grad_()
    generator = torch.Generator().manual_seed(0)
    found = sliced_distance(fake, here.expand(2, -1, -1), 64, generator)
    assert found[0].item() == pytest.approx(0.3 * 2 / math.pi, rel=1e-2) and found[1].item() < 1e-12
    found[0].backward()
    assert (fake.grad[0, :, 0].sum() > 0) and fake.grad[1].abs().max() == 0


@pytest.mark.parametrize("name", sorted(PAIRS))
def test_samples_fill_the_square_and_are_point_symmetric(name):
    for drawn in PAIRS[name].draw(20_000, torch.Generator().manual_seed(0)):
        assert drawn.shape == (20_000, 2) and 0.45 < drawn.abs().max() < 0.6
        assert drawn.mean(dim=0).abs().max() < 0.01
        quadrant = (drawn[:, 0] > 0.1) & (drawn[:, 1] > 0.1)
        opposite = (drawn[:, 0] < -0.1) & (drawn[:, 1] < -0.1)
        assert abs(quadrant.float().mean() - opposite.float().mean()) < 0.01


def test_nothing_that_does_not_move_reaches_the_floor():
    pair = PAIRS["1g-moons"]
    still = judge(pair, lambda x0, generator: x0)
    assert still.mean > 3 * floor("1g-moons").mean > 0 and len(still.by_seed) == 3
    assert judge(pair, lambda x0, generator: x0) == still
    assert floor("1g-8g") == floor("moons-8g")


def test_a_straight_field_has_the_flow_loss_that_it_should():
    """With zero weights an MLP stands still: the loss is the mean squared displacement of the coupled pairs."""
    batches = coupled_batches("1g-moons", 2, 64, 0)
    x0, x1 = (part[None] for part in batches[0])
    shape = Shape("mlp", 2)
    weights = {name: torch.zeros(2, 1, *size) for name, size in
               {"w1": (2, 2), "b1": (2, 1), "w2": (2, 2), "b2": (2, 1)}.items()}  # fmt: skip
    loss = flow_loss(shape, weights, x0, x1, torch.Generator().manual_seed(0))
    assert loss.item() == pytest.approx((x1 - x0).square().sum(dim=-1).mean().item(), rel=1e-5)
    # Coupled pairs are closer than any other pairing of the same points.
    assert loss.item() < (x1.flip(1) - x0).square().sum(dim=-1).mean().item()
