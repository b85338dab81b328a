"""The simulator's own error: the same window under the options in use and under tight ones.

A window is the tile's PE with random codes on all its couplers, reference and SHIL, its drivers' phases moving on
random parabolas: spread over the circle in even windows, close together in odd ones, where edges add up. Both runs
start alike; the lag of one's cycles behind the other's is a straight line, which is a shift of the frequency that
calibrating with the options in use takes in, and the rest, which nothing takes in.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from aishw.calibrate.steady import CENTRE, drivers, tile_design
from aishw.engines.executor import run_all
from aishw.engines.ngspice import run_deck
from aishw.engines.phase import rising_crossings
from aishw.engines.start import read_name, start_voltages
from aishw.engines.window import chunk_deck
from aishw.errors import SimulatorError
from aishw.hardware.findings import SolverFinding
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target
from aishw.lower.design import Design
from aishw.units import TWO_PI

TIGHT = Solver("trap", 600, 1e-5, 7.0)
WINDOWS, CYCLES = 2, 40
QUICK_CYCLES = 12
SPREAD_RAD = (np.pi, 0.2)  # of the drivers' phases in even and odd windows, either way
TURN_RAD, BEND_RAD = 2.0, 1.0  # how far a driver's phase moves over the run, at most
SETTLE = 2  # cycles in which the start state's own error dies out


def measure_solver(
    target: Target, steady: SteadyState, *, seed: int = 0, quick: bool = False, workers: int = 2, tight: Solver = TIGHT
) -> SolverFinding:
    """frequency: the mean over windows, positive where the options in use run fast; the rest: the worst window's.

    seed: of codes and phases. quick: shorter windows. Raises SimulatorError if the two runs slip a cycle apart.
    """
    cycles = QUICK_CYCLES if quick else CYCLES
    plan = [(solver, k) for k in range(WINDOWS) for solver in (tight, steady.solver)]
    times = run_all([partial(crossings, target, steady, solver, (seed, k), cycles) for solver, k in plan], workers)
    found = [lag(tight_s, in_use_s, steady.frequency_Hz) for tight_s, in_use_s in zip(times[0::2], times[1::2])]
    shift, rms, worst = np.array(found).T
    return SolverFinding(tight.label, float(cycles), float(shift.mean()), float(rms.max()), float(worst.max()))


def crossings(
    target: Target, steady: SteadyState, solver: Solver, seed: tuple[int, int], cycles: int
) -> NDArray[np.float64]:
    """Times (s) of the ring's rising crossings in the window that `seed` draws; its second number is the window's."""
    draw = np.random.default_rng(seed)
    spread, together = SPREAD_RAD[seed[1] % 2], draw.uniform(-1, 1, 2) * (TURN_RAD, BEND_RAD)
    design = window_design(target, steady.fan_in, draw)
    moves = {}
    for site in drivers(design):
        start = draw.uniform(-spread, spread)
        turn, bend = draw.uniform(-1, 1, 2) * (TURN_RAD, BEND_RAD) if spread > 1 else together
        moves[site] = np.array([start + turn / 2, turn / 2 - bend / 2, bend / 2])  # over u = -1 .. 1
    phase = np.zeros(design.system.sites)
    phase[list(moves)] = [np.polynomial.polynomial.polyval(-1.0, move) for move in moves.values()]
    deck = chunk_deck(
        design,
        0,
        np.array([CENTRE]),
        steady.waves,
        frequency_Hz=steady.frequency_Hz,
        shil_phase_rad=steady.shil_phase_rad,
        outside=moves,
        solver=solver,
        stop_s=(cycles + 1) / steady.frequency_Hz,
        start_V=start_voltages(design, np.array([CENTRE]), steady, phase),
        title="aishw solver error",
        save=f"v({read_name(target, CENTRE)})",
    )
    raw = run_deck(deck, time_limit_s=1800).raw
    return rising_crossings(raw.time_s, raw.node(read_name(target, CENTRE)), target.technology.supply_V / 2)[0][:cycles]


def window_design(target: Target, fan_in: int, draw: np.random.Generator) -> Design:
    """The tile with random codes at every injection of its PE, at the strongest bias for couplers and the middle one
    for SHIL and reference.
    """
    rates = {kind: target.injections[kind].rate for kind in ("shil", "reference")}
    middle = {kind: float(rate[rate.size // 2]) for kind, rate in rates.items()}
    design = tile_design(target, {}, middle, fan_in=fan_in)
    driven = design.system.topology.edges[0]
    codes = {kind: held.copy() for kind, held in design.codes.items()}
    codes["coupling"][0, driven == CENTRE] = draw.integers(-7, 8, fan_in)
    for kind in ("shil", "reference"):
        codes[kind][0, CENTRE] = draw.integers(-7, 8)
    return replace(design, codes=codes)


def lag(tight_s: NDArray[np.float64], in_use_s: NDArray[np.float64], frequency_Hz: float) -> tuple[float, float, float]:
    """Relative frequency shift of the crossings `in_use_s` against `tight_s`, and rms and largest rad of the rest."""
    count = min(tight_s.size, in_use_s.size)
    ahead = TWO_PI * frequency_Hz * (tight_s[:count] - in_use_s[:count])
    if np.abs(ahead).max() > np.pi:
        raise SimulatorError(
            f"two runs of one window end {np.abs(ahead).max():.2g} rad apart: its PE slipped in one of them; calibrate "
            "with another seed"
        )
    n = np.arange(count)[SETTLE:]
    line = np.polyfit(n, ahead[SETTLE:], 1)
    rest = ahead[SETTLE:] - np.polyval(line, n)
    return float(line[0] / TWO_PI), float(np.sqrt(np.mean(rest**2))), float(np.abs(rest).max())
