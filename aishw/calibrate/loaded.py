"""One PE alone under an equivalent load: its couplers merged into a few, driven at evenly spread phases.

A coupler at code 0 acts the same half a turn later, so that `groups` couplers of a multiplied size at even phases leave
only every harmonic of the phase that is a multiple of 2 * groups (of an odd number); five stand for 24 and cost a fifth
of a tile run. The reference coupler, which holds code 0 too, is spread with the others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aishw.calibrate.sources import BITS, bias_sources, clock_sources, source_phases, tap_sources
from aishw.calibrate.steady import tile_design
from aishw.engines import deck_replay
from aishw.engines.deck_transistor import MIDDLE_TRIM, chip_deck, fixed_coupler, fixed_fingers
from aishw.engines.ngspice import Result, run_deck
from aishw.engines.phase import rising_crossings
from aishw.engines.start import pe_nodes, read_name
from aishw.hardware.cells import cell_text, model_text, unit
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target
from aishw.units import spice_number as number

GROUPS = 5


@dataclass(frozen=True, eq=False)
class Load:
    """What drives the couplers. waves: one period (M,) of taps "p" and "n"; they run at frequency_Hz.

    fan_in: couplers of the PE. rate: rad per cycle of the strongest code, sets their bias (None: the strongest).
    shil_code, shil_rate: a SHIL unit in as many parts, at even clock phases: what it does on average.
    """

    waves: Mapping[str, NDArray[np.float64]]
    frequency_Hz: float
    fan_in: int = 24
    rate: float | None = None
    groups: int = GROUPS
    shil_code: int = 0
    shil_rate: float | None = None
    shil_phase_rad: float = 0.0


def load_of(steady: SteadyState) -> Load:
    """The load that a steady state was measured under."""
    return Load(steady.waves, steady.frequency_Hz, steady.fan_in, shil_phase_rad=steady.shil_phase_rad)


def loaded_deck(
    target: Target,
    load: Load,
    solver: Solver,
    cycles: float,
    *,
    start: SteadyState | None = None,
    trim: int = MIDDLE_TRIM,
    extra: Sequence[str] = (),
    rename: Mapping[str, str] | None = None,
    cells: str = "",
    save: str | None = None,
) -> str:
    """The deck of PE 0 (nodes r0_0 .. p_0) under `load` for `cycles` cycles of the load.

    start: the steady state whose phase 0 it starts from (None: from a ring out of balance). extra: further lines.
    rename: other subcircuits, defined in `cells`, for instances by their name ("xp0", "xc3").
    """
    vdd, circuit = target.technology.supply_V, target.circuit
    lines, volts = bias_sources(target, "coupling", load.rate)
    phases = source_phases(load.groups)
    sources, held = tap_sources(load.waves, phases, load.frequency_Hz)
    volts |= held
    lines += sources
    ties = " ".join("vdd" if trim >> b & 1 else "0" for b in range(9))
    lines += ["xp0 r0_0 r1_0 r2_0 n_own p_own vdd pe", f"xt0 r1_0 {ties} trim"]
    tap_F = number(circuit["wire_F"] + target.fan_in * circuit["tap_load_F"])
    lines += [f"cp0 p_own 0 {tap_F}", f"cn0 n_own 0 {tap_F}"]
    if load.fan_in < target.fan_in:
        lines.append(f"cf0 r0_0 0 {number((target.fan_in - load.fan_in) * circuit['coupler_F'])}")
    many = (load.fan_in + 1) / load.groups  # the reference is one more coupler
    fixed = fixed_coupler(target.encoding, BITS)
    for k in range(load.groups):
        lines += [multiplied(line, many) for line in fixed(f"c{k}", str(k), "r0_0", "bn bp", 0)]
    if load.shil_code:
        lines += shil_load(target, load, volts)
    volts |= {"vdd": vdd, "vm": circuit["shil_low_V"]}
    volts |= start_voltages(start, target.encoding, phases) if start else {"r0_0": 0.0, "r1_0": vdd, "r2_0": 0.25 * vdd}
    return chip_deck(
        tile_design(target, {}, fan_in=load.fan_in),
        [*(_renamed(line, rename or {}) for line in lines), *extra],
        title="aishw loaded PE",
        models=model_text(target.technology),
        cells="\n".join([cell_text(target, BITS, 1), cells]),
        solver=solver,
        stop_s=cycles / load.frequency_Hz,
        start=deck_replay.start_lines(volts),
        save=save or f"v({read_name(target, 0)})",
    )


def shil_load(target: Target, load: Load, volts: dict[str, float]) -> list[str]:
    """The SHIL unit of a load in `groups` parts and its clocks; `volts` receives what they hold at time zero."""
    lines, held = bias_sources(target, "shil", load.shil_rate)
    sources, clocks = clock_sources(target, source_phases(load.groups), load.frequency_Hz, load.shil_phase_rad)
    volts |= held | clocks
    part = number(abs(load.shil_code) * unit(BITS) / load.groups)
    clock = "ck" if load.shil_code > 0 else "ckb"
    return [*lines, *sources, *(f"xs{k} {clock}_{k} r1_0 bs vm shil_unit u={part}" for k in range(load.groups))]


def load_cells(target: Target, groups: int = GROUPS) -> dict[str, str]:
    """Subcircuit by instance of a loaded deck: what `rename` can give another one."""
    fixed = fixed_coupler(target.encoding, BITS)
    lines = [line.split() for k in range(groups) for line in fixed(f"c{k}", str(k), "r0_0", "bn bp", 0)]
    return {"xp0": "pe"} | {words[0]: [word for word in words if "=" not in word][-1] for words in lines}


def _renamed(line: str, names: Mapping[str, str]) -> str:
    words = line.split()
    if words[0] not in names:
        return line
    last = max(k for k, word in enumerate(words) if "=" not in word)
    return " ".join([*words[:last], names[words[0]], *words[last + 1 :]])


def multiplied(line: str, many: float) -> str:
    """An instance line with `many` times the units of each finger."""
    return re.sub(r"\b(u[pn]?)=(\S+)", lambda found: f"{found[1]}={number(many * float(found[2]))}", line)


def start_voltages(steady: SteadyState, encoding: str, phases_rad: NDArray[np.float64]) -> dict[str, float]:
    """The PE's nodes at phase 0 and the coupler fingers' at their sources' phases."""
    volts = own_voltages(steady)
    for k, phase in enumerate(phases_rad.tolist()):
        volts |= finger_voltages(steady, encoding, f"c{k}", 0, phase)
    return volts


def own_voltages(steady: SteadyState) -> dict[str, float]:
    """The nodes of PE 0 at phase 0; its taps are called p_own and n_own."""
    names = pe_nodes(steady.waves) | {"p": "p_own", "n": "n_own"}
    return {name.format(0): float(steady.at(node, 0.0)) for node, name in names.items()}


def finger_voltages(steady: SteadyState, encoding: str, name: str, code: int, phase_rad: float) -> dict[str, float]:
    """The inner nodes of the merged coupler x<name> whose source stands at `phase_rad`, as far as they are known."""
    return {
        f"{instance}.{node}": float(steady.at(f"{wave}.{node}", phase_rad))
        for instance, wave in fixed_fingers(encoding, BITS, name, code)
        for node in "st"
        if f"{wave}.{node}" in steady.waves
    }


def run_loaded(deck: str, target: Target) -> tuple[Result, NDArray[np.float64]]:
    """The finished run and the times (s) of the ring's rising crossings of half the supply."""
    result = run_deck(deck, time_limit_s=600)
    wave = result.raw.node(read_name(target, 0))
    times = rising_crossings(result.raw.time_s, wave, target.technology.supply_V / 2)[0]
    return result, times
