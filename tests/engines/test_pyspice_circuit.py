"""A window as a PySpice Circuit: the same circuit, element by element, and it runs."""

from __future__ import annotations

import re

import numpy as np
import pytest

from aishw.engines import deck_replay
from aishw.engines.deck_reader import read_transistor
from aishw.engines.ngspice import run_deck
from aishw.engines.pyspice_circuit import to_pyspice
from aishw.errors import DeckError

pytest.importorskip("PySpice")
from test_deck_transistor import STEADY, design

from aishw.engines.chip import transistor_deck
from aishw.engines.window import Window, chunk_deck, outside_sites


def window_text() -> str:
    d = design(7)
    sites = Window(1, 2, 1, 1).sites(4, 5)
    outside = {int(j): np.array([0.1 * j, 0.2]) for j in outside_sites(d, sites)}
    return chunk_deck(
        d, 0, sites, STEADY.waves, frequency_Hz=1e8, shil_phase_rad=0.0, outside=outside, solver=STEADY.solver,
        stop_s=2e-9, start_V={"r0_7": 0.1}, save="v(r0_7)",
    )  # fmt: skip


def elements(text: str) -> list[str]:
    depth, kept = 0, []
    for line in text.lower().splitlines()[1:]:
        depth += line.startswith(".subckt") - line.startswith(".ends")
        if depth == 0 and line and line[0] in "xvbc":
            kept.append(" ".join(line.replace("{", "").replace("}", "").split()))
    return sorted(kept)


def test_every_element_is_there_once() -> None:
    text = window_text()
    circuit = to_pyspice(text)
    ours, theirs = elements(text), elements(str(circuit))
    assert len(ours) > 40
    assert [line.split()[0] for line in theirs] == [line.split()[0] for line in ours]
    # PySpice writes numbers in its own way; nodes and cells are the same word for word.
    couplers = [line for line in ours if line.startswith("xc7_")]
    assert len(couplers) == 8
    for line in couplers:
        assert line.split()[:8] in [other.split()[:8] for other in theirs]


def test_codes_survive_the_way_through_pyspice() -> None:
    d = design(8)
    text = str(to_pyspice(transistor_deck(d, STEADY, np.zeros(20))))
    back = read_transistor(text.replace("\nX", "\nx").replace("\nV", "\nv"))
    assert np.array_equal(back.coupling, d.codes["coupling"])
    assert np.array_equal(back.shil, d.codes["shil"])


def test_the_circuit_runs_like_the_deck() -> None:
    text = window_text()
    tail = re.search(r"\.tran.*\n\.save.*\n", text)
    assert tail
    ours = run_deck(text, time_limit_s=120).raw
    theirs = run_deck(f"{to_pyspice(text)}\n{tail.group(0)}.end\n", time_limit_s=120).raw
    at = np.linspace(0, 2e-9, 20)
    a, b = (np.interp(at, raw.time_s, raw["v(r0_7)"]) for raw in (ours, theirs))
    assert np.abs(a - b).max() < 1e-4
    assert np.ptp(a) > 0.05


def test_a_foreign_element_is_refused() -> None:
    with pytest.raises(DeckError, match="none that an aishw deck has"):
        to_pyspice("* title\nr1 a b 1k\n")
    assert deck_replay.start_lines({}) == []
