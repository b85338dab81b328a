"""Transistor cells of a deck: full ones with all their bits, or merged ones at a chunk's codes. Pure text.

Names carry the wiring: PE `xp<i>` with nodes r0_<i>, r1_<i>, r2_<i> and taps p_<i>, n_<i>; coupler `xc<i>_<j>` drives
site i from site j; `xs<i>` SHIL and `xr<i>` reference. A coupler's p pin sits on tap n of its source and the other way
round, so that a positive code repels (measured: a source in phase on tap p attracts). On request each weight bit has
latches and a chunk selector instead of switched rails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from aishw.engines.deck_rails import (
    bias_rails,
    dac_patterns,
    offset_bits,
    pattern_lines,
    pattern_names,
    patterns,
    select_lines,
    sign_bits,
)
from aishw.errors import DeckError
from aishw.hardware.cells import fixed_units, switched_units, unit
from aishw.hardware.solver import Solver
from aishw.lower.design import Design
from aishw.units import spice_number as number

STORAGES = ("ideal", "latch")
BIASES = ("ideal", "dac")
MIDDLE_TRIM = 256


def chip_deck(
    design: Design,
    body: Iterable[str],
    *,
    title: str,
    models: str,
    cells: str,
    solver: Solver,
    stop_s: float,
    start: Iterable[str] = (),
    save: str = "all",
) -> str:
    """A complete deck: title, models, cells, supply, body, start state, analysis."""
    technology = design.target.technology
    step_s = 1 / (design.target.frequency_Hz * solver.steps_per_cycle)
    lines = [
        title,
        models,
        cells,
        f".temp {number(technology.temperature_K - 273.15)}",
        solver.options(),
        f"vdd vdd 0 {number(technology.supply_V)}",
        f"vm vm 0 {number(design.target.circuit['shil_low_V'])}",
        *body,
        *start,
        f".tran {number(step_s)} {number(stop_s)} 0 {number(step_s)} uic",
        f".save {save}",
        ".end",
        "",
    ]
    return "\n".join(lines)


def full_body(
    design: Design,
    *,
    storage: str = "ideal",
    bias: str = "ideal",
    trim: NDArray[np.int64] | None = None,
    sites: NDArray[np.int64] | None = None,
    readout: bool = False,
) -> Iterator[str]:
    """The array of full cells: PEs, trims, couplers with their bits, SHIL, reference, select and pattern rails.

    sites: the window's sites (default: all). trim: (N,) codes 0..511 (default: the middle). readout: a phase detector
    on
    every visible site. Raises DeckError for an unknown storage or bias.
    """
    if storage not in STORAGES or bias not in BIASES:
        raise DeckError(f"storage {storage!r}, bias {bias!r}: known are {', '.join(STORAGES)} and {', '.join(BIASES)}")
    system, bits, segments = design.system, design.bits, design.system.segments
    sites = np.arange(system.sites) if sites is None else sites
    inside = np.zeros(system.sites, dtype=bool)
    inside[sites] = True
    driven, driving = system.topology.edges
    kept = np.flatnonzero(inside[driven])
    weight_bits = sign_bits if design.target.encoding == "sign_magnitude" else offset_bits
    words = {
        "c": patterns(weight_bits(design.codes["coupling"][:, kept], bits)),
        "r": patterns(weight_bits(design.codes["reference"][:, sites], bits)),
        "s": patterns(sign_bits(design.codes["shil"][:, sites], bits)),
    }
    yield from select_lines(design)
    rails: dict[str, list[str]] = {}
    used: set[int] = set()
    if storage == "ideal":
        used = {int(p) for word in words.values() for p in np.flatnonzero(np.bincount(word.ravel()))}
    for kind in ("coupling", "reference", "shil"):
        lines, rails[kind] = bias_rails(design, kind, sites, None, bias)
        yield from lines
        used |= dac_patterns(lines)
    top = 2**segments - 1
    yield from pattern_lines(design, used | {top - p for p in used})
    yield from pe_lines(design, sites, trim)
    bn_of = dict(zip(sites.tolist(), rails["coupling"]))
    pins = _pins(segments, storage)
    if storage == "ideal":
        yield from _coupler_lines(driven[kept], driving[kept], words["c"], segments, bn_of)
    else:
        wires = zip(driven[kept].tolist(), driving[kept].tolist(), words["c"].tolist())
        for i, j, word in wires:
            yield from pins(f"c{i}_{j}", word, f"n_{j} p_{j} r0_{i}", f"{bn_of[i]} vdd coupler")
    for site, word, rail in zip(sites.tolist(), words["r"].tolist(), rails["reference"]):
        yield from pins(f"r{site}", word, f"n_ref p_ref r0_{site}", f"{rail} vdd coupler")
    for site, word, rail in zip(sites.tolist(), words["s"].tolist(), rails["shil"]):
        yield from pins(f"s{site}", word, f"ck ckb r1_{site}", f"{rail} vm vdd shil")
    if readout:
        shown = [int(v) for v in system.topology.visible if inside[v]]
        yield from (f"xq{v} p_{v} n_{v} p_quad n_quad out_{v} vdd phase_detector" for v in shown)


def _coupler_lines(
    driven: NDArray[np.int64],
    driving: NDArray[np.int64],
    words: NDArray[np.int64],
    segments: int,
    rails: dict[int, str],
) -> Iterator[str]:
    """Coupler lines on switched rails, the bulk of a chip deck, put together from texts per site and per pattern: five
    times faster than formatting each line.
    """
    names, count = pattern_names(segments), 2**segments
    pin = np.array([f" {name} {names[count - 1 - p]}" for p, name in enumerate(names)], dtype=object)
    sites = range(max(int(driven.max(initial=0)), int(driving.max(initial=0))) + 1)
    head = np.array([f"xc{i}_" for i in sites], dtype=object)
    source = np.array([f"{j} n_{j} p_{j} r0_" for j in sites], dtype=object)
    foot = np.array([f" {rails.get(i, '')} vdd coupler" for i in sites], dtype=object)
    own = np.array([str(i) for i in sites], dtype=object)
    pins = pin[words[:, 0]]
    for b in range(1, words.shape[1]):
        pins = pins + pin[words[:, b]]
    columns = (head[driven], source[driving], own[driven], pins, foot[driven])
    yield from map("".join, zip(*(column.tolist() for column in columns)))


def _pins(segments: int, storage: str) -> Callable[[str, list[int], str, str], Iterable[str]]:
    """A function (name, pattern words, first nodes, last nodes) -> lines of one coded cell."""
    names = pattern_names(segments)
    pair = [f"{name} {names[len(names) - 1 - p]}" for p, name in enumerate(names)]
    if storage == "ideal":
        return lambda name, word, first, last: (f"x{name} {first} {' '.join([pair[p] for p in word])} {last}",)
    selects = " ".join(f"sel{k} nsel{k}" for k in range(segments))

    def banked(name: str, word: list[int], first: str, last: str) -> Iterator[str]:
        for b, p in enumerate(word):
            values = " ".join(f"v{k}={digit}" for k, digit in enumerate(names[p][1:]))
            yield f"xk{name}_{b} k{name}_{b} l{name}_{b} {selects} vdd bank {values}"
        yield f"x{name} {first} {' '.join(f'k{name}_{b} l{name}_{b}' for b in range(len(word)))} {last}"

    return banked


def pe_lines(design: Design, sites: NDArray[np.int64], trim: NDArray[np.int64] | None) -> Iterator[str]:
    """PEs and their frequency trims; trim is indexed by site number.

    A PE is sized for its target's fan-in: a neighbourhood with fewer couplers gets capacitors in their place, on r0
    and on both taps, so that edges and delays stay.
    """
    circuit = design.target.circuit
    missing = design.target.fan_in - design.system.topology.fan_in
    for i in sites.tolist():
        code = MIDDLE_TRIM if trim is None else int(trim[i])
        if not 0 <= code <= 511:
            raise DeckError(f"trim code {code} of site {i} is outside 0..511")
        ties = " ".join("vdd" if code >> b & 1 else "0" for b in range(9))
        yield f"xp{i} r0_{i} r1_{i} r2_{i} n_{i} p_{i} vdd pe"
        yield f"xt{i} r1_{i} {ties} trim"
        if missing:
            yield f"cf{i} r0_{i} 0 {number(missing * circuit['coupler_F'])}"
            for tap in "pn":
                yield f"cf{tap}{i} {tap}_{i} 0 {number(missing * circuit['tap_load_F'])}"


def merged_body(
    design: Design, segment: int, sites: NDArray[np.int64], trim: NDArray[np.int64] | None = None
) -> Iterator[str]:
    """The window's PEs with every coupler and injection as its fixed-code equivalent, for one chunk."""
    step = unit(design.bits)
    inside = np.zeros(design.system.sites, dtype=bool)
    inside[sites] = True
    driven, driving = design.system.topology.edges
    rails: dict[str, list[str]] = {}
    for kind in ("coupling", "reference", "shil"):
        lines, rails[kind] = bias_rails(design, kind, sites, segment, "ideal")
        yield from lines
    yield from pe_lines(design, sites, trim)
    bn_of = dict(zip(sites.tolist(), rails["coupling"]))
    codes = design.codes["coupling"][segment].astype(int)
    fixed = fixed_coupler(design.target.encoding, design.bits)
    for e in np.flatnonzero(inside[driven]).tolist():
        i, j = driven[e], driving[e]
        yield from fixed(f"c{i}_{j}", str(j), f"r0_{i}", bn_of[int(i)], codes[e])
    for site, rail in zip(sites.tolist(), rails["reference"]):
        yield from fixed(f"r{site}", "ref", f"r0_{site}", rail, int(design.codes["reference"][segment, site]))
    for site, rail in zip(sites.tolist(), rails["shil"]):
        code = int(design.codes["shil"][segment, site])
        if code:
            yield f"xs{site} {'ck' if code > 0 else 'ckb'} r1_{site} {rail} vm shil_unit u={number(abs(code) * step)}"


