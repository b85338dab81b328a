"""Transistor decks as text: the whole chip, or a window of it whose outside sites are replayed taps. No files, no process.

Names carry the wiring: PE `xp<i>` with nodes r0_<i>, r1_<i>, r2_<i> and taps p_<i>, n_<i>; coupler `xc<i>_<j>` drives
site i from site j; `xs<i>` SHIL and `xr<i>` reference. A coupler's p pin sits on tap n of its source and the other way
round, so that a positive code repels (measured: a source in phase on tap p attracts).

Weight storage is ideal by default: a bit over S chunks is one of 2^S patterns, so 2^S switched rails serve every coupler
of the array (rail w0110 is high in chunks 1 and 2). On request each bit has latches and a chunk selector instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from aishw.errors import DeckError
from aishw.hardware.cells import code_bits, unit
from aishw.hardware.solver import Solver
from aishw.lower.design import Design
from aishw.units import TWO_PI, spice_number

STORAGES = ("ideal", "latch")
BIASES = ("ideal", "dac")
DAC_STEPS = 1024
MIDDLE_TRIM = 256

number = spice_number


def chunk_starts_s(design: Design) -> NDArray[np.float64]:
    """(S + 1,) seconds: the start of every chunk and the end of the last, phases running all the while."""
    return np.concatenate([[0.0], np.cumsum(design.timeline.run_s)])


def chip_deck(design: Design, body: Iterable[str], *, title: str, models: str, cells: str, solver: Solver, stop_s: float,
              start: Iterable[str] = (), save: str = "all") -> str:
    """A complete deck: title, models, cells, supply, body, start state, analysis."""
    technology = design.target.technology
    step_s = 1 / (design.target.frequency_Hz * solver.steps_per_cycle)
    lines = [
        title, models, cells,
        f".temp {number(technology.temperature_K - 273.15)}", solver.options(),
        f"vdd vdd 0 {number(technology.supply_V)}", f"vm vm 0 {number(design.target.circuit['shil_low_V'])}",
        *body, *start,
        f".tran {number(step_s)} {number(stop_s)} 0 {number(step_s)} uic", f".save {save}", ".end", "",
    ]
    return "\n".join(lines)


def source_line(name: str, values: NDArray[np.float64], starts_s: NDArray[np.float64], edge_s: float) -> str:
    """A voltage source that holds values[k] in chunk k; it moves in `edge_s` right after a boundary. One value: a constant."""
    if (values == values[0]).all():
        return f"v{name} {name} 0 {number(values[0])}"
    points = [f"0 {number(values[0])}"]
    for k in range(1, values.size):
        at = float(starts_s[k])
        points += [f"{number(at)} {number(values[k - 1])}", f"{number(at + edge_s)} {number(values[k])}"]
    return f"v{name} {name} 0 pwl({' '.join(points)})"


def select_lines(design: Design) -> list[str]:
    """Chunk select lines sel<k> and their complements: high in chunk k."""
    starts, edge, vdd = chunk_starts_s(design), design.target.timing["switch_s"], design.target.technology.supply_V
    high = np.eye(design.system.segments)
    lines = [source_line(f"sel{k}", high[k] * vdd, starts, edge) for k in range(high.shape[0])]
    return lines + [source_line(f"nsel{k}", (1 - high[k]) * vdd, starts, edge) for k in range(high.shape[0])]


def pattern_lines(design: Design, used: Iterable[int]) -> list[str]:
    """The switched rails of ideal storage; a pattern's digits are the bit in chunk 0, 1, ..."""
    starts, edge, vdd = chunk_starts_s(design), design.target.timing["switch_s"], design.target.technology.supply_V
    segments = design.system.segments
    names = pattern_names(segments)
    digits = {p: np.array([p >> (segments - 1 - s) & 1 for s in range(segments)], dtype=np.float64) for p in used}
    return [source_line(names[p], digit * vdd, starts, edge) for p, digit in sorted(digits.items())]


def pattern_names(segments: int) -> list[str]:
    return [f"w{p:0{segments}b}" for p in range(2**segments)]


def patterns(bits: NDArray[np.int64]) -> NDArray[np.int64]:
    """(..., S) bits to (...) pattern numbers, chunk 0 first."""
    weights = 1 << np.arange(bits.shape[-1])[::-1]
    return bits.astype(np.int64) @ weights


