"""compare: closed forms, lopsided conventions, gauges, slips and refusals."""

import math

import numpy as np
import pytest
import verify_problems as problems
from hypothesis import given, settings
from hypothesis import strategies as st

from aishw.errors import CompareError
from aishw.verify import Slip, compare

TIMES = np.linspace(0, 4, 9)


def pair(system, change, images=2, seed=0, **more):
    """A random reference and the candidate reference + change."""
    state = np.random.default_rng(seed).normal(0, 2, (images, TIMES.size, system.sites))
    return problems.trace(system, state, TIMES), problems.trace(
        system, state + change, TIMES, engine="other", **more
    )


def test_equal_runs_differ_by_nothing():
    system = problems.kurashil(reference=True)
    result = compare(*pair(system, 0.0), system, 1e-9)
    assert result.passed and result.end_rms_rad == result.max_rad == 0 and result.slips == ()
    assert np.isposinf(result.psnr_dB).all() and result.psnr_dB.shape == (2,)
    assert (result.reference, result.candidate, result.gauge) == ("ode", "other", "none")


def test_a_constant_shift_is_its_own_rms():
    system = problems.kurashil(reference=True)
    result = compare(*pair(system, 0.125), system, 0.2)
    np.testing.assert_allclose(result.rms_rad, 0.125)
    np.testing.assert_allclose(result.site_rms_rad, 0.125)
    np.testing.assert_allclose(result.chunk_rms_rad, [0.125, 0.125])
    assert result.max_rad == pytest.approx(0.125) and result.passed
    assert compare(*pair(system, 0.125), system, 0.12).passed is False
    assert compare(*pair(system, 0.125), system).passed is None


def test_the_error_is_candidate_minus_reference_at_the_named_image_and_site():
    system = problems.kurashil(reference=True)
    state = np.random.default_rng(1).normal(size=(3, TIMES.size, system.sites))
    reference = problems.trace(system, state, TIMES, images=[0, 2, 7])
    sites, order = [9, 3, 20], [2, 1]  # images 7, 2
    other = state[order][:, :, sites].copy()
    other[0, -1, 1] += 0.3  # image 7, site 3
    other[1, -1, 2] -= 0.1  # image 2, site 20
    other[1, 4, 0] += 0.5  # image 2, site 9, half way
    result = compare(reference, problems.trace(system, other, TIMES, sites=sites, images=[7, 2]), system)
    assert result.images.tolist() == [2, 7] and result.sites.tolist() == [3, 9, 20]
    expected = np.zeros((2, 3))
    expected[1, 0], expected[0, 2] = 0.3, -0.1
    np.testing.assert_allclose(result.end_error_rad, expected, atol=1e-12)
    assert [site for site, _ in result.worst_sites[:2]] == [3, 20]
    assert [rad for _, rad in result.worst_sites[:2]] == pytest.approx([0.3, 0.1])
    assert result.end_rms_rad == pytest.approx(math.sqrt((0.09 + 0.01) / 6))
    assert result.end_max_rad == pytest.approx(0.3) and result.max_rad == pytest.approx(0.5)
    np.testing.assert_allclose(result.site_rms_rad**2 * 2 * TIMES.size, [0.09, 0.25, 0.01], rtol=1e-9)
    np.testing.assert_allclose(result.chunk_rms_rad[0], 0.5 / math.sqrt(6))
    assert result.psnr_dB is None


@pytest.mark.parametrize(
    ("judged", "figure"), [("end_rms", "end_rms_rad"), ("end_max", "end_max_rad"), ("max", "max_rad")]
)
def test_the_limit_applies_to_what_is_judged(judged, figure):
    system = problems.kurashil(reference=True)
    change = np.zeros((2, TIMES.size, system.sites))
    change[0, -1, 0], change[0, 3, 0] = 0.2, 0.4
    runs = pair(system, change)
    value = getattr(compare(*runs, system), figure)
    assert compare(*runs, system, value * 1.01, judged=judged).passed
    assert compare(*runs, system, value * 0.99, judged=judged).passed is False
    assert compare(*runs, system, value * 0.99, judged=judged).judged_rad == value


def test_a_rotated_kuramoto_array_is_the_same_array():
    system = problems.kuramoto()
    turn = np.array([[0.4], [-2.9]]) + np.linspace(0, 9, TIMES.size)  # one drift, through several turns
    result = compare(*pair(system, turn[:, :, None]), system)
    assert result.gauge == "turn" and result.max_rad < 1e-12 and result.slips == ()
    np.testing.assert_allclose(result.gauge_rad, turn)
    np.testing.assert_allclose(result.rms_unwrapped_rad, 0, atol=1e-12)
    assert (result.psnr_dB > 200).all()


@settings(max_examples=30, deadline=None)
@given(st.floats(-50, 50), st.integers(0, 23), st.integers(-2, 2).filter(bool))
def test_a_slip_in_a_rotated_array_is_found_and_nothing_else(turn, site, turns):
    system = problems.kuramoto()
    change = np.full((1, TIMES.size, system.sites), turn)
    change[0, 5:, site] += turns * 2 * math.pi
    result = compare(*pair(system, change, images=1), system)
    assert result.slips == (Slip(0, site, turns),) and result.max_rad < 1e-9


