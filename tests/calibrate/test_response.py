"""Phase jumps from crossings made by a known response: what went in comes out."""

from __future__ import annotations

import re

import numpy as np
import pytest

from aishw.calibrate.response import Jumps, even_part, find_jumps, fourier, pulse_lines, response_of
from aishw.errors import SimulatorError

PERIOD = 1e-8
CHARGE = 4e-15
MARK = 3.6


def gamma(phase: np.ndarray) -> np.ndarray:
    """rad per C: lopsided, with a second and a third harmonic."""
    return 1e13 * (0.1 + np.cos(phase - 0.7) + 0.2 * np.sin(2 * phase) + 0.05 * np.cos(3 * phase))


def even(phase: np.ndarray) -> np.ndarray:
    """rad per C^2: what a pulse does whatever its sign."""
    return 1e26 * np.sin(phase)


def run(phases: int = 24, drift: float = 2e-4, noise: float = 0.0) -> Jumps:
    """Crossings of a PE off by `drift` rad a cycle, under pulses of both signs; a wobble follows each for a cycle."""
    pulse = np.arange(2 * phases)
    at = (6 + 4 * pulse + pulse // 2 / phases) * PERIOD
    sign = np.where(pulse % 2 == 0, 1, -1)
    jumps = np.zeros(pulse.size)
    for k in range(pulse.size):
        # The phase past r0's crossing at t = 0 is 2 pi t / T + drift t / T + the jumps so far; r0 crosses at MARK.
        met = MARK + (2 * np.pi + drift) * at[k] / PERIOD + jumps[:k].sum()
        jumps[k] = gamma(met) * sign[k] * CHARGE + even(met) * CHARGE**2
    crossings = []
    for n in range(int(at[-1] / PERIOD) + 4):
        time = n * PERIOD
        for _ in range(50):
            time = (2 * np.pi * n - jumps[at < time].sum()) / (2 * np.pi + drift) * PERIOD
        since = (time - at[at < time][-1]) / PERIOD if (at < time).any() else 9.0
        crossings.append(time + (0.02 * PERIOD if since < 1 else 0))
    times = np.array(crossings) + np.random.default_rng(0).normal(0, noise * PERIOD / 2 / np.pi, len(crossings))
    return find_jumps(times, at, MARK, PERIOD)


def test_the_response_comes_out() -> None:
    jumps = run()
    grid = 2 * np.pi * np.arange(24) / 24
    found, error = response_of(jumps, CHARGE, grid, harmonics=6)
    assert np.abs(found - gamma(grid)).max() < 2e-3 * np.abs(gamma(grid)).max()
    assert jumps.error < 1e-6
    assert error < 2e-3 * np.abs(gamma(grid)).max()
    assert jumps.frequency_Hz == pytest.approx(1 / PERIOD * (1 + 2e-4 / 2 / np.pi), rel=1e-7)
    # The even part, rms of |even q^2| against |gamma q|.
    assert even_part(jumps) == pytest.approx(1e26 * CHARGE**2 / (1e13 * CHARGE), rel=0.1)


def test_noise_shows_in_the_error() -> None:
    grid = 2 * np.pi * np.arange(24) / 24
    jumps = run(noise=1e-3)
    found, error = response_of(jumps, CHARGE, grid, harmonics=6)
    assert 3e-4 < jumps.error < 3e-3
    rms = float(np.sqrt(np.mean((found - gamma(grid)) ** 2)))
    assert 0.2 * error < rms < 1.5 * error


def test_a_lost_cycle_is_refused() -> None:
    times = np.arange(30) * PERIOD
    with pytest.raises(SimulatorError, match="smaller charge"):
        find_jumps(np.delete(times, 12), times[5:20:5], 0.0, PERIOD)


def test_a_pulse_holds_its_charge() -> None:
    width = 2e-10
    lines = pulse_lines("r1_0", np.array([1e-8, 5e-8]), np.array([CHARGE, -CHARGE]), width)
    assert lines[0].startswith("ipulse 0 r1_0")  # current flows from ground into the node
    values = np.array([float(v) for line in lines[1:-1] for v in re.findall(r"-?[\d.]+(?:e-?\d+)?", line[1:])])
    time, current = values[0::2], values[1::2]
    assert (np.diff(time) > 0).all()
    first = time < 3e-8
    assert np.trapezoid(current[first], time[first]) == pytest.approx(CHARGE)
    assert np.trapezoid(current[~first], time[~first]) == pytest.approx(-CHARGE)


def test_fourier_columns() -> None:
    matrix = fourier(2 * np.pi * np.arange(16) / 16, 5)
    gram = matrix.T @ matrix / 16
    assert np.allclose(gram, np.diag([1.0] + [0.5] * 10))
