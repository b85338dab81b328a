"""Drift runs: an injection that slips past the PE shows it every phase difference.

The tile of `steady` runs while one injection slips by a fixed fraction of the frequency. The PE's phase, taken at every
cycle, is fitted by least squares with the integral of offset and harmonics along the phase differences that the run
really took, so that a strong injection needs no averaging approximation. What the tile's other couplers do (all at code
0, at rest) is part of the fit, or taken off first where it is known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import cumulative_trapezoid
from scipy.interpolate import CubicSpline

from aishw.calibrate.steady import CENTRE, drivers, run_tile, tile_design
from aishw.engines.phase import rising_crossings
from aishw.engines.start import read_name, start_voltages
from aishw.errors import SimulatorError
from aishw.hardware.calibration import MEASURED
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target
from aishw.units import TWO_PI

CYCLES = 46
QUICK_CYCLES = {"coupling": 36, "shil": 26}
SETTLE = 4
DRIFT, QUICK_DRIFT = 0.04, 0.05  # 1.7 and 1.6 turns of a coupling; an SHIL unit's difference moves at twice the pace
BINS = 64
FINE = 16  # points between two crossings for the integrals

Floats = NDArray[np.float64]
Harmonics = NDArray[np.complex128]
Differences = Callable[[Floats, Floats], Floats]  # (time (T,), phase (T,)) -> (J, T) rad


@dataclass(frozen=True, eq=False)
class Sweep:
    """One drift run: a PE's phases at its crossings, rad against `frequency_Hz`."""

    times_s: Floats
    phase_rad: Floats
    frequency_Hz: float


@dataclass(frozen=True, eq=False)
class Point:
    """One (kind, rate, code): offset and (K,) harmonics in rad per cycle with their standard errors, the fit's
    residual, its condition number and the rad of phase difference it covered. curve: (BINS,) rad per cycle as measured,
    NaN where a bin is empty.
    """

    offset: float
    harmonics: Harmonics
    error: float
    harmonics_error: Floats
    residual_rad: float
    condition: float
    range_rad: float
    curve: Floats


def drift_run(
    target: Target, steady: SteadyState, kind: str, rate: float, code: int, drift: float, cycles: int = CYCLES
) -> Sweep:
    """The tile with one injection of `kind` at `code` that slips by the fraction `drift`."""
    design = tile_design(target, {kind: code}, {kind: rate}, fan_in=steady.fan_in)
    f, others = steady.frequency_Hz, drivers(design)
    start = np.zeros(25)
    start[others] = rest(steady.fan_in)
    volts = start_voltages(design, np.array([CENTRE]), steady, start)
    moving = drift if kind == "coupling" else 0.0
    raw = run_tile(
        design, steady.waves, frequency_Hz=f, cycles=cycles, solver=steady.solver, drift=moving, start_V=volts,
        shil_phase_rad=steady.shil_phase_rad, clock_drift=drift - moving,
    ).raw  # fmt: skip
    times = rising_crossings(raw.time_s, raw.node(read_name(target, CENTRE)), target.technology.supply_V / 2)[0]
    phase = steady.marks_rad[steady.read] + TWO_PI * (np.arange(times.size) - f * times)
    late = times > SETTLE / f
    return Sweep(times[late], phase[late], f)


def rest(fan_in: int) -> Floats:
    """(F,) rad: the phases at which the tile's drivers start, and stay but for the first one in a coupling's run."""
    return TWO_PI * np.arange(fan_in) / fan_in


def moving(kind: str, sweep: Sweep, drift: float) -> Differences:
    """(1, T): the phase difference of the slipping injection."""
    slip = TWO_PI * sweep.frequency_Hz * drift
    if kind == "coupling":
        return lambda time, s: (s - slip * time)[None]
    return lambda time, s: (2 * s - 2 * slip * time)[None]


def standing(fan_in: int) -> Floats:
    """(F,) rad: the couplers that stand still in a coupling's run, all drivers but the first and the reference at 0."""
    return np.append(rest(fan_in)[1:], 0.0)


