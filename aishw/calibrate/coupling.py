"""Coupling and SHIL tables from drift runs: an injection that slips past the PE shows it every phase difference.

Each point is two runs of the identically loaded tile, slipping ahead and behind; their mean cancels what depends on the
direction. The phase, taken at every cycle, is fitted by least squares with the integral of offset and harmonics along
the phase difference that the run really took, so that a strong injection needs no averaging approximation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import cumulative_trapezoid
from scipy.interpolate import CubicSpline

from aishw.calibrate.steady import CENTRE, drivers, run_tile, tile_design
from aishw.engines.executor import run_all
from aishw.engines.phase import rising_crossings
from aishw.engines.start import start_voltages
from aishw.errors import SimulatorError
from aishw.hardware.calibration import HARMONICS, Table
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target
from aishw.units import TWO_PI

CYCLES = 46
SETTLE = 4
DRIFT = 0.04
CODES = {"coupling": (-7, 0, 4, 7), "shil": (2, 4, 7)}
FEWER = {"coupling": (-7, 0, 7), "shil": (4, 7)}  # at the other biases


@dataclass(frozen=True, eq=False)
class Point:
    """One (kind, rate, code): offset and (K,) harmonics in rad per cycle, their standard error, the fit's residual."""

    offset: float
    harmonics: NDArray[np.complex128]
    error: float
    residual_rad: float
    condition: float


def fit_drift(
    times_s: NDArray[np.float64],
    phase_rad: NDArray[np.float64],
    frequency_Hz: float,
    difference: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
) -> Point:
    """Offset and harmonics behind a PE's phases at its crossings; `difference(time, phase)` is D along the run.

    Raises SimulatorError if D covers less than one turn: the harmonics cannot be told apart then.
    """
    spline = CubicSpline(times_s, phase_rad)
    time = np.linspace(times_s[0], times_s[-1], 16 * times_s.size)
    cycles, d = time * frequency_Hz, difference(time, spline(time))
    if abs(d[-1] - d[0]) < TWO_PI:
        covered = f"{abs(d[-1] - d[0]):.2f}"
        raise SimulatorError(f"the phase difference covered {covered} rad, less than a turn: the PE locks")
    columns = [np.ones_like(time), cycles - cycles[0]]
    for k in range(1, HARMONICS + 1):
        columns += [cumulative_trapezoid(wave(k * d), cycles, initial=0) for wave in (np.cos, np.sin)]
    matrix = np.stack(columns, axis=1)[::16]
    seen = spline(time)[::16]
    found, _, _, singular = np.linalg.lstsq(matrix, seen, rcond=None)
    residual = seen - matrix @ found
    spread = residual @ residual / max(1, seen.size - found.size)
    error = np.sqrt(spread * np.linalg.inv(matrix.T @ matrix)[2, 2])
    harmonics = found[2::2] - 1j * found[3::2]  # a cos kD + b sin kD = Re[(a - ib) exp(ikD)]
    return Point(float(found[1]), harmonics, float(error), float(residual.std()), float(singular[0] / singular[-1]))


def measure(target: Target, steady: SteadyState, kind: str, rate: float, code: int, drift: float) -> Point:
    """One drift run."""
    design = tile_design(target, {kind: code}, {kind: rate}, fan_in=steady.fan_in)
    f, others = steady.frequency_Hz, drivers(design)
    start = np.zeros(25)
    start[others] = TWO_PI * np.arange(len(others)) / len(others)
    volts = start_voltages(design, np.array([CENTRE]), steady, start)
    moving = drift if kind == "coupling" else 0.0
    raw = run_tile(
        design, steady.waves, frequency_Hz=f, cycles=CYCLES, solver=steady.solver, drift=moving, start_V=volts,
        shil_phase_rad=steady.shil_phase_rad, clock_drift=drift - moving,
    ).raw  # fmt: skip
    times = rising_crossings(raw.time_s, raw[f"v(r0_{CENTRE})"], target.technology.supply_V / 2)[0]
    phase = steady.marks_rad["r0"] + TWO_PI * (np.arange(times.size) - f * times)
    late = times > SETTLE / f
    slip = TWO_PI * f * drift
    if kind == "coupling":
        return fit_drift(times[late], phase[late], f, lambda t, s: s - slip * t)
    return fit_drift(times[late], phase[late], f, lambda t, s: 2 * s - 2 * slip * t)


