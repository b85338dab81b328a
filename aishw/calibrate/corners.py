"""Corners and temperatures: frequency, coupling, SHIL and power of the PE, on a bench cheap enough for fifteen of them.

Each condition is two short runs of the PE under its own taps (the first under square ones), charge pulses at fewer
phases, and currents into held nodes; the SHIL unit is judged around the state that it makes on average. All biases stay
at the card's voltages, as on a chip without a bias that follows the corner.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from aishw.calibrate.forced import coupler_lines, forced_currents, shil_lines
from aishw.calibrate.loaded import Load, load_of
from aishw.calibrate.projection import TOP, project, series
from aishw.calibrate.response import node_response, suitable_charge
from aishw.calibrate.sources import BENCH
from aishw.calibrate.state import SAMPLES, state_under
from aishw.engines.executor import run_all
from aishw.errors import SimulatorError
from aishw.hardware.findings import CornerFinding
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target
from aishw.units import TWO_PI

CELSIUS_K = 273.15
TEMPERATURES_C = (0.0, 27.0, 85.0)
QUICK = ("tt", "ff", "ss")
PHASES, QUICK_PHASES = 12, 9
DIFFERENCES = 8
SQUARE_CYCLES = 12


def measure_corners(
    target: Target, solver: Solver = BENCH, *, quick: bool = False, workers: int = 2,
    on_point: Callable[[str], None] | None = None,
) -> CornerFinding:  # fmt: skip
    """Every corner of the technology at TEMPERATURES_C; quick: tt, ff and ss (those it has) at 27 C, with fewer phases
    of the response (`ring28_isolated` at tt: coupling and SHIL by 0.3 and 1.3 % less).

    solver: for the frequency, good to 5e-4. The rest runs with the bench's own; at tt, 27 C coupling and SHIL came out
    within 1 % of the full tile's drift runs and the angle within 1 degree. coupling, alpha_rad: of the strongest
    code at the strongest bias; shil: of the strongest code at the middle bias.
    """
    corners = target.technology.corners
    corners = tuple(c for c in corners if c in QUICK) or corners[:1] if quick else corners
    conditions = [(corner, celsius) for corner in corners for celsius in ((27.0,) if quick else TEMPERATURES_C)]

    phases = QUICK_PHASES if quick else PHASES
    say = on_point or (lambda line: None)

    def settled(corner: str, celsius: float) -> Condition:
        found = settle(target, corner, celsius, solver)
        say(f"{corner} {celsius:g} C: {found.steady.frequency_Hz / 1e6:.3f} MHz")
        return found

    def injected(name: str, measure: Callable[[Condition, int], complex], where: str, at: Condition) -> complex:
        found = measure(at, phases)
        say(f"{where}: {name} {abs(found):.4f} rad/cycle")
        return found

    benches = run_all([partial(settled, *condition) for condition in conditions], workers)
    calls = []
    for (corner, celsius), bench in zip(conditions, benches):
        where = f"{corner} {celsius:g} C"
        calls.append(partial(injected, "coupling", coupling_of, where, bench))
        calls.append(partial(injected, "SHIL", shil_of, where, bench))
    found = run_all(calls, workers)
    coupling, shil = found[0::2], found[1::2]
    return CornerFinding(
        tuple(corner for corner, _ in conditions),
        np.array([celsius for _, celsius in conditions]),
        np.array([each.steady.frequency_Hz for each in benches]),
        np.array([abs(each) for each in coupling]),
        np.array([float(np.angle(each)) for each in coupling]),
        np.array([abs(each) for each in shil]),
        np.array([each.power_W for each in benches]),
    )


@dataclass(frozen=True, eq=False)
class Condition:
    """A PE at one corner and temperature. base: what drives it; charge_C: of a pulse that shows its phase response."""

    target: Target
    steady: SteadyState
    base: Load
    charge_C: float
    power_W: float


def settle(target: Target, corner: str, temperature_C: float, solver: Solver = BENCH) -> Condition:
    """The PE's steady state at one corner and temperature, under its own taps."""
    there = replace(target.technology, corner=corner, temperature_K=temperature_C + CELSIUS_K)
    target = replace(target, technology=there)
    square = np.where(np.arange(SAMPLES) < SAMPLES // 2, there.supply_V, 0.0)
    load = Load({"p": square, "n": there.supply_V - square}, target.frequency_Hz, target.fan_in)
    try:
        first, _ = state_under(target, load, cycles=SQUARE_CYCLES)
    except SimulatorError:  # a slow corner may run at a third of the card's frequency
        first, _ = state_under(target, replace(load, frequency_Hz=load.frequency_Hz / 4), cycles=SQUARE_CYCLES)
    steady, power_W = state_under(target, load_of(first), solver, start=first)
    base = load_of(steady)
    return Condition(target, steady, base, suitable_charge(target, steady, base), power_W)


def coupling_of(at: Condition, phases: int = PHASES) -> complex:
    """rad per cycle of the strongest code; its angle is alpha. phases: of the phase response."""
    target, steady = at.target, at.steady
    d = TWO_PI * np.arange(DIFFERENCES) / DIFFERENCES
    gamma, _ = node_response(target, steady, at.base, "r0", charge_C=at.charge_C, phases=phases)
    lines = coupler_lines(target.encoding, [-TOP, TOP], DIFFERENCES)
    current = forced_currents(target, steady, "coupling", d, lines).reshape(2, DIFFERENCES, -1)
    both = 1j * series(project(gamma, current, steady.frequency_Hz))[1][:, 0]
    return complex(both[1] - both[0]) / 2


def shil_of(at: Condition, phases: int = PHASES) -> complex:
    """rad per cycle of the strongest code at the middle bias. phases: of the phase response."""
    target, steady = at.target, at.steady
    d = TWO_PI * np.arange(DIFFERENCES) / DIFFERENCES
    rates = target.injections["shil"].rate
    middle = float(rates[rates.size // 2])
    injected = replace(at.base, shil_code=TOP, shil_rate=middle)
    shifted, _ = state_under(target, injected, start=steady, mark_rad=steady.marks_rad[steady.read])
    gamma, _ = node_response(target, shifted, injected, "r1", charge_C=at.charge_C, phases=phases)
    current = forced_currents(target, shifted, "shil", d, shil_lines([TOP], DIFFERENCES), rate=middle)
    return complex(series(project(gamma, current, shifted.frequency_Hz))[1][0])
