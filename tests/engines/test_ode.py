"""The reference solver: a closed form, agreement with fine steps, rounding of transferred states."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_deck_transistor import design

from aishw.ais.system import System
from aishw.ais.topology import grid
from aishw.engines.base import Job, sample_times
from aishw.engines.ode import OdeEngine
from aishw.errors import CompareError


def test_one_site_under_shil_has_a_closed_form() -> None:
    """ds/dtau = -a sin 2s: tan s(t) = tan s(0) exp(-2 a t), over two segments of different a."""
    d = design(0, segments=2)
    top = grid(4, 5, "king8")
    shil = np.zeros((2, 20))
    shil[:, 3] = (0.7, -0.4)
    zero = System("kurashil", top, np.zeros((2, 160)), {"shil": shil, "reference": np.zeros((2, 20))}, np.array([1.0, 0.5]))
    d = replace(d, system=zero)
    job = Job(np.full((1, 20), 0.6), sample_times(zero, 8))
    trace = OdeEngine("trained").run(d, job)
    decay = np.where(job.samples_tau <= 1, 0.7 * job.samples_tau, 0.7 - 0.4 * (job.samples_tau - 1))
    assert trace.state[0, :, 3] == pytest.approx(np.arctan(np.tan(0.6) * np.exp(-2 * decay)), abs=1e-9)
    assert (trace.state[0, :, 4] == 0.6).all()
    assert trace.engine == "ode-float"


def test_exact_is_the_limit_of_small_steps() -> None:
    d = design(1)
    job = Job(np.random.default_rng(0).normal(-0.5, 0.5, (3, 20)), sample_times(d.system, 5))
    exact = OdeEngine("codes").run(d, job)
    errors = [np.abs(OdeEngine("codes", "rk4", h).run(d, job).state - exact.state).max() for h in (0.02, 0.01)]
    assert errors[1] < 5e-6
    assert 8 < errors[0] / errors[1] < 32
    assert np.abs(OdeEngine("codes", "euler", 0.01).run(d, job).state - exact.state).max() > 1e-4


def test_images_are_rows_of_the_job() -> None:
    d = design(2)
    job = Job(np.random.default_rng(1).normal(0, 1, (4, 20)), sample_times(d.system, 3))
    whole, part = OdeEngine().run(d, job), OdeEngine().run(d, job, images=[2])
    assert part.images.tolist() == [2]
    assert np.abs(part.state[0] - whole.state[2]).max() < 1e-8


def test_a_transferred_state_is_rounded_between_segments_only() -> None:
    d = design(3)
    job = Job(np.random.default_rng(2).normal(0, 1, (1, 20)), sample_times(d.system, 3))
    coarse = replace(d, timeline=replace(d.timeline, state_bits=4))
    fine, rounded = OdeEngine().run(d, job).state, OdeEngine().run(coarse, job).state
    assert np.array_equal(fine[0, :4], rounded[0, :4])  # up to the first boundary nothing was rounded
    assert 1e-3 < np.abs(fine[0, 4] - rounded[0, 4]).max() < 1.0
    assert np.array_equal(OdeEngine("trained").run(d, job).state, OdeEngine("trained").run(coarse, job).state)


def test_noise_is_seeded() -> None:
    d = design(4)
    noisy = replace(d, system=replace(d.system, noise=replace(d.system.noise, delta=0.2)))
    x0, times = np.zeros((2, 20)), sample_times(d.system, 2)
    runs = [OdeEngine("trained", "euler").run(noisy, Job(x0, times, seed, True)).state for seed in (1, 1, 2)]
    assert np.array_equal(runs[0], runs[1])
    assert np.abs(runs[0] - runs[2]).max() > 0.01


def test_unknown_solver() -> None:
    with pytest.raises(CompareError, match="got 'codes' by 'leapfrog'"):
        OdeEngine("codes", "leapfrog")
