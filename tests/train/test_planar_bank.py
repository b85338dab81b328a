"""Rows of a bank are the package's own systems: same equation, same end, one at a time or side by side."""

import pytest
import torch

from aishw.ais import checkpoint
from aishw.ais.families import FAMILIES
from aishw.ais.parameters import Parameters
from aishw.ais.rollout import rollout
from aishw.train.planar.bank import Shape, draw_weights, end_states, of_system, to_system, velocity

FAMILY = sorted(FAMILIES)


def bank(family, segments=4, hidden=2, rows=3, dtype=torch.float64):
    shape = Shape(family, segments, hidden)
    generator = torch.Generator().manual_seed(1)
    weights = draw_weights(shape, torch.tensor([0.3, 1.0, 0.7])[:rows], generator)
    x0 = 0.4 * torch.randn((rows, 5, shape.sites), generator=generator, dtype=dtype)
    return shape, {name: value.to(dtype) for name, value in weights.items()}, x0


@pytest.mark.parametrize("family", FAMILY)
def test_each_row_ends_where_its_own_system_ends(family):
    shape, weights, x0 = bank(family)
    ends = end_states(shape, weights, x0, substeps=8)
    for row in range(3):
        system = to_system(shape, weights, row)
        assert system.topology.neighbourhood == "complete" and system.topology.visible.tolist() == [0, 1]
        own = rollout(system, x0[row], "rk4", 1 / 8, coupling="gather")
        assert (ends[row] - own).abs().max() < 1e-9


@pytest.mark.parametrize("family", FAMILY)
def test_velocity_is_the_slope_of_the_flow_in_its_segment(family):
    shape, weights, x0 = bank(family)
    for segment in (0, 3):
        own = {name: value[segment : segment + 1] for name, value in weights.items()}
        system = to_system(Shape(family, 1, shape.hidden), own, 1)
        soon = rollout(system, x0[1], "rk4", 1 / 8, samples_tau=[1e-5], coupling="gather")[:, 0]
        slope = velocity(shape, weights, segment, x0)[1]
        assert ((soon - x0[1]) / 1e-5 - slope).abs().max() < 1e-3


@pytest.mark.parametrize("family", FAMILY)
def test_a_row_comes_back_from_its_checkpoint(family, tmp_path):
    shape, weights, _ = bank(family)
    checkpoint.save(to_system(shape, weights, 2), tmp_path / "row.pt")
    again, row = of_system(checkpoint.load(tmp_path / "row.pt"))
    assert again == shape and set(row) == set(weights)
    for name, value in row.items():
        assert torch.equal(value[:, 0], weights[name][:, 2])


@pytest.mark.parametrize("family", FAMILY)
def test_gradients_of_a_row_do_not_feel_the_other_rows(family):
    shape, weights, x0 = bank(family)
    leaves = {name: value.clone().requires_grad_() for name, value in weights.items()}
    end_states(shape, leaves, x0, 4)[1].square().sum().backward()
    for value in leaves.values():
        assert value.grad[:, 1].abs().max() > 0
        assert value.grad[:, [0, 2]].abs().max() == 0


@pytest.mark.parametrize("family", [name for name in FAMILY if FAMILIES[name].coupled])
def test_the_written_out_adjoint_is_autograd_through_the_packages_rollout(family):
    shape, weights, x0 = bank(family, segments=2)
    towards = torch.randn(x0.shape, generator=torch.Generator().manual_seed(3), dtype=x0.dtype)
    found = []
    for solve in (end_states, slow_ends):
        start = x0.clone().requires_grad_()
        leaves = {name: value.clone().requires_grad_() for name, value in weights.items()}
        (solve(shape, leaves, start, 4) * towards).sum().backward()
        found.append({"start": start.grad} | {name: value.grad for name, value in leaves.items()})
    for name, value in found[0].items():
        assert (value - found[1][name]).abs().max() < 1e-9, name


def slow_ends(shape, weights, x0, substeps):
    """Each row through `rollout` in plain torch."""
    ends = []
    for row in range(len(x0)):
        system = to_system(shape, weights, row)
        top, own = system.topology, {name: value[:, row] for name, value in weights.items()}
        driven, driving = map(torch.from_numpy, top.edges)
        coupling = own.pop("coupling")[:, driven, (driving - driven) % shape.sites - 1]
        ends.append(rollout(Parameters(shape.family, top, coupling, own, tuple(system.duration_tau)), x0[row], "rk4",
                            1 / substeps, coupling="gather"))  # fmt: skip
    return torch.stack(ends)
