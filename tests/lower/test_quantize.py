"""Codes: nearest level, who shares a full scale, what is clipped, and the torch twin of the same arithmetic."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aishw.errors import PreflightError
from aishw.lower.quantize import decode, encode, full_scale, quantise, straight_through

LINEAR = np.arange(8) / 7
COMPRESSIVE = np.array([0.0, 0.2, 0.38, 0.53, 0.67, 0.8, 0.91, 1.0])
DRIVEN = np.array([0, 0, 1, 1, 2, 2])

weights_of = st.lists(st.floats(-3, 3, allow_subnormal=False), min_size=12, max_size=12).map(
    lambda values: np.array(values).reshape(2, 6)
)


def test_codes_are_signed_and_reach_both_ends():
    found = quantise(np.array([[-0.7, -0.1, 0.0, 0.1, 0.3, 0.7]]), np.arange(6), 6, LINEAR)
    assert found.codes.tolist() == [[-7, -1, 0, 1, 3, 7]]
    assert found.clipped == 0
    assert (found.full_scale == 0.7).all()


def test_the_nearest_level_is_taken_on_a_bent_table():
    codes, _ = encode(np.array([[0.28, 0.30, -0.599, 1.0]]), np.ones((1, 4)), COMPRESSIVE)
    assert codes.tolist() == [[1, 2, -3, 7]]


@pytest.mark.parametrize("levels", [LINEAR, COMPRESSIVE], ids=["linear", "bent"])
@pytest.mark.parametrize("policy", ["array", "chunk", "site"])
@settings(max_examples=40, deadline=None)
@given(weights=weights_of)
def test_error_is_at_most_half_a_level_when_nothing_clips(weights, policy, levels):
    found = quantise(weights, DRIVEN, 3, levels, policy)
    scale = found.full_scale[:, DRIVEN]
    bound = np.diff(levels).max() / 2 * scale
    assert found.clipped == 0
    assert (np.abs(decode(found.codes, scale, levels) - weights) <= bound + 1e-12).all()


@settings(max_examples=40, deadline=None)
@given(weights=weights_of)
def test_turning_every_sign_turns_every_code(weights):
    one, other = quantise(weights, DRIVEN, 3, COMPRESSIVE), quantise(-weights, DRIVEN, 3, COMPRESSIVE)
    assert np.array_equal(one.codes, -other.codes)
    assert np.array_equal(one.full_scale, other.full_scale)


def test_policies_share_what_they_say():
    weights = np.array([[0.1, 0.2, 0.3, -0.4, 0.5, 0.6], [1.0, 1.1, -1.6, 0.8, 0.2, 0.1]])
    assert full_scale(weights, DRIVEN, 3, LINEAR, "array").tolist() == [[1.6] * 3] * 2
    assert full_scale(weights, DRIVEN, 3, LINEAR, "chunk").tolist() == [[0.6] * 3, [1.6] * 3]
    # Site 0 needs 1.1 of 1.6 = 5.5 of 8 steps, site 2 needs 3 of 8: the next step above, the same in every segment.
    site = full_scale(weights, DRIVEN, 3, LINEAR, "site", bias_levels=8)
    assert np.allclose(site, [[1.6 * 6 / 8, 1.6, 1.6 * 3 / 8]] * 2, rtol=1e-15)


def test_a_site_without_weights_takes_the_lowest_bias_step():
    site = full_scale(np.array([[1.0, 0.0]]), np.arange(2), 2, LINEAR, "site", bias_levels=16)
    assert site.tolist() == [[1.0, 1 / 16]]


def test_zero_weights_are_code_zero_at_full_scale_zero():
    found = quantise(np.zeros((2, 6)), DRIVEN, 3, LINEAR)
    assert not found.codes.any() and not found.full_scale.any() and found.clipped == 0


def test_sigma3_clips_the_tail_and_counts_it():
    weights = np.append(np.tile([-0.1, 0.1], 50), 5.0)[None]
    found = quantise(weights, np.arange(101), 101, LINEAR, clip="sigma3")
    assert found.clipped == 1 and found.codes[0, -1] == 7
    assert found.full_scale[0, 0] == pytest.approx(3 * np.sqrt((100 * 0.01 + 25) / 101))


def test_sigma3_never_exceeds_the_largest_weight():
    assert full_scale(np.full((1, 4), 0.5), np.arange(4), 4, LINEAR, clip="sigma3").max() == 0.5


def test_mse_leaves_no_more_error_than_the_maximum_and_clips_a_gaussian():
    weights = np.random.default_rng(3).normal(size=(1, 4000))
    driven = np.arange(4000)

    def error(clip):
        found = quantise(weights, driven, 4000, LINEAR, clip=clip)
        return np.sum((decode(found.codes, found.full_scale, LINEAR) - weights) ** 2), found.clipped

    by_maximum, by_mse = error("maximum"), error("mse")
    assert by_mse[0] < 0.6 * by_maximum[0]
    assert by_maximum[1] == 0 and by_mse[1] > 0


@pytest.mark.parametrize("asked", [{"policy": "pixel"}, {"clip": "sigma9"}])
def test_unknown_names_are_refused(asked):
    with pytest.raises(PreflightError, match="unknown; known: "):
        quantise(np.ones((1, 2)), np.arange(2), 2, LINEAR, **asked)


@pytest.mark.parametrize("clip", ["maximum", "mse", "sigma3"])
@pytest.mark.parametrize("policy", ["array", "chunk", "site"])
def test_straight_through_agrees_with_numpy_bit_for_bit(policy, clip):
    import torch

    weights = np.random.default_rng(5).normal(size=(2, 6))
    found = quantise(weights, DRIVEN, 3, COMPRESSIVE, policy, clip)
    expected = decode(found.codes, found.full_scale[:, DRIVEN], COMPRESSIVE)
    value = straight_through(torch.tensor(weights), DRIVEN, 3, COMPRESSIVE, policy, clip)
    assert np.array_equal(value.numpy(), expected)
    single = torch.tensor(weights, dtype=torch.float32)
    exact = single.double().numpy()
    found = quantise(exact, DRIVEN, 3, COMPRESSIVE, policy, clip)
    expected = decode(found.codes, found.full_scale[:, DRIVEN], COMPRESSIVE).astype(np.float32)
    assert np.array_equal(straight_through(single, DRIVEN, 3, COMPRESSIVE, policy, clip).numpy(), expected)


def test_gradient_passes_straight_except_where_clipped():
    import torch

    weights = torch.tensor([[0.1] * 60 + [5.0]], dtype=torch.float64, requires_grad=True)
    slope = torch.arange(61, dtype=torch.float64)[None]
    (straight_through(weights, np.arange(61), 61, LINEAR, clip="sigma3") * slope).sum().backward()
    assert weights.grad is not None
    assert torch.equal(weights.grad[0, :60], slope[0, :60])
    assert weights.grad[0, 60] == 0


def test_sites_are_told_apart_in_any_order_of_the_weights():
    weights, driven = np.array([[0.5, 2.0, -1.0, 0.25]]), np.array([2, 0, 2, 1])
    assert full_scale(weights, driven, 4, LINEAR, "site", bias_levels=8).tolist() == [[2.0, 0.25, 1.0, 0.25]]
