"""The solver against closed forms, orders of convergence, symmetries, and finite differences."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from problems import lopsided, random_system, single_shil, tiny_kurashil

from aishw.ais.families import FAMILIES
from aishw.ais.parameters import Parameters
from aishw.ais.rollout import METHODS, rollout
from aishw.ais.system import Noise, System
from aishw.ais.topology import complete, grid
from aishw.errors import ModelError

ORDERS = {"euler": 1, "heun": 2, "rk4": 4}


def starts(system: System, count: int = 3, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.8, (count, system.sites))


def test_a_single_shil_site_has_a_closed_form():
    system, s0 = single_shil(0.7, tau=1.5), np.array([[0.4, -1.2]])
    times = np.array([0.0, 0.5, 1.5])
    seen = rollout(system, s0, "rk4", 0.01, samples_tau=times)
    exact = np.arctan(np.tan(s0[:, None, :]) * np.exp(-2 * 0.7 * times)[None, :, None])
    assert np.allclose(seen.numpy(), exact, atol=1e-9)


def test_the_lopsided_system_moves_where_and_when_it_should():
    system, h = lopsided(), 0.001
    x0 = starts(system, 1)
    seen = rollout(system, x0, "rk4", h, samples_tau=[0.0, 1.0, 1.5]).numpy()[0]
    first, second = seen[1] - seen[0], seen[2] - seen[1]
    assert np.nonzero(first)[0].tolist() == [5, 7] and np.nonzero(second)[0].tolist() == [2]
    # C sin(s - s6) and lambda1 sin s let tan(half the angle) grow by exp(C tau); SHIL tan s by exp(-2 lambda0 tau)
    gap = x0[0, 5] - x0[0, 6]
    assert np.isclose(np.tan((seen[1, 5] - x0[0, 6]) / 2), np.tan(gap / 2) * np.exp(0.8), atol=1e-9)
    assert np.isclose(np.tan(seen[1, 7] / 2), np.tan(x0[0, 7] / 2) * np.exp(-0.4), atol=1e-9)
    assert np.isclose(np.tan(seen[2, 2]), np.tan(x0[0, 2]) * np.exp(-2 * 0.3 * 0.5), atol=1e-9)


@pytest.mark.parametrize("family", ["kurashil", "kuramoto", "polynet", "tanhnet", "mlp"])
@pytest.mark.parametrize("method", list(METHODS))
def test_orders_of_convergence(method, family):
    system = random_system(3, 4, family, "cross4", seed=2)
    x0 = starts(system)
    ends = [rollout(system, x0, method, 1 / steps) for steps in (8, 16, 32)]
    truth = rollout(system, x0, "rk4", 1 / 256)
    errors = [float((end - truth).norm()) for end in ends]
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert abs(slopes[-1] - ORDERS[method]) < 0.25


def test_a_kuramoto_array_may_turn():
    system = random_system(3, 4, "kuramoto", "cross4")
    x0, turn = starts(system), 1.234
    assert torch.allclose(rollout(system, x0 + turn), rollout(system, x0) + turn, atol=1e-12)


def test_kurashil_is_odd_and_without_reference_may_turn_by_half():
    system = tiny_kurashil()
    x0 = starts(system)
    assert torch.allclose(rollout(system, -x0), -rollout(system, x0), atol=1e-12)
    assert not torch.allclose(rollout(system, x0 + np.pi), rollout(system, x0) + np.pi, atol=1e-3)
    alone = replace(system, terms={**system.terms, "reference": np.zeros_like(system.terms["reference"])})
    assert torch.allclose(rollout(alone, x0 + np.pi), rollout(alone, x0) + np.pi, atol=1e-12)
    assert not torch.allclose(rollout(alone, x0 + 1), rollout(alone, x0) + 1, atol=1e-3)


def test_a_uniform_chain_turns_with_its_grid():
    """The same weights at every site: shifting the start shifts the end."""
    topology = grid(4, 5, "king8")
    draw = np.random.default_rng(0)
    coupling = np.tile(draw.normal(0, 0.4, 8), 20)[None]
    system = System("kurashil", topology, coupling, {k: np.full((1, 20), 0.3) for k in ("shil", "reference")}, [1.0])
    x0 = starts(system).reshape(3, 4, 5)
    moved = np.roll(x0, (1, 2), (1, 2))
    ends = [rollout(system, x.reshape(3, 20)).reshape(3, 4, 5) for x in (x0, moved)]
    assert torch.allclose(torch.roll(ends[0], (1, 2), (1, 2)), ends[1], atol=1e-13)


def test_samples_are_the_states_of_the_run_itself():
    system = tiny_kurashil()  # segments of 1 and 0.75
    x0 = starts(system)
    seen = rollout(system, x0, samples_tau=[0.0, 0.25, 1.0, 1.75])
    assert seen.shape == (3, 4, 9)
    assert np.array_equal(seen[:, 0].numpy(), x0)
    assert torch.equal(seen[:, -1], rollout(system, x0))  # 0.05 divides every stretch: the steps are the same
    half = System("kurashil", system.topology, system.coupling[:1], {k: v[:1] for k, v in system.terms.items()}, [1.0])
    assert torch.equal(seen[:, 2], rollout(half, x0))


def test_steps_land_on_boundaries_and_on_odd_samples():
    """0.97, then 0.03 to the boundary, then 0.02 with the second segment's weights: as three runs by hand."""
    system = tiny_kurashil()

    def part(segment: int, x: torch.Tensor, tau: float) -> torch.Tensor:
        coupling, terms = system.coupling[[segment]], {name: v[[segment]] for name, v in system.terms.items()}
        return rollout(replace(system, coupling=coupling, terms=terms, duration_tau=[tau]), x, "rk4", 0.3)

    x0 = torch.tensor(starts(system))
    seen = rollout(system, x0, "rk4", 0.3, samples_tau=[0.97, 1.02])
    early = part(0, x0, 0.97)
    assert torch.allclose(seen[:, 0], early, atol=1e-14)
    assert torch.allclose(seen[:, 1], part(1, part(0, early, 0.03), 0.02), atol=1e-14)


