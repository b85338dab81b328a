"""Seconds per tau from tables: the measured strengths reach the design, and the valid range is where it should be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calibration_problems import GAIN, SECOND, STRENGTH, TURN_RAD, coupling_table, tables_only
from problems import tiny_kurashil

from aishw.calibrate.scale import (
    FEEDTHROUGH_RAD,
    SECOND_ORDER,
    calibrated,
    second_order,
    strength,
    target_of,
    valid_range,
)
from aishw.errors import CardError
from aishw.hardware.cards import load_target
from aishw.lower import lower

RING28 = load_target("ring28")
MADE = tables_only(RING28, fan_in=4)


def test_a_target_takes_what_was_measured() -> None:
    measured = target_of(RING28, MADE)
    assert np.allclose(measured.injections["coupling"].rate, 7 * GAIN * STRENGTH)
    assert np.allclose(measured.injections["reference"].rate, 7 * GAIN * STRENGTH)
    assert np.allclose(measured.injections["coupling"].levels, np.arange(8) / 7)
    assert measured.injections["shil"].levels[6] == pytest.approx(6 / 6.5)  # compressed at code 7
    assert np.array_equal(measured.injections["coupling"].bias_V, RING28.injections["coupling"].bias_V)
    assert measured.frequency_Hz == MADE.steady.frequency_Hz


def test_the_scale_of_a_design_follows_the_tables() -> None:
    """Twice the measured strength, half the cycles; the codes stay."""
    system = tiny_kurashil()
    twice = {kind: replace(t, harmonics=2 * t.harmonics) for kind, t in MADE.tables.items()}
    designs = [lower(system, target_of(RING28, c)) for c in (MADE, replace(MADE, tables=twice))]
    assert designs[0].cycles == pytest.approx(2 * designs[1].cycles)
    assert np.allclose(designs[0].seconds_per_tau, designs[0].cycles_per_tau / MADE.steady.frequency_Hz)
    for kind in designs[0].codes:
        assert np.array_equal(designs[0].codes[kind], designs[1].codes[kind])


def test_a_strength_that_does_not_rise_sets_no_scale() -> None:
    table = MADE.tables["coupling"]
    flat = replace(table, harmonics=np.broadcast_to(table.harmonics[-1:], table.harmonics.shape).copy())
    with pytest.raises(CardError, match="coupling table of target 'ring28' sets no scale"):
        target_of(RING28, replace(MADE, tables={**MADE.tables, "coupling": flat}))


def test_what_lower_takes_is_checked() -> None:
    measured, tables = calibrated(RING28, MADE, 4, 4)
    assert np.array_equal(tables.table("coupling").rate, measured.injections["coupling"].rate)
    assert lower(tiny_kurashil(), measured, calibration=tables).reference_shift != 0
    with pytest.raises(CardError, match="fan-in"):
        calibrated(RING28, MADE, 24, 4)
    with pytest.raises(CardError, match="bits"):
        calibrated(RING28, MADE, 4, 5)


def test_second_order_and_the_weak_injection_limit() -> None:
    table = coupling_table(RING28)
    share = SECOND * 49 * STRENGTH**2 / (7 * GAIN * STRENGTH)  # the even part of the offset, and nothing else
    assert np.allclose(second_order(table), share)
    valid = valid_range(MADE)
    assert valid.weak_injection == pytest.approx(7 * GAIN * SECOND_ORDER / share[-1])
    assert valid.highest == pytest.approx(7 * GAIN)  # never beyond what was calibrated
    offset = table.offset.copy()
    offset[-1] += 0.01 * np.abs(table.codes) / 7
    strong = valid_range(replace(MADE, tables={"coupling": replace(table, offset=offset)}))
    assert strong.highest == strong.weak_injection < 7 * GAIN


def test_the_feedthrough_limit_lies_between_biases() -> None:
    """Angles turn by TURN_RAD towards the weakest bias; the strengths' own ratio is the card's here."""
    labels = replace(coupling_table(RING28), rate=7 * GAIN * STRENGTH)
    valid = valid_range(replace(MADE, tables={"coupling": labels}))
    part = (FEEDTHROUGH_RAD - TURN_RAD[1]) / (TURN_RAD[0] - TURN_RAD[1])
    expected = STRENGTH[1] * (STRENGTH[0] / STRENGTH[1]) ** part
    assert valid.feedthrough and valid.lowest == pytest.approx(7 * GAIN * expected)
    straight = labels.harmonics * np.exp(-1j * TURN_RAD)[:, None, None]
    valid = valid_range(replace(MADE, tables={"coupling": replace(labels, harmonics=straight)}))
    assert not valid.feedthrough and valid.lowest == pytest.approx(7 * GAIN * STRENGTH[0])


def test_a_design_outside_is_told() -> None:
    measured, tables = calibrated(RING28, MADE, 4, 4)
    valid = valid_range(tables)
    assert valid.objections(lower(tiny_kurashil(), measured)) == []
    (objection,) = valid.objections(lower(tiny_kurashil(), measured, stretch=20))
    assert "feedthrough limit" in objection
    (objection,) = replace(valid, highest=0.03).objections(lower(tiny_kurashil(), measured))
    assert "beyond the valid 0.0300" in objection


def test_ends_that_pass_each_other_leave_no_range() -> None:
    valid = replace(valid_range(MADE), lowest=0.04, highest=0.02)
    (objection,) = valid.objections(lower(tiny_kurashil(), RING28))
    assert valid.empty and objection.startswith("no rate is valid: second-order terms allow 0.0200")


def test_strength_is_odd_in_the_code() -> None:
    table = coupling_table(RING28)
    lopsided = replace(table, harmonics=table.harmonics + 0.001)  # what no code changes
    assert np.allclose(strength(lopsided), strength(table))
    assert strength(table)[0, 0] == 0