def fit_drift(
    sweep: Sweep,
    difference: Differences,
    *,
    alike: Floats | None = None,
    known: tuple[Floats, Harmonics] | None = None,
) -> Point:
    """Offset and harmonics behind a sweep; `difference(time, phase)` is the slipping injection's D along the run.

    alike: phases (J,) of standing couplers that have the same harmonics as the slipping one. known: phases (J,) of
    standing couplers and the harmonics (K,) that they have. Raises SimulatorError if D covers less than one turn: the
    harmonics cannot be told apart then.
    """
    spline = CubicSpline(sweep.times_s, sweep.phase_rad)
    time = np.linspace(sweep.times_s[0], sweep.times_s[-1], FINE * sweep.times_s.size)
    cycles, s = time * sweep.frequency_Hz, spline(time)
    d = difference(time, s)
    covered = float(abs(d[0, -1] - d[0, 0]))
    if covered < TWO_PI:
        raise SimulatorError(
            f"the phase difference covered {covered:.2f} rad, less than a turn: the PE locks, or the beat is too short"
        )
    every = d if alike is None else np.concatenate([d, s - alike[:, None]])
    columns = [np.ones_like(time), cycles - cycles[0]]
    for k in range(1, MEASURED + 1):
        columns += [_integral(wave(k * every).sum(axis=0), cycles) for wave in (np.cos, np.sin)]
    matrix = np.stack(columns, axis=1)[::FINE]
    taken = np.zeros_like(time) if known is None else standing_rate(s, *known)
    seen = (s - _integral(taken, cycles))[::FINE]
    found, _, _, singular = np.linalg.lstsq(matrix, seen, rcond=None)
    residual = seen - matrix @ found
    spread = residual @ residual / max(1, seen.size - found.size)
    errors = np.sqrt(spread * np.diag(np.linalg.inv(matrix.T @ matrix)))[1:]
    harmonics = found[2::2] - 1j * found[3::2]  # a cos kD + b sin kD = Re[(a - ib) exp(ikD)]
    others = taken if alike is None else taken + standing_rate(s, alike, harmonics)
    curve = binned(d[0], np.gradient(s, cycles) - others)
    return Point(
        float(found[1]), harmonics, float(errors[0]), np.hypot(errors[1::2], errors[2::2]) / np.sqrt(2),
        float(residual.std()), float(singular[0] / singular[-1]), covered, curve,
    )  # fmt: skip


def fit_rest(sweep: Sweep, known: tuple[Floats, Harmonics] | None = None) -> Point:
    """The drift of a run in which nothing slips, less what `known` standing couplers do: a straight line."""
    cycles, seen = sweep.times_s * sweep.frequency_Hz, sweep.phase_rad
    if known is not None:
        seen = seen - _integral(standing_rate(seen, *known), cycles)
    fit, cov = np.polyfit(cycles, seen, 1, cov=True)
    residual = seen - np.polyval(fit, cycles)
    none, empty = np.zeros(MEASURED), np.full(BINS, np.nan)
    return Point(float(fit[0]), none.astype(complex), float(np.sqrt(cov[0, 0])), none, float(residual.std()), 1.0, 0.0,
                 empty)  # fmt: skip


def mean_of(ahead: Point, behind: Point) -> Point:
    """Slipping ahead and behind: what depends on the direction cancels."""
    with np.errstate(invalid="ignore"):
        return Point(
            (ahead.offset + behind.offset) / 2, (ahead.harmonics + behind.harmonics) / 2,
            float(np.hypot(ahead.error, behind.error) / 2),
            np.hypot(ahead.harmonics_error, behind.harmonics_error) / 2,
            max(ahead.residual_rad, behind.residual_rad), max(ahead.condition, behind.condition),
            min(ahead.range_rad, behind.range_rad), (ahead.curve + behind.curve) / 2,
        )  # fmt: skip


def standing_rate(s: Floats, phases: Floats, harmonics: Harmonics) -> Floats:
    """(T,) rad per cycle that standing couplers at `phases` with equal `harmonics` give a PE at phases s."""
    k = np.arange(1, MEASURED + 1)
    sums = harmonics * np.exp(-1j * np.outer(phases, k)).sum(axis=0)
    return np.asarray((np.exp(1j * np.outer(s, k)) @ sums).real)


def binned(d: Floats, rate: Floats) -> Floats:
    """(BINS,) means of `rate` over even bins of d."""
    place = np.floor(d / TWO_PI * BINS).astype(int) % BINS
    count = np.bincount(place, minlength=BINS)
    total = np.bincount(place, rate, minlength=BINS)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _integral(rate: Floats, cycles: Floats) -> Floats:
    return np.asarray(cumulative_trapezoid(rate, cycles, initial=0))
