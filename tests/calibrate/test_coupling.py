"""Drift fits on phases made by a known law, integrated exactly: what went in comes out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from aishw.calibrate.coupling import Point, _fill, fit_drift
from aishw.errors import SimulatorError
from aishw.hardware.calibration import HARMONICS

F = 1e8
Z = np.array([0.03 * np.exp(-1.5j), 0.004 * np.exp(0.4j), 0.002j, 0.0, 0.0005])
OFFSET = -0.0031


def law(d: np.ndarray) -> np.ndarray:
    return OFFSET + sum((z * np.exp(1j * (k + 1) * d)).real for k, z in enumerate(Z))


def crossings(drift: float, turn: int, cycles: int = 46) -> tuple[np.ndarray, np.ndarray]:
    """Times (s) and phases of a PE's crossings while D = turn * s - turn * 2 pi f drift t slips."""
    slip = 2 * np.pi * drift

    def slope(n: float, s: np.ndarray) -> np.ndarray:
        return law(turn * s - turn * slip * n)

    found = solve_ivp(slope, (0, cycles), [0.2], dense_output=True, rtol=1e-11, atol=1e-12)
    n = np.arange(cycles)
    # The n-th crossing is where 2 pi f t + s = 2 pi n + const.
    t = n - (found.sol(n)[0] - 0.2) / (2 * np.pi)
    for _ in range(20):
        t = n - (found.sol(t)[0] - 0.2) / (2 * np.pi)
    keep = t > 0
    return t[keep] / F, found.sol(t[keep])[0]


@pytest.mark.parametrize(("drift", "turn"), [(0.04, 1), (-0.04, 1), (0.04, 2), (-0.04, 2)])
def test_offset_and_harmonics_come_out(drift: float, turn: int) -> None:
    times, phase = crossings(drift, turn)
    slip = 2 * np.pi * F * drift
    point = fit_drift(times, phase, F, lambda t, s: turn * s - turn * slip * t)
    assert point.offset == pytest.approx(OFFSET, abs=2e-5)
    # One sample a cycle: with D twice as fast the fifth harmonic lies at 0.4 of the sampling rate.
    assert np.abs(point.harmonics - Z).max() < (5e-5 if turn == 1 else 1.5e-4)
    assert point.residual_rad < 1e-4
    assert point.condition < 1e3


def test_noise_shows_in_the_error() -> None:
    times, phase = crossings(0.04, 1)
    noisy = phase + np.random.default_rng(0).normal(0, 1e-3, phase.size)
    point = fit_drift(times, noisy, F, lambda t, s: s - 2 * np.pi * F * 0.04 * t)
    assert 0.5e-3 < point.residual_rad < 1.1e-3
    assert np.abs(point.harmonics - Z).max() < 6 * point.error


def test_a_locked_pe_is_refused() -> None:
    times = np.arange(40) / F
    with pytest.raises(SimulatorError, match="less than a turn"):
        fit_drift(times, np.full(40, 0.3), F, lambda t, s: s)


def test_codes_between_the_measured_ones() -> None:
    """A coupler's harmonics are a parabola in the code; a SHIL unit's negative codes are its clock's other half."""

    def point(code: int) -> Point:
        z = np.zeros(HARMONICS, dtype=complex)
        z[0], z[1] = -0.007j * code, 0.001 + 1e-5 * code**2
        return Point(1e-5 * code, z, 1e-5, 1e-4, 10.0)

    rates = np.array([0.049])
    coupling = _fill(rates, np.arange(-7, 8), {(0, c): point(c) for c in (-7, 0, 4, 7)}, "coupling")
    assert coupling.harmonics[0, 7 + 3, 0] == pytest.approx(-0.021j)
    assert coupling.harmonics[0, 7 - 5, 1] == pytest.approx(0.00125)
    assert coupling.offset[0, 7 + 2] == pytest.approx(2e-5)
    shil = _fill(rates, np.arange(-7, 8), {(0, c): point(c) for c in (2, 4, 7)}, "shil")
    assert shil.harmonics[0, 7 - 4, 0] == pytest.approx(-shil.harmonics[0, 7 + 4, 0])
    assert shil.harmonics[0, 7 - 4, 1] == pytest.approx(shil.harmonics[0, 7 + 4, 1])
    assert abs(shil.harmonics[0, 7]).max() == 0
