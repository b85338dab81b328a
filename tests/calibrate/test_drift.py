"""Drift fits on phases made by a known law, integrated exactly: what went in comes out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from aishw.calibrate.drift import Sweep, fit_drift, fit_rest, mean_of, moving, rest, standing, standing_rate
from aishw.errors import SimulatorError

F = 1e8
Z = np.array([0.03 * np.exp(-1.5j), 0.004 * np.exp(0.4j), 0.002j, 0.0, 0.0005])
ZERO = np.array([0.0004j, 0.001 * np.exp(1.2j), 0.0, 0.0003, 0.0])
OFFSET = -0.0031


def law(d: np.ndarray, z: np.ndarray = Z) -> np.ndarray:
    return sum((value * np.exp(1j * (k + 1) * d)).real for k, value in enumerate(z))


def sweep(drift: float, turn: int, still: np.ndarray | None = None, z: np.ndarray = Z, cycles: int = 46) -> Sweep:
    """A PE under OFFSET, the slipping law and standing couplers with ZERO, seen at its crossings."""
    slip = 2 * np.pi * drift

    def slope(n: float, s: np.ndarray) -> np.ndarray:
        rate = OFFSET + law(turn * s - turn * slip * n, z)
        return rate if still is None else rate + standing_rate(s, still, ZERO)

    found = solve_ivp(slope, (-1, cycles), [0.2], dense_output=True, rtol=1e-11, atol=1e-12)
    n = np.arange(cycles)
    # The n-th crossing is where 2 pi f t + s = 2 pi n + const.
    t = n - (found.sol(n)[0] - 0.2) / (2 * np.pi)
    for _ in range(20):
        t = n - (found.sol(t)[0] - 0.2) / (2 * np.pi)
    keep = t > 0
    return Sweep(t[keep] / F, found.sol(t[keep])[0], F)


@pytest.mark.parametrize(("drift", "kind"), [(0.04, "coupling"), (-0.04, "coupling"), (0.04, "shil"), (-0.04, "shil")])
def test_offset_and_harmonics_come_out(drift: float, kind: str) -> None:
    run = sweep(drift, 1 if kind == "coupling" else 2)
    point = fit_drift(run, moving(kind, run, drift))
    assert point.offset == pytest.approx(OFFSET, abs=2e-5)
    # One sample a cycle: with D twice as fast the fifth harmonic lies at 0.4 of the sampling rate.
    assert np.abs(point.harmonics - Z).max() < (5e-5 if kind == "coupling" else 1.5e-4)
    assert point.residual_rad < 1e-4
    assert point.condition < 1e3
    middle = 2 * np.pi * (np.arange(64) + 0.5) / 64
    seen = np.isfinite(point.curve)
    assert seen.sum() > 48
    assert np.abs(point.curve - OFFSET - law(middle))[seen].max() < 2e-3


def test_couplers_at_rest_are_no_offset() -> None:
    """Four drivers and the reference: what the standing ones do must not end up in the slipping one's figures."""
    still = standing(4)
    assert still.tolist() == [*rest(4)[1:], 0.0]
    strong = sweep(0.04, 1, still)
    taken = fit_drift(strong, moving("coupling", strong, 0.04), known=(still, ZERO))
    assert taken.offset == pytest.approx(OFFSET, abs=2e-5)
    assert np.abs(taken.harmonics - Z).max() < 5e-5
    left_in = fit_drift(strong, moving("coupling", strong, 0.04))
    assert abs(left_in.offset - OFFSET) > 10 * abs(taken.offset - OFFSET)


def test_code_0_knows_its_like() -> None:
    still = standing(4)
    run = sweep(-0.04, 1, still, ZERO)
    point = fit_drift(run, moving("coupling", run, -0.04), alike=still)
    assert point.offset == pytest.approx(OFFSET, abs=1e-5)
    assert np.abs(point.harmonics - ZERO).max() < 1e-5


def test_a_run_without_a_slip_is_a_line() -> None:
    run = sweep(0.0, 1, None, 0 * Z)
    point = fit_rest(run)
    assert point.offset == pytest.approx(OFFSET, abs=1e-9)
    assert not point.harmonics.any()


def test_the_mean_of_both_ways_halves_the_variance() -> None:
    ahead, behind = (sweep(drift, 1) for drift in (0.04, -0.04))
    points = [fit_drift(run, moving("coupling", run, drift)) for run, drift in ((ahead, 0.04), (behind, -0.04))]
    mean = mean_of(*points)
    assert mean.offset == pytest.approx((points[0].offset + points[1].offset) / 2)
    assert mean.error == pytest.approx(np.hypot(points[0].error, points[1].error) / 2)


def test_noise_shows_in_the_error() -> None:
    run = sweep(0.04, 1)
    noisy = run.phase_rad + np.random.default_rng(0).normal(0, 1e-3, run.phase_rad.size)
    point = fit_drift(Sweep(run.times_s, noisy, F), moving("coupling", run, 0.04))
    assert 0.5e-3 < point.residual_rad < 1.1e-3
    assert (np.abs(point.harmonics - Z) < 6 * point.harmonics_error).all()


def test_a_locked_pe_is_refused() -> None:
    times = np.arange(40) / F
    with pytest.raises(SimulatorError, match="less than a turn"):
        fit_drift(Sweep(times, np.full(40, 0.3), F), lambda t, s: s[None])
