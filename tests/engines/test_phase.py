"""Phases of waveforms whose phase is known: the accuracy that the module states."""

from __future__ import annotations

import numpy as np
import pytest

from aishw.engines.phase import crossing_phase, frequency, fundamental_phase, rising_crossings
from aishw.errors import SimulatorError

F = 1e8
T = 1 / F
AT = np.linspace(0, 60 * T, 121)


def modulated(t: np.ndarray) -> np.ndarray:
    """1 rad over 40 cycles, and a drift of -0.004 rad a cycle: more than an array at 150 cycles an image does."""
    return 0.7 + np.sin(2 * np.pi * t / (40 * T) + 0.3) - 0.004 * t / T


def times(points: int, uneven: bool, cycles: int = 60) -> np.ndarray:
    t = np.arange(cycles * points + 1) * T / points
    shift = np.random.default_rng(points).uniform(-0.3, 0.3, t.size) * T / points
    shift[[0, -1]] = 0
    return t + shift if uneven else t


def rich(x: np.ndarray) -> np.ndarray:
    return np.sin(x) + 0.2 * np.sin(2 * x + 0.4) + 0.05 * np.sin(3 * x)


def square(x: np.ndarray) -> np.ndarray:
    return np.tanh(20 * np.sin(x))  # 10 % to 90 % in 1.7 % of the period


def mark(shape, threshold: float) -> float:
    """The phase at which a shape rises through a threshold, by bisection."""
    low, high = -0.8, 0.8
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if shape(middle) < threshold else (low, middle)
    return low


@pytest.mark.parametrize("uneven", [False, True])
@pytest.mark.parametrize(
    ("shape", "threshold", "points", "inner", "outer"),
    [
        (np.sin, 0.0, 100, 1e-5, 3e-4),
        (np.sin, 0.4, 100, 1e-5, 3e-4),
        (rich, 0.1, 100, 1e-5, 3e-4),
        (rich, 0.1, 30, 2e-4, 5e-4),
        (square, 0.1, 100, 1e-2, 2e-2),
        (square, 0.1, 200, 2e-3, 4e-3),
    ],
)
def test_a_modulated_wave(shape, threshold: float, points: int, inner: float, outer: float, uneven: bool) -> None:
    t = times(points, uneven)
    wave = shape(2 * np.pi * F * t + modulated(t))
    error = crossing_phase(t, wave, threshold, F, AT, mark(shape, threshold)) - modulated(AT)
    assert np.abs(error[2:-2]).max() < inner
    assert np.abs(error).max() < outer


def test_many_signals_at_once() -> None:
    t = times(100, True)
    offsets = np.array([0.0, 1.0, -2.5])
    waves = np.sin(2 * np.pi * F * t[:, None] + modulated(t)[:, None] + offsets) * [1, 0.5, 2] + [0, 0.3, -1]
    found = crossing_phase(t, waves, [0, 0.3, -1], F, AT, near_rad=0.9 + offsets)
    assert found.shape == (121, 3)
    assert found[3:-3] == pytest.approx((modulated(AT)[:, None] + offsets)[3:-3], abs=1e-5)
    alone = crossing_phase(t, waves[:, 2], -1, F, AT, near_rad=-1.6)
    assert np.array_equal(alone, found[:, 2])


def test_the_sign_and_the_mark() -> None:
    """A wave that comes later has the smaller phase; a crossing half a turn on has a mark of pi."""
    t = times(100, False)
    late = np.sin(2 * np.pi * F * (t - T / 8))
    assert crossing_phase(t, late, 0, F, AT) == pytest.approx(-np.pi / 4, abs=1e-6)
    assert crossing_phase(t, -late, 0, F, AT, np.pi) == pytest.approx(-np.pi / 4, abs=1e-6)
    assert crossing_phase(t, late, 0, F * 0.999, AT)[[0, 120]] == pytest.approx([-np.pi / 4, 0.12 * np.pi - np.pi / 4])


def test_whole_turns() -> None:
    t = times(100, False)
    wave = np.sin(2 * np.pi * F * t + 3.0)
    assert crossing_phase(t, wave, 0, F, AT) == pytest.approx(3.0, abs=1e-6)
    assert crossing_phase(t, wave, 0, F, AT, near_rad=-4) == pytest.approx(3.0 - 2 * np.pi, abs=1e-6)
    assert crossing_phase(t, wave, 0, F, AT, near_rad=10) == pytest.approx(3.0 + 2 * np.pi, abs=1e-6)
    turning = np.sin(2 * np.pi * (F + 0.1 * F) * t)
    assert crossing_phase(t, turning, 0, F, AT)[-1] == pytest.approx(2 * np.pi * 6, abs=1e-6)


