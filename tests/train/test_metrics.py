"""The Frechet distance against its closed forms, and the yardsticks that come with it."""

import numpy as np
import pytest

from aishw.errors import TrainError
from aishw.train.metrics import frechet, score


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
    assert (alike.images, alike.real, alike.extractor) == (900, 600, "pixel")
    assert alike.distance < 2 * alike.floor < 0.1 * alike.noise
    assert score(real[:, ::-1], real).distance > 10 * alike.distance
    assert score(real, real) == score(real, real)
    assert "n = 900 against 600 real images" in str(alike)


def test_unknown_features_are_refused():
    with pytest.raises(TrainError, match="unknown features 'inception'; known: pixel"):
        score(np.zeros((4, 2, 2)), np.zeros((4, 2, 2)), "inception")