def test_a_split_segment_changes_nothing():
    system = tiny_kurashil(segments=1)
    halves = replace(
        system, coupling=system.coupling[[0, 0]], terms={k: v[[0, 0]] for k, v in system.terms.items()},
        duration_tau=[0.4, 0.6],
    )  # fmt: skip
    assert torch.allclose(rollout(system, starts(system)), rollout(halves, starts(system)), atol=1e-13)


@pytest.mark.parametrize(
    ("convention", "variance"), [("wiener", 0.3**2 * 1.5), ("per_step", 0.3**2 * 30)], ids=["wiener", "per step"]
)
def test_the_variance_of_noise(convention, variance):
    """No forces: 1.5 tau in 30 steps of 0.05."""
    system = single_shil(0.0, tau=1.5)
    end = rollout(system, np.zeros((20_000, 2)), noise=Noise(0.3, convention), generator=3)
    assert abs(float(end.var()) / variance - 1) < 0.03
    assert abs(float(end.mean())) < 0.03


def test_noise_is_seeded_and_never_added_unasked():
    system = replace(tiny_kurashil(), noise=Noise(0.2))
    x0 = starts(system)
    noisy = [rollout(system, x0, noise=system.noise, generator=seed) for seed in (1, 1, 2)]
    assert torch.equal(noisy[0], noisy[1]) and not torch.equal(noisy[0], noisy[2])
    assert torch.equal(rollout(system, x0), rollout(replace(system, noise=Noise()), x0))
    with pytest.raises(ModelError, match="generator"):
        rollout(system, x0, noise=system.noise)


