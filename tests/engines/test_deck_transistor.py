"""Transistor decks: wiring and signs pinned on lopsided designs, and the round trip deck -> reader, bit for bit."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aishw.ais.system import System
from aishw.ais.topology import grid
from aishw.calibrate import steady
from aishw.engines import deck_rails, deck_replay
from aishw.engines import deck_transistor as deck
from aishw.engines.chip import transistor_deck
from aishw.engines.deck_reader import read_transistor
from aishw.engines.ngspice import Result, Simulator
from aishw.engines.rawfile import Raw
from aishw.engines.start import end_voltages, start_voltages
from aishw.engines.window import Window, chunk_deck, outside_sites
from aishw.errors import CompareError, DeckError, GridError
from aishw.hardware.cards import load_target
from aishw.hardware.cells import cell_text
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.lower.design import Design
from aishw.lower.lower import lower

WAVE = 0.45 * (1 + np.sin(2 * np.pi * np.arange(64) / 64))
NODES = ("r0", "r1", "r2", "n", "p", "d1", "d2", "e1", "e2", "n.s", "n.t", "p.s", "p.t")
SWITCHED = load_target("ring28_switched")
STEADY = SteadyState(
    "ring28", "tt", 300.15, "merged", Solver(), 1e8, 1.0, {n: WAVE for n in NODES}, {"r0": 1.0}, 0.3, "none", 0.0
)


def design(
    seed: int,
    *,
    height: int = 4,
    width: int = 5,
    segments: int = 3,
    bits: int = 4,
    policy: str = "array",
    target: str = "ring28",
) -> Design:
    rng = np.random.default_rng(seed)
    top = grid(height, width, "king8")
    terms = {name: rng.normal(0, 1, (segments, top.sites)) for name in ("shil", "reference")}
    system = System(
        "kurashil", top, rng.normal(0, 1, (segments, top.edges.shape[1])), terms, rng.uniform(0.3, 2, segments)
    )
    return lower(system, load_target(target), bits=bits, policy=policy)


def lines(text: str, start: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(start)]


@given(
    seed=st.integers(0, 10_000),
    segments=st.integers(1, 5),
    bits=st.integers(2, 6),
    policy=st.sampled_from(["array", "chunk", "site"]),
    storage=st.sampled_from(["ideal", "latch"]),
    target=st.sampled_from(["ring28", "ring28_switched"]),
)
@settings(max_examples=60, deadline=None)
def test_round_trip(seed: int, segments: int, bits: int, policy: str, storage: str, target: str) -> None:
    d = design(seed, segments=segments, bits=bits, policy=policy, target=target)
    trim = np.random.default_rng(seed).integers(0, 512, d.system.sites)
    reading = read_transistor(transistor_deck(d, STEADY, np.zeros(d.system.sites), storage=storage, trim=trim))
    assert np.array_equal(reading.edges, d.system.topology.edges)
    for kind in ("coupling", "shil", "reference"):
        assert np.array_equal(getattr(reading, kind), d.codes[kind]), kind
    assert np.array_equal(reading.trim, trim)
    assert (
        reading.starts_s.tolist() == deck_rails.chunk_starts_s(d)[:-1].tolist()
    )  # exactly: every digit is in the deck
    volts = d.target.injections["coupling"].bias_for(d.rate["coupling"])
    rail = reading.bias_V["bn"] if "bn" in reading.bias_V else reading.bias_V["bn_0"]
    assert rail.tolist() == volts[:, 0].tolist()


def test_one_edge_one_sign_one_chunk() -> None:
    """Site 7 driven by site 6 with code +5 in chunk 1 only: offset binary 1101 in chunk 1, 1000 elsewhere."""
    d = design(0)
    codes = {kind: np.zeros_like(code) for kind, code in d.codes.items()}
    driven, driving = d.system.topology.edges
    codes["coupling"][1, (driven == 7) & (driving == 6)] = 5
    codes["shil"][2, 7] = -3
    text = transistor_deck(replace(d, codes=codes), STEADY, np.zeros(20))
    assert lines(text, "xc7_6 ") == ["xc7_6 n_6 p_6 r0_7 w111 w000 w010 w101 w000 w111 w010 w101 bn bp vdd coupler"]
    assert lines(text, "xc6_7 ") == ["xc6_7 n_7 p_7 r0_6 w111 w000 w000 w111 w000 w111 w000 w111 bn bp vdd coupler"]
    assert lines(text, "xs7 ") == ["xs7 ck ckb r1_7 w110 w001 w000 w111 w001 w110 w001 w110 bs vm vdd shil"]


def test_pattern_rail_is_high_in_its_chunks_only() -> None:
    d = design(1)
    starts = deck_rails.chunk_starts_s(d)
    (line,) = deck_rails.pattern_lines(d, [0b010])
    times = np.array([float(w) for w in line.split("pwl(")[1].rstrip(")").split()])
    volts = np.interp([starts[0], starts[1] * 1.01, starts[2] * 0.99, starts[2] * 1.01], times[0::2], times[1::2])
    assert volts.tolist() == pytest.approx([0, 0.9, 0.9, 0])


def test_merged_cells_hold_the_same_units_as_the_bits() -> None:
    d = design(2)
    sites = np.array([7])
    body = list(deck.merged_body(d, 1, sites))
    driven, driving = d.system.topology.edges
    for e in np.flatnonzero(driven == 7):
        code = int(d.codes["coupling"][1, e])
        (line,) = [text for text in body if text.startswith(f"xc7_{driving[e]} ")]
        up, un = (float(word.split("=")[1]) for word in line.split()[-2:])
        assert (up, un) == (8 + code, 8 - code)


def test_window_needs_a_trace_and_stays_on_the_grid() -> None:
    d = design(3)
    with pytest.raises(CompareError, match="run a lower rung first"):
        transistor_deck(d, STEADY, np.zeros(20), window=Window(0, 0, 1, 1))
    for text in ("4,0,1,1", "0,-1,1,1", "0,0,5,1", "0,0,0,1"):
        with pytest.raises(GridError):
            Window.parse(text).sites(4, 5)
    with pytest.raises(GridError, match="R,C,H,W"):
        Window.parse("1,2,x")
    assert Window(3, 4, 2, 2).sites(4, 5).tolist() == [19, 15, 4, 0]
    assert sorted(outside_sites(d, np.array([7])).tolist()) == [1, 2, 3, 6, 8, 11, 12, 13]


def test_reader_refuses_a_crossed_wire_and_foreign_text() -> None:
    d = design(4)
    text = transistor_deck(d, STEADY, np.zeros(20))
    with pytest.raises(DeckError, match="its name says"):
        read_transistor(text.replace("xc7_6 n_6", "xc7_6 n_8"))
    with pytest.raises(DeckError):
        read_transistor("* nothing\nr1 a b 1\n.end\n")


def test_bad_requests() -> None:
    d = design(5)
    with pytest.raises(DeckError, match="storage"):
        transistor_deck(d, STEADY, np.zeros(20), storage="sram")
    with pytest.raises(DeckError, match="trim code"):
        transistor_deck(d, STEADY, np.zeros(20), trim=np.full(20, 512))


def one_code(code: int, target: str = "ring28_switched") -> Design:
    """Site 7 driven by site 6 with `code` in chunk 1; every other code is 0."""
    d = design(0, target=target)
    codes = {kind: np.zeros_like(values) for kind, values in d.codes.items()}
    driven, driving = d.system.topology.edges
    codes["coupling"][1, (driven == 7) & (driving == 6)] = code
    return replace(d, codes=codes)


def test_a_switched_coupler_has_a_sign_and_magnitude_bits() -> None:
    """Code -5 in chunk 1 only: sign 101 (low in chunk 1), bits 4 and 1 high there, bit 2 never."""
    text = transistor_deck(one_code(-5), STEADY, np.zeros(20))
    assert lines(text, "xc7_6 ") == ["xc7_6 n_6 p_6 r0_7 w101 w010 w010 w101 w000 w111 w010 w101 bn bp vdd coupler"]
    assert lines(text, "xc6_7 ") == ["xc6_7 n_7 p_7 r0_6 w111 w000 w000 w111 w000 w111 w000 w111 bn bp vdd coupler"]
    assert read_transistor(text).coupling.sum(axis=1).tolist() == [0, -5, 0]


@pytest.mark.parametrize(
    ("code", "on", "off"),
    [(5, "n_6 r0_7 bn bp vdd finger u=5.0", "n_6 r0_7 0 vdd vdd finger u=2.0"),
     (-3, "p_6 r0_7 bn bp vdd finger u=3.0", "p_6 r0_7 0 vdd vdd finger u=4.0"),
     (7, "n_6 r0_7 bn bp vdd finger u=7.0", None),
     (0, None, "n_6 r0_7 0 vdd vdd finger u=7.0")],
)  # fmt: skip
def test_merged_switched_couplers_keep_their_disabled_fingers(code: int, on: str | None, off: str | None) -> None:
    """A positive code sits on tap n (it repels), a negative one on tap p; the disabled fingers load r0 on."""
    body = "\n".join(deck.merged_body(one_code(code), 1, np.array([7])))
    assert lines(body, "xc7_6 ") == ([f"xc7_6 {on}"] if on else [])
    assert lines(body, "xoc7_6 ") == ([f"xoc7_6 {off}"] if off else [])


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6])
def test_a_switched_coupler_has_seven_units_at_every_width(bits: int) -> None:
    d = design(1, bits=bits, target="ring28_switched")
    body = "\n".join(deck.merged_body(d, 1, np.array([7])))
    driven, driving = d.system.topology.edges
    for e in np.flatnonzero(driven == 7):
        shares = {
            part: sum(float(line.split("u=")[1]) for line in lines(body, f"{part}7_{driving[e]} "))
            for part in ("xc", "xoc")
        }
        assert sum(shares.values()) == pytest.approx(7)
        assert shares["xc"] == pytest.approx(7 * abs(int(d.codes["coupling"][1, e])) / (2 ** (bits - 1) - 1))
    weights = re.findall(r"weight u=(\S+)", cell_text(SWITCHED, bits, 1))
    assert len(weights) == bits - 1 and sum(map(float, weights)) == pytest.approx(7)


def transistors(text: str, cell: str) -> int:
    """Devices in one instance of a subcircuit, those of its own subcircuits included."""
    body = text.split(f".subckt {cell} ")[1].split(".ends")[0].splitlines()[1:]
    inner = [next(w for w in reversed(line.split()) if "=" not in w) for line in body if line[0] == "x"]
    return sum(line[0] == "m" for line in body) + sum(transistors(text, name) for name in inner)


def test_a_switched_coupler_has_as_many_transistors_as_a_constant_load_one() -> None:
    """40: a sign multiplexer of 4, and for each of 3 bits a finger of 4 and a multiplexer of 4 on each of its gates."""
    text = cell_text(SWITCHED, 4, 1)
    assert (
        transistors(text, "coupler")
        == 4 + 3 * (4 + 2 * 4)
        == transistors(cell_text(load_target("ring28"), 4, 1), "coupler")
    )
    assert transistors(text, "pe") == transistors(cell_text(load_target("ring28"), 4, 1), "pe")


def test_a_window_of_switched_cells_starts_every_finger_from_the_steady_state() -> None:
    waves = {f"{tap}.{part}{node}": WAVE for tap in "pn" for part in ("", "off.") for node in "st"}
    d = design(4, target="ring28_switched")
    volts = start_voltages(d, np.array([7]), replace(STEADY, waves={**STEADY.waves, **waves}), np.zeros(20))
    body = deck.merged_body(d, 0, np.array([7]))
    fingers = {line.split()[0] for line in body if line.split()[-2] == "finger"}
    assert {node[:-2] for node in volts if node[-2:] in (".s", ".t")} == fingers


def test_a_finger_that_a_new_chunk_enables_goes_on_from_the_disabled_one() -> None:
    names = ("v(r0_7)", "v(xoc7_6.s)", "v(xc7_8.t)", "v(xc7_9.s)", "v(xoc7_9.s)")
    raw = Raw(names, np.array([0.0, 1e-9]), np.array([np.zeros(5), [0.1, 0.2, 0.3, 0.4, 0.5]]))
    volts = end_voltages(Result(raw, "", 0.0, 0.0, Simulator(Path("ngspice"), 39)))
    assert volts["xc7_6.s"] == 0.2 and volts["xoc7_8.t"] == 0.3
    assert (volts["xc7_9.s"], volts["xoc7_9.s"]) == (0.4, 0.5)


def test_wave_table_keeps_the_wave() -> None:
    wave = np.where(np.arange(1024) < 512, 0.9, 0.0) + 0.05 * np.sin(np.arange(1024) / 40)
    points = np.array([float(w) for w in deck_replay.wave_table(wave).split(",")])
    grid_x = np.arange(1024) / 1024
    assert np.abs(np.interp(grid_x, points[0::2], points[1::2]) - wave).max() < 2.1e-3
    assert points.size / 2 < 300
    assert points[-2] == 1.0 and points[-1] == pytest.approx(wave[0])


def test_a_wave_played_by_the_clock_is_the_one_played_by_its_phase() -> None:
    wave = np.where(np.arange(1024) < 512, 0.9, 0.0) + 0.05 * np.sin(np.arange(1024) / 40)
    points, frequency_Hz, stop_s = deck_replay.wave_points(wave), 1e8, 3e-7

    def turns(time_s: np.ndarray) -> np.ndarray:  # a tenth of a turn back and forth
        return 7.3 + frequency_Hz * time_s + 0.1 * np.sin(2 * np.pi * time_s / stop_s)

    line = deck_replay.timed_line("p_3", "p_3", points, turns, stop_s, frequency_Hz)
    head, _, table = line.partition("pwl(time,")
    played = np.array([float(w) for w in table.rstrip(")").split(",")])
    time_s, volts = played[0::2], played[1::2]
    assert head == "bp_3 p_3 0 v=" and time_s[0] == 0 and time_s[-1] >= stop_s and (np.diff(time_s) > 0).all()
    at = np.random.default_rng(0).uniform(0, stop_s, 2000)
    told = np.interp(turns(at) % 1, *points)
    near = np.abs((turns(at)[:, None] - np.array([0.0, 0.5]) + 0.25) % 0.5 - 0.25).min(axis=1) < 0.01  # both jumps
    assert near.mean() < 0.1 and np.abs(np.interp(at, time_s, volts) - told)[~near].max() < 1e-4
    assert np.abs(np.interp(turns(time_s[1:-1]) % 1, *points) - volts[1:-1])[1:].max() < 0.03


def test_a_tile_plays_its_taps_by_the_clock_and_says_how_it_is_integrated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steady, "run_deck", lambda text, **_: text)
    tile = steady.tile_design(design(6).target, {}, fan_in=4)
    plain, fast = (
        str(steady.run_tile(tile, STEADY.waves, frequency_Hz=1e8, cycles=3, solver=Solver(bypass=bypass)))
        for bypass in (False, True)
    )
    assert plain.count("pwl(time,") == fast.count("pwl(time,") == 2 * len(steady.drivers(tile))
    assert " bypass=1" in fast and "bypass" not in plain
    assert Solver(bypass=True).label == Solver().label + " bypass"


def test_chunk_deck_text_holds_no_foreign_command() -> None:
    d = design(6)
    text = chunk_deck(
        d,
        0,
        np.array([7]),
        STEADY.waves,
        frequency_Hz=1e8,
        shil_phase_rad=0.0,
        outside={int(j): np.array([0.1, 0.2]) for j in outside_sites(d, np.array([7]))},
        solver=Solver(),
        stop_s=1e-7,
    )
    commands = {line.split()[0] for line in text.splitlines() if line.startswith(".")}
    assert commands <= {".subckt", ".ends", ".model", ".param", ".temp", ".options", ".tran", ".save", ".ic", ".end"}
