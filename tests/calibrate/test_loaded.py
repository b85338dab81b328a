"""The lone PE's deck: as much load as the tile has, harmonics that cancel, phases that are told right."""

from __future__ import annotations

import re

import numpy as np
import pytest

from aishw.calibrate.loaded import GROUPS, Load, load_cells, loaded_deck, multiplied
from aishw.calibrate.sources import source_phases, tap_sources
from aishw.calibrate.state import mean_turn, slope, state_under
from aishw.errors import SimulatorError
from aishw.hardware.cards import load_target
from aishw.hardware.solver import Solver

TARGET = load_target("ring28")
SQUARE = np.where(np.arange(1024) < 512, 0.9, 0.0)
WAVES = {"p": SQUARE, "n": 0.9 - SQUARE}
LOAD = Load(WAVES, 1e8)


def test_as_many_units_as_the_tile() -> None:
    """24 couplers and the reference, 8 units on each tap."""
    lines = [line for line in loaded_deck(TARGET, LOAD, Solver(), 4).splitlines() if line.startswith("xc")]
    assert len(lines) == GROUPS == len(load_cells(TARGET)) - 1
    for name in ("up", "un"):
        assert sum(float(re.search(rf"{name}=(\S+)", line)[1]) for line in lines) == pytest.approx(25 * 8)  # type: ignore[index]


def test_even_phases_cancel_harmonics() -> None:
    """A coupler at code 0 is the same half a turn later: only multiples of 2 * GROUPS stay."""
    phases = source_phases(GROUPS)
    both = np.concatenate([phases, phases + np.pi])
    for k in range(1, 2 * GROUPS):
        assert abs(np.exp(1j * k * both).sum()) < 1e-9


def test_other_cells_by_name() -> None:
    deck = loaded_deck(TARGET, LOAD, Solver(), 4, rename={"xp0": "pe_7", "xc3": "other"})
    assert re.search(r"^xp0 .* vdd pe_7$", deck, re.MULTILINE)
    assert re.search(r"^xc3 .* vdd other up=40", deck, re.MULTILINE)
    assert re.search(r"^xc2 .* vdd coupler_fixed up=40", deck, re.MULTILINE)


def test_multiplied_units() -> None:
    assert multiplied("xc0 n_0 p_0 y bn bp vdd coupler_fixed up=8.0 un=2.0", 5) == (
        "xc0 n_0 p_0 y bn bp vdd coupler_fixed up=40.0 un=10.0"
    )
    assert multiplied("xo1 n_0 y 0 vdd vdd finger u=7.0", 2) == "xo1 n_0 y 0 vdd vdd finger u=14.0"


def test_taps_start_where_they_say() -> None:
    wave = 0.45 + 0.45 * np.sin(2 * np.pi * np.arange(1024) / 1024)
    lines, volts = tap_sources({"p": wave, "n": 0.9 - wave}, np.array([0.0, 1.0]), 1e8)
    assert len(lines) == 4
    assert volts["p_1"] == pytest.approx(0.45 + 0.45 * np.sin(1.0), abs=5e-3)
    assert volts["n_1"] == pytest.approx(0.45 - 0.45 * np.sin(1.0), abs=5e-3)
    assert f"+{1 / 2 / np.pi!r}" in lines[1]


def test_slope_and_mean() -> None:
    rng = np.random.default_rng(0)
    period, error = slope(3e-9 + 1e-8 * np.arange(40) + rng.normal(0, 1e-12, 40))
    assert period == pytest.approx(1e-8, abs=4 * error) and 1e-15 < error < 3e-14
    assert mean_turn(np.array([0.22, 1.28, 5.25])) == pytest.approx(0.25)


def test_the_pe_runs_and_knows_its_phase() -> None:
    """One short run from square taps: near the card's frequency, taps complementary, r0 before p by two stages."""
    steady, power_W = state_under(TARGET, Load(WAVES, TARGET.frequency_Hz), cycles=10)
    assert steady.frequency_Hz == pytest.approx(TARGET.frequency_Hz, rel=0.01)
    assert 40e-6 < power_W < 120e-6
    assert steady.marks_rad["p"] == pytest.approx(0, abs=1e-9)
    assert steady.marks_rad["n"] == pytest.approx(np.pi, abs=0.3)
    wave = steady.waves["r0"]
    at = int(steady.marks_rad["r0"] / 2 / np.pi * 1024)
    assert wave[at - 8] < 0.45 < wave[(at + 8) % 1024]
    again, _ = state_under(TARGET, Load(steady.waves, steady.frequency_Hz), start=steady, cycles=10, mark_rad=1.0)
    assert again.marks_rad["r0"] == pytest.approx(1.0)
    assert again.frequency_Hz == pytest.approx(steady.frequency_Hz, rel=1e-3)


def test_a_pe_that_hardly_runs_is_refused() -> None:
    """Asked for cycles of ten times its frequency, it makes too few."""
    with pytest.raises(SimulatorError, match=r"the PE made \d cycles in 20 of 1000 MHz at corner tt"):
        state_under(TARGET, Load(WAVES, 1e9), cycles=20)
