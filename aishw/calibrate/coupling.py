"""Coupling and SHIL tables from drift runs, by bias and code.

Each point is two runs of the identically loaded tile, slipping ahead and behind; their mean cancels what depends on the
direction. Code 0 comes first: its harmonics are those of every coupler at rest in the other runs, and its offset is
the PE's own drift at that bias. Codes that were not measured follow from those that were.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from aishw.calibrate.drift import (
    BINS,
    CYCLES,
    DRIFT,
    QUICK_CYCLES,
    QUICK_DRIFT,
    Harmonics,
    Point,
    Sweep,
    drift_run,
    fit_drift,
    fit_rest,
    mean_of,
    moving,
    rest,
    standing,
)
from aishw.engines.executor import run_all
from aishw.hardware.calibration import MEASURED, Table
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target

Plan = Mapping[str, tuple[int, ...]]
Keep = Callable[[Callable[..., Any]], Callable[..., Any]]

# Codes at the main bias, and at the others.
CODES: Plan = {"coupling": (-7, -4, -2, 0, 2, 4, 7), "shil": (0, 1, 2, 3, 4, 5, 6, 7)}
FEWER: Plan = {"coupling": (-7, 0, 7), "shil": (2, 4, 7)}
QUICK: Plan = {"coupling": (-7, 0, 7), "shil": (0, 4, 7)}
QUICK_FEWER: Plan = {"coupling": (0, 7), "shil": (7,)}


def both_ways(target: Target, steady: SteadyState, kind: str, rate: float, code: int, workers: int = 2) -> Point:
    """One point by itself. What the couplers at rest do is left in: they cancel but for the slipping one's place."""
    drifts = (DRIFT, -DRIFT)
    sweeps = run_all([partial(drift_run, target, steady, kind, rate, code, drift) for drift in drifts], workers)
    return mean_of(*(fit_drift(sweep, moving(kind, sweep, drift)) for drift, sweep in zip(drifts, sweeps)))


def measure_table(
    target: Target,
    steady: SteadyState,
    kind: str,
    coupling: Table | None = None,
    *,
    workers: int = 2,
    quick: bool = False,
    on_point: Callable[[str], None] | None = None,
    remember: Keep | None = None,
) -> Table:
    """The table of one kind at every bias of its card: all of CODES at the main bias (the strongest of the coupling,
    the middle one of the SHIL unit), FEWER at the others. coupling: for the SHIL unit, the table that tells what the
    couplers at rest do meanwhile (without it they are taken to cancel).
    """
    rates = target.injections[kind].rate
    main = rates.size - 1 if kind == "coupling" else rates.size // 2
    most, few = (QUICK, QUICK_FEWER) if quick else (CODES, FEWER)
    plan = [(p, code) for p in range(rates.size) for code in (most[kind] if p == main else few[kind])]
    drift, cycles = (QUICK_DRIFT, QUICK_CYCLES[kind]) if quick else (DRIFT, CYCLES)
    ways = [(p, code, way) for p, code in plan for way in (drift, -drift)]
    run = remember(drift_run) if remember else drift_run

    def one(p: int, code: int, way: float) -> Sweep:
        sweep: Sweep = run(target, steady, kind, float(rates[p]), code, way, cycles)
        if on_point:
            on_point(f"{kind} rate {rates[p]:.4f} code {code} drift {way:+.3g}: {sweep.times_s.size} cycles")
        return sweep

    sweeps = dict(zip(ways, run_all([partial(one, *way) for way in ways], workers)))
    if kind == "coupling":
        points = _coupling(sweeps, drift, main, steady.fan_in)
    else:
        points = _shil(sweeps, drift, main, None if coupling is None else _idle(coupling, steady.fan_in))
    top = max(CODES[kind])
    return fill(rates, np.arange(-top, top + 1), points, kind, main)


Way = tuple[int, int, float]
Points = dict[tuple[int, int], Point]


def _coupling(sweeps: Mapping[Way, Sweep], drift: float, main: int, fan_in: int) -> Points:
    """Code 0 of the main bias first: the reference's coupler has that bias in every run."""
    points: Points = {}
    still = standing(fan_in)
    order = sorted({(p, code) for p, code, _ in sweeps}, key=lambda at: (at[0] != main, at[1] != 0))
    for p, code in order:
        both = []
        for way in (drift, -drift):
            sweep = sweeps[p, code, way]
            slipping = moving("coupling", sweep, way)
            if (p, code) == (main, 0):
                both.append(fit_drift(sweep, slipping, alike=still))
                continue
            reference = (still[-1:], points[main, 0].harmonics)
            if code == 0:
                both.append(fit_drift(sweep, slipping, alike=still[:-1], known=reference))
            else:
                both.append(fit_drift(sweep, slipping, known=_joined(still, points[p, 0].harmonics, reference)))
        points[p, code] = mean_of(*both)
    return points


def _joined(
    still: NDArray[np.float64], harmonics: Harmonics, reference: tuple[NDArray[np.float64], Harmonics]
) -> tuple[NDArray[np.float64], Harmonics]:
    """Standing drivers and the reference as one coupler at phase 0 with the sum of their harmonics."""
    phases = still[:-1]
    if np.array_equal(harmonics, reference[1]):
        return still, harmonics
    k = np.arange(1, MEASURED + 1)
    sums = harmonics * np.exp(-1j * np.outer(phases, k)).sum(axis=0) + reference[1]
    return np.zeros(1), sums


