"""The loaded PE with an ammeter in each part's supply. Its taps drive full couplers, not capacitors in their place: the
multiplexers make them two thirds heavier than merged ones (`ring28`: 5.4 fF a tap against 3.4).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from aishw.calibrate.forced import band_limited, coupler_lines
from aishw.calibrate.loaded import Load, loaded_deck, run_loaded
from aishw.calibrate.sources import BENCH, BITS, source_phases
from aishw.engines import deck_replay
from aishw.engines.start import read_name
from aishw.errors import SimulatorError
from aishw.hardware.cells import cell_text
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target
from aishw.units import TWO_PI
from aishw.units import spice_number as number

CYCLES, SETTLE = 14, 6
RING = {"r0", "r1", "r2", "q"}
PARTS = ("ring", "taps", "couplers", "driven")


@dataclass(frozen=True)
class Split:
    """Mean supply power, W: the ring, its taps, the couplers that drive it; driven_W: those that it drives, whose
    supply is other PEs'. drive_W: what the drivers of the 2 f clock and of SHIL's low rail take from the supply.
    whole_W: all but driven_W and drive_W.
    """

    ring_W: float
    taps_W: float
    couplers_W: float
    driven_W: float
    drive_W: float
    whole_W: float


def split_power(target: Target, steady: SteadyState, load: Load, solver: Solver = BENCH) -> Split:
    """The mean over the whole cycles after SETTLE."""
    deck = metered_deck(target, steady, load, solver)
    result, times = run_loaded(deck, target)
    raw, supply_V = result.raw, target.technology.supply_V
    span = (float(times[SETTLE]), float(times[-1]))
    amperes = {part: mean_between(raw.time_s, raw[f"i(v_{part})"], *span) for part in PARTS}
    whole_A = -mean_between(raw.time_s, raw["i(vdd)"], *span) - amperes["driven"]
    period_s = 0.5 / load.frequency_Hz
    pushed_C = sum(pushed_charge(raw.time_s, raw[f"i({name})"], period_s, *span) for name in _clocks(deck))
    # A rail that has to give charge takes it from the supply; one that receives it spills it.
    rail_A = max(-mean_between(raw.time_s, raw["i(vm)"], *span), 0.0)
    parts = (*(amperes[part] for part in PARTS), pushed_C / period_s + rail_A, whole_A)
    return Split(*(float(supply_V * ampere) for ampere in parts))


def metered_deck(target: Target, steady: SteadyState, load: Load, solver: Solver) -> str:
    """The loaded deck with supplies vdd_ring, vdd_taps, vdd_couplers and vdd_driven behind the ammeters v_<part>."""
    cells = cell_text(target, BITS, 1)
    metered = "\n".join([metered_pe(cells), many_cells(cells, load.fan_in / load.groups)])
    phases, f = source_phases(load.groups), load.frequency_Hz
    wave = band_limited(steady.waves["r0"])
    table = deck_replay.wave_table(wave)
    extra = [f"v_{part} vdd vdd_{part} 0" for part in PARTS]
    volts = {f"vdd_{part}": target.technology.supply_V for part in PARTS}
    for k, phase in enumerate(phases.tolist()):
        node, turns = f"other{k}", phase / TWO_PI
        extra.append(deck_replay.replay_line(node, node, table, f, number(turns)))
        volts[node] = float(np.interp(turns * wave.size, np.arange(wave.size), wave, period=wave.size))
        (coupler,) = coupler_lines(target.encoding, [0], 1, "full")
        words = {"n_0": "n_own", "p_0": "p_own", "y": node, "xc": f"xd{k}", "coupler": "coupler_many"}
        extra.append(_supplied(" ".join(words.get(word, word) for word in coupler[0].split()), "driven"))
    extra += deck_replay.start_lines(volts)
    lines = loaded_deck(target, load, solver, CYCLES, start=steady, extra=extra, cells=metered).splitlines()
    wire = number(target.circuit["wire_F"])
    for k, line in enumerate(lines):
        if line.startswith(("cp0 ", "cn0 ")):
            lines[k] = " ".join([*line.split()[:3], wire])
        elif re.match(r"xo?c\d+ ", line):
            lines[k] = _supplied(line, "couplers")
        elif line.startswith("xp0 "):
            lines[k] = "xp0 r0_0 r1_0 r2_0 n_own p_own vdd_taps vdd_ring pe_metered"
    save = [f".save v({read_name(target, 0)}) i(vdd) i(vm) {' '.join(f'i(v_{part})' for part in PARTS)}"]
    save += [f".save i({name})" for name in _clocks("\n".join(lines))]
    return "\n".join([*(line for line in lines[:-1] if not line.startswith(".save")), *save, ".end", ""])


def metered_pe(cells: str) -> str:
    """A copy of subcircuit `pe` with a supply of its own for the cells whose every pin is on the ring.

    Raises SimulatorError if no cell is.
    """
    found = re.search(r"^\.subckt pe .*?^\.ends", re.sub(r"\n\+", " ", cells), re.MULTILINE | re.DOTALL)
    header, *body = found[0].splitlines() if found else [""]
    count = 0
    for k, line in enumerate(body):
        words = line.split()
        pins = [word for word in words[1:-1] if "=" not in word] if line[:1] == "x" else []
        pins = pins if "=" not in words[-1] else pins[:-1]  # the cell's name stands before its parameters
        if pins and set(pins) <= RING | {"vdd", "0"}:
            count += 1
            body[k] = re.sub(r"\bvdd\b", "vring", line)
    if not count:
        raise SimulatorError("subcircuit pe has no cell between r0, r1 and r2: its ring's supply cannot be told apart")
    words = header.split()
    words[1], last = "pe_metered", max(k for k, word in enumerate(words) if "=" not in word)
    return "\n".join([" ".join([*words[: last + 1], "vring", *words[last + 1 :]]), *body])


def many_cells(cells: str, many: float) -> str:
    """A copy `<name>_many` of every subcircuit, each of its transistors `many` times as wide by its multiplicity.

    (ngspice 39 takes an instance's own m= and does nothing with it.)
    """
    lines = []
    for line in re.sub(r"\n\+", " ", cells).splitlines():
        words = line.split()
        if line.startswith(".subckt"):
            line = " ".join([words[0], f"{words[1]}_many", *words[2:]])
        elif line.startswith("x"):
            last = max(k for k, word in enumerate(words) if "=" not in word)
            line = " ".join([*words[:last], f"{words[last]}_many", *words[last + 1 :]])
        elif line.startswith("m"):
            found = re.search(r"\bm=\{?([^\s}]+)\}?", line)
            line = re.sub(r"\bm=\S+", "", line) + f" m={{{number(many)}*({found[1] if found else 1})}}"
        lines.append(line)
    return "\n".join(lines)


def mean_between(time_s: NDArray[np.float64], values: NDArray[np.float64], begin_s: float, end_s: float) -> float:
    """The mean of a curve between two times, straight from sample to sample: trap's own charge."""
    inside = (time_s > begin_s) & (time_s < end_s)
    time = np.concatenate([[begin_s], time_s[inside], [end_s]])
    return float(np.trapezoid(np.interp(time, time_s, values), time) / (end_s - begin_s))


def pushed_charge(
    time_s: NDArray[np.float64], current: NDArray[np.float64], period_s: float, begin_s: float, end_s: float
) -> float:
    """C that a driver pushes into a gate and takes back in each period: the swing of its charge, mean over periods.

    Not half the integral of |i|: trap lets a source's current ring from step to step, which its charge does not show.
    """
    charge = np.concatenate([[0.0], np.cumsum((current[1:] + current[:-1]) / 2 * np.diff(time_s))])
    number_of = int((end_s - begin_s) / period_s + 1e-6)
    edges = begin_s + period_s * np.arange(number_of + 1)
    swings = [np.ptp(charge[(time_s >= a) & (time_s <= b)]) for a, b in pairwise(edges)]
    return float(np.mean(swings))


def _supplied(line: str, part: str) -> str:
    return re.sub(r"\bvdd\b", f"vdd_{part}", line)


def _clocks(deck: str) -> list[str]:
    """The sources of 2 f clocks that a unit of the deck hangs on."""
    used = set(re.findall(r"^xs\d+ (ckb?_\d+) ", deck, re.MULTILINE))
    return [f"b{node}" for node in sorted(used)]
