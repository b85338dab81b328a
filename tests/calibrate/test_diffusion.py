"""Noise currents to phase: closed forms, a simulated walk, and both readings of delta."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from aishw.calibrate.diffusion import flicker_diffusion, noise_of, wander, white_diffusion
from aishw.errors import ModelError

F = 1e8
TURN = 2 * np.pi * np.arange(64) / 64


def nodes(first: np.ndarray) -> np.ndarray:
    """(3, M): a response or a density at r0 alone."""
    return np.stack([first, 0 * first, 0 * first])


def test_white_noise_without_modulation() -> None:
    """A constant response g and density S: the phase walks with g^2 S / 2 a second."""
    gamma, density = nodes(np.full(64, 1e13)), nodes(np.full(64, 2e-24))
    assert white_diffusion(gamma, density, F) == pytest.approx(1e26 * 2e-24 / 2 / F)


def test_noise_where_the_phase_does_not_listen_counts_nothing() -> None:
    listens = np.where(np.pi > TURN, 1e13, 0.0)
    speaks = np.where(np.pi > TURN, 0.0, 1e-24)
    assert white_diffusion(nodes(listens), nodes(speaks), F) == 0
    assert white_diffusion(nodes(listens), nodes(1e-24 - speaks), F) == pytest.approx(1e26 * 1e-24 / 4 / F)


def test_white_diffusion_is_the_variance_of_a_walk() -> None:
    rng = np.random.default_rng(0)
    gamma, density = 1e13 * np.sin(TURN), 1e-24 * (1 + 0.8 * np.cos(TURN))
    step_s = 1 / F / 64
    current = rng.standard_normal((40000, 64)) * np.sqrt(density / 2 / step_s)
    walked = (gamma * current * step_s).sum(axis=1).var()
    assert walked == pytest.approx(float(white_diffusion(nodes(gamma), nodes(density), F)), rel=0.03)


def test_wander_is_the_integral() -> None:
    x = 1e-4
    near = quad(lambda f: np.sinc(f) ** 2 / f, x, 1, limit=400)[0]
    far = sum(quad(lambda f: np.sinc(f) ** 2 / f, k, k + 1)[0] for k in range(1, 200))
    assert wander(x) == pytest.approx(near + far, rel=1e-4)
    with pytest.raises(ModelError, match=r"at most 0\.1"):
        wander(0.5)


def test_flicker_of_a_symmetric_stage_is_only_seen_at_harmonics() -> None:
    """A response without a mean at a constant density: 1/f at f0 acts as white noise of density S_1 / f0 would."""
    gamma, density = nodes(1e13 * np.cos(TURN)), nodes(np.full(64, 1e-17))
    found = flicker_diffusion(gamma, density, F, 160, 3600.0)
    assert found == pytest.approx(float(white_diffusion(gamma, density / F, F)))
    assert found == pytest.approx(float(flicker_diffusion(gamma, density, F, 1000, 1.0)))


def test_flicker_of_a_lopsided_stage_is_a_slow_frequency() -> None:
    """Per cycle it grows with the image's length: the phase error with its square, less a logarithm."""
    gamma, density = nodes(np.full(64, 1e13)), nodes(np.full(64, 1e-17))
    short, long = (float(flicker_diffusion(gamma, density, F, cycles, 3600.0)) for cycles in (100, 200))
    assert long / short == pytest.approx(2 * wander(200 / F / 3600) / wander(100 / F / 3600))
    phase_rad = 1e13 * np.sqrt(1e-17) * 100 / F * np.sqrt(wander(100 / F / 3600))
    assert short * 100 == pytest.approx(phase_rad**2)


def test_flicker_of_one_transistor_adds_before_it_is_squared() -> None:
    """Its currents into two nodes are one current; where the responses are opposite, nothing moves."""
    density = np.stack([np.full(64, 1e-17), np.full(64, 1e-17), np.zeros(64)])
    gamma = np.stack([np.full(64, 1e13), np.full(64, -1e13), np.zeros(64)])
    assert flicker_diffusion(gamma, density, F, 160, 3600.0) == pytest.approx(0, abs=1e-30)


def test_both_readings_of_delta() -> None:
    """Four tau of either noise leave the diffusion of the cycles that they take."""
    diffusion, cycles_per_tau, step_tau = 5e-6, 40.0, 0.05
    wiener, per_step = noise_of(diffusion, cycles_per_tau), noise_of(diffusion, cycles_per_tau, step_tau)
    assert (wiener.convention, per_step.convention) == ("wiener", "per_step")
    assert wiener.delta**2 * 4 == pytest.approx(diffusion * cycles_per_tau * 4)
    assert per_step.delta**2 * (4 / step_tau) == pytest.approx(diffusion * cycles_per_tau * 4)
    assert per_step.delta == pytest.approx(wiener.delta * np.sqrt(step_tau))
