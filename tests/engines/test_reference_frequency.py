"""The reference's shift, in every engine: phases are counted against a reference that runs ahead by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_deck_transistor import STEADY, design, lines
from test_macromodel import ideal, job

from aishw import library
from aishw.calibrate.steady_file import load_steady
from aishw.engines.base import sample_times
from aishw.engines.chip import transistor_deck
from aishw.engines.deck_behavioural import behavioural_deck
from aishw.engines.macromodel import Macromodel
from aishw.engines.ode import OdeEngine
from aishw.engines.spice_transistor import window_phase
from aishw.engines.window import run_window
from aishw.errors import ModelError
from aishw.lower.design import Design
from aishw.units import spice_number

SHIFT = 0.02


def still(segments: int = 2) -> Design:
    """Every code 0: nothing moves a phase but the reference."""
    d = design(4, segments=segments)
    return replace(d, codes={kind: np.zeros_like(code) for kind, code in d.codes.items()})


def test_the_macromodel_falls_behind_by_the_shift_and_the_equation_does_not() -> None:
    d = replace(still(), reference_shift=SHIFT)
    end = Macromodel(ideal(d)).run(d, job(d)).state[:, -1]
    assert end == pytest.approx(job(d).x0 - SHIFT * d.cycles, abs=1e-6)
    assert OdeEngine("realised").run(d, job(d)).state[:, -1] == pytest.approx(job(d).x0, abs=1e-9)


def test_decks_run_reference_and_clocks_at_the_shifted_frequency() -> None:
    d = replace(still(), reference_shift=SHIFT)
    f = 1e8 * (1 + SHIFT / (2 * np.pi))
    assert d.reference_Hz(1e8) == pytest.approx(f, rel=1e-15)
    chip = transistor_deck(d, STEADY, np.zeros(20))
    text = {"bp_ref": spice_number(f), "bck": spice_number(2 * f), "bckb": spice_number(2 * f)}
    for source, number in text.items():
        (line,) = lines(chip, f"{source} ")
        assert f"({number}*time" in line
    assert f"({spice_number(1e8)}*time" in lines(transistor_deck(still(), STEADY, np.zeros(20)), "bp_ref ")[0]


def test_the_behavioural_deck_is_the_equation_and_stays() -> None:
    d, job_ = design(4), np.zeros(20)
    assert behavioural_deck(d, job_) == behavioural_deck(replace(d, reference_shift=SHIFT), job_)


def test_a_window_of_transistors_falls_behind_by_the_shift() -> None:
    """One idle PE over 2 chunks of 5 cycles, twice: everything cancels but SHIFT * cycles (the replayed neighbours turn
    with the reference; at code 0 their second harmonic moves a PE that falls behind them by 0.013 rad)."""
    steady = load_steady(Path(library.folder("calibration")) / "ring28.h5")
    plain = still()
    plain = replace(plain, system=replace(plain.system, duration_tau=5 / plain.cycles_per_tau))
    sites, times = np.array([7]), sample_times(plain.system, 5)
    ends = []
    for d in (plain, replace(plain, reference_shift=SHIFT)):
        recorded = np.repeat(np.linspace(-1, 1, 20)[None], times.size, axis=0)
        run = run_window(d, sites, steady, times, recorded)
        ends.append(window_phase(d, steady, run, sites, times, recorded[0, sites])[:, 0])
    cycles = np.interp(times, plain.system.boundaries_tau, [0, 5, 10])
    assert ends[1] - ends[0] == pytest.approx(-SHIFT * cycles, abs=0.02)


def test_a_shift_beyond_reason_is_refused() -> None:
    for shift in (0.6, float("nan")):
        with pytest.raises(ModelError, match="no small shift"):
            replace(still(), reference_shift=shift)
