"""Waveform -> unwrapped phase. One convention, two independent methods.

A waveform is w(2 pi f t + phase). Its phase at a rising crossing of the threshold is `crossing_phase_rad`, so that at
the n-th crossing t_n

    phase(t_n) = crossing_phase_rad + 2 pi n - 2 pi f t_n.

Accuracy of `crossing_phase`, asserted in the tests with phases that swing 1 rad over 40 cycles: smooth waves with 100
points a cycle 1e-5 rad between the outer crossings and 3e-4 rad in the period before and after them, whatever the
threshold and the harmonics; a square-like wave (rise time 2 % of the period) 1e-2 rad with 100 points a cycle and 2e-3
rad with 200, so that 4 fall on an edge. White noise of rms v gives about v / |dw/dphase| per crossing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aishw.errors import SimulatorError
from aishw.units import TWO_PI

HYSTERESIS = 0.1  # of the swing, each side of the threshold; noise below it makes no extra crossings
FEWEST = 4  # crossings behind a cubic spline


def rising_crossings(
    time_s: NDArray[np.float64], wave_V: NDArray[np.float64], threshold_V: ArrayLike
) -> list[NDArray[np.float64]]:
    """Times of the rising threshold crossings of each signal (P, K), found between samples by a local cubic.

    A crossing counts once the wave has passed from a tenth of its swing below the threshold to a tenth above it;
    several crossings on that way (noise) are averaged. Raises SimulatorError for a wave that stays on one side.
    """
    time, waves = _columns(time_s, wave_V)
    thresholds = np.broadcast_to(np.asarray(threshold_V, dtype=np.float64), waves.shape[1:])
    return [_crossings(time, waves[:, k], float(thresholds[k]), k) for k in range(waves.shape[1])]


def crossing_phase(
    time_s: NDArray[np.float64],
    wave_V: NDArray[np.float64],
    threshold_V: ArrayLike,
    frequency_Hz: float,
    at_s: ArrayLike,
    crossing_phase_rad: ArrayLike = 0.0,
    near_rad: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Unwrapped phase at `at_s` (T,), as (T, K) for waves (P, K) and (T,) for one wave (P,).

    threshold_V and crossing_phase_rad: one number or (K,). near_rad: one number or (K,), the phase expected at the
    first of `at_s`; it picks the whole turns (default: the first phase lies in [-pi, pi)).
    A cubic spline carries the phase between the crossings and beyond the outer ones, by about a period at most.
    Raises SimulatorError for a wave with fewer than 4 crossings, one that misses or gains a cycle against
    `frequency_Hz`, and for times further than a period outside the crossings.
    """
    at = np.atleast_1d(np.asarray(at_s, dtype=np.float64))
    crossings = rising_crossings(time_s, wave_V, threshold_V)
    marks = np.broadcast_to(np.asarray(crossing_phase_rad, dtype=np.float64), (len(crossings),))
    near = None if near_rad is None else np.broadcast_to(np.asarray(near_rad, dtype=np.float64), (len(crossings),))
    columns = []
    for k, times in enumerate(crossings):
        _check_cycles(times, frequency_Hz, at, k)
        phases = marks[k] + TWO_PI * (np.arange(times.size) - frequency_Hz * times)
        column = _spline(times, phases, at)
        turns = np.floor(column[0] / TWO_PI + 0.5) if near is None else np.round((column[0] - near[k]) / TWO_PI)
        columns.append(column - TWO_PI * turns)
    return _shaped(np.stack(columns, axis=1), wave_V)


def fundamental_phase(
    time_s: NDArray[np.float64],
    wave_V: NDArray[np.float64],
    frequency_Hz: float,
    at_s: ArrayLike,
    sine_phase_rad: ArrayLike = 0.0,
) -> NDArray[np.float64]:
    """Phase of the fundamental, A sin(2 pi f t + phase - sine_phase_rad), by demodulation: (T, K) or (T,), unwrapped.

    The wave times exp(-2 pi i f t) is averaged over a sliding period twice (b2) and three times (b3); z = 3 b2 - 2 b3
    takes out the second-order smoothing of the phase. Integrals are those of a spline through the uneven samples.
    A cross-check of `crossing_phase`: for a modulated sine both agree to 2e-4 rad (1 rad over 40 cycles); for other
    shapes they differ by the phase between the fundamental and the crossing, which is constant. Raises SimulatorError
    for times less than 1.5 periods from either end, and where there is no fundamental.
    """
    from scipy.interpolate import CubicSpline

    time, waves = _columns(time_s, wave_V)
    at = np.atleast_1d(np.asarray(at_s, dtype=np.float64))
    period = 1 / frequency_Hz
    if at.min() < time[0] + 1.5 * period or at.max() > time[-1] - 1.5 * period:
        raise SimulatorError(
            f"demodulation needs 1.5 periods on either side: {time[0] + 1.5 * period:.6g} .. "
            f"{time[-1] - 1.5 * period:.6g} s, asked for {at.min():.6g} .. {at.max():.6g} s"
        )
    turn = np.exp(-1j * TWO_PI * frequency_Hz * time)
    columns = []
    for k in range(waves.shape[1]):
        wave = waves[:, k] - np.trapezoid(waves[:, k], time) / (time[-1] - time[0])
        spline = CubicSpline((time - time[0]) / period, wave * turn)
        once, twice = spline.antiderivative(2), spline.antiderivative(3)
        x = (at - time[0]) / period
        b2 = once(x + 1) - 2 * once(x) + once(x - 1)
        b3 = twice(x + 1.5) - 3 * twice(x + 0.5) + 3 * twice(x - 0.5) - twice(x - 1.5)
        z = 3 * b2 - 2 * b3
        if not (np.abs(z) > 1e-3 * np.ptp(wave)).all():
            raise SimulatorError(f"signal {k} has no fundamental at {frequency_Hz:.6g} Hz: it does not oscillate there")
        columns.append(np.unwrap(np.angle(1j * z)))
    return _shaped(np.stack(columns, axis=1) + np.asarray(sine_phase_rad, dtype=np.float64), wave_V)


