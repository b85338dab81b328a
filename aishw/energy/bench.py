"""One PE between real couplers, an ammeter in each part's supply: any number of couplings, width, size, frequency.

Couplers that drive the PE hang on taps at even phases; the PE's own taps drive as many, whose outputs are held on r0's
wave. All are full cells, in GROUPS groups of many cells each. Power is a mean over whole cycles: a run too short for
them is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from aishw.calibrate.forced import band_limited
from aishw.calibrate.loaded import own_voltages
from aishw.calibrate.metered import many_cells, mean_between, metered_pe, pushed_charge
from aishw.calibrate.sources import BENCH, bias_sources, source_phases, tap_sources
from aishw.calibrate.steady import tile_design
from aishw.energy.law import check_sizes
from aishw.engines import deck_replay
from aishw.engines.deck_rails import offset_bits, sign_bits
from aishw.engines.deck_transistor import MIDDLE_TRIM, chip_deck
from aishw.engines.ngspice import run_deck
from aishw.engines.phase import rising_crossings
from aishw.engines.start import read_name
from aishw.errors import EnergyError
from aishw.hardware.cells import cell_text, model_text, unit
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target
from aishw.units import TWO_PI
from aishw.units import spice_number as number

GROUPS = 5
CYCLES, SETTLE, FEWEST = 11, 4, 5
PARTS = ("ring", "taps", "couplers", "driven")


@dataclass(frozen=True)
class Point:
    """What a run is made with.

    couplings, bits: of the PE. level: the couplers' code over the strongest one. bias: which of the card's biases of
    the coupling, from the strongest (0) down. slower: the ring's capacitors by this fraction larger than the cell's.
    size: drive elements of a coupler over the card's; the card's own weight keeps the strongest code's current at
    every width, so that its least significant element shrinks.
    """

    couplings: int
    bits: int = 4
    level: float = 0.0
    bias: int = 0
    slower: float = 0.0
    size: float = 1.0

    def __post_init__(self) -> None:
        check_sizes(None, self.couplings, self.bits)
        if self.bits < 2 or abs(self.level) > 1 or self.size <= 0 or self.slower <= -1:
            raise EnergyError(
                f"{self} cannot be simulated: a signed weight has 2 bits or more, a level lies in -1..1, a size above 0"
            )

    @property
    def code(self) -> int:
        """The code nearest to the level."""
        return round(self.level * (2 ** (self.bits - 1) - 1))


@dataclass(frozen=True, eq=False)
class Split:
    """Mean supply power, W: the ring, its taps, the couplers that drive it (one of them the reference's); driven_W:
    those that it drives, whose supply is other PEs'. source_W: what the drivers of the couplers' taps take for them;
    whole_W: the supply's own current, driven_W left out. cycles: whole ones behind the means.
    """

    frequency_Hz: float
    ring_W: float
    taps_W: float
    couplers_W: float
    driven_W: float
    source_W: float
    whole_W: float
    cycles: int


def measure_point(
    target: Target, steady: SteadyState, point: Point, solver: Solver = BENCH, cycles: int = CYCLES
) -> Split:
    """Runs one point. Raises EnergyError if the PE made fewer than FEWEST whole cycles after SETTLE."""
    f = expected_Hz(target, steady, point)
    raw = run_deck(point_deck(target, steady, point, solver, cycles), time_limit_s=600).raw
    supply_V = target.technology.supply_V
    times = rising_crossings(raw.time_s, raw.node(read_name(target, 0)), supply_V / 2)[0]
    whole = times.size - 1 - SETTLE
    if whole < FEWEST:
        raise EnergyError(
            f"the PE made {max(times.size - 1, 0)} whole cycles in {cycles} expected ones of {f / 1e6:.4g} MHz; power "
            f"is a mean over whole cycles and needs {SETTLE + FEWEST}; give more of them"
        )
    span = (float(times[SETTLE]), float(times[-1]))
    ring_W, taps_W, couplers_W, driven_W = (
        supply_V * mean_between(raw.time_s, raw[f"i(v_{part})"], *span) for part in PARTS
    )
    whole_W = -supply_V * mean_between(raw.time_s, raw["i(vdd)"], *span) - driven_W
    names = [f"i(b{tap}_{k})" for tap in "pn" for k in range(GROUPS)]
    pushed_C = sum(pushed_charge(raw.time_s, raw[name], 1 / f, *span) for name in names)
    measured_Hz = whole / (span[1] - span[0])
    source_W = float(supply_V * pushed_C * f)
    return Split(float(measured_Hz), ring_W, taps_W, couplers_W, driven_W, source_W, whole_W, whole)


def expected_Hz(target: Target, steady: SteadyState, point: Point) -> float:
    """About where the slowed ring runs: FIXED of its capacitance is the transistors' own."""
    return steady.frequency_Hz / (1 + (1 - FIXED) * point.slower)


FIXED = 0.4


def point_deck(target: Target, steady: SteadyState, point: Point, solver: Solver, cycles: int) -> str:
    """The deck of one point; its parts stand behind the ammeters v_<part>."""
    f, supply_V, circuit = expected_Hz(target, steady, point), target.technology.supply_V, target.circuit
    injection = target.injections["coupling"]
    lines, volts = bias_sources(target, "coupling", float(injection.rate[-1 - point.bias]))
    phases = source_phases(GROUPS)
    sources, held = tap_sources(steady.waves, phases, f)
    volts |= held
    cells = sized_cells(cell_text(target, point.bits, 1), point.size)
    driving = many_cells(cells, (point.couplings + 1) / GROUPS)
    driven = many_cells(cells, point.couplings / GROUPS).replace("_many", "_driven") if point.couplings else ""
    ties = " ".join("vdd" if MIDDLE_TRIM >> b & 1 else "0" for b in range(9))
    lines += [*sources, f"xp0 r0_0 r1_0 r2_0 n_own p_own vdd_taps vdd_ring pe_metered dc={number(point.slower)}"]
    lines += [f"xt0 r1_0 {ties} trim"]
    lines += [f"c{tap}0 {tap}_own 0 {number(circuit['wire_F'])}" for tap in "pn"]
    if point.couplings < target.fan_in:  # the ring keeps its frequency: a PE of fewer couplers has a larger capacitor
        lines.append(f"cf0 r0_0 0 {number((target.fan_in - point.couplings) * circuit['coupler_F'])}")
    wave = band_limited(steady.waves["r0"])
    table = deck_replay.wave_table(wave)
    bits = bit_ties(target.encoding, point.code, point.bits)
    for k, phase in enumerate(phases.tolist()):
        lines.append(f"xc{k} n_{k} p_{k} r0_0 {bits} bn bp vdd_couplers coupler_many")
        if point.couplings:
            node, turns = f"other{k}", phase / TWO_PI
            lines.append(deck_replay.replay_line(node, node, table, f, number(turns)))
            lines.append(f"xd{k} n_own p_own {node} {bits} bn bp vdd_driven coupler_driven")
            volts[node] = float(np.interp(turns * wave.size, np.arange(wave.size), wave, period=wave.size))
    lines += [f"v_{part} vdd vdd_{part} 0" for part in PARTS]
    volts |= {f"vdd_{part}": supply_V for part in PARTS} | {"vdd": supply_V, "vm": circuit["shil_low_V"]}
    volts |= own_voltages(steady)
    save = [f"v({read_name(target, 0)})", "i(vdd)", *(f"i(v_{part})" for part in PARTS)]
    save += [f"i(b{tap}_{k})" for tap in "pn" for k in range(GROUPS)]
    return chip_deck(
        replace(tile_design(target, {}), target=replace(target, frequency_Hz=f)),
        lines,
        title="aishw PE between couplers",
        models=model_text(target.technology),
        cells="\n".join([cells, metered_pe(cells), _new(driving, "_many"), _new(driven, "_driven")]),
        solver=solver,
        stop_s=cycles / f,
        start=deck_replay.start_lines(volts),
        save=" ".join(save),
    )


def bit_ties(encoding: str, code: int, bits: int) -> str:
    """The bit pins of a full coupler, tied to the rails for a code."""
    words = sign_bits if encoding == "sign_magnitude" else offset_bits
    pins = words(np.array([[code]], dtype=np.int8), bits)[0, :, 0]
    return " ".join("vdd 0" if pin else "0 vdd" for pin in pins)


def sized_cells(cells: str, size: float) -> str:
    """`cells` with `size` times the drive elements in every coupler."""

    def grown(found: re.Match[str]) -> str:
        return re.sub(r"\bu=(\S+)", lambda u: f"u={number(size * float(u[1]))}", found[0])

    return re.sub(r"^\.subckt coupler .*?^\.ends", grown, cells, flags=re.MULTILINE | re.DOTALL)


def held_element(bits: int) -> float:
    """The size at which a coupler's least significant element is that of 4 bits, at any width: each bit doubles it."""
    return unit(4) / unit(bits)


def _new(copied: str, ending: str) -> str:
    """Of the output of `many_cells`, the copies alone."""
    found = re.findall(rf"^\.subckt \w+{ending} .*?^\.ends", copied, re.MULTILINE | re.DOTALL)
    return "\n".join(found)
