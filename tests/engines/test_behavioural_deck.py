"""Behavioural decks as text: what stands in them, and the way back to every number, bit for bit."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import edge_of, lopsided, random_system, tiny_kurashil

from aishw.ais.system import System
from aishw.engines.behavioural_reader import read_behavioural
from aishw.engines.deck_behavioural import LETTER, BehaviouralSolver, behavioural_deck, clock
from aishw.errors import DeckError
from aishw.hardware.cards import load_target
from aishw.hardware.target import POLICIES, Injection
from aishw.lower.design import Design, Timeline, level_table
from aishw.lower.lower import lower

RING = load_target("ring28")


@st.composite
def designs(draw: st.DrawFn) -> Design:
    """Any design: codes, full scales, tables and times drawn on their own, not by `lower`."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    segments, bits = draw(st.integers(1, 4)), draw(st.integers(2, 6))
    shape = draw(st.sampled_from([(3, 3, "cross4"), (3, 4, "king8"), (5, 5, "box5")]))
    system = random_system(*shape[:2], "kurashil", shape[2], segments, seed=int(rng.integers(1 << 30)))
    levels = {kind: np.concatenate([[0], np.cumsum(rng.uniform(0.1, 1, 2 ** (bits - 1) - 1))]) for kind in LETTER}
    injections = {
        kind: Injection(levels[kind] / levels[kind][-1], np.array([0.3, 0.4]), np.array([0.01, 0.05]))
        for kind in LETTER
    }
    target = replace(RING, injections=injections, frequency_Hz=float(10 ** rng.uniform(6, 9.5)))
    top = 2 ** (bits - 1) - 1
    widths = {"coupling": system.coupling.shape[1], "shil": system.sites, "reference": system.sites}
    codes = {kind: rng.integers(-top, top + 1, (segments, width)).astype(np.int8) for kind, width in widths.items()}
    sharing = draw(st.sampled_from(POLICIES))
    scale = {}
    for kind in LETTER:
        own = 10 ** rng.uniform(-3, 2, (segments, system.sites))
        few = own[:, rng.integers(0, 3, system.sites)]
        scale[kind] = {"array": np.full_like(own, own[0, 0]), "chunk": own[:, :1] + 0 * own, "site": few}[sharing]
        scale[kind][:, rng.integers(system.sites)] = draw(st.sampled_from([0.0, 1 / 3]))
    cycles = 10 ** rng.uniform(0, 3, segments)
    if draw(st.booleans()):
        cycles[:] = cycles[0]
    switch_s = draw(st.sampled_from([0.0, 2e-10, 1e-7])) * np.ones(segments)
    run_s = cycles * system.duration_tau / target.frequency_Hz
    line = Timeline("state_stationary", 0 * run_s, switch_s, run_s, 0, 0, 1, 0, 0)
    return Design(system, target, bits, sharing, codes, scale, cycles, line, {})


@settings(max_examples=60, deadline=None)
@given(designs(), st.integers(0, 2**32 - 1))
def test_round_trip_bit_for_bit(design: Design, seed: int) -> None:
    x0 = np.random.default_rng(seed).normal(0, 10, design.system.sites)
    found = read_behavioural(behavioural_deck(design, x0))
    assert np.array_equal(found.edges, design.system.topology.edges)
    assert np.array_equal(found.x0, x0)
    assert np.array_equal(found.seconds_per_tau, design.seconds_per_tau)
    for kind in LETTER:
        assert np.array_equal(found.codes[kind], design.codes[kind])
        assert found.codes[kind].dtype == np.int8
        assert np.array_equal(found.full_scale[kind], design.full_scale[kind])
        assert np.array_equal(found.levels[kind], level_table(design.target, kind, design.bits))
    time = clock(design)
    for name in ("rise_s", "begin_s", "end_s", "fall_s"):
        assert np.array_equal(getattr(found.clock, name), getattr(time, name))
    assert time.end_s - time.begin_s == pytest.approx(design.seconds_per_tau * design.system.duration_tau, rel=1e-12)
    gaps = time.begin_s[1:] - time.end_s[:-1]
    assert (gaps >= design.timeline.switch_s[1:] * (1 - 1e-9)).all()
    assert (time.fall_s > time.end_s).all() and (time.begin_s > time.rise_s).all()
    apart = time.rise_s[1:] - time.fall_s[:-1]  # ngspice 39 stumbles over points a rounding error apart
    assert ((apart == 0) | (apart > 1e-6 * gaps)).all() and time.rise_s[0] == 0


def test_the_deck_of_a_lopsided_array() -> None:
    """One edge, one SHIL, one reference: each on its own line, with its sign, site and chunk."""
    system = lopsided()
    design = lower(system, RING)
    deck = behavioural_deck(design, np.arange(12) / 8)
    lines = deck.splitlines()
    moving = [line for line in lines if line.startswith("X") and re.search(r"=[chr][pn][1-9]", line)]
    assert moving == [
        "Xc5_6 s5 s6 coupler0 k0=cp7 k1=cp0",
        "Xh2 s2 shil0 k0=hp0 k1=hp7",
        "Xr7 s7 reference0 k0=rn7 k1=rp0",
    ]
    assert sum(line.startswith("Xc") for line in lines) == 48
    assert "Cs3 s3 0 {tref} ic=0.375" in lines
    found = read_behavioural(deck)
    edge = edge_of(system.topology, 5, 6)
    assert found.edges[:, edge].tolist() == [5, 6]
    assert found.codes["coupling"][:, edge].tolist() == [7, 0]