def test_amplitude_may_change() -> None:
    t = times(100, True)
    wave = np.exp(-t / (30 * T)) * np.sin(2 * np.pi * F * t + modulated(t))
    error = crossing_phase(t, wave, 0, F, AT) - modulated(AT)
    assert np.abs(error[2:-2]).max() < 1e-4


@pytest.mark.parametrize("noise", [1e-3, 1e-2])
def test_noise_makes_no_extra_cycles(noise: float) -> None:
    t = times(100, False)
    wave = np.sin(2 * np.pi * F * t + modulated(t)) + np.random.default_rng(0).normal(0, noise, t.size)
    (crossings,) = rising_crossings(t, wave, 0)
    assert crossings.size == 60
    error = crossing_phase(t, wave, 0, F, AT) - modulated(AT)
    assert 0.2 * noise < np.std(error[2:-2]) < 1.5 * noise


def test_a_time_printed_twice_does_no_harm() -> None:
    t = times(100, False)
    wave = np.sin(2 * np.pi * F * t + modulated(t))
    twice = np.repeat(np.arange(t.size), np.where(np.arange(t.size) % 7, 1, 2))
    assert np.array_equal(crossing_phase(t[twice], wave[twice], 0, F, AT), crossing_phase(t, wave, 0, F, AT))


def test_demodulation_agrees() -> None:
    t, at = times(100, True), AT[4:-4]
    wave = np.sin(2 * np.pi * F * t + modulated(t)) + 0.3
    phase = fundamental_phase(t, wave, F, at)
    assert phase == pytest.approx(modulated(at), abs=6e-4)
    assert phase == pytest.approx(crossing_phase(t, wave, 0.3, F, at), abs=6e-4)
    both = fundamental_phase(t, np.stack([wave, -wave], axis=1), F, at, [0.25, np.pi])
    assert both[:, 0] == pytest.approx(modulated(at) + 0.25, abs=6e-4)
    assert both[:, 1] % (2 * np.pi) == pytest.approx(modulated(at) % (2 * np.pi), abs=6e-4)


def test_another_shape_shifts_demodulation_by_a_constant() -> None:
    t, at = times(100, True), AT[4:-4]
    still = rich(2 * np.pi * F * t)
    shift = fundamental_phase(t, still, F, at) - crossing_phase(t, still, 0.1, F, at, mark(rich, 0.1))
    assert shift == pytest.approx(0.0, abs=1e-4)  # rich() has its fundamental at phase 0


def test_frequency_and_its_error() -> None:
    t = times(100, False)
    draw = np.random.default_rng(3)
    exact = np.sin(2 * np.pi * 1.0123 * F * t + 0.4)
    waves = np.stack([exact, exact + draw.normal(0, 0.01, t.size)], axis=1)
    found, error = frequency(t, waves, 0)
    assert found[0] == pytest.approx(1.0123 * F, rel=1e-8)
    assert error[0] < 1e-8 * F
    assert abs(found[1] - 1.0123 * F) < 3 * error[1]
    assert 1e-7 * F < error[1] < 1e-4 * F


def test_the_error_of_frequency_is_honest() -> None:
    """200 noisy waves: the deviations have the spread that is stated."""
    t = times(30, False, cycles=20)
    draw = np.random.default_rng(4)
    waves = np.sin(2 * np.pi * F * t)[:, None] + draw.normal(0, 0.02, (t.size, 200))
    found, error = frequency(t, waves, 0)
    assert np.std((found - F) / error) == pytest.approx(1.1, abs=0.3)


def test_refusals() -> None:
    t = times(100, False)
    wave = np.sin(2 * np.pi * F * t)
    with pytest.raises(SimulatorError, match="signal 1 stays on one side"):
        crossing_phase(t, np.stack([wave, wave + 3], axis=1), 0, F, AT)
    with pytest.raises(SimulatorError, match="signal 0 stays on one side"):
        frequency(t, np.full(t.size, 0.45), 0.45)
    with pytest.raises(SimulatorError, match="crosses its threshold 3 times, 4 are needed"):
        crossing_phase(t[:300], wave[:300], 0.1, F, [T])
    with pytest.raises(SimulatorError, match="loses cycles, or the frequency is wrong"):
        crossing_phase(t, wave, 0, 2 * F, AT)
    with pytest.raises(SimulatorError, match="loses cycles"):
        crossing_phase(t, np.where((t > 20 * T) & (t < 22 * T), -1, wave), 0, F, AT)
    with pytest.raises(SimulatorError, match="more than a period outside"):
        crossing_phase(t, wave, 0, F, [0, 62 * T])
    with pytest.raises(SimulatorError, match="do not fit"):
        crossing_phase(t, wave[:-1], 0, F, AT)
    with pytest.raises(SimulatorError, match=r"1\.5 periods"):
        fundamental_phase(t, wave, F, AT)
    with pytest.raises(SimulatorError, match="no fundamental"):
        fundamental_phase(t, np.sin(4 * np.pi * F * t), F, AT[4:-4])