def offset_bits(codes: NDArray[np.int8], bits: int) -> NDArray[np.int64]:
    """(S, X) signed codes to (X, q, S) offset-binary bits, most significant first."""
    raw = codes.astype(np.int64) + 2 ** (bits - 1)
    return np.stack([raw.T >> b & 1 for b in range(bits - 1, -1, -1)], axis=1)


def sign_bits(codes: NDArray[np.int8], bits: int) -> NDArray[np.int64]:
    """(S, X) signed codes to (X, q, S) sign (1 for codes >= 0) and magnitude bits, most significant first."""
    raw = codes.astype(np.int64).T
    return np.stack([(raw >= 0).astype(np.int64), *(np.abs(raw) >> b & 1 for b in range(bits - 2, -1, -1))], axis=1)


# ---------------------------------------------------------------- bias rails

_RAILS = {"coupling": ("bn", "bp"), "reference": ("en", "ep"), "shil": ("bs", None)}


def bias_rails(design: Design, kind: str, sites: NDArray[np.int64], segment: int | None, mode: str) -> tuple[list[str], list[str]]:
    """The lines that make one kind's bias, and for each site the rail names as they stand in an instance line.

    One rail serves all sites if they share a full scale, else each site has its own. segment: only this chunk, as a
    constant. mode "dac": the rail is a 10-bit ladder whose code bits are tied to rails of their own pattern.
    """
    high, low = _RAILS[kind]
    volts = design.target.injections[kind].bias_for(design.rate[kind])
    volts = volts if segment is None else volts[segment : segment + 1]
    shared = bool((volts == volts[:, :1]).all())
    lines: list[str] = []
    for site in sites[:1] if shared else sites:
        tail = "" if shared else f"_{site}"
        lines += _rail(design, high + tail, volts[:, site], mode)
        if low:
            lines += _rail(design, low + tail, design.target.technology.supply_V - volts[:, site], mode)
    rails = [high if shared else f"{high}_{site}" for site in sites]
    if low:
        rails = [f"{rail} {rail.replace(high, low, 1)}" for rail in rails]
    return lines, rails


