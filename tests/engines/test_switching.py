"""Switching: the averaged equation with its jumps follows an equation with a ripple, and torch sees the same jumps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from test_deck_transistor import design
from test_macromodel import ideal

from aishw.engines.base import Job
from aishw.engines.macromodel import Macromodel
from aishw.engines.macromodel_rollout import rollout_macromodel
from aishw.errors import CardError
from aishw.hardware.calibration import Calibration
from aishw.hardware.together import Together
from aishw.lower.design import Design
from aishw.lower.switching import after_switch, change, drives, reference_rad, sum_of, terms
from aishw.lower.switching import rippled as lower_rippled
from aishw.units import TWO_PI

SITE = 7


def driven(scale: float) -> Design:
    """Only SITE has codes; three chunks of whole and broken cycles, with a shift of the reference."""
    d = design(3)
    into = d.system.topology.edges[0] == SITE
    here = np.arange(d.system.sites) == SITE
    codes = {"coupling": d.codes["coupling"] * into, "reference": d.codes["reference"] * here,
             "shil": 0 * d.codes["shil"]}  # fmt: skip
    full = {kind: scale * each for kind, each in d.full_scale.items()}
    return replace(d, codes={k: v.astype(np.int8) for k, v in codes.items()}, full_scale=full, reference_shift=0.02)


def rippled(d: Design, x0: np.ndarray) -> float:
    """SITE's phase at the end, less its ripple, by ds/dcycle = Re[-i T_0 + exp(-2i theta) T_0] and no average."""
    phase = x0.copy()
    for k, cycles in enumerate(d.cycles_per_tau * d.system.duration_tau):
        weights = [sum(change(d, m)[0][which] for m in range(k + 1)) for which in (0, 1)]

        begin = phase.copy()

        def theta(n: float, s: float, k: int = k) -> float:
            return reference_rad(d, k) + (TWO_PI + d.reference_shift) * n + s

        def drive(n: float, s: float, weights: list = weights, phase: np.ndarray = begin) -> complex:
            now = phase - d.reference_shift * n  # as all others go, undriven
            now[SITE] = s
            return complex(sum_of(d, (weights[0], weights[1]), 1, now[None])[0, SITE])

        def slope(n: float, s: np.ndarray) -> list[float]:
            t = drive(n, s[0])
            return [float((-1j * t + np.exp(-2j * theta(n, s[0])) * t).real) - d.reference_shift]

        found = solve_ivp(slope, (0, cycles), [phase[SITE]], "DOP853", rtol=1e-10, atol=1e-10)
        end = float(found.y[0, -1])
        left = np.exp(-2j * theta(cycles, end)) * drive(cycles, end)
        phase -= d.reference_shift * cycles
        phase[SITE] = end
    return end - float((1j / (4 * np.pi) * left).real)


def left_over(drive: float, seed: int) -> list[float]:
    """SITE's error at the end without jumps and with those of the ripple, at a strength of drive."""
    d = driven(drive)
    x0 = np.random.default_rng(seed).uniform(-3, 3, d.system.sites)
    job = Job(x0[None], d.system.boundaries_tau)
    wanted, off = rippled(d, x0), []
    for number in (0.0, -1j / (4 * np.pi)):
        together = Together(switch=np.array([0, number, 0, 0, 0, 0]))
        found = Macromodel(replace(ideal(d), together=together)).run(d, job).state[0]
        assert np.array_equal(found[0], x0)  # a sample on a boundary is from before its codes
        off.append(abs(found[-1, SITE] - wanted))
    return off


def test_jumps_stand_for_the_ripple_of_an_unaveraged_equation() -> None:
    """Without jumps an error of first order in the drive, with them one of second order."""
    for seed in (0, 1):
        strong, weak = left_over(5e-3, seed), left_over(2.5e-3, seed)
        assert weak[0] > 2e-6 and weak[1] < 0.1 * weak[0]
        assert 1.8 < strong[0] / weak[0] < 2.2 and 3.5 < strong[1] / weak[1] < 4.6


def full(d: Design) -> Calibration:
    return replace(
        ideal(d),
        together=Together(
            switch=np.array([0.09 - 0.06j, -0.07 + 0.04j, 0.02 + 0.03j, 0.03j, 0.1 + 0.2j, -0.2 + 0.1j]),
            ripple=np.array([0.05 - 0.08j, 0.02j, 0.03, 0.1 - 0.05j]),
        ),
    )


