"""Gain, INL, DNL and angle of couplers whose every figure is known; the checks and figures of merit made of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calibration_problems import ALPHA_RAD, CODES, GAIN, LINEAR, coupling_table, everything, shil_table, tables_only

from aishw.calibrate.checks import checks_of
from aishw.calibrate.merit import merits_of, side_by_side
from aishw.calibrate.shape import shape_of
from aishw.calibrate.summary import missing_of
from aishw.hardware.cards import load_target

RING28 = load_target("ring28")


def test_a_straight_coupler() -> None:
    shape = shape_of(coupling_table(RING28), "coupling")
    assert shape.gain == pytest.approx(GAIN)
    assert np.allclose(shape.inl, 0) and np.allclose(shape.dnl, 0) and np.allclose(shape.steps, CODES)
    assert np.allclose(shape.alpha_rad[CODES != 0], ALPHA_RAD) and np.isnan(shape.alpha_rad[7])
    assert shape.offset_slope == pytest.approx(LINEAR)
    assert shape.alpha_split_rad == pytest.approx(0) and shape.nonlinearity == pytest.approx(0)


def test_the_ideal_shil_unit_has_no_angle() -> None:
    shape = shape_of(shil_table(RING28), "shil")
    assert np.allclose(shape.alpha_rad[CODES != 0], 0)
    assert shape.dnl[-1] < shape.dnl[-2]  # compressed at code 7


def test_one_wrong_code_shows_where_it_is() -> None:
    table = coupling_table(RING28)
    harmonics = table.harmonics.copy()
    harmonics[-1, CODES == 3, 0] *= 1.1 * np.exp(0.05j)
    every = np.full_like(table.residual_rad, 1e-4)
    shape = shape_of(replace(table, harmonics=harmonics, residual_rad=every), "coupling")
    assert shape.inl[CODES == 3][0] == pytest.approx(0.3, abs=0.05)
    assert abs(shape.nonlinearity) == pytest.approx(0.1, abs=0.01)
    assert shape.alpha_split_rad == pytest.approx(0.05, abs=1e-9)
    assert shape_of(replace(table, harmonics=harmonics), "coupling", row=0).inl == pytest.approx(0)


def test_three_points_judge_the_angle_where_they_are() -> None:
    """A parabola through -7, 0, 7: what is wrong at 0 turns every code between, and none of the measured ones."""
    table = coupling_table(RING28)
    harmonics = table.harmonics.copy()
    harmonics[-1, :, 0] += 0.3 * GAIN * (1 - (CODES / 7) ** 2)
    every = np.full_like(table.residual_rad, 1e-4)
    three = np.where(np.isin(CODES, (-7, 0, 7)), every, np.nan)
    turned = shape_of(replace(table, harmonics=harmonics, residual_rad=every), "coupling")
    assert abs(turned.alpha_split_rad) > 0.1
    judged = shape_of(replace(table, harmonics=harmonics, residual_rad=three), "coupling")
    assert judged.alpha_split_rad == pytest.approx(0, abs=1e-12) and judged.angled.sum() == 2


def test_checks_hold_and_fall_short() -> None:
    whole = everything(RING28)
    checks = checks_of(whole)
    assert len(checks) == 10 and all(check.passed for check in checks)
    assert checks_of(tables_only(RING28)) and len(checks_of(tables_only(RING28))) == 4
    assert len(checks_of(replace(whole, quick=True))) == 8  # no SHIL against a quick prediction
    turned = {k: replace(t, harmonics=t.harmonics * np.exp(0.05j)) for k, t in whole.tables.items()}
    failed = [c.name for c in checks_of(replace(whole, predicted=turned)) if not c.passed]
    assert failed == [f"{kind} angle of code 7, sweeps against PPV" for kind in ("coupling", "shil")]
    weak = {k: replace(t, harmonics=0.95 * t.harmonics) for k, t in whole.tables.items()}
    failed = [c.name for c in checks_of(replace(whole, predicted=weak)) if not c.passed]
    assert failed == [f"{kind} gain, sweeps against PPV" for kind in ("coupling", "shil")]


def test_a_tap_too_steep_to_be_replayed_fails() -> None:
    whole = everything(RING28)
    square = np.where(np.arange(1024) < 512, 0.9, 0.0)
    steep = replace(whole.steady, waves={**whole.steady.waves, "p": square})
    (check,) = [c for c in checks_of(replace(whole, steady=steep)) if not c.passed]
    assert check.name == "taps replayed as they are, steepest edge" and check.value == 1024


def test_a_check_that_is_no_number_fails() -> None:
    whole = everything(RING28)
    (check,) = [c for c in checks_of(replace(whole, noise=replace(whole.noise, ensemble=np.nan))) if not c.passed]
    assert check.name == "noise, ensemble against PPV"


def test_figures_of_merit() -> None:
    merits = {(m.group, m.name): m for m in merits_of(everything(RING28))}
    assert merits["coupling", "gain"].value == pytest.approx(GAIN)
    assert merits["coupling", "cycles a tau, |C| = 1 at full scale"].value == pytest.approx(1 / (7 * GAIN))
    assert merits["coupling", "h2 at code 0"].value == pytest.approx(0.001 / GAIN)
    assert merits["power", "ring and taps"].value == pytest.approx(77)
    assert merits["noise", "thermal"].value == pytest.approx(2.0)
    assert merits["noise", "delta, |C| = 1 at full scale"].value == pytest.approx(np.sqrt(4e-6 / (7 * GAIN)))


def test_two_circuits_side_by_side() -> None:
    rows = side_by_side([tables_only(RING28), everything(RING28)])
    assert [row[0] is None for row in rows].count(True) == len(rows) - len(merits_of(tables_only(RING28)))
    assert all(row[1] is not None for row in rows)
    assert "noise" in missing_of(tables_only(RING28)) and missing_of(everything(RING28)) == []