def _idle(coupling: Table, fan_in: int) -> tuple[NDArray[np.float64], Harmonics]:
    """All drivers and the reference at rest, at code 0 and the strongest bias."""
    zero = int(np.flatnonzero(coupling.codes == 0)[0])
    return np.append(rest(fan_in), 0.0), coupling.harmonics[-1, zero]


def _shil(
    sweeps: Mapping[Way, Sweep], drift: float, main: int, known: tuple[NDArray[np.float64], Harmonics] | None
) -> Points:
    """Offsets against the tile without SHIL injection."""
    idle = mean_of(*(fit_rest(sweeps[main, 0, way], known) for way in (drift, -drift)))
    points: Points = {}
    for p, code in sorted({(p, code) for p, code, _ in sweeps if code}):
        runs = {way: sweeps[p, code, way] for way in (drift, -drift)}
        found = (fit_drift(sweep, moving("shil", sweep, way), known=known) for way, sweep in runs.items())
        points[p, code] = _shifted(mean_of(*found), idle)
    return points


def _shifted(point: Point, idle: Point) -> Point:
    fields = vars(point) | {
        "offset": point.offset - idle.offset,
        "error": float(np.hypot(point.error, idle.error)),
        "curve": point.curve - idle.offset,
    }
    return Point(**fields)


def fill(rates: NDArray[np.float64], codes: NDArray[np.int64], points: Points, kind: str, main: int) -> Table:
    """The table behind measured points. Coupling: a parabola over the code, as its fingers add. SHIL: a monotone cubic
    through the points, at the other biases in the ratio to the main one; a negative code is its clock half a period
    later, so z_k changes sign with odd k and the offset does not.
    """
    shape = (rates.size, codes.size)
    blank = np.full(shape, np.nan)
    offset, error, residual, condition, covered = np.zeros(shape), np.zeros(shape), blank, blank.copy(), blank.copy()
    harmonics = np.zeros((*shape, MEASURED), dtype=complex)
    harmonics_error = np.zeros((*shape, MEASURED))
    curve = np.full((*shape, BINS), np.nan)
    whole = _over_shil(points, main, codes) if kind == "shil" else None
    for p in range(rates.size):
        seen = sorted(code for q, code in points if q == p)
        values = np.array([np.append(points[p, code].harmonics, points[p, code].offset) for code in seen])
        if whole is None:
            powers = min(3, len(seen))
            fit, *_ = np.linalg.lstsq(np.vander(np.array(seen) / codes[-1], powers).astype(complex), values, rcond=None)
            found = np.vander(codes / codes[-1], powers) @ fit
        else:
            found = _in_ratio(whole, codes, seen, values)
        harmonics[p], offset[p] = found[:, :-1], found[:, -1].real
        error[p] = max(points[p, code].error for code in seen)
        harmonics_error[p] = np.max([points[p, code].harmonics_error for code in seen], axis=0)
        for code in seen:
            q, point = int(code - codes[0]), points[p, code]
            residual[p, q], condition[p, q], covered[p, q] = point.residual_rad, point.condition, point.range_rad
            error[p, q], harmonics_error[p, q], curve[p, q] = point.error, point.harmonics_error, point.curve
    return Table(rates, codes, offset, harmonics, error, residual, condition, harmonics_error, covered, curve)


_FLIP = np.append((-1.0) ** np.arange(1, MEASURED + 1), 1.0)


def _over_shil(points: Points, main: int, codes: NDArray[np.int64]) -> NDArray[np.complex128]:
    """(Q, K + 1) at the main bias: a monotone cubic through the measured codes, 0 at code 0."""
    seen = sorted(code for p, code in points if p == main)
    values = np.array([np.append(points[main, code].harmonics, points[main, code].offset) for code in seen])
    values = np.concatenate([0 * values[:1], values])
    at = np.abs(codes)
    found = PchipInterpolator([0, *seen], values.real)(at) + 1j * PchipInterpolator([0, *seen], values.imag)(at)
    return np.where(codes[:, None] < 0, found * _FLIP, found)


def _in_ratio(
    whole: NDArray[np.complex128], codes: NDArray[np.int64], seen: list[int], values: NDArray[np.complex128]
) -> NDArray[np.complex128]:
    """(Q, K + 1): the main bias's values times the first harmonic's measured ratio, plus what that leaves, per code."""
    at = np.abs(codes)
    here = whole[[int(code - codes[0]) for code in seen]]
    ratio = values[:, 0] / here[:, 0]
    size, turn = np.abs(ratio), np.unwrap(np.angle(ratio))
    factor = np.interp(at, seen, size)[:, None] * np.exp(1j * np.interp(at, seen, turn))[:, None] ** np.append(
        np.arange(1, MEASURED + 1), 0
    )
    left = values - here * size[:, None] * np.exp(1j * turn)[:, None] ** np.append(np.arange(1, MEASURED + 1), 0)
    nodes = [0, *seen]
    rest_of = np.concatenate([0 * left[:1], left])
    add = np.stack([np.interp(at, nodes, c.real) + 1j * np.interp(at, nodes, c.imag) for c in rest_of.T], axis=1)
    positive = whole * np.where(codes[:, None] < 0, _FLIP, 1.0) * factor + add
    return np.where(codes[:, None] < 0, positive * _FLIP, positive)


__all__ = ["CODES", "FEWER", "Point", "both_ways", "fill", "measure_table", "rest"]
