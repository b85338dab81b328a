"""A target card's nominal figures from circuit runs: strength of each kind of injection against bias and code.

    python -m aishw.calibrate.nominal ring28 > figures.toml

An injection that slips past the PE at a small detuning moves its phase by G sin(D + angle), D the phase difference; G
and
the angle come from a least-squares fit of the phase to the integral of two harmonics. The full calibration (tables,
errors, noise) is a later step; these figures give seconds per tau and the biases of a Design.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import cumulative_trapezoid
from scipy.interpolate import CubicSpline

from aishw.calibrate.steady import CENTRE, SETTLE, full_cell_frequency, run_tile, steady_state, tile_design
from aishw.engines.phase import rising_crossings
from aishw.errors import SimulatorError
from aishw.hardware.cards import load_target
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Injection, Target
from aishw.units import TWO_PI, wrap

CYCLES = 56
DRIFT = 0.025


@dataclass(frozen=True)
class Strength:
    """rate: rad per cycle; angle_rad: ds/dcycle = rate * sin(D + angle); offset: rad per cycle at no phase difference;
    second: rad per cycle of the second harmonic of D; residual_rad: rms of the fit."""

    rate: float
    angle_rad: float
    offset: float
    second: float
    residual_rad: float


def drift_fit(
    times_s: NDArray[np.float64], phase_rad: NDArray[np.float64], frequency_Hz: float, difference: str, slip_Hz: float
) -> Strength:
    """Fit of a PE's phase (at its crossings) while an injection slips by `slip_Hz`; difference "first" (D = s - slip)
    or "second" (D = 2 s - slip).
    """
    spline = CubicSpline(times_s, phase_rad)
    time = np.linspace(times_s[0], times_s[-1], 8 * times_s.size)
    cycles = time * frequency_Hz
    d = (2 if difference == "second" else 1) * spline(time) - TWO_PI * slip_Hz * time
    columns = [np.ones_like(time), cycles]
    for k in (1, 2, 3):
        columns += [
            cumulative_trapezoid(np.sin(k * d), cycles, initial=0),
            cumulative_trapezoid(np.cos(k * d), cycles, initial=0),
        ]
    matrix = np.stack(columns, axis=1)
    found, *_ = np.linalg.lstsq(matrix, spline(time), rcond=None)
    gain = complex(found[2], found[3])  # a sin D + b cos D = |g| sin(D + arg g)
    residual = spline(time) - matrix @ found
    return Strength(
        abs(gain), float(np.angle(gain)), float(found[1]), float(np.hypot(found[4], found[5])), float(residual.std())
    )


def measure(target: Target, steady: SteadyState, kind: str, code: int, rate: float, drift: float) -> Strength:
    """One drift run of one kind at one code, its bias set for `rate`."""
    design = tile_design(target, {kind: code}, {kind: rate}, fan_in=steady.fan_in)
    f = steady.frequency_Hz
    result = run_tile(
        design,
        steady.waves,
        frequency_Hz=f,
        cycles=CYCLES,
        solver=steady.solver,
        shil_phase_rad=steady.shil_phase_rad,
        drift=drift if kind == "coupling" else 0.0,
        clock_drift=0.0 if kind == "coupling" else drift,
    )
    times = rising_crossings(result.raw.time_s, result.raw[f"v(r0_{CENTRE})"], target.technology.supply_V / 2)[0]
    phase = steady.marks_rad["r0"] + TWO_PI * (np.arange(times.size) - f * times)
    late = times > SETTLE / f
    if late.sum() < 20:
        raise SimulatorError(f"only {late.sum()} cycles after settling; the PE does not run")
    if kind == "coupling":
        return drift_fit(times[late], phase[late], f, "first", drift * f)
    fit = drift_fit(times[late], phase[late], f, "second", 2 * f * drift)
    return replace(fit, angle_rad=float(wrap(fit.angle_rad + steady.shil_phase_rad)))


def both_ways(target: Target, steady: SteadyState, kind: str, code: int, rate: float) -> Strength:
    """The mean over slipping ahead and behind: what depends on the direction cancels."""
    fits = [measure(target, steady, kind, code, rate, drift) for drift in (DRIFT, -DRIFT)]
    gain = np.mean([f.rate * np.exp(1j * f.angle_rad) for f in fits])
    return Strength(
        abs(gain),
        float(np.angle(gain)),
        float(np.mean([f.offset for f in fits])),
        float(np.mean([f.second for f in fits])),
        max(f.residual_rad for f in fits),
    )


def circuit_steady(target: Target, solver: Solver | None = None, fan_in: int = 24) -> SteadyState:
    """The steady state of a target's PE with its SHIL clock timed: positive codes hold the phase at 0 and half a turn.

    ds/dcycle = G sin(2 s - clock + angle) is -G sin(2 s) where the clock stands at angle - pi.
    """
    steady = steady_state(target, solver or Solver(), fan_in=fan_in)
    middle = float(np.sqrt(target.injections["shil"].rate[0] * target.injections["shil"].rate_limit))
    shil = both_ways(target, steady, "shil", 7, middle)
    timed = replace(steady, shil_phase_rad=float(wrap(shil.angle_rad - np.pi)))
    return replace(timed, full_frequency_Hz=full_cell_frequency(target, timed))


def main() -> None:
    """Print the [injection.*] tables of a card, measured."""
    from aishw.engines.executor import run_all

    target = load_target(sys.argv[1])
    biases = {"coupling": [0.30, 0.33, 0.36, 0.39], "shil": [0.40, 0.45, 0.50, 0.55, 0.60, 0.70]}
    steady = steady_state(target)
    found = f"f = {steady.frequency_Hz:.8g} Hz +- {steady.frequency_error_Hz:.2g}"
    print(f"# {found}, {steady.solver.label}, {steady.simulator}", flush=True)
    for kind in ("coupling", "shil"):
        # A rate stands for its own bias here: rate = exp(bias), so that `bias_for` returns the voltage asked for.
        volts = np.array(biases[kind])
        table = Injection(target.injections[kind].levels, volts, np.exp(volts))
        probe = replace(target, injections={**target.injections, kind: table})
        middle = 0.36 if kind == "coupling" else 0.55
        points = [(7, volt) for volt in biases[kind]] + [(code, middle) for code in range(-7, 7) if code]
        calls = [partial(both_ways, probe, steady, kind, code, float(np.exp(volt))) for code, volt in points]
        for (code, volt), strength in zip(points, run_all(calls, workers=2)):
            print(f"# {kind} code {code} at {volt} V: {strength}", flush=True)


if __name__ == "__main__":
    main()
