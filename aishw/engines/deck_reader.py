"""Reads our own transistor decks back: every code, sign, chunk and time, from the circuit's lines alone, not from
comments.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aishw.errors import DeckError

_SOURCE = re.compile(r"v(\S+) \1 0 (?:pwl\((.*)\)|(\S+))\Z")


@dataclass(frozen=True, eq=False)
class Reading:
    """What a deck holds.

    edges: (2, E) driven and driving site of each coupler, in deck order; coupling: (S, E) codes. sites: (M,) PEs; shil,
    reference: (S, M) codes; trim: (M,). starts_s: (S,) when each chunk begins. bias_V: by rail, (S,) volts.
    """

    edges: NDArray[np.int64]
    coupling: NDArray[np.int64]
    sites: NDArray[np.int64]
    shil: NDArray[np.int64]
    reference: NDArray[np.int64]
    trim: NDArray[np.int64]
    starts_s: NDArray[np.float64]
    bias_V: dict[str, NDArray[np.float64]]


def read_transistor(text: str) -> Reading:
    """The reading of a deck of full cells, ideal or latch storage. Raises DeckError for a deck that is not ours."""
    body = _top_level(text)
    starts = _starts(body)
    segments = starts.size
    rails, banks = _rails(body, segments), _banks(body, segments)
    signed = _sign_and_magnitude(text)
    edges, coupling = [], []
    site_rows: dict[str, dict[int, NDArray[np.int64]]] = {"s": {}, "r": {}}
    trims: dict[int, int] = {}
    for line in body:
        words = line.split()
        name, cell = words[0], words[-1]
        if cell == "coupler":
            bits = _bits(words[4:-4], rails, banks)
            code = _signed(bits) if signed else _offset(bits)
            if name.startswith("xc"):
                i, j = (int(part) for part in name[2:].split("_"))
                if words[1:4] != [f"n_{j}", f"p_{j}", f"r0_{i}"]:
                    raise DeckError(f"coupler {name} is wired to {words[1:4]}, its name says site {i} from site {j}")
                edges.append((i, j))
                coupling.append(code)
            else:
                site_rows["r"][int(name[2:])] = code
        elif cell == "shil":
            site_rows["s"][int(name[2:])] = _signed(_bits(words[4:-4], rails, banks))
        elif cell == "trim":
            trims[int(name[2:])] = sum(1 << b for b, tie in enumerate(words[2:-1]) if tie == "vdd")
    if not trims:
        raise DeckError("no PE in this text; it is no transistor deck of aishw")
    sites = np.array(sorted(trims))
    rows = {k: np.array([site_rows[k][i] for i in sites]).T for k in "sr"}
    biases = {r: v for r, v in rails.items() if re.match(r"(bn|bp|en|ep|bs)(_\d+)?\Z", r)}
    return Reading(
        np.array(edges).reshape(-1, 2).T,
        np.array(coupling).reshape(-1, segments).T,
        sites,
        rows["s"],
        rows["r"],
        np.array([trims[i] for i in sites]),
        starts,
        biases,
    )


def _sign_and_magnitude(text: str) -> bool:
    """Whether the coupler's first bit is a sign, from its own subcircuit."""
    return re.search(r"^\.subckt coupler p n y s sn ", text, re.MULTILINE) is not None


def _top_level(text: str) -> list[str]:
    lines, depth = [], 0
    for line in text.splitlines()[1:]:
        if line.startswith(".subckt"):
            depth += 1
        elif line.startswith(".ends"):
            depth -= 1
        elif depth == 0 and line and line[0] in "xv":
            lines.append(line)
    return lines


def _pwl(line: str) -> tuple[str, NDArray[np.float64], NDArray[np.float64]] | None:
    found = _SOURCE.match(line)
    if not found:
        return None
    if found.group(3) is not None:
        return found.group(1), np.zeros(1), np.array([float(found.group(3))])
    values = np.array([float(word) for word in found.group(2).split()])
    return found.group(1), values[0::2], values[1::2]


def _starts(body: list[str]) -> NDArray[np.float64]:
    """Chunk k begins where sel<k> starts to rise."""
    starts: dict[int, float] = {}
    for line in body:
        source = _pwl(line) if line.startswith("vsel") else None
        if source:
            name, times, volts = source
            if volts[0] > 0:
                starts[int(name[3:])] = 0.0
            else:
                starts[int(name[3:])] = float(times[int(np.flatnonzero(np.diff(volts) > 0)[0])])
    if sorted(starts) != list(range(len(starts))) or not starts:
        raise DeckError("the deck's chunk select lines sel0, sel1, ... are missing or not complete")
    return np.array([starts[k] for k in range(len(starts))])


def _rails(body: list[str], segments: int) -> dict[str, NDArray[np.float64]]:
    """Every switched or constant rail as its (S,) volts."""
    rails = {}
    for line in body:
        source = _pwl(line)
        if source:
            name, _, volts = source
            rails[name] = np.repeat(volts, segments) if volts.size == 1 else volts[0::2]
    return rails


def _banks(body: list[str], segments: int) -> dict[str, NDArray[np.int64]]:
    banks = {}
    for line in body:
        words = line.split()
        if "bank" in words[-segments - 1 :]:
            digits = np.array([int(word.split("=")[1]) for word in words[-segments:]])
            banks[words[1]], banks[words[2]] = digits, 1 - digits
    return banks


def _bits(
    nodes: list[str], rails: dict[str, NDArray[np.float64]], banks: dict[str, NDArray[np.int64]]
) -> NDArray[np.int64]:
    """(q, S) bits behind (bit, complement) node pairs, most significant first."""
    bits = []
    for plain, inverse in zip(nodes[0::2], nodes[1::2]):
        if plain in banks:
            one, other = banks[plain], banks[inverse]
        elif plain in rails and inverse in rails:
            one, other = (rails[plain] > 0).astype(np.int64), (rails[inverse] > 0).astype(np.int64)
        else:
            raise DeckError(f"bit nodes {plain}, {inverse} hang on no source and no bank")
        if not np.array_equal(one, 1 - other):
            raise DeckError(f"nodes {plain} and {inverse} are not complements")
        bits.append(one)
    return np.array(bits)


def _binary(bits: NDArray[np.int64]) -> NDArray[np.int64]:
    return (bits * (1 << np.arange(bits.shape[0])[::-1])[:, None]).sum(axis=0)


def _offset(bits: NDArray[np.int64]) -> NDArray[np.int64]:
    return _binary(bits) - (1 << (bits.shape[0] - 1))


def _signed(bits: NDArray[np.int64]) -> NDArray[np.int64]:
    """Codes of a sign (1: positive) and magnitude bits, (q, S)."""
    return np.where(bits[0] == 1, 1, -1) * _binary(bits[1:])
