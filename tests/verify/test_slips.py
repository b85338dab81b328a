"""Forecasts of slips: separatrices in closed form, what a window isolates, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aishw.ais.system import System
from aishw.ais.topology import complete, grid
from aishw.errors import CompareError
from aishw.hardware.calibration import HARMONICS, Calibration, Table
from aishw.hardware.cards import load_target
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.lower import lower
from aishw.verify.slips import forecast_slips

STEADY = SteadyState("ring28", "tt", 300.15, "merged", Solver(), 1e8, 1.0, {}, {}, 0.0, "none", 0.0)
TARGET = load_target("ring28")
CODES, RATES = np.arange(-7, 8), np.array([1e-4, 1.0])


def table(kind: str) -> Table:
    levels = TARGET.injections[kind].levels
    harmonics = np.zeros((2, 15, HARMONICS), dtype=complex)
    factor = 1j if kind == "shil" else -1j
    harmonics[:, :, 0] = factor * RATES[:, None] * np.sign(CODES) * levels[np.abs(CODES)]
    zero = np.zeros((2, 15))
    return Table(RATES, CODES, zero, harmonics, zero, zero)


CALIBRATION = Calibration(STEADY, {kind: table(kind) for kind in ("coupling", "shil", "reference")})


def shil_array(shil: float = 1.0) -> System:
    """A 3x4 torus without couplings: every site is pulled to 0 or pi, the separatrix lies at pi/2."""
    top = grid(3, 4, "cross4")
    terms = {"shil": np.full((1, 12), shil), "reference": np.zeros((1, 12))}
    return System("kurashil", top, np.zeros((1, top.edges.shape[1])), terms, np.array([6.0]))


def test_the_site_on_the_separatrix_is_named_and_no_other():
    d = lower(shil_array(), TARGET)
    x0 = np.full(12, 0.3)
    x0[[4, 9]] = np.pi / 2, -np.pi / 2
    found = forecast_slips(d, CALIBRATION, x0)
    assert found.flags.shape == (12,)
    assert np.flatnonzero(found.flags).tolist() == [4, 9]
    assert found.spread_rad[[4, 9]] == pytest.approx(np.pi, abs=0.1)
    assert np.delete(found.spread_rad, [4, 9]).max() < 0.1


def test_free_sites_spread_by_their_drift_error_times_cycles():
    """Codes 0: 63 members of sigma 3e-4 over all cycles; the range of 63 normal draws is 4.68 sigma on average."""
    d = lower(shil_array(), TARGET)
    d = replace(d, codes={kind: np.zeros_like(code) for kind, code in d.codes.items()})
    found = forecast_slips(d, CALIBRATION, np.zeros((20, 12)), start_error_rad=0.0)
    assert found.spread_rad.mean() == pytest.approx(4.68 * 3e-4 * d.cycles, rel=0.05)
    wide = forecast_slips(d, CALIBRATION, np.zeros((20, 12)), start_error_rad=0.0, drift_error=6e-4)
    assert wide.spread_rad == pytest.approx(2 * found.spread_rad, rel=1e-9)


def test_a_window_replays_its_neighbours_so_their_slips_do_not_reach_it():
    """Site 0 stands on its separatrix and pushes site 1, one way. Alone in its window site 1 does not slip."""
    top = complete(2)
    coupling = np.where(top.edges[0] == 1, 1.0, 0.0)[None]
    terms = {"shil": np.array([[1.0, 0.0]]), "reference": np.array([[0.0, 0.0]])}
    d = lower(System("kurashil", top, coupling, terms, np.array([6.0])), TARGET)
    x0 = np.array([np.pi / 2, 0.3])
    assert forecast_slips(d, CALIBRATION, x0).flags.tolist() == [True, True]
    apart = forecast_slips(d, CALIBRATION, x0, [np.array([0]), np.array([1])])
    assert apart.flags.tolist() == [True, False]
    alone = forecast_slips(d, CALIBRATION, x0, [np.array([1])])
    assert np.isnan(alone.spread_rad[0]) and not alone.flags[0]
    assert alone.spread_rad[1] < 0.2


def test_same_seed_same_forecast():
    d = lower(shil_array(), TARGET)
    runs = [forecast_slips(d, CALIBRATION, np.full((2, 12), 0.5), seed=seed).spread_rad for seed in (1, 1, 2)]
    assert np.array_equal(runs[0], runs[1]) and not np.array_equal(runs[0], runs[2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"x0": np.zeros(3)}, r"start states are \(1, 3\)"),
        ({"members": 1}, "2 members or more"),
        ({"drift_error": -1.0}, "must not be negative"),
        ({"drift_error": 0.0, "start_error_rad": 0.0}, "one above 0"),
        ({"windows": []}, "windows must hold sites"),
        ({"windows": [np.array([0, 1]), np.array([1])]}, "in one window only"),
        ({"windows": [np.array([12])]}, r"sites 0\.\.11"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    d = lower(shil_array(), TARGET)
    with pytest.raises(CompareError, match=message):
        forecast_slips(d, CALIBRATION, **({"x0": np.zeros(12)} | options))