def frequency(
    time_s: NDArray[np.float64], wave_V: NDArray[np.float64], threshold_V: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frequency and its standard error in Hz, (K,) each, from a straight line through the rising crossings.

    The error takes the deviations from the line as independent from crossing to crossing; a drift makes it too small.
    Raises SimulatorError for fewer than 4 crossings.
    """
    values, errors = [], []
    for k, times in enumerate(rising_crossings(time_s, wave_V, threshold_V)):
        if times.size < FEWEST:
            raise SimulatorError(_too_few(k, times.size))
        count = np.arange(times.size) - (times.size - 1) / 2
        spread = float(count @ count)
        period = float(count @ times) / spread
        residual = times - times.mean() - period * count
        sigma = np.sqrt(float(residual @ residual) / (times.size - 2) / spread)
        values.append(1 / period)
        errors.append(sigma / period**2)
    return np.array(values), np.array(errors)


def _columns(
    time_s: NDArray[np.float64], wave_V: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    time = np.asarray(time_s, dtype=np.float64)
    waves = np.asarray(wave_V, dtype=np.float64)
    waves = waves[:, None] if waves.ndim == 1 else waves
    if waves.shape[0] != time.size or time.size < 4:
        raise SimulatorError(f"{time.size} times and waves {waves.shape} do not fit; expected (P,) and (P, signals)")
    fresh = np.concatenate([[True], np.diff(time) > 0])  # a simulator may print a breakpoint twice
    return time[fresh], waves[fresh]


def _shaped(columns: NDArray[np.float64], wave_V: NDArray[np.float64]) -> NDArray[np.float64]:
    return columns if np.ndim(wave_V) == 2 else columns[:, 0]


def _too_few(signal: int, count: int) -> str:
    return (
        f"signal {signal} crosses its threshold {count} times, {FEWEST} are needed; does it oscillate? simulate longer"
    )


def _check_cycles(times: NDArray[np.float64], frequency_Hz: float, at: NDArray[np.float64], signal: int) -> None:
    if times.size < FEWEST:
        raise SimulatorError(_too_few(signal, times.size))
    cycles = np.diff(times) * frequency_Hz
    if (np.abs(cycles - 1) > 0.5).any():
        worst = int(np.argmax(np.abs(cycles - 1)))
        raise SimulatorError(
            f"signal {signal} takes {cycles[worst]:.3g} cycles of {frequency_Hz:.6g} Hz between two crossings at "
            f"{times[worst]:.6g} s; expected 0.5 to 1.5: it loses cycles, or the frequency is wrong"
        )
    period = 1.25 / frequency_Hz  # a slowing wave's own period is longer
    if at.min() < times[0] - period or at.max() > times[-1] + period:
        raise SimulatorError(
            f"signal {signal} has crossings from {times[0]:.6g} to {times[-1]:.6g} s; its phase was asked at "
            f"{at.min():.6g} .. {at.max():.6g} s, more than a period outside"
        )


def _spline(times: NDArray[np.float64], phases: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.interpolate import CubicSpline

    return np.asarray(CubicSpline(times, phases)(at))


def _crossings(
    time: NDArray[np.float64], wave: NDArray[np.float64], threshold: float, signal: int
) -> NDArray[np.float64]:
    level = wave - threshold
    band = HYSTERESIS * min(level.max(), -level.min())
    if not band > 0:
        raise SimulatorError(
            f"signal {signal} stays on one side of its threshold ({wave.min():.6g} .. {wave.max():.6g} V, threshold "
            f"{threshold:.6g} V): it does not oscillate, or the threshold is wrong"
        )
    decided = np.flatnonzero(np.abs(level) > band)
    high = level[decided] > 0
    rise = np.flatnonzero(~high[:-1] & high[1:])
    first, last = decided[rise], decided[rise + 1]  # the last sample below the band and the first above it
    below = level < 0
    up = np.flatnonzero(below[:-1] & ~below[1:])  # every interval that rises through the threshold
    owner = np.searchsorted(first, up, side="right") - 1
    inside = (owner >= 0) & (up < np.append(last, 0)[owner])
    up, owner = up[inside], owner[inside]
    each = _cubic_roots(time, level, up)
    count = np.bincount(owner, minlength=first.size)
    return np.bincount(owner, weights=each, minlength=first.size) / count


def _cubic_roots(time: NDArray[np.float64], level: NDArray[np.float64], at: NDArray[np.int64]) -> NDArray[np.float64]:
    """The crossing in each interval at..at+1, by the cubic through the two samples on either side of it."""
    start = np.clip(at - 1, 0, time.size - 4)
    index = start[:, None] + np.arange(4)
    unit = (time[at + 1] - time[at])[:, None]
    x = (time[index] - time[at][:, None]) / unit  # the interval is 0..1
    d = level[index].copy()
    for order in range(1, 4):  # Newton's divided differences
        d[:, order:] = (d[:, order:] - d[:, order - 1 : -1]) / (x[:, order:] - x[:, : 4 - order])
    low, high = np.zeros(at.size), np.ones(at.size)
    for _ in range(48):  # the cubic meets both samples, so the bracket holds
        middle = (low + high) / 2
        value = d[:, 0] + (middle - x[:, 0]) * (d[:, 1] + (middle - x[:, 1]) * (d[:, 2] + (middle - x[:, 2]) * d[:, 3]))
        rising = value < 0
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    return time[at] + (low + high) / 2 * unit[:, 0]
