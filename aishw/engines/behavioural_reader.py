"""Reader of the decks that `deck_behavioural` writes: every code, sign, wire, chunk time and full scale, from the text.

Comments are not looked at. A deck that holds anything else than what the writer would write from the numbers found is
refused: the numbers, and nothing but the numbers, decide what the deck does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aishw.engines.deck_behavioural import LETTER, SUBCIRCUIT, Clock, full_scale_line, level_lines, subcircuit
from aishw.errors import DeckError

NUMBER = r"(-?[0-9][0-9.]*(?:e[+-]?[0-9]+)?)"


@dataclass(frozen=True, eq=False)
class BehaviouralDeck:
    """What a deck says.

    edges: (2, E) driven and driving sites. codes[kind]: (S, E) or (S, N). full_scale[kind]: (S, N) 1/tau.
    levels[kind]: (Q,) strength of |code|. seconds_per_tau: (S,). clock: when each chunk acts. x0: (N,) rad.
    """

    edges: NDArray[np.int64]
    codes: dict[str, NDArray[np.int8]]
    full_scale: dict[str, NDArray[np.float64]]
    levels: dict[str, NDArray[np.float64]]
    seconds_per_tau: NDArray[np.float64]
    clock: Clock
    x0: NDArray[np.float64]


def read_behavioural(text: str) -> BehaviouralDeck:
    """What a behavioural deck says. Raises DeckError, with the line, for text that `behavioural_deck` did not write."""
    lines = text.splitlines()[1:]
    tau_s, time = _times(lines)
    segments = tau_s.size
    levels = {kind: _levels(lines, kind) for kind in LETTER}
    scales = {kind: _scales(lines, kind, segments) for kind in LETTER}
    starts = [
        re.fullmatch(rf"Cs(\d+) s(\d+) 0 \{{tref\}} ic={NUMBER}", line) for line in lines if line.startswith("Cs")
    ]
    x0 = np.array([float(found[3]) for found in starts if found])
    if not x0.size or any(m is None or int(m[1]) != i or int(m[2]) != i for i, m in enumerate(starts)):
        raise DeckError("a behavioural deck has one line `Cs<i> s<i> 0 {tref} ic=<phase>` for each site, in order")
    units = {kind: _unit_lines(lines, kind, segments, levels[kind].size) for kind in LETTER}
    wires, codes, scale = {}, {}, {}
    for kind, (sites, group, own) in units.items():
        wires[kind], codes[kind] = sites, own
        table = np.full((segments, x0.size), np.nan)
        if sites.max(initial=0) >= x0.size or group.max(initial=0) >= len(scales[kind]):
            raise DeckError(f"a {SUBCIRCUIT[kind]} stands at a site, or in a group, that the deck does not have")
        for g, row in enumerate(scales[kind]):
            driven = sites[0][group == g]
            if not (np.isnan(table[:, driven]) | (table[:, driven] == row[:, None])).all():
                raise DeckError(f"two {SUBCIRCUIT[kind]}s of one site have different full scales")
            table[:, driven] = row[:, None]
        if kind != "coupling" and not np.array_equal(sites[0], np.arange(x0.size)):
            raise DeckError(f"a behavioural deck has one {SUBCIRCUIT[kind]} for each site, in order")
        scale[kind] = table
    found = BehaviouralDeck(wires["coupling"], codes, scale, levels, tau_s, time, x0)
    _check_rest(lines, found, scales)
    return found


def _params(lines: list[str], pattern: str) -> list[dict[str, str]]:
    picked = [line[7:].split() for line in lines if re.match(rf"\.param {pattern}=", line)]
    return [dict(word.partition("=")[::2] for word in words) for words in picked]


def _float(word: str) -> float:
    if not re.fullmatch(NUMBER, word):
        raise DeckError(f"{word!r} is not a number as a behavioural deck writes it")
    return float(word)


def _times(lines: list[str]) -> tuple[NDArray[np.float64], Clock]:
    rows = _params(lines, r"tau\d+")
    if not rows or any(list(row) != [f"{n}{k}" for n in ("tau", *"mben")] for k, row in enumerate(rows)):
        raise DeckError("a behavioural deck has one `.param tau<k>= m<k>= b<k>= e<k>= n<k>=` for each chunk")
    table = np.array([[_float(word) for word in row.values()] for row in rows])
    return table[:, 0].copy(), Clock(*(table[:, k].copy() for k in range(1, 5)))


def _levels(lines: list[str], kind: str) -> NDArray[np.float64]:
    rows = _params(lines, f"{LETTER[kind]}p0")
    if len(rows) != 1 or list(rows[0]) != [f"{LETTER[kind]}p{q}" for q in range(len(rows[0]))]:
        raise DeckError(f"a behavioural deck has one table `.param {LETTER[kind]}p0= {LETTER[kind]}p1= ...`")
    return np.array([_float(word) for word in rows[0].values()])


def _scales(lines: list[str], kind: str, segments: int) -> list[NDArray[np.float64]]:
    rows = _params(lines, rf"{LETTER[kind]}\d+f0")
    found = []
    for g, row in enumerate(rows):
        if list(row) != [f"{LETTER[kind]}{g}f{k}" for k in range(segments)]:
            raise DeckError(f"full scales {' '.join(row)} do not fit {segments} chunks")
        words = [re.fullmatch(rf"\{{{NUMBER}\*tref/tau{k}\}}", word) for k, word in enumerate(row.values())]
        if not all(words):
            raise DeckError(f"full scales {' '.join(row.values())} are not of the form {{<1/tau>*tref/tau<k>}}")
        found.append(np.array([float(word[1]) for word in words if word]))
    return found


def _unit_lines(
    lines: list[str], kind: str, segments: int, levels: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int8]]:
    """Sites (2, W) or (1, W), groups (W,) and codes (S, W) of all units of a kind."""
    letter, name = LETTER[kind], SUBCIRCUIT[kind]
    nodes = r"(\d+)_(\d+) s(\d+) s(\d+)" if kind == "coupling" else r"(\d+) s(\d+)"
    coded = "".join(rf" k{k}={letter}([pn])(\d+)" for k in range(segments))
    pattern = re.compile(rf"X{letter}{nodes} {name}(\d+){coded}")
    ends = 2 if kind == "coupling" else 1
    rows = []
    for line in lines:
        if not line.startswith(f"X{letter}"):
            continue
        found = pattern.fullmatch(line)
        words = found.groups() if found else ()
        signs, sizes = words[2 * ends + 1 :: 2], [int(q) for q in words[2 * ends + 2 :: 2]]
        if not words or words[:ends] != words[ends : 2 * ends] or max(sizes) >= levels:
            raise DeckError(f"{line[:80]!r} is not a {name} of a behavioural deck with {segments} chunks")
        signed = [q if sign == "p" else -q for sign, q in zip(signs, sizes)]
        rows.append([*map(int, words[ends : 2 * ends + 1]), *signed])
    table = np.array(rows, dtype=np.int64).reshape(len(rows), ends + 1 + segments).T
    return table[:ends].copy(), table[ends].copy(), table[ends + 1 :].astype(np.int8)


def _check_rest(lines: list[str], deck: BehaviouralDeck, scales: dict[str, list[NDArray[np.float64]]]) -> None:
    """Raises DeckError for any line that the numbers found do not explain."""
    known = {f".param tref={float(deck.seconds_per_tau[0])!r}", ".ends", ".end"}
    for kind, rows in scales.items():
        known.update(level_lines(kind, deck.levels[kind]))
        for g, row in enumerate(rows):
            known.update([*full_scale_line(kind, g, row), *subcircuit(kind, g, deck.clock)])
    units = ("Xc", "Xh", "Xr", "Cs", ".param tau")
    stop = float(deck.clock.fall_s[-1])
    transient = rf"\.tran {NUMBER} {re.escape(repr(stop))} 0 {NUMBER} uic"
    tail = (r"\.save( v\(s\d+\))+", r"\.options [a-z0-9=.+\- ]+", transient)
    for line in lines:
        if line in known or line.startswith(units) or any(re.fullmatch(each, line) for each in tail):
            continue
        raise DeckError(f"{line[:80]!r} does not belong into a behavioural deck of these numbers")