def _rail(design: Design, name: str, volts: NDArray[np.float64], mode: str) -> list[str]:
    starts, edge, vdd = chunk_starts_s(design), design.target.timing["switch_s"], design.target.technology.supply_V
    if mode == "ideal":
        return [source_line(name, volts, starts, edge)]
    codes = np.rint(volts / vdd * DAC_STEPS).astype(np.int64)
    bits = np.stack([codes >> b & 1 for b in range(9, -1, -1)])
    names = pattern_names(design.system.segments)
    every = np.repeat(bits, design.system.segments // bits.shape[1], axis=1)
    pins = " ".join(f"{names[p]} {names[len(names) - 1 - p]}" for p in patterns(every))
    return [f"xd_{name} {name} vdd {pins} vdd bias_dac"]


def dac_patterns(lines: Iterable[str]) -> set[int]:
    """The pattern rails that bias ladders in `lines` hang on."""
    return {int(word[1:], 2) for line in lines if line.startswith("xd_") for word in line.split() if word[0] == "w"}


# ---------------------------------------------------------------- cells at their codes for all chunks

def full_body(design: Design, *, storage: str = "ideal", bias: str = "ideal", trim: NDArray[np.int64] | None = None,
              sites: NDArray[np.int64] | None = None, readout: bool = False) -> Iterator[str]:
    """The array of full cells: PEs, trims, couplers with their bits, SHIL, reference, select and pattern rails.

    sites: the window's sites (default: all). trim: (N,) codes 0..511 (default: the middle). readout: a phase detector on
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
    words = {
        "c": patterns(offset_bits(design.codes["coupling"][:, kept], bits)),
        "r": patterns(offset_bits(design.codes["reference"][:, sites], bits)),
        "s": patterns(sign_bits(design.codes["shil"][:, sites], bits)),
    }
    yield from select_lines(design)
    rails: dict[str, list[str]] = {}
    used: set[int] = {int(p) for word in words.values() for p in np.unique(word)} if storage == "ideal" else set()
    for kind in ("coupling", "reference", "shil"):
        lines, rails[kind] = bias_rails(design, kind, sites, None, bias)
        yield from lines
        used |= dac_patterns(lines)
    top = 2**segments - 1
    yield from pattern_lines(design, used | {top - p for p in used})
    yield from pe_lines(design, sites, trim)
    bn_of = dict(zip(sites.tolist(), rails["coupling"]))
    pins = _pins(segments, storage)
    wires = zip(driven[kept].tolist(), driving[kept].tolist())
    if storage == "ideal":
        # The bulk of a chip deck: pairs of bits share their text, so that a line is one format.
        texts, codes = _paired(words["c"], segments)
        yield from (f"xc{i}_{j} n_{j} p_{j} r0_{i} {' '.join([texts[c] for c in code])} {bn_of[i]} vdd coupler" for (i, j), code in zip(wires, codes))
    else:
        for (i, j), word in zip(wires, words["c"].tolist()):
            yield from pins(f"c{i}_{j}", word, f"n_{j} p_{j} r0_{i}", f"{bn_of[i]} vdd coupler")
    for site, word, rail in zip(sites.tolist(), words["r"].tolist(), rails["reference"]):
        yield from pins(f"r{site}", word, f"n_ref p_ref r0_{site}", f"{rail} vdd coupler")
    for site, word, rail in zip(sites.tolist(), words["s"].tolist(), rails["shil"]):
        yield from pins(f"s{site}", word, f"ck ckb r1_{site}", f"{rail} vm vdd shil")
    if readout:
        shown = [int(v) for v in system.topology.visible if inside[v]]
        yield from (f"xq{v} p_{v} n_{v} p_quad n_quad out_{v} vdd phase_detector" for v in shown)


def _paired(words: NDArray[np.int64], segments: int) -> tuple[dict[int, str], list[list[int]]]:
    """Texts of the bit pins of couplers, two bits a text; for (X, q) pattern words, the texts' keys (X, ceil(q / 2))."""
    names, count = pattern_names(segments), 2**segments
    pins = [f"{name} {names[count - 1 - p]}" for p, name in enumerate(names)]
    keys = []
    for b in range(0, words.shape[1], 2):
        keys.append(words[:, b] * (count + 1) + (words[:, b + 1] if b + 1 < words.shape[1] else count))
    table = np.stack(keys, axis=1)
    texts = {int(k): pins[k // (count + 1)] + (f" {pins[k % (count + 1)]}" if k % (count + 1) < count else "") for k in np.unique(table).tolist()}
    return texts, table.tolist()


def _pins(segments: int, storage: str):  # type: ignore[no-untyped-def]
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

    A PE is sized for the target's fan-in; a neighbourhood with fewer couplers gets a capacitor in their place.
    """
    missing = design.target.fan_in - design.system.topology.fan_in
    for i in sites.tolist():
        code = MIDDLE_TRIM if trim is None else int(trim[i])
        if not 0 <= code <= 511:
            raise DeckError(f"trim code {code} of site {i} is outside 0..511")
        ties = " ".join("vdd" if code >> b & 1 else "0" for b in range(9))
        yield f"xp{i} r0_{i} r1_{i} r2_{i} n_{i} p_{i} vdd pe"
        yield f"xt{i} r1_{i} {ties} trim"
        if missing:
            yield f"cf{i} r0_{i} 0 {number(missing * design.target.circuit['coupler_F'])}"


# ---------------------------------------------------------------- cells merged at one chunk's codes

def merged_body(design: Design, segment: int, sites: NDArray[np.int64], trim: NDArray[np.int64] | None = None) -> Iterator[str]:
    """The window's PEs with every coupler and injection as its fixed-code equivalent, for one chunk."""
    bits, step, half = design.bits, unit(design.bits), 2 ** (design.bits - 1)
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
    units = {k: f"up={number((half + k) * step)} un={number((half - k) * step)}" for k in range(1 - half, half)}
    for e in np.flatnonzero(inside[driven]).tolist():
        i, j = driven[e], driving[e]
        yield f"xc{i}_{j} n_{j} p_{j} r0_{i} {bn_of[int(i)]} vdd coupler_fixed {units[codes[e]]}"
    for site, rail in zip(sites.tolist(), rails["reference"]):
        yield f"xr{site} n_ref p_ref r0_{site} {rail} vdd coupler_fixed {units[int(design.codes['reference'][segment, site])]}"
    for site, rail in zip(sites.tolist(), rails["shil"]):
        code = int(design.codes["shil"][segment, site])
        if code:
            yield f"xs{site} {'ck' if code > 0 else 'ckb'} r1_{site} {rail} vm shil_unit u={number(abs(code) * step)}"


# ---------------------------------------------------------------- sources outside the window

def load_lines(design: Design, sites: NDArray[np.int64]) -> Iterator[str]:
    """Capacitors on both taps of each PE for the couplers it drives outside the window, and for its wires."""
    inside = np.zeros(design.system.sites, dtype=bool)
    inside[sites] = True
    driven, driving = design.system.topology.edges
    missing = np.bincount(driving[~inside[driven]], minlength=inside.size)
    circuit = design.target.circuit
    for i in sites.tolist():
        load = number(circuit["wire_F"] + missing[i] * circuit["tap_load_F"])
        yield f"cp{i} p_{i} 0 {load}"
        yield f"cn{i} n_{i} 0 {load}"


def smoothed(wave: NDArray[np.float64], steps_per_cycle: int) -> NDArray[np.float64]:
    """One period (M,), averaged twice over a solver step, so that fixed steps see an edge's area and time exactly.

    Sampled as it is, an edge shorter than a step lands on one side or the other of a step: with 24 sources in phase that
    moved a PE by 0.05 rad a cycle (measured on `ring28`, 200 steps). Twice averaged, the samples' sum and first moment do
    not depend on where the steps fall.
    """
    harmonics = np.fft.rfftfreq(wave.size, 1 / wave.size)
    return np.fft.irfft(np.fft.rfft(wave) * np.sinc(harmonics / steps_per_cycle) ** 2, wave.size)


def wave_table(wave: NDArray[np.float64], tolerance_V: float = 2e-3) -> str:
    """One period (M,) as the points of a pwl() over 0..1, without those that lie on a line between their neighbours."""
    count = wave.size
    height = np.append(wave, wave[0])
    keep, first = [0], 0
    while first < count:
        last = first + 1
        while last < count:
            inner = np.arange(first + 1, last + 1)
            line = height[first] + (height[last + 1] - height[first]) * (inner - first) / (last + 1 - first)
            if np.abs(height[inner] - line).max() > tolerance_V:
                break
            last += 1
        keep.append(last)
        first = last
    return ",".join(f"{number(k / count)},{number(float(height[k]))}" for k in keep)


def replay_line(name: str, node: str, table: str, frequency_Hz: float, phase: str) -> str:
    """A source that plays a tap's period at 2 pi f t + phase, phase being an expression of `time` in turns."""
    turn = f"({number(frequency_Hz)}*time+{phase})"
    return f"b{name} {node} 0 v=pwl({turn}-floor({turn}),{table})"


def phase_expression(coefficients: NDArray[np.float64], scale: float, shift: float, turns: float = 0.0) -> str:
    """A polynomial phase (rad) as turns: u = scale * time + shift, Horner's rule; `turns` is added."""
    c = coefficients / TWO_PI
    text = number(c[-1])
    u = f"({number(scale)}*time+{number(shift)})"
    for value in c[-2::-1]:
        text = f"({number(value)}+{u}*{text})"
    return f"({number(turns)}+{text})"


def clock_wave(edge: float, supply_V: float, steps_per_cycle: int) -> NDArray[np.float64]:
    """One period of the 2 f clock (1024,): it rises over the first `edge` of its period and falls half a period later."""
    turn = np.arange(1024) / 1024
    return smoothed(np.interp(turn, [0, edge, 0.5, 0.5 + edge, 1], [0, supply_V, supply_V, 0, 0]), steps_per_cycle // 2)


def clock_lines(frequency_Hz: float, shil_phase_rad: float, wave: NDArray[np.float64], turns: float = 0.0) -> list[str]:
    """The 2 f clock ck and its complement: ck rises where 2 theta + shil_phase is a whole turn."""
    shape = wave_table(wave)
    lines = []
    for name, half in (("ck", 0.0), ("ckb", 0.5)):
        phase = number((shil_phase_rad / TWO_PI + half + 2 * turns) % 1.0)
        lines.append(replay_line(name, name, shape, 2 * frequency_Hz, phase))
    return lines


def reference_lines(waves: dict[str, str], frequency_Hz: float, turns: float = 0.0, quadrature: bool = False) -> list[str]:
    """The reference's taps p_ref, n_ref: a PE's own tap waves at phase 0; with `quadrature` also a quarter turn ahead."""
    names = [("ref", turns % 1.0)] + ([("quad", (turns + 0.25) % 1.0)] if quadrature else [])
    return [replay_line(f"{tap}_{name}", f"{tap}_{name}", waves[tap], frequency_Hz, number(at)) for name, at in names for tap in "pn"]


def code_word(code: int, bits: int) -> str:
    """A code's offset-binary bits as text, for listings."""
    return "".join(map(str, code_bits(code, bits)))
