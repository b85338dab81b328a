"""Rails of a transistor deck: chunk select, the switched patterns of ideal weight storage, and the biases. Pure text.

Weight storage is ideal by default: a bit over S chunks is one of 2^S patterns, so 2^S switched rails serve every
coupler
of the array (rail w0110 is high in chunks 1 and 2).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from aishw.lower.design import Design
from aishw.units import spice_number as number

DAC_STEPS = 1024


def chunk_starts_s(design: Design) -> NDArray[np.float64]:
    """(S + 1,) seconds: the start of every chunk and the end of the last, phases running all the while."""
    return np.concatenate([[0.0], np.cumsum(design.timeline.run_s)])


def source_line(name: str, values: NDArray[np.float64], starts_s: NDArray[np.float64], edge_s: float) -> str:
    """A voltage source that holds values[k] in chunk k; it moves in `edge_s` right after a boundary. One value: a
    constant.
    """
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


_RAILS = {"coupling": ("bn", "bp"), "reference": ("en", "ep"), "shil": ("bs", None)}


def bias_rails(
    design: Design, kind: str, sites: NDArray[np.int64], segment: int | None, mode: str
) -> tuple[list[str], list[str]]:
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
