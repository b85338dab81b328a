"""The ladder and its verdict."""

import numpy as np
import pytest
import verify_problems as problems

from aishw.errors import CompareError
from aishw.verify import Part, Sensitivity, Step, climb, verdict
from aishw.verify.ladder import NOT_THE_CIRCUIT

TIMES = np.linspace(0, 4, 5)
SYSTEM = problems.kurashil(reference=True)


def step(name, shift, engine="ode", sites=None, **more):
    held = np.arange(SYSTEM.sites) if sites is None else np.asarray(sites)
    state = np.full((2, TIMES.size, held.size), float(shift))
    return Step(
        name, "why", problems.trace(SYSTEM, state, TIMES, engine=engine, sites=held, cpu_s=shift), **more
    )


TOP = step("top", 0.0)
CODES = step("codes", 0.1, limit_rad=0.2)
WINDOW = step("window", 0.5, "spice-transistor", sites=[3, 4], above="codes")
MACRO = step("macro", 0.15, "macromodel", limit_rad=0.1)


def window(limit_rad, shift=0.2, name="window"):
    return step(name, shift, "spice-transistor", sites=[3, 4], above="macro", limit_rad=limit_rad)


def test_every_rung_is_compared_with_the_one_above_and_the_first():
    rungs = climb(SYSTEM, [TOP, CODES, MACRO, step("last", 0.6, above="codes", limit_rad=0.3)])
    assert [rung.above and pytest.approx(rung.above.end_rms_rad) for rung in rungs] == [None, 0.1, 0.05, 0.5]
    assert [rung.first and pytest.approx(rung.first.end_rms_rad) for rung in rungs] == [None, 0.1, 0.15, 0.6]
    assert [rung.passed for rung in rungs] == [None, True, True, False]
    assert [rung.above_name for rung in rungs] == ["", "top", "codes", "codes"]
    assert [rung.cpu_s for rung in rungs] == [0.0, 0.1, 0.15, 0.6]
    assert verdict(rungs).failed == ("last",) and verdict(rungs).headline == "Fell short"


@pytest.mark.parametrize("upper", [CODES, step("codes", 0.1, "spice-behavioural")])
def test_the_equation_above_transistors_is_called_out_with_its_number(upper):
    rung = climb(SYSTEM, [TOP, upper, WINDOW])[-1]
    assert rung.note == f"0.4 rad rms at the end: {NOT_THE_CIRCUIT}"


def test_a_calibrated_window_is_not_called_out():
    assert climb(SYSTEM, [TOP, CODES, MACRO, window(0.1)])[-1].note == ""


def test_without_calibration_truth_and_distribution_are_not_judged():
    found = verdict(climb(SYSTEM, [TOP, CODES, WINDOW]), image_limit_rad=0.2)
    assert [part.state for part in found.parts] == ["not judged", "not judged", "held"]
    assert "no calibration" in found.local_truth.reason and "0.4 rad" in found.local_truth.reason
    assert NOT_THE_CIRCUIT in found.local_truth.reason and "no calibration" in found.distribution.reason
    assert found.passed and not found.complete and found.headline == "Held as far as judged"


def test_no_transistors_is_said():
    assert "no transistors" in verdict(climb(SYSTEM, [TOP, CODES])).local_truth.reason


@pytest.mark.parametrize(("limit_rad", "state"), [(0.06, "held"), (0.04, "fell short"), (None, "not judged")])
def test_local_truth_is_a_window_under_the_macromodel(limit_rad, state):
    found = verdict(climb(SYSTEM, [TOP, CODES, MACRO, window(limit_rad)]))
    assert found.local_truth.state == state
    assert found.passed == (state != "fell short")


def test_the_worst_window_is_named():
    windows = [window(0.1), window(0.1, 0.9, "bad one"), window(0.1, 0.16, "w3")]
    found = verdict(climb(SYSTEM, [TOP, CODES, MACRO, *windows]))
    assert found.local_truth.state == "fell short" and "bad one" in found.local_truth.reason
    assert "3 transistor run(s)" in found.local_truth.reason


def test_slips_of_a_window_are_counted():
    bad = window(0.1)
    bad.trace.state[1, 3:, 0] += 2 * np.pi
    found = verdict(climb(SYSTEM, [TOP, CODES, MACRO, bad]))
    assert found.local_truth.state == "held" and "1 site(s) slipped whole turns: 3" in found.local_truth.reason


def test_this_image_weighs_the_last_whole_rung_beside_the_sensitivity():
    growth = Sensitivity(np.full((2, 3), 50.0), np.ones(SYSTEM.sites), 1e-6, 0)
    rungs = climb(SYSTEM, [TOP, CODES, MACRO, window(0.1)])
    found = verdict(rungs, growth=growth, image_limit_rad=0.1).this_image
    assert found.state == "fell short"
    assert "macro ends 0.15 rad rms from top" in found.reason and "multiplied by 50" in found.reason
    assert "0.003 rad" in found.reason and "limit 0.1 rad" in found.reason
    assert verdict(rungs, growth=growth, image_limit_rad=0.2).this_image.state == "held"
    unlimited = verdict(rungs).this_image
    assert unlimited.state == "not judged" and "not measured" in unlimited.reason
    assert verdict(climb(SYSTEM, [TOP, WINDOW_ALONE])).this_image.state == "not judged"


WINDOW_ALONE = step("window", 0.5, "spice-transistor", sites=[3, 4])


def test_three_judged_parts_are_a_sign_off():
    rungs = climb(SYSTEM, [TOP, CODES, MACRO, window(0.1)])
    found = verdict(rungs, Part("distribution", "held", "FD 10"), image_limit_rad=0.2)
    assert found.passed and found.complete and found.headline == "Held"
    assert not verdict(rungs, Part("distribution", "fell short", "FD 900"), image_limit_rad=0.2).passed


def test_refusals():
    for steps, words in (
        ([], "at least one"),
        ([TOP, TOP], "share a name"),
        ([TOP, step("a", 0.0, above="b")], "names 'b' above it; rungs so far: top"),
        ([step("a", 0.0, above="top")], "names 'top' above it"),
    ):
        with pytest.raises(CompareError, match=words):
            climb(SYSTEM, steps)
    with pytest.raises(CompareError, match="held"):
        Part("local truth", "fine", "")
