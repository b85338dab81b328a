"""Drawn chips: Pelgrom's law in the text, in the simulator, and over a whole PE."""

from __future__ import annotations

import re
from dataclasses import replace
from math import sqrt

import numpy as np
import pytest

from aishw.calibrate.drawn import Mismatch, drawn_copy, mismatch_of
from aishw.engines.ngspice import run_deck
from aishw.errors import CardError
from aishw.hardware.cards import load_target
from aishw.hardware.cells import cell_text, model_text

TARGET = load_target("ring28")
CELLS = """
.subckt pair a y vdd wn=1e-6 u=1
mn y a 0 0 nch w={wn} l=0.5e-6 m={u}
mp y a vdd vdd pch w={2*wn}
+ l=0.5e-6
.ends
* a comment
.subckt top a y vdd
x1 a b vdd pair wn=2e-6
x2 b y vdd pair u=4
r1 b 0 1e3
.ends
"""
LAW = Mismatch({"nch": 2e-9, "pch": 3e-9}, 0.0, 0.0, 0.0)


def values(lines: list[str], name: str = "delvto") -> list[str]:
    return [found for line in lines for found in re.findall(rf"{name}={{(\S+)}}", line)]


def test_every_instance_has_its_own_copy() -> None:
    name, lines = drawn_copy(CELLS, "top", "c0", LAW, np.random.default_rng(0))
    text = "\n".join(lines)
    assert name == "top_c0" and text.endswith(".ends")
    assert text.count(".subckt") == text.count(".ends") == 3
    assert "x1 a b vdd pair_c0_x1 wn=2e-6" in text and "x2 b y vdd pair_c0_x2 u=4" in text
    assert text.index(".subckt pair_c0_x1") < text.index(".subckt top_c0")
    assert "r1 b 0 1e3" in text
    assert len(set(values(lines))) == 4
    assert not values(lines, "mulu0")
    again = drawn_copy(CELLS, "top", "c0", LAW, np.random.default_rng(0))[1]
    other = drawn_copy(CELLS, "top", "c0", LAW, np.random.default_rng(1))[1]
    assert again == lines and other != lines


def test_pelgroms_law() -> None:
    """sigma = avt / sqrt(w l m), with n and p of their own, over many draws."""
    draw, found = np.random.default_rng(3), []
    for _ in range(1500):
        texts = values(drawn_copy(CELLS, "pair", "c", LAW, draw)[1])
        found.append([eval(text, {"sqrt": sqrt, "wn": 1e-6, "u": 4}) for text in texts])
    sigma = np.array(found).std(axis=0)
    assert sigma == pytest.approx([2e-9 / sqrt(1e-6 * 0.5e-6 * 4), 3e-9 / sqrt(2e-6 * 0.5e-6)], rel=0.06)


def test_effective_sizes_and_current_factor() -> None:
    law = Mismatch({"nch": 2e-9, "pch": 2e-9}, 1e-8, 1e-7, 1.5e-7)
    plain = drawn_copy(CELLS, "pair", "c", replace(law, dw_m=0.0, dl_m=0.0), np.random.default_rng(0))[1]
    trimmed = drawn_copy(CELLS, "pair", "c", law, np.random.default_rng(0))[1]
    names = {"sqrt": sqrt, "wn": 1e-6, "u": 1}
    ratio = eval(values(trimmed)[0], names) / eval(values(plain)[0], names)
    assert ratio == pytest.approx(sqrt(1e-6 * 0.5e-6 / (1.1e-6 * 0.35e-6)))
    assert abs(eval(values(trimmed, "mulu0")[0], names) - 1) < 0.1


def test_the_simulator_takes_the_draw() -> None:
    """A drawn transistor's current moves by gm delvto."""
    deck = "\n".join([
        "draw", model_text(TARGET.technology), "vg g 0 0.5", "vd d 0 0.9", "vz z 0 0.9", "ve e 0 0.9",
        "m0 d g 0 0 nch w=1e-6 l=0.5e-6",
        "m1 z g 0 0 nch w=1e-6 l=0.5e-6 delvto={0.01/sqrt((4)*1)}",
        "m2 e g 0 0 nch w=1e-6 l=0.5e-6 mulu0={1+0.1/sqrt(4)}",
        ".tran 1e-10 1e-9", ".end", "",
    ])  # fmt: skip
    raw = run_deck(deck).raw
    plain, shifted, stronger = (-raw[f"i(v{node})"][-1] for node in "dze")
    assert 0.85 < shifted / plain < 0.98  # 5 mV at 0.13 V overdrive
    assert 1.02 < stronger / plain < 1.06


def test_a_whole_pe_is_drawn() -> None:
    cells = cell_text(TARGET, 4, 1)
    name, lines = drawn_copy(cells, "pe", "c7", mismatch_of(TARGET.technology), np.random.default_rng(0))
    assert name == "pe_c7"
    inverters = 3 + 5  # of the ring and of the taps, and a transmission gate
    assert len(values(lines)) == 2 * inverters + 2 == len(values(lines, "mulu0"))


def test_refusals() -> None:
    with pytest.raises(CardError, match="no subcircuit 'pe9'"):
        drawn_copy(CELLS, "pe9", "c", LAW, np.random.default_rng(0))
    with pytest.raises(CardError, match="avt_n_Vm and"):
        mismatch_of(replace(TARGET.technology, mismatch={}))
    with pytest.raises(CardError, match="needs w, l and one of"):
        drawn_copy(".subckt a b\nm1 b 0 0 0 nch w=1e-6\n.ends", "a", "c", LAW, np.random.default_rng(0))
    kit = replace(TARGET.technology, mismatch={"avt_n_Vm": 5e-9, "avt_p_Vm": 4e-9, "dl_m": 1.5e-7})
    assert mismatch_of(kit) == Mismatch({"nch": 5e-9, "pch": 4e-9}, 0.0, 0.0, 1.5e-7)
