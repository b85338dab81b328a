"""The Frechet distance against its closed forms, and the yardsticks that come with it."""

import numpy as np
import pytest

from aishw.errors import TrainError
from aishw.train.datasets import load_dataset
from aishw.train.extractor import load_extractor
from aishw.train.metrics import frechet, score, yardstick


def exactly(covariance, mean):
    """Points whose sample mean and covariance are exactly these."""
    dimension = len(covariance)
    points = np.random.default_rng(0).normal(size=(50, dimension))
    points -= points.mean(axis=0)
    white = points @ np.linalg.inv(np.linalg.cholesky(np.cov(points, rowvar=False))).T
    return white @ np.linalg.cholesky(np.asarray(covariance, float)).T + mean


def test_of_itself_is_zero_and_a_shift_counts_squared():
    one = exactly([[2.0, 0.3], [0.3, 1.0]], [0, 0])
    assert frechet(one, one) == pytest.approx(0, abs=1e-12)
    assert frechet(one, one + np.array([3, -4])) == pytest.approx(25)


def test_commuting_covariances_have_a_closed_form():
    one, two = exactly(np.diag([4.0, 9.0]), [0, 0]), exactly(np.diag([1.0, 25.0]), [1, 0])
    assert frechet(one, two) == pytest.approx(1 + (2 - 1) ** 2 + (3 - 5) ** 2)


def test_it_is_symmetric_and_survives_flat_directions():
    one = exactly([[2.0, 0.9], [0.9, 1.0]], [0, 0])
    two = one[:, ::-1] * [1.0, 0.0]  # no spread in the second direction
    assert frechet(one, two) == pytest.approx(frechet(two, one))


@pytest.mark.parametrize("other", [np.zeros((1, 2)), np.zeros((5, 3)), np.full((5, 2), np.nan)], ids=str)
def test_features_that_do_not_fit_are_refused(other):
    with pytest.raises(TrainError):
        frechet(np.random.default_rng(0).normal(size=(5, 2)), other)


def test_a_score_brings_sizes_floor_and_noise():
    chance = np.random.default_rng(1)
    base = chance.normal(size=(1, 4, 4))
    real = base + 0.3 * chance.normal(size=(600, 4, 4))
    alike = score(base + 0.3 * chance.normal(size=(900, 4, 4)), real)
    assert (alike.images, alike.real, alike.extractor, alike.accuracy) == (900, 600, "pixel", None)
    assert alike.distance < 2 * alike.floor < 0.1 * alike.noise
    assert score(real[:, ::-1], real).distance > 10 * alike.distance
    assert score(real, real) == score(real, real)
    assert "n = 900 against 600 real images" in str(alike)


def test_a_yardstick_scores_as_its_images_do():
    real = load_dataset("digits").images
    rod = yardstick(real[:800], "cnn")
    assert score(real[800:], rod) == score(real[800:], real[:800], "cnn")
    assert score(real[:800], rod).distance < 1e-6 < rod.floor < rod.noise
    found = score(real[800:], rod)
    assert (found.extractor, found.accuracy) == ("cnn digits", load_extractor("digits").accuracy)
    assert f"the extractor names {found.accuracy:.1%} of held-out images rightly" in str(found)


@pytest.mark.parametrize("images, words", [
    (np.zeros((9, 5, 4)), r"images are \(9, 5, 4\), the real ones \(20, 4, 4\)"),
    (np.full((9, 4, 4), np.nan), "images hold NaN"),
    (np.zeros((1, 4, 4)), "both need 2 rows"),
], ids=["size", "nan", "one"])  # fmt: skip
def test_images_that_cannot_be_scored_are_refused(images, words):
    with pytest.raises(TrainError, match=words):
        score(images, np.random.default_rng(0).normal(size=(20, 4, 4)))


def test_unknown_features_and_too_few_real_images_are_refused():
    with pytest.raises(TrainError, match="unknown extractor 'nosuch'; known: auto, cnn, pixel"):
        score(np.zeros((4, 2, 2)), np.zeros((4, 2, 2)), "nosuch")
    with pytest.raises(TrainError, match=r"real images are \(3, 2, 2\), expected 4 or more"):
        score(np.zeros((4, 2, 2)), np.zeros((3, 2, 2)))
