"""The lag of one run's crossings behind another's: a known shift, a known rest; and runs that repeat."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aishw.calibrate.solver_error import crossings, lag, window_design
from aishw.calibrate.steady import CENTRE
from aishw.errors import SimulatorError
from aishw.hardware.cards import load_target
from aishw.hardware.solver import Solver
from tests.calibration_problems import steady_of_card

TARGET = load_target("ring28")


def test_a_fast_run_with_a_ripple() -> None:
    n, f = np.arange(40, dtype=np.float64), 1e8
    ripple = 0.01 * np.cos(2 * np.pi * (n - 20.5) / 7.6)  # even about the middle of what is fitted
    tight = n / f
    in_use = tight / (1 + 1e-4) - ripple / (2 * np.pi * f)
    shift, rms, worst = lag(tight, in_use, f)
    assert shift == pytest.approx(1e-4, rel=0.01)
    assert rms == pytest.approx(0.01 / np.sqrt(2), rel=0.02)
    assert worst == pytest.approx(0.01, rel=0.05)


def test_a_slip_is_no_solver_error() -> None:
    n = np.arange(40, dtype=np.float64)
    with pytest.raises(SimulatorError, match="slipped"):
        lag(n / 1e8, n * 1.02 / 1e8, 1e8)


def test_a_window_is_drawn_by_its_seed() -> None:
    one, same, other = (window_design(TARGET, 24, np.random.default_rng(seed)) for seed in ((0, 1), (0, 1), (0, 2)))
    driven = one.system.topology.edges[0] == CENTRE
    assert np.abs(one.codes["coupling"][0, driven]).max() > 3
    assert (one.codes["coupling"][0, ~driven] == 0).all()
    assert (one.codes["coupling"] == same.codes["coupling"]).all()
    assert (one.codes["coupling"] != other.codes["coupling"]).any()


def test_runs_repeat() -> None:
    """ngspice draws nothing: the same deck has the same crossings to the last bit."""
    steady = steady_of_card(TARGET)
    still = {f"{tap}.{node}": np.full(64, 0.9 * (node == "t")) for tap in "pn" for node in "st"}
    inner = {node: steady.waves["p"] for node in ("d1", "d2", "e1", "e2")}
    steady = replace(steady, waves={**steady.waves, **inner, **still}, frequency_Hz=TARGET.frequency_Hz)
    coarse = Solver(steps_per_cycle=60, reltol=1e-3)
    first, again = (crossings(TARGET, steady, coarse, (0, 0), 4) for _ in range(2))
    assert first.size == 4
    assert np.array_equal(first, again)
