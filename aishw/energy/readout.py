"""What a phase detector takes while it settles. It has no supply: all of it comes from the lines that it mixes."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from aishw.calibrate.metered import pushed_charge
from aishw.calibrate.sources import BENCH
from aishw.calibrate.steady import tile_design
from aishw.engines import deck_replay
from aishw.engines.deck_transistor import chip_deck
from aishw.engines.ngspice import run_deck
from aishw.hardware.cells import cell_text, model_text
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target
from aishw.units import TWO_PI
from aishw.units import spice_number as number

BITS = 4  # of cells that a detector does not use
PHASES_RAD = (0.0, 0.8, 1.6, 2.4)
SETTLE, CYCLES = 4, 8


@dataclass(frozen=True, eq=False)
class DetectorFinding:
    """watts: what the drivers of a detector's taps and quadrature lines take for it, the mean over phases. settle_s:
    the time constant of its low-pass.
    """

    watts: float
    settle_s: float


def measure_detector(target: Target, steady: SteadyState, solver: Solver = BENCH) -> DetectorFinding:
    """The charge that drivers push into detectors at PHASES_RAD in each period, times supply and frequency."""
    f, supply_V = steady.frequency_Hz, target.technology.supply_V
    waves = {tap: deck_replay.smoothed(steady.waves[tap]) for tap in "pn"}
    tables = {tap: deck_replay.wave_table(wave) for tap, wave in waves.items()}
    lines, names, volts = [], [], {"vdd": supply_V}
    for k, phase in enumerate(PHASES_RAD):
        for lead, at in (("", phase / TWO_PI), ("q", 0.25)):
            for tap in "pn":
                node = f"{lead}{tap}_{k}"
                names.append(node)
                lines.append(deck_replay.replay_line(node, node, tables[tap], f, number(at)))
                wave = waves[tap]
                volts[node] = float(np.interp(at * wave.size, np.arange(wave.size), wave, period=wave.size))
        lines.append(f"xq{k} p_{k} n_{k} qp_{k} qn_{k} out_{k} vdd phase_detector")
        volts[f"out_{k}"] = supply_V * (0.5 - phase / np.pi)
    deck = chip_deck(
        tile_design(target, {}),
        lines,
        title="aishw phase detectors",
        models=model_text(target.technology),
        cells=cell_text(target, BITS, 1),
        solver=solver,
        stop_s=CYCLES / f,
        start=deck_replay.start_lines(volts),
        save=" ".join(f"i(b{name})" for name in names),
    )
    raw = run_deck(deck, time_limit_s=600).raw
    span = (SETTLE / f, CYCLES / f)
    pushed_C = sum(pushed_charge(raw.time_s, raw[f"i(b{name})"], 1 / f, *span) for name in names)
    return DetectorFinding(float(supply_V * pushed_C * f / len(PHASES_RAD)), low_pass_s(target))


def low_pass_s(target: Target) -> float:
    """R C of the detector's output."""
    found = re.search(r"^\.subckt phase_detector .*?r=(\S+) c=(\S+)", cell_text(target, BITS, 1), re.MULTILINE)
    return float(found[1]) * float(found[2]) if found else 0.0