def test_a_kuramoto_array_is_not_forgiven_more_than_its_turn():
    system = problems.kuramoto()
    change = np.zeros((1, TIMES.size, system.sites))
    change[:, :, : system.sites // 2], change[:, :, system.sites // 2 :] = 0.3, -0.1
    result = compare(*pair(system, change, images=1), system)
    np.testing.assert_allclose(result.rms_rad, 0.2)
    np.testing.assert_allclose(result.gauge_rad, 0.1)


def test_a_window_of_a_kuramoto_array_is_held_by_its_outside():
    system = problems.kuramoto()
    whole, _ = pair(system, 0.0)
    window = problems.trace(system, whole.state[:, :, [4, 5]] + 0.25, TIMES, sites=[4, 5])
    result = compare(whole, window, system)
    assert result.gauge == "none" and result.end_rms_rad == pytest.approx(0.25)


def test_kurashil_without_reference_may_flip_as_a_whole():
    system = problems.kurashil()
    flip = np.array([math.pi, 0.0, -math.pi])[:, None, None]
    result = compare(*pair(system, flip + 0.1, images=3), system)
    assert result.gauge == "half_turn"
    np.testing.assert_allclose(result.rms_rad, 0.1)
    np.testing.assert_allclose(result.gauge_rad[:, 0], [math.pi, 0, math.pi])
    late = np.where(TIMES > 3, math.pi, 0.0)[None, :, None]
    assert compare(*pair(system, late), system).end_rms_rad == pytest.approx(math.pi)


def test_kurashil_may_turn_by_nothing_else():
    system = problems.kurashil()
    assert compare(*pair(system, 0.4), system).end_rms_rad == pytest.approx(0.4)
    half = np.zeros((1, TIMES.size, system.sites))
    half[:, :, : system.sites // 4] = math.pi
    assert compare(*pair(system, half, images=1), system).end_rms_rad == pytest.approx(math.pi / 2)


def test_a_reference_term_takes_the_flip_away():
    system = problems.kurashil(reference=True)
    assert compare(*pair(system, math.pi), system).end_rms_rad == pytest.approx(math.pi)


@pytest.mark.parametrize("turns", [1, -2])
def test_a_slip_is_named_and_kept_out_of_the_wrapped_rms(turns):
    system = problems.kurashil(reference=True)
    change = np.zeros((2, TIMES.size, system.sites))
    change[1, 5:, 7] = 2 * math.pi * turns
    result = compare(*pair(system, change), system, 1e-6)
    assert result.slips == (Slip(image=1, site=7, turns=turns),)
    assert result.end_rms_rad < 1e-12 and result.passed
    assert result.end_rms_unwrapped_rad == pytest.approx(
        2 * math.pi * abs(turns) / math.sqrt(2 * system.sites)
    )


def test_turns_at_the_start_are_no_slip():
    system = problems.kurashil(reference=True)
    change = np.zeros((1, TIMES.size, system.sites))
    change[:, :, 3] = 4 * math.pi
    result = compare(*pair(system, change, images=1), system)
    assert result.slips == () and result.rms_unwrapped_rad.max() < 1e-12


def test_states_that_are_no_phases_are_not_wrapped():
    system = problems.tanhnet()
    result = compare(*pair(system, 2 * math.pi), system)
    assert result.end_rms_rad == pytest.approx(2 * math.pi) and result.slips == ()


def test_pixels_of_a_flipped_array_are_compared_upright():
    system = problems.kurashil()
    result = compare(*pair(system, math.pi), system)
    assert (result.psnr_dB > 200).all()


def test_interpolation_is_exact_on_a_ramp_and_only_where_both_ran():
    system = problems.kurashil(reference=True)
    slope = np.random.default_rng(3).normal(size=(1, 1, system.sites))
    late = np.linspace(1, 3.7, 23)
    reference = problems.trace(system, slope * TIMES[None, :, None], TIMES)
    candidate = problems.trace(system, slope * late[None, :, None], late)
    result = compare(reference, candidate, system, interpolate=True)
    np.testing.assert_allclose(result.times_tau, [1, 1.5, 2, 2.5, 3, 3.5])
    assert result.max_rad < 1e-12 and result.interpolated
    assert np.isnan(result.chunk_rms_rad).tolist() == [False, True]
    with pytest.raises(CompareError, match="interpolation"):
        compare(reference, candidate, system)


def refused(system, match, reference=None, candidate=None, **more):
    good, _ = pair(system, 0.0)
    with pytest.raises(CompareError, match=match) as caught:
        compare(reference or good, candidate or good, system, **more)
    assert "\n" not in str(caught.value)


def test_refusals():
    system = problems.kurashil()
    state = np.zeros((1, TIMES.size, system.sites))
    refused(
        system, "run both on the same design", candidate=problems.trace(system, state, TIMES, design_id="x")
    )
    refused(system, "run both on the same job", candidate=problems.trace(system, state, TIMES, job_id="x"))
    refused(system, "no image in common", candidate=problems.trace(system, state, TIMES, images=[9]))
    few = problems.trace(system, state[:, :, :2], TIMES, sites=[0, 1])
    refused(system, "no site in common", few, problems.trace(system, state[:, :, :1], TIMES, sites=[5]))
    far = problems.trace(system, state, TIMES, sites=np.arange(system.sites) + 10)
    refused(system, "the system has 24", far, far)
    refused(system, "sample both alike", candidate=problems.trace(system, state[:, :4], TIMES[:4]))
    refused(
        system, "overlapping times", candidate=problems.trace(system, state, TIMES + 100), interpolate=True
    )
    for limit in (0.0, -1.0, math.nan, math.inf):
        refused(system, "positive number", limit_rad=limit)
    refused(system, "choose one of end_rms", judged="mean")


def test_nan_is_refused_and_located():
    system = problems.kurashil()
    state = np.zeros((2, TIMES.size, system.sites))
    state[1, 3, 11] = math.nan
    broken = problems.trace(system, state, TIMES, engine="other")
    refused(system, "other holds nan at image 1, 1.5 tau, site 11", candidate=broken)
