"""The reference solver: closed forms, agreement with other solvers, as trained, noise, rounding of moved states."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from problems import lopsided, random_system, single_shil, tiny_kurashil

from aishw.ais.families import FAMILIES
from aishw.ais.rollout import rollout
from aishw.ais.system import Noise, System
from aishw.engines.base import Job, sample_times
from aishw.engines.ode import OdeEngine, right_hand_side, samples_of
from aishw.engines.transfer import round_state
from aishw.errors import ModelError, SimulatorError
from aishw.hardware.cards import load_target
from aishw.lower.design import Design, Timeline
from aishw.lower.lower import lower


def bare(system: System) -> Design:
    """A design for engines that look at the system only."""
    segments = system.segments
    line = Timeline("state_stationary", *[np.zeros(segments)] * 2, np.ones(segments), 0, 0, 1, 0, 0)
    codes = {"coupling": np.zeros(system.coupling.shape, dtype=np.int8)}
    return Design(system, load_target("ring28"), 4, "chunk", codes, {}, np.ones(segments), line, {})


def job_for(system: System, images: int = 2, per_segment: int = 4, seed: int = 0, **fields) -> Job:
    x0 = np.random.default_rng(seed).normal(-0.5, 0.5, (images, system.sites))
    return Job(x0, sample_times(system, per_segment), **fields)


def test_shil_alone_has_a_closed_form() -> None:
    """tan s(tau) = tan s0 exp(-2 shil tau)."""
    system = single_shil(0.7, tau=1.5)
    job = Job(np.array([[0.6, -1.2], [1.3, 0.1]]), np.linspace(0, 1.5, 7))
    trace = OdeEngine().run(bare(system), job)
    exact = np.arctan(np.tan(job.x0)[:, None] * np.exp(-1.4 * job.samples_tau)[None, :, None])
    assert trace.state == pytest.approx(exact, abs=1e-9)


def test_boundaries_may_be_any_floats() -> None:
    for seed in range(12):
        duration = np.random.default_rng(seed).uniform(0.1, 1.0, 5)
        system = tiny_kurashil(segments=5, duration_tau=duration)
        job = job_for(system, images=1, per_segment=3)
        exact, fine = OdeEngine().run(bare(system), job), OdeEngine("float", "rk4", 0.05).run(bare(system), job)
        assert exact.state[:, ::3] == pytest.approx(fine.state[:, ::3], abs=1e-4)


def test_signs_directions_and_chunks() -> None:
    """One edge, one SHIL, one reference, each in one chunk only: each moves its own site, the right way, in time."""
    system = lopsided()
    job = Job(np.full((1, 12), 0.5) + 0.1 * np.arange(12), np.array([0.0, 1.0, 1.5]))
    state = OdeEngine().run(bare(system), job).state[0]
    first, second = state[1] - state[0], state[2] - state[1]
    assert set(np.flatnonzero(first)) == {5, 7}
    assert set(np.flatnonzero(second)) == {2}
    assert first[5] < 0 and first[7] < 0 and second[2] < 0  # s5 < s6 repelled; reference < 0 pulls to 0; SHIL > 0 to 0
    assert np.tan((state[1, 7]) / 2) == pytest.approx(np.tan(state[0, 7] / 2) * np.exp(-0.4), rel=1e-8)
    assert np.tan(state[2, 2]) == pytest.approx(np.tan(state[1, 2]) * np.exp(-2 * 0.3 * 0.5), rel=1e-8)
    gap = np.tan((state[0, 5] - state[0, 6]) / 2) * np.exp(0.8)
    assert np.tan((state[1, 5] - state[1, 6]) / 2) == pytest.approx(gap, rel=1e-8)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_agrees_with_the_rollout(family: str) -> None:
    system = random_system(3, 4, family, "cross4", seed=3)
    job = job_for(system)
    exact = OdeEngine().run(bare(system), job)
    fine = rollout(system, job.x0, "rk4", 0.005, job.samples_tau).numpy()
    assert exact.state == pytest.approx(fine, abs=1e-5 if family == "selunet" else 1e-8)  # selu has a kink
    assert exact.engine == "ode-float" and exact.state.shape == (2, 9, 12)


def test_the_identity_of_the_right_hand_side() -> None:
    """sum C sin(s_i - s_j), site by site."""
    system = tiny_kurashil(segments=1, seed=5)
    x = np.random.default_rng(0).normal(0, 2, (9, 3))
    slope = right_hand_side(system)(x)
    shil, reference = system.terms["shil"][0], system.terms["reference"][0]
    want = -shil[:, None] * np.sin(2 * x) + reference[:, None] * np.sin(x)
    for e, (i, j) in enumerate(system.topology.edges.T):
        want[i] += system.coupling[0, e] * np.sin(x[i] - x[j])
    assert slope == pytest.approx(want, abs=1e-13)


def test_euler_is_as_trained_whatever_is_sampled() -> None:
    system = tiny_kurashil(segments=3, step_tau=0.1)
    job = job_for(system, per_segment=20)
    trace = OdeEngine("float", "euler").run(bare(system), job)
    assert trace.engine == "ode-euler" and trace.settings["step_tau"] == 0.1
    trained = rollout(system, job.x0, "euler", 0.1).numpy()
    assert trace.state[:, -1] == pytest.approx(trained, abs=1e-13)
    few = OdeEngine("float", "euler").run(bare(system), Job(job.x0, system.boundaries_tau))
    assert few.state[:, -1] == pytest.approx(trained, abs=1e-13)
    halfway = rollout(system, job.x0, "euler", 0.1, [0.1, 0.15]).numpy()
    between = OdeEngine("float", "euler").run(bare(system), Job(job.x0, np.array([0.15])))
    assert between.state[:, 0] == pytest.approx(halfway[:, 1], abs=1e-13)


def test_fixed_steps_converge_to_the_exact_run() -> None:
    design = bare(tiny_kurashil(segments=2))
    job = Job(job_for(design.system).x0, design.system.boundaries_tau)
    exact = OdeEngine().run(design, job).state
    for method, order in (("euler", 1), ("heun", 2), ("rk4", 4)):
        wrong = [np.abs(OdeEngine("float", method, h).run(design, job).state - exact).max() for h in (0.05, 0.025)]
        assert np.log2(wrong[0] / wrong[1]) == pytest.approx(order, abs=0.4)


def test_realised_runs_what_the_codes_stand_for() -> None:
    design = lower(tiny_kurashil(segments=2, seed=1), load_target("ring28"))
    job = job_for(design.system)
    trace = OdeEngine("realised").run(design, job)
    assert trace.engine == "ode"
    assert np.array_equal(trace.state, OdeEngine().run(bare(design.realised), job).state)
    assert np.abs(trace.state - OdeEngine("float").run(design, job).state).max() > 1e-3


def test_moved_states_are_rounded_at_inner_boundaries_only() -> None:
    system = tiny_kurashil(segments=3, seed=2)
    design = lower(system, load_target("ring28"), strategy="weight_stationary")
    bits = design.timeline.state_bits
    assert bits > 0
    job = job_for(system, per_segment=3)
    trace = OdeEngine("realised").run(design, job)
    smooth = replace(design, timeline=replace(design.timeline, state_bits=0))
    plain = OdeEngine("realised").run(smooth, job)
    assert trace.settings["state_bits"] == bits and "state_bits" not in plain.settings
    assert np.array_equal(trace.state[:, :4], plain.state[:, :4])  # the state at a boundary is the one before rounding
    by_hand = job.x0
    for k in range(3):
        part = replace(
            system,
            coupling=design.realised.coupling[k : k + 1],
            terms={name: value[k : k + 1] for name, value in design.realised.terms.items()},
            duration_tau=system.duration_tau[k : k + 1],
        )
        end = OdeEngine().run(bare(part), Job(by_hand, part.duration_tau)).state[:, -1]
        assert trace.state[:, 3 * (k + 1)] == pytest.approx(end, abs=1e-8)
        by_hand = round_state(end, bits)
    assert np.array_equal(OdeEngine("float").run(design, job).state, OdeEngine("float").run(smooth, job).state)


def test_rounding_keeps_whole_turns() -> None:
    step = 2 * np.pi / 64
    state = np.array([0.49 * step, 0.51 * step, -0.51 * step, 2 * np.pi + 0.6 * step, -40.0])
    assert round_state(state, 6)[:4] == pytest.approx([0, step, -step, 2 * np.pi + step])
    assert np.abs(round_state(state, 6) - state).max() <= step / 2
    assert np.array_equal(round_state(state, 0), state)


def test_noise_comes_from_the_seed_and_has_its_strength() -> None:
    system = random_system(10, 10, "kurashil", "cross4", 1, strength=1e-9, noise=Noise(0.3), step_tau=0.05)
    jobs = [job_for(system, images=8, noise=on, seed=0) for on in (True, True, False)]
    jobs[1] = Job(jobs[0].x0, jobs[0].samples_tau, seed=1, noise=True)
    noisy, other, still = (OdeEngine().run(bare(system), job) for job in jobs)
    assert noisy.settings["method"] == "euler" and noisy.settings["noise"] == "wiener"
    assert still.settings["method"] == "dop853"
    assert np.array_equal(noisy.state, OdeEngine().run(bare(system), jobs[0]).state)
    spread = np.std(noisy.state[:, -1] - still.state[:, -1])
    assert spread == pytest.approx(0.3, rel=0.1)  # delta sqrt(tau), tau = 1
    assert not np.allclose(noisy.state, other.state)


def test_images_progress_and_cancel() -> None:
    design = bare(tiny_kurashil())
    job = job_for(design.system, images=4)
    told: list[float] = []
    whole = OdeEngine().run(design, job, told.append)
    part = OdeEngine().run(design, job, images=[3, 1])
    assert part.images.tolist() == [3, 1]
    assert part.state == pytest.approx(whole.state[[3, 1]], abs=1e-8)
    assert told == sorted(told) and 0.9 < told[-1] <= 1
    cancel = threading.Event()
    cancel.set()
    for method in ("dop853", "euler"):
        with pytest.raises(SimulatorError, match="cancelled"):
            OdeEngine("float", method).run(design, job, cancel=cancel)


def test_samples_fall_into_segments() -> None:
    bounds = np.array([0.0, 1.0, 1.1 + 0.9])
    samples = np.array([0.0, 0.5, 1.0, 1.0 + 1e-12, 1.5, 2.0])
    assert samples_of(bounds, 0, samples)[0].tolist() == [1, 2, 3]
    picked, inside = samples_of(bounds, 1, samples)
    assert picked.tolist() == [4, 5] and inside.tolist() == [0.5, 1.0]


def test_refusals() -> None:
    design = bare(tiny_kurashil())
    with pytest.raises(ModelError, match=r"start states are \(1, 8\), expected \(images, 9 sites\)"):
        OdeEngine().run(design, Job(np.zeros((1, 8)), np.array([1.0])))
    with pytest.raises(ModelError, match=r"a sample at 1\.8 tau lies behind the end of the run at 1\.75 tau"):
        OdeEngine().run(design, Job(np.zeros((1, 9)), np.array([1.0, 1.8])))
    with pytest.raises(ModelError, match="'float' or 'realised'"):
        OdeEngine("codes")
    with pytest.raises(ModelError, match="unknown method 'lsoda'"):
        OdeEngine("float", "lsoda")
    with pytest.raises(ModelError, match="step_tau must be positive"):
        OdeEngine("float", "euler", 0.0)
