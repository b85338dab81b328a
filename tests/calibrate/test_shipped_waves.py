"""What is shipped of a target: taps of edges that the simulator has resolved, and for the default one everything."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aishw.ais.checkpoint import load
from aishw.calibrate.shipped import calibration_of, tables_of
from aishw.engines.deck_replay import smoothed
from aishw.hardware.cards import load_target
from aishw.library import DEFAULT_TARGET, find, folder
from aishw.train.circuit_design import circuit_for, design_of

TARGETS = ("ring28", "ring28_isolated", "ring28_aligned")


@pytest.mark.parametrize(
    ("target", "fan_in", "steps"), [(target, *each) for target in TARGETS for each in ((24, 140), (4, 280))]
)
def test_a_tap_rises_once_and_falls_once_and_is_replayed_as_it_is(
    target: str, fan_in: int, steps: int
) -> None:
    card = load_target(target)
    tables = tables_of(card, fan_in, replace(card.solver, steps_per_cycle=steps))
    assert tables is not None
    for tap in "pn":
        wave = tables.steady.waves[tap]
        assert np.abs(np.diff(wave, append=wave[0])).sum() == pytest.approx(2 * np.ptp(wave), rel=2e-3)
        assert np.array_equal(smoothed(wave), wave)


@pytest.mark.parametrize("target", TARGETS)
def test_taps_p_and_n_cross_half_a_turn_apart(target: str) -> None:
    """Else a coupler at code 0 pulls, by half of its fingers times the angle that the taps miss."""
    tables = tables_of(load_target(target), 24)
    assert tables is not None
    p, n = (np.fft.rfft(tables.steady.waves[tap])[1] for tap in "pn")
    assert abs(np.degrees(np.angle(-p / n))) < 0.2


@pytest.mark.parametrize(("fan_in", "steps"), [(24, 140), (4, 280)])
def test_the_default_target_has_tables_with_the_company_that_was_fitted_to_them(fan_in: int, steps: int) -> None:
    target = load_target(DEFAULT_TARGET)
    found = calibration_of(target, fan_in, replace(target.solver, steps_per_cycle=steps))
    assert found is not None and found.together is not None
    assert 0 < found.together.drift_error < 3e-3 and np.abs(found.together.switch).max() > 0
    assert (folder("calibration") / "power" / f"{DEFAULT_TARGET}.h5").exists()
    assert any(check.name.startswith("taps replayed") and check.passed for check in found.checks)


def test_the_aligned_ring_shifts_untrained_digits_by_a_third_of_what_the_isolated_one_does() -> None:
    system, shift = load(find("models", "digits16_4bit")), {}
    for name in ("ring28_isolated", "ring28_aligned"):
        shift[name] = design_of(circuit_for(name), system).reference_shift
    assert 0 < shift["ring28_aligned"] < 0.4 * shift["ring28_isolated"]
