"""One run of a sweep, at any corner and temperature."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from aishw.calibrate.loaded import Load, load_of
from aishw.calibrate.match import KELVIN
from aishw.calibrate.sources import BENCH
from aishw.calibrate.state import SAMPLES, state_under
from aishw.energy.bench import CYCLES, Point, Split, measure_point
from aishw.errors import SimulatorError
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target

FINE = Solver(BENCH.method, 2 * BENCH.steps_per_cycle, BENCH.reltol, BENCH.trtol)
SQUARE_CYCLES = 12
LARGE = 8.0  # couplers from this size on slow the ring by a third


def run_one(
    target: Target, steady: SteadyState, corner: str, temperature_C: float, fine: bool,
    couplings: int, bits: int, level: float, bias: int, slower: float, size: float,
) -> Split:  # fmt: skip
    """One run; away from the steady state's own condition that of the condition is found first."""
    if (corner, temperature_C + KELVIN) != (steady.corner, steady.temperature_K):
        there = replace(target.technology, corner=corner, temperature_K=temperature_C + KELVIN)
        target = replace(target, technology=there)
        steady = steady_there(target, steady)
    point = Point(couplings, bits, level, bias, slower, size)
    cycles = CYCLES if size < LARGE else 2 * CYCLES
    return measure_point(target, steady, point, FINE if fine else BENCH, cycles)


def steady_there(target: Target, steady: SteadyState) -> SteadyState:
    """The bench's steady state at another corner or temperature: square taps first, then its own."""
    supply_V = target.technology.supply_V
    square = np.where(np.arange(SAMPLES) < SAMPLES // 2, supply_V, 0.0)
    load = Load({"p": square, "n": supply_V - square}, target.frequency_Hz, steady.fan_in)
    try:
        first, _ = state_under(target, load, cycles=SQUARE_CYCLES)
    except SimulatorError:  # a slow corner may run at a third of the card's frequency
        first, _ = state_under(target, replace(load, frequency_Hz=load.frequency_Hz / 4), cycles=SQUARE_CYCLES)
    found, _ = state_under(target, load_of(first), start=first, cycles=SQUARE_CYCLES)
    return found