def fixed_coupler(encoding: str, bits: int) -> Callable[[str, str, str, str, int], Iterable[str]]:
    """A function (name, source, driven node, bias rails, code) -> lines of one coupler at a fixed code.

    offset: one cell with units on both taps. sign_magnitude: the enabled fingers as one, `x<name>`, on the tap that the
    sign chooses, and the disabled ones, `xo<name>`, on the same tap, for they load the driven node too.
    """
    half = 2 ** (bits - 1)
    codes = range(1 - half, half)
    if encoding == "offset":
        fixed = {k: fixed_units(k, bits) for k in codes}
        units = {k: f"up={number(up)} un={number(un)}" for k, (up, un) in fixed.items()}
        return lambda name, source, y, rail, code: (
            f"x{name} n_{source} p_{source} {y} {rail} vdd coupler_fixed {units[code]}",
        )
    parts = {k: tuple(map(number, switched_units(k, bits))) for k in codes}

    def fingers(name: str, source: str, y: str, rail: str, code: int) -> Iterator[str]:
        tap = f"{'n' if code >= 0 else 'p'}_{source}"
        on, off = parts[code]
        if code:
            yield f"x{name} {tap} {y} {rail} vdd finger u={on}"
        if abs(code) < half - 1:
            yield f"xo{name} {tap} {y} 0 vdd vdd finger u={off}"

    return fingers


def fixed_fingers(encoding: str, bits: int, name: str, code: int) -> list[tuple[str, str]]:
    """The fingers of `fixed_coupler` as (instance, kind): its nodes are `<instance>.s` and `.t`, and the steady state
    keeps them as `<kind>.s` and `.t` over the phase of the tap that drives it: "n", "p", and "n.off", "p.off".
    """
    if encoding == "offset":
        return [(f"x{name}.xp", "n"), (f"x{name}.xn", "p")]  # pin p sits on the source's tap n
    tap = "n" if code >= 0 else "p"
    on = [(f"x{name}", tap)] if code else []
    return on + ([(f"xo{name}", f"{tap}.off")] if abs(code) < 2 ** (bits - 1) - 1 else [])
