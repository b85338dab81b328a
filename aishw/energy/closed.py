"""A whole small array of full cells, random codes, reference and second harmonic: what its one supply gives.

Nothing of it was seen by a fit: other couplings, other codes, real neighbours instead of replayed ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aishw.ais.system import System
from aishw.ais.topology import grid
from aishw.calibrate.metered import mean_between
from aishw.energy.bench import FEWEST
from aishw.engines.ngspice import run_deck
from aishw.engines.phase import rising_crossings
from aishw.engines.start import pe_voltages, read_name
from aishw.engines.window import chunk_deck
from aishw.errors import EnergyError
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import KINDS, Target
from aishw.lower.design import Design, Timeline

SIDE, NEIGHBOURS, BITS = 3, "king8", 4
SETTLE, CYCLES = 4, 10


@dataclass(frozen=True, eq=False)
class ClosedFinding:
    """seed: of codes and phases. supply_W: of the whole array, mean over whole cycles of PE 0; frequency_Hz: PE 0's."""

    seed: int
    supply_W: float
    frequency_Hz: float


def closed_design(target: Target, seed: int) -> Design:
    """SIDE x SIDE sites with NEIGHBOURS, random codes of every kind at the strongest bias, one chunk."""
    draw = np.random.default_rng(seed)
    topology = grid(SIDE, SIDE, NEIGHBOURS)
    sites, edges = topology.sites, topology.edges.shape[1]
    top = 2 ** (BITS - 1) - 1
    shapes = {"coupling": edges, "shil": sites, "reference": sites}
    codes = {kind: draw.integers(-top, top + 1, (1, shapes[kind])).astype(np.int8) for kind in KINDS}
    codes["shil"] = np.abs(codes["shil"])
    terms = {kind: np.zeros((1, sites)) for kind in ("shil", "reference")}
    system = System("kurashil", topology, np.zeros((1, edges)), terms, np.ones(1))
    scale = {kind: np.full((1, sites), target.injections[kind].rate_limit) for kind in KINDS}
    line = Timeline("state_stationary", np.zeros(1), np.zeros(1), np.ones(1) / target.frequency_Hz, 0, 0, 1, 0, 0)
    return Design(system, target, BITS, "array", codes, scale, np.ones(1), line, {})


def measure_closed(target: Target, steady: SteadyState, seed: int, solver: Solver | None = None) -> ClosedFinding:
    """Runs the array. Raises EnergyError if PE 0 made fewer than FEWEST whole cycles."""
    design = closed_design(target, seed)
    sites, f = np.arange(design.system.sites), steady.frequency_Hz
    phase = np.random.default_rng(seed + 1).uniform(-np.pi, np.pi, sites.size)
    deck = chunk_deck(
        design, 0, sites, steady.waves, frequency_Hz=f, shil_phase_rad=steady.shil_phase_rad, outside={},
        solver=solver or steady.solver, stop_s=CYCLES / f, start_V=pe_voltages(sites, steady, phase),
        title="aishw closed array", save=f"v({read_name(target, 0)}) i(vdd)", cells="full",
    )  # fmt: skip
    raw = run_deck(deck, time_limit_s=1800).raw
    supply_V = target.technology.supply_V
    times = rising_crossings(raw.time_s, raw.node(read_name(target, 0)), supply_V / 2)[0]
    whole = times.size - 1 - SETTLE
    if whole < FEWEST - 1:
        raise EnergyError(f"PE 0 of the array made {max(whole, 0)} whole cycles, power needs {FEWEST - 1}")
    span = (float(times[SETTLE]), float(times[-1]))
    return ClosedFinding(
        seed, -supply_V * mean_between(raw.time_s, raw["i(vdd)"], *span), float(whole / (span[1] - span[0]))
    )
