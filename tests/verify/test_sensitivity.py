"""sensitivity: growth of a perturbation in closed form."""

import math

import numpy as np
import pytest
import verify_problems as problems

from aishw.engines.base import sample_times
from aishw.errors import CompareError
from aishw.verify import sensitivity


def exponential(rates, times):
    return lambda x0: x0[:, None, :] * np.exp(rates * times[:, None])


def test_growth_of_an_exponential():
    times = np.linspace(0, 2, 5)
    found = sensitivity(exponential(np.full(6, 1.5), times), np.ones((3, 6)), 1e-4, seed=1)
    np.testing.assert_allclose(found.growth, np.exp(1.5 * times)[None, :].repeat(3, 0), rtol=1e-6)
    assert found.median == pytest.approx(math.exp(3)) and found.grown == 1.0
    assert found.start_error_rad(0.2) == pytest.approx(0.2 / math.exp(3))


def test_growth_is_told_site_by_site():
    rates = np.array([2.0, -2.0, 0.0])
    found = sensitivity(exponential(rates, np.array([0.0, 1.0])), np.zeros((4000, 3)), 1e-3)
    np.testing.assert_allclose(found.site_growth, np.exp(rates), rtol=0.05)


def test_the_perturbation_has_the_rms_asked_for_and_follows_the_seed():
    seen = []

    def run(x0):
        seen.append(x0)
        return x0[:, None, :]

    for seed in (3, 3, 4):
        sensitivity(run, np.zeros((2, 50)), 0.25, seed)
    np.testing.assert_allclose(np.sqrt((seen[1] ** 2).mean(axis=1)), 0.25)
    np.testing.assert_array_equal(seen[1], seen[3])
    assert not np.array_equal(seen[1], seen[5]) and not seen[0].any()


def test_growth_does_not_depend_on_the_size_of_a_small_error():
    system = problems.kurashil(seed=4, strength=1.2)
    x0 = np.random.default_rng(0).normal(-0.5, 0.5, (8, system.sites))
    times = sample_times(system, 10)

    def run(start):
        return problems.solve(system, start, times)

    small, large = (sensitivity(run, x0, epsilon, seed=9).growth[:, -1] for epsilon in (1e-8, 1e-6))
    np.testing.assert_allclose(small, large, rtol=1e-2)


@pytest.mark.parametrize("epsilon", [0.0, -1e-6, math.nan, math.inf])
def test_a_perturbation_must_be_positive(epsilon):
    with pytest.raises(CompareError, match="positive"):
        sensitivity(lambda x: x[:, None], np.zeros((1, 2)), epsilon)


def test_a_run_of_another_shape_or_with_nan_is_refused():
    with pytest.raises(CompareError, match="expected"):
        sensitivity(lambda x: x, np.zeros((1, 2)))
    with pytest.raises(CompareError, match="NaN"):
        sensitivity(lambda x: np.full((1, 3, 2), math.nan), np.zeros((1, 2)))
