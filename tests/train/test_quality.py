"""Precision, recall, classes and copies: each on sets whose answer is known."""

import numpy as np
import pytest

from aishw.errors import TrainError
from aishw.train.datasets import load_dataset
from aishw.train.neighbours import nearness, precision_recall
from aishw.train.quality import quality


def two_clusters(n, seed):
    return np.concatenate([np.random.default_rng(seed).normal(size=(n, 2)) + 50 * k for k in (0, 1)])


def test_a_set_lies_on_its_own_manifold_and_a_far_one_does_not():
    real = two_clusters(100, 0)
    assert precision_recall(real, real) == (1.0, 1.0)
    assert precision_recall(real + 1000, real) == (0.0, 0.0)


def test_a_missing_kind_costs_recall_and_an_odd_kind_precision():
    both, other = two_clusters(200, 0), two_clusters(200, 1)
    precision, recall = precision_recall(other[:200], both)
    assert precision > 0.9 and recall < 0.5
    swapped = precision_recall(both, other[:200])
    assert swapped == (recall, precision)


def test_the_ball_reaches_to_the_kth_neighbour():
    line = np.arange(10.0)[:, None]  # balls of radius k in the middle, of k at the ends
    assert precision_recall(np.array([[12.0], [12.01], [50.0], [60.0]]), line, k=3)[0] == 0.25
    with pytest.raises(TrainError, match="have no 3 neighbours"):
        precision_recall(line[:3], line)


def test_copies_are_near_and_fresh_images_are_not():
    chance = np.random.default_rng(0)
    real, fresh = chance.normal(size=(800, 20)), chance.normal(size=(800, 20))
    ratio, copies = nearness(fresh, real, real)
    assert ratio == pytest.approx(1, abs=0.05) and copies < 0.03
    ratio, copies = nearness(real + 1e-3, real, real)
    assert ratio < 0.01 and copies == 1
    with pytest.raises(TrainError, match="half of the real images are equal"):
        nearness(fresh, np.zeros((5, 20)), np.zeros((50, 20)))


@pytest.fixture(scope="module")
def digits():
    found = load_dataset("digits")
    order = np.random.default_rng(0).permutation(len(found.images))
    return found.images[order], found.labels[order]


def test_one_half_of_the_digits_against_the_other(digits):
    images, _ = digits
    half = quality(images[:900], images[900:])
    assert half.precision > 0.75 and half.recall > 0.75 and half.compared == 897
    assert half.class_distance < 0.06 and sum(half.classes) == pytest.approx(1)
    assert half.nearest == pytest.approx(1, abs=0.1) and half.copies < 0.04
    assert half.score.extractor == "cnn digits" and "897" in str(half)


def test_a_generator_that_copies_one_class_is_found_out(digits):
    images, labels = digits
    ones = quality(images[labels == 1], images)
    assert ones.classes[1] > 0.95 and ones.class_distance == pytest.approx(1 - ones.real_classes[1], abs=0.05)
    assert ones.precision > 0.9 and ones.recall < 0.3 and ones.copies == 1


def test_pixels_name_no_class(digits):
    plain = quality(digits[0][:300], digits[0][300:], "pixel")
    assert plain.classes is None and plain.class_distance is None and "classes" not in str(plain)
