"""The steady state of a loaded PE by one short run on the bench: phases, waves, supply power."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aishw.calibrate.loaded import Load, loaded_deck, run_loaded
from aishw.calibrate.sources import BENCH
from aishw.engines.phase import rising_crossings
from aishw.engines.start import pe_nodes
from aishw.errors import SimulatorError
from aishw.hardware.cells import pe_words
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState, ring_node
from aishw.hardware.target import Target
from aishw.units import TWO_PI

SAMPLES = 1024
CYCLES, SETTLE, FEWEST = 16, 6, 4


def state_under(
    target: Target,
    load: Load,
    solver: Solver = BENCH,
    *,
    start: SteadyState | None = None,
    mark_rad: float | None = None,
    cycles: int = CYCLES,
) -> tuple[SteadyState, float]:
    """The PE's own steady state under a load and its supply power (W): the mean of the last cycles of one run.

    waves: of the ring, the taps and what is between them; the couplers' inner nodes are left out. mark_rad: the phase
    that the ring's rising crossing has (None: what puts tap p's at 0). Raises SimulatorError for a PE that does not
    run, or so slowly that too few cycles are left.
    """
    words = pe_words(target)
    read = ring_node(words)
    nodes = {node: name.format(0) for node, name in pe_nodes(words).items()} | {"p": "p_own", "n": "n_own"}
    save = " ".join([*(f"v({name})" for name in nodes.values()), "i(vdd)"])
    result, times = run_loaded(loaded_deck(target, load, solver, cycles, start=start, save=save), target)
    if times.size < SETTLE + FEWEST:
        raise SimulatorError(
            f"the PE made {times.size} cycles in {cycles} of {load.frequency_Hz / 1e6:.4g} MHz at corner "
            f"{target.technology.corner}, {target.technology.temperature_K:.4g} K, {SETTLE + FEWEST} are needed: it "
            "does not oscillate, or runs far below its card's frequency_Hz"
        )
    period_s, error_s = slope(times[SETTLE:])
    time, raw, half = result.raw.time_s, result.raw, target.technology.supply_V / 2
    crossings = {node: rising_crossings(time, raw[f"v({nodes[node]})"], half)[0] for node in (read, "p", "n")}
    settled = {node: found[found > times[SETTLE] - period_s / 2] for node, found in crossings.items()}
    turns = {node: mean_turn(found / period_s) for node, found in settled.items()}
    zero = turns["p"] if mark_rad is None else turns[read] - mark_rad / TWO_PI
    first_s = (np.ceil(times[SETTLE] / period_s - zero) + zero) * period_s
    whole = int((time[-1] - first_s) / period_s)
    grid_s = first_s + period_s * (np.arange(whole)[:, None] + np.arange(SAMPLES) / SAMPLES)
    steady = SteadyState(
        target.name,
        target.technology.corner,
        target.technology.temperature_K,
        "merged",
        solver,
        1 / period_s,
        error_s / period_s**2,
        {node: np.interp(grid_s, time, raw[f"v({name})"]).mean(axis=0) for node, name in nodes.items()},
        {node: TWO_PI * ((turn - zero) % 1.0) for node, turn in turns.items()},
        load.shil_phase_rad,
        f"ngspice {result.simulator.version}",
        result.cpu_s,
        load.fan_in,
    )
    return steady, -float(np.interp(grid_s, time, raw["i(vdd)"]).mean()) * target.technology.supply_V


def mean_turn(turns: NDArray[np.float64]) -> float:
    """The mean place on the circle, 0..1. A tap's edge is as short as a step, so that one crossing alone is 2 degrees
    off.
    """
    return float(np.angle(np.exp(1j * TWO_PI * turns).mean()) / TWO_PI % 1.0)


def slope(times_s: NDArray[np.float64]) -> tuple[float, float]:
    """Period (s) of crossings in a row and its standard error."""
    n = np.arange(times_s.size) - (times_s.size - 1) / 2
    period = float(n @ times_s) / float(n @ n)
    left = times_s - times_s.mean() - period * n
    return period, float(np.sqrt(left @ left / (n.size - 2) / (n @ n)))