def both_ways(target: Target, steady: SteadyState, kind: str, rate: float, code: int) -> Point:
    """The mean of slipping ahead and behind."""
    ahead, behind = (measure(target, steady, kind, rate, code, drift) for drift in (DRIFT, -DRIFT))
    return Point(
        (ahead.offset + behind.offset) / 2, (ahead.harmonics + behind.harmonics) / 2,
        float(np.hypot(ahead.error, behind.error) / 2), max(ahead.residual_rad, behind.residual_rad),
        max(ahead.condition, behind.condition),
    )  # fmt: skip


def measure_table(
    target: Target, steady: SteadyState, kind: str, *, workers: int = 2, on_point: Callable[[str], None] | None = None
) -> Table:
    """The table of one kind at every bias of its card: all of CODES at the middle of the biases' range (the strongest
    for the coupling), FEWER at the others, the rest from a parabola over the code.
    """
    injection = target.injections[kind]
    rates = injection.rate
    main = rates.size - 1 if kind == "coupling" else rates.size // 2
    plan = [(p, code) for p in range(rates.size) for code in (CODES[kind] if p == main else FEWER[kind])]

    def one(p: int, code: int) -> Point:
        point = both_ways(target, steady, kind, float(rates[p]), code)
        if on_point:
            on_point(
                f"{kind} rate {rates[p]:.4f} code {code}: offset {point.offset:.5f}, |z| "
                f"{np.round(np.abs(point.harmonics), 5).tolist()}, residual {point.residual_rad * 1e3:.2f} mrad"
            )
        return point

    points = run_all([partial(one, p, code) for p, code in plan], workers)
    top = max(CODES[kind])
    codes = np.arange(-top, top + 1)
    return _fill(rates, codes, dict(zip(plan, points)), kind)


def _fill(
    rates: NDArray[np.float64], codes: NDArray[np.int64], points: dict[tuple[int, int], Point], kind: str
) -> Table:
    shape = (rates.size, codes.size)
    offset, error, residual = np.zeros(shape), np.zeros(shape), np.full(shape, np.nan)
    harmonics = np.zeros((*shape, HARMONICS), dtype=complex)
    for p in range(rates.size):
        seen = [code for q, code in points if q == p]
        values = np.array([np.append(points[p, code].harmonics, points[p, code].offset) for code in seen])
        if kind == "shil":
            # A negative code is the clock half its period later: z_k changes sign with odd k, the offset does not.
            flip = np.append((-1.0) ** np.arange(1, HARMONICS + 1), 1.0)
            seen, values = [-c for c in seen] + [0] + seen, np.concatenate([values * flip, 0 * values[:1], values])
        for q, code in enumerate(codes):
            both = _over_codes(np.array(seen), values, int(code), kind)
            harmonics[p, q], offset[p, q] = both[:-1], both[-1].real
            if (p, int(code)) in points:
                residual[p, q] = points[p, int(code)].residual_rad
            error[p, q] = max(points[p, c].error for r, c in points if r == p)
    return Table(rates, codes, offset, harmonics, error, residual)


def _over_codes(
    seen: NDArray[np.int64], values: NDArray[np.complex128], code: int, kind: str
) -> NDArray[np.complex128]:
    """A parabola over the codes for the coupling (its fingers add), straight lines between points for the SHIL unit."""
    if kind == "coupling":
        powers = np.vander(seen / 7, 3)
        fit, *_ = np.linalg.lstsq(powers.astype(complex), values, rcond=None)
        return np.vander([code / 7], 3)[0] @ fit
    order = np.argsort(seen)
    columns = values[order].T
    return np.array([np.interp(code, seen[order], c.real) + 1j * np.interp(code, seen[order], c.imag) for c in columns])