@pytest.mark.parametrize("coupling", ["kernel", "adjoint", "gather"])
@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("family", list(FAMILIES))
def test_gradients_are_finite_differences(family, method, coupling):
    system = random_system(3, 3, family, "cross4", seed=1)
    p = Parameters.of(system)
    names = list(p.trainable)
    x0 = torch.tensor(starts(system, 2)).requires_grad_()

    def end(x: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        given = dict(zip(names, values))
        weights = given.pop("coupling", p.coupling)
        trained = Parameters(family, system.topology, weights, given, (0.3, 0.2))
        return rollout(trained, x, method, 0.15, samples_tau=[0.2, 0.5], coupling=coupling)

    values = [value.clone().requires_grad_() for value in p.trainable.values()]
    assert torch.autograd.gradcheck(end, (x0, *values), fast_mode=True)


def test_a_symmetric_pair_shares_one_number_and_its_gradient():
    system = random_system(3, 4, neighbourhood="cross4", symmetric=True, segments=1)
    p = Parameters.of(system)
    assert p.coupling.shape == (1, system.topology.couplings)
    assert np.array_equal(p.per_edge().numpy(), system.coupling)
    x0 = torch.tensor(starts(system))
    shared, free = p.coupling.clone().requires_grad_(), torch.tensor(system.coupling).requires_grad_()
    for coupling in (shared, free):
        rollout(replace(p, coupling=coupling), x0).square().sum().backward()
    pair = torch.from_numpy(system.topology.pair)
    assert torch.allclose(shared.grad[0], torch.zeros(pair.max() + 1).double().index_add(0, pair, free.grad[0]))


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("family", list(FAMILIES))
def test_parameters_become_the_system_they_came_from(family, symmetric):
    system = random_system(3, 4, family, "cross4", symmetric=symmetric, readout="cos", noise=Noise(0.1), step_tau=0.1)
    back = Parameters.of(system).to_system(like=system)
    assert back.id == system.id and back.noise == system.noise and back.step_tau == 0.1 and back.name == system.name
    assert Parameters.of(system).to_system(like=system, readout="sin").readout == "sin"


def test_single_precision_follows_double():
    system = random_system(4, 5)
    x0 = torch.tensor(starts(system))
    single = rollout(system, x0.float())
    assert single.dtype == torch.float32
    assert torch.allclose(single.double(), rollout(system, x0), atol=2e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("family", list(FAMILIES))
def test_a_gpu_follows_the_cpu(family):
    system = random_system(4, 5, family)
    x0 = torch.tensor(starts(system))
    there = Parameters.of(system, device="cuda")
    for value in there.trainable.values():
        value.requires_grad_()
    end = rollout(there, x0.cuda(), "heun")
    assert torch.allclose(end.cpu(), rollout(system, x0, "heun"), atol=1e-11)
    end.square().sum().backward()
    assert all(torch.isfinite(value.grad).all() for value in there.trainable.values())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"x0": np.zeros(9)}, "expected (starts, 9 sites)"),
        ({"x0": np.zeros((2, 8))}, "expected (starts, 9 sites)"),
        ({"method": "rk45"}, "known: euler, heun, rk4"),
        ({"coupling": "fast"}, "known: auto, kernel, adjoint, gather"),
        ({"step_tau": 0.0}, "positive"),
        ({"step_tau": np.nan}, "positive"),
        ({"samples_tau": [0.5, 0.5]}, "rise"),
        ({"samples_tau": [1.0, 1.76]}, "0..1.75"),
        ({"samples_tau": [-0.1]}, "0..1.75"),
        ({"samples_tau": [np.nan]}, "0..1.75"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, says):
    with pytest.raises(ModelError) as refused:
        rollout(tiny_kurashil(), **{"x0": np.zeros((2, 9)), **arguments})
    assert says in str(refused.value) and "\n" not in str(refused.value)


def test_parameters_that_do_not_fit_are_refused():
    p, x0 = Parameters.of(tiny_kurashil()), torch.zeros(2, 9, dtype=torch.float64)
    with pytest.raises(ModelError, match="float32"):
        rollout(p, x0.float())
    with pytest.raises(ModelError, match="3 segments"):
        rollout(replace(p, coupling=torch.zeros(3, 36, dtype=torch.float64)), x0)
    with pytest.raises(ModelError, match="36 edges"):
        rollout(replace(p, coupling=torch.zeros(2, 35, dtype=torch.float64)), x0)


def test_one_site_without_neighbours():
    topology = complete(1)
    terms = {"shil": np.array([[0.5]]), "reference": np.zeros((1, 1))}
    system = System("kurashil", topology, np.zeros((1, 0)), terms, [1.0])
    for coupling in ("kernel", "adjoint", "gather"):
        end = rollout(system, [[0.3]], "rk4", coupling=coupling)
        assert np.isclose(np.tan(end.item()), np.tan(0.3) * np.exp(-1), atol=1e-7)


@pytest.mark.parametrize("coupling", ["kernel", "adjoint", "gather"])
def test_a_detuning_turns_every_site_at_its_own_rate(coupling):
    system = tiny_kurashil()
    still = replace(
        system, coupling=0 * system.coupling, terms={name: 0 * value for name, value in system.terms.items()}
    )
    x0 = torch.tensor(starts(system))
    rate = torch.linspace(-1, 1, x0.numel(), dtype=x0.dtype).reshape(x0.shape)
    for own in (rate, rate[0]):
        moved = rollout(still, x0, "heun", 0.1, detuning=own, coupling=coupling) - x0
        assert torch.allclose(moved, (own * float(system.duration_tau.sum())).expand_as(x0))