@pytest.mark.parametrize("policy", ["array", "chunk", "site"])
def test_torch_jumps_as_numpy_does(policy: str) -> None:
    d = replace(design(5, policy=policy), reference_shift=0.01)
    x0 = np.random.default_rng(2).uniform(-3, 3, (3, d.system.sites))
    times = np.append(d.system.boundaries_tau, d.system.boundaries_tau[1] + 0.1)
    times.sort()
    wanted = Macromodel(full(d)).run(d, Job(x0, times)).state
    seen = rollout_macromodel(d, full(d), x0, method="rk4", step_tau=0.01, samples_tau=times)
    assert np.abs(seen.numpy() - wanted).max() < 1e-5
    assert np.abs(wanted - Macromodel(ideal(d)).run(d, Job(x0, times)).state).max() > 1e-2


@pytest.mark.parametrize("segment", [0, 1])
def test_gradients_pass_through_a_jump(segment: int) -> None:
    from aishw.engines.macromodel_switch import switched

    d = design(5, policy="chunk")
    x = torch.tensor(np.random.default_rng(2).uniform(-3, 3, (d.system.sites, 2)), requires_grad=True)
    assert torch.autograd.gradcheck(switched(d, full(d), segment, x), (x,))

    def moved(coupling: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        return switched(d, full(d), segment, x, {"coupling": coupling, "reference": reference})(x.detach())

    codes = [torch.tensor(d.codes[kind], dtype=torch.float64, requires_grad=True) for kind in ("coupling", "reference")]
    (moved(*codes) ** 2).sum().backward()
    slope = codes[0].grad[segment, 7]
    bumped = [replace(d, codes={**d.codes, "coupling": d.codes["coupling"] + by}) for by in _bumps(d, segment, 7)]
    up, down = ((switched(each, full(d), segment, x)(x.detach()) ** 2).sum() for each in bumped)
    assert slope == pytest.approx(float((up - down).detach() / 2), rel=1e-6, abs=1e-9) and slope != 0
    if segment:
        assert codes[0].grad[segment - 1].abs().max() > 0 and codes[1].grad[segment].abs().max() > 0


def test_what_crossings_tell_is_the_drives_real_part_and_has_its_gradients() -> None:
    from aishw.engines.macromodel_switch import told

    d = design(5, policy="site")
    x = torch.tensor(np.random.default_rng(2).uniform(-3, 3, (d.system.sites, 2)), requires_grad=True)
    together, state = full(d).together, x.detach().numpy().T
    assert together is not None
    expected = state + np.einsum("k,kbn->bn", together.ripple, drives(d, 1, state)).real
    assert pytest.approx(expected, abs=1e-12) == told(d, full(d), 1, x)(x).detach().numpy().T
    assert np.abs(expected - state).max() > 1e-3
    assert lower_rippled(d, together, 1, state[None])[0] == pytest.approx(expected, abs=1e-12)
    back = lower_rippled(d, together, 1, expected, -1.0)
    assert 0 < np.abs(back - state).max() < 0.05 * np.abs(expected - state).max()
    assert torch.autograd.gradcheck(told(d, full(d), 1, x), (x,))
    codes = [torch.tensor(d.codes[kind], dtype=torch.float64, requires_grad=True) for kind in ("coupling", "reference")]
    (told(d, full(d), 1, x, dict(zip(("coupling", "reference"), codes)))(x.detach()) ** 2).sum().backward()
    bumped = [replace(d, codes={**d.codes, "coupling": d.codes["coupling"] + by}) for by in _bumps(d, 1, 7)]
    up, down = ((told(each, full(d), 1, x)(x.detach()) ** 2).sum() for each in bumped)
    slope = codes[0].grad[1, 7]
    assert slope == pytest.approx(float((up - down).detach() / 2), rel=1e-6, abs=1e-9) and slope != 0
    assert codes[0].grad[0].abs().max() == 0 and codes[1].grad[1].abs().max() > 0


def _bumps(d: Design, segment: int, edge: int) -> tuple[np.ndarray, np.ndarray]:
    one = np.zeros(d.codes["coupling"].shape)
    one[segment, edge] = 1
    return one, -one


def test_codes_that_stay_move_nothing_and_a_start_counts_from_none() -> None:
    d = driven(1.0)
    same = replace(d, codes={k: np.repeat(v[:1], len(v), axis=0) for k, v in d.codes.items()},
                   full_scale={k: np.repeat(v[:1] / d.cycles_per_tau[0], len(v), axis=0) * d.cycles_per_tau[:, None]
                               for k, v in d.full_scale.items()})  # fmt: skip
    state = np.random.default_rng(0).uniform(-3, 3, (2, d.system.sites))
    together = Together(switch=np.array([0.1, 0.2j, 0.3, 0.4, 0.5j, 0.6]))
    assert np.abs(after_switch(same, together, 1, state) - state).max() < 1e-12
    moved = after_switch(same, together, 0, state) - state
    assert moved[0, SITE] == pytest.approx(float((together.switch @ terms(same, 0, state)[:, 0, SITE]).real), rel=1e-12)
    with pytest.raises(CardError, match="switch must hold 6 numbers"):
        Together(switch=np.zeros(2))