def test_chunks_of_their_own() -> None:
    design = lower(tiny_kurashil(segments=3), RING)
    found = read_behavioural(behavioural_deck(design, np.zeros(9), segments=[2, 1]))
    for kind in LETTER:
        assert np.array_equal(found.codes[kind], design.codes[kind][[2, 1]])
        assert np.array_equal(found.full_scale[kind], design.full_scale[kind][[2, 1]])
    assert np.array_equal(found.seconds_per_tau, design.seconds_per_tau[[2, 1]])


def test_the_clock_inverts_its_edges() -> None:
    """The area under an edge up to `at(run)` is `run`, at both edges and between them."""
    time = clock(lower(tiny_kurashil(segments=2), RING))
    run = float(time.end_s[1] - time.begin_s[1])
    corners = np.array([
        time.rise_s[1], 2 * time.begin_s[1] - time.rise_s[1], 2 * time.end_s[1] - time.fall_s[1], time.fall_s[1]
    ])  # fmt: skip
    asked = run * np.array([0, 1e-6, 1e-4, 0.1, 0.5, 0.9999, 0.999999, 1])
    for share, at in zip(asked, time.at(1, asked)):
        t = np.unique(np.concatenate([corners[corners < at], [at]]))
        area = np.trapezoid(np.interp(t, corners, [0, 1, 1, 0]), t)
        assert area == pytest.approx(share, abs=1e-9 * run)


def test_hostile_names_stay_in_the_title() -> None:
    system = replace(tiny_kurashil(segments=1), name="x\n.control\nshell rm -rf /\n.endc\n.include '/etc/passwd'")
    deck = behavioural_deck(lower(system, RING), np.zeros(9))
    plain = behavioural_deck(lower(replace(system, name="x"), RING), np.zeros(9))
    assert deck.splitlines()[1:] == plain.splitlines()[1:]
    assert deck.splitlines()[0].startswith("* aishw behavioural array")


def test_comments_carry_nothing() -> None:
    deck = behavioural_deck(lower(tiny_kurashil(), RING), np.zeros(9))
    assert [line for line in deck.splitlines() if "*" in line[:1]] == deck.splitlines()[:1]
    read_behavioural("* anything\n" + deck.split("\n", 1)[1])


CHANGES = {
    "a command": lambda deck: deck.replace(".end\n", ".control\nquit\n.endc\n.end\n"),
    "another sine": lambda deck: deck.replace("sin(V(si)-V(sj))", "sin(V(sj)-V(si))"),
    "an extra part": lambda deck: deck.replace("Cs0 ", "Rx s0 0 1.0\nCs0 "),
    "a code beyond the table": lambda deck: re.sub(r"k0=c[pn]\d", "k0=cp9", deck, count=1),
    "a coupler whose name lies": lambda deck: re.sub(r"Xc0_(\d+) s0 s\d+", r"Xc0_\1 s0 s0", deck, count=1),
    "a negative level that is not": lambda deck: deck.replace("cn3={-cp3}", "cn3={-cp2}"),
    "a full scale of its own": lambda deck: re.sub(r"(c0f0=\{)[0-9.]+", r"\g<1>0.1*2", deck),
    "a site lost": lambda deck: deck.replace("Cs4 s4", "Cs5 s5", 1),
    "a chunk lost": lambda deck: re.sub(r"\.param tau1=.*\n", "", deck),
    "a shorter run": lambda deck: re.sub(r"^\.tran (\S+) \S+", r".tran \1 1e-09", deck, flags=re.MULTILINE),
    "an included file": lambda deck: deck.replace(".save", ".include x.lib\n.save", 1),
    "a double unit": lambda deck: deck.replace("Xh1 s1", "Xh0 s0", 1),
    "an edge moved": lambda deck: deck.replace("{2*b0-m0}", "{b0}", 1),
    "nothing": lambda deck: "",
}


@pytest.mark.parametrize("name", CHANGES)
def test_changed_decks_are_refused(name: str) -> None:
    deck = behavioural_deck(lower(tiny_kurashil(), RING), np.zeros(9))
    changed = CHANGES[name](deck)
    assert changed != deck
    with pytest.raises(DeckError) as caught:
        read_behavioural(changed)
    assert "\n" not in str(caught.value)


def test_refusals() -> None:
    design = lower(tiny_kurashil(), RING)
    with pytest.raises(DeckError, match=r"start phases are \(8,\), expected \(9,\)"):
        behavioural_deck(design, np.zeros(8))
    with pytest.raises(DeckError, match="finite"):
        behavioural_deck(design, np.full(9, np.nan))
    other: System = random_system(3, 3, "polynet", "cross4")
    with pytest.raises(DeckError, match="'polynet'; run it on the ode engine"):
        behavioural_deck(replace(design, system=other), np.zeros(9))


def test_the_solver_stands_in_the_deck() -> None:
    design = lower(tiny_kurashil(), RING)
    deck = behavioural_deck(design, np.zeros(9), solver=BehaviouralSolver(0.01, "gear", 1e-5, 7.0), options="klu")
    assert ".options method=gear reltol=1e-05 trtol=7.0 vntol=1e-09 klu" in deck
    step = float(re.search(r"^\.tran (\S+)", deck, re.MULTILINE)[1])
    assert step == pytest.approx(0.01 * design.seconds_per_tau.min())
