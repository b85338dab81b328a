"""The behavioural netlist in ngspice against the equation at 1e-10: signs, chunks, codes, accuracy."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_ngspice import fake
from problems import lopsided, random_system, tiny_kurashil

from aishw.engines.base import Job, sample_times
from aishw.engines.behavioural_reader import read_behavioural
from aishw.engines.deck_behavioural import BehaviouralSolver, behavioural_deck, clock
from aishw.engines.ngspice import Simulator, find_simulator, run_deck
from aishw.engines.ode import OdeEngine
from aishw.engines.spice_behavioural import SpiceBehavioural, _check_corners
from aishw.errors import DeckError, ModelError, SimulatorError
from aishw.hardware.cards import load_target
from aishw.lower.lower import lower

RING = load_target("ring28")
# $AISHW_TEST_NGSPICE: further ngspice binaries to test with, separated by ":".
BINARIES = ["", *filter(None, os.environ.get("AISHW_TEST_NGSPICE", "").split(":"))]


@pytest.fixture(params=BINARIES, ids=lambda path: path.replace("/", "_") or "default")
def simulator(request: pytest.FixtureRequest) -> Simulator:
    try:
        return find_simulator(request.param or None)
    except SimulatorError as error:
        pytest.skip(str(error))


def starts(sites: int, images: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(-0.5, 0.5, (images, sites))


@pytest.mark.parametrize("policy", ["chunk", "site"])
def test_it_solves_the_equation(simulator: Simulator, policy: str) -> None:
    """4x5 sites, 8 neighbours, three chunks with different seconds per tau; at every sample, not only at the end."""
    system = random_system(4, 5, segments=3, seed=1)
    design = lower(system, RING, policy=policy)
    assert policy == "site" or np.ptp(design.seconds_per_tau) > 0
    job = Job(starts(20, 2), sample_times(system, 7))
    trace = SpiceBehavioural(simulator=simulator).run(design, job)
    exact = OdeEngine("realised").run(design, job)
    assert np.abs(exact.state[:, -1] - exact.state[:, 0]).max() > 1
    assert trace.state == pytest.approx(exact.state, abs=4e-5)
    assert trace.engine == "spice-behavioural" and trace.version == f"ngspice {simulator.version}"
    assert np.array_equal(trace.state[:, 0], job.x0)
    assert trace.design_id == design.id and trace.cpu_s > 0


def test_neither_edges_nor_newton_are_seen(simulator: Simulator) -> None:
    """2e-6 rad. Edges of 1e-2 of a run leave 2e-5, Newton's iterations ended at 1e-6 leave 9e-6 and 2.3e-4."""
    for seed in (2, 3):
        design = lower(random_system(4, 5, segments=4, seed=seed), RING)
        job = Job(starts(20), design.system.boundaries_tau)
        trace = SpiceBehavioural(simulator=simulator).run(design, job)
        assert trace.state == pytest.approx(OdeEngine("realised").run(design, job).state, abs=6e-6)


def test_two_step_lengths_beat_one(simulator: Simulator) -> None:
    design = lower(random_system(4, 5, segments=2, seed=2), RING)
    job = Job(starts(20), design.system.boundaries_tau)
    exact = OdeEngine("realised").run(design, job).state
    plain = [SpiceBehavioural(BehaviouralSolver(h), False, simulator).run(design, job).state for h in (0.05, 0.025)]
    both = SpiceBehavioural(BehaviouralSolver(0.05), True, simulator).run(design, job)
    wrong = [np.abs(state - exact).max() for state in (*plain, both.state)]
    assert 3 < wrong[0] / wrong[1] < 5  # second order
    assert wrong[2] < wrong[1] / 5
    assert both.settings["finer_run_error_rad"] == pytest.approx(wrong[1], rel=0.2)


def test_signs_directions_and_chunks(simulator: Simulator) -> None:
    """One edge, one SHIL, one reference, each in one chunk only."""
    system = lopsided()
    design = lower(system, RING)
    job = Job(np.full((1, 12), 0.5) + 0.1 * np.arange(12), np.array([0.0, 1.0, 1.5]))
    state = SpiceBehavioural(simulator=simulator).run(design, job).state[0]
    first, second = state[1] - state[0], state[2] - state[1]
    assert set(np.flatnonzero(np.abs(first) > 1e-6)) == {5, 7}
    assert set(np.flatnonzero(np.abs(second) > 1e-6)) == {2}
    assert state == pytest.approx(OdeEngine("realised").run(design, job).state[0], abs=1e-5)


def test_moved_states_are_rounded(simulator: Simulator) -> None:
    design = lower(tiny_kurashil(segments=3), RING, strategy="save_and_reprogram")
    assert design.timeline.state_bits > 0
    job = Job(starts(9), sample_times(design.system, 3))
    trace = SpiceBehavioural(simulator=simulator).run(design, job)
    assert trace.state == pytest.approx(OdeEngine("realised").run(design, job).state, abs=1.5e-4)
    assert trace.settings["state_bits"] == design.timeline.state_bits


def test_what_ngspice_computes_with_is_what_stands_in_the_deck(simulator: Simulator) -> None:
    """The level that a coupler's source holds is code x full scale to the last bits of a float."""
    design = lower(tiny_kurashil(segments=2), RING)
    deck = behavioural_deck(design, np.zeros(9))
    edges = design.system.topology.edges.T[:6]
    names = [f"v(xc{i}_{j}.k)" for i, j in edges]
    raw = run_deck(deck.replace(".options", f".save {' '.join(names)}\n.options"), simulator=simulator).raw
    found = read_behavioural(deck)
    unit = found.seconds_per_tau[0] / found.seconds_per_tau
    for k in range(2):
        middle = int(np.searchsorted(raw.time_s, (found.clock.begin_s[k] + found.clock.end_s[k]) / 2))
        want = design.values("coupling")[k, :6] * unit[k]
        assert [raw[name][middle] for name in names] == pytest.approx(want, rel=1e-12)


def test_images_progress_keep_and_cancel(simulator: Simulator, tmp_path: Path) -> None:
    design = lower(tiny_kurashil(), RING)
    job = Job(starts(9, 3), design.system.boundaries_tau)
    told: list[float] = []
    engine = SpiceBehavioural(BehaviouralSolver(0.1), simulator=simulator, keep=tmp_path / "kept")
    trace = engine.run(design, job, told.append, images=[2, 0])
    assert trace.images.tolist() == [2, 0]
    assert np.array_equal(trace.state[:, 0], job.x0[[2, 0]])
    assert told == sorted(told) and told[-1] == pytest.approx(1.0)
    deck = tmp_path / "kept" / "image2" / "chunk0" / "fine" / "deck.cir"
    assert np.array_equal(read_behavioural(deck.read_text()).x0, job.x0[2])
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(SimulatorError, match="cancelled"):
        engine.run(design, job, cancel=cancel)


def test_a_failure_names_the_deck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AISHW_KEEP", str(tmp_path / "kept"))
    design = lower(tiny_kurashil(), RING)
    job = Job(starts(9), design.system.boundaries_tau)
    with pytest.raises(SimulatorError, match="crashed") as caught:
        SpiceBehavioural(simulator=fake(tmp_path / "fake", "kill -SEGV $$")).run(design, job)
    assert caught.value.kept is not None
    assert (caught.value.kept / "deck.cir").read_text().startswith("* aishw behavioural array")


def test_refusals(simulator: Simulator) -> None:
    design = lower(tiny_kurashil(), RING)
    engine = SpiceBehavioural(simulator=simulator)
    with pytest.raises(SimulatorError, match="has no noise"):
        engine.run(design, Job(starts(9), np.array([1.0]), noise=True))
    with pytest.raises(ModelError, match="expected \\(images, 9 sites\\)"):
        engine.run(design, Job(starts(8), np.array([1.0])))
    with pytest.raises(ModelError, match="behind the end"):
        engine.run(design, Job(starts(9), np.array([9.0])))
    with pytest.raises(DeckError, match="holds kurashil arrays"):
        other = replace(design, system=random_system(3, 3, "tanhnet", "cross4"))
        engine.run(other, Job(starts(9), np.array([1.0])))


def test_a_step_across_an_edge_is_found() -> None:
    time = clock(lower(tiny_kurashil(segments=3), RING))
    seconds = np.sort(np.concatenate([time.corners_s.ravel()[1:], np.linspace(1e-12, time.fall_s[-1], 50)]))
    _check_corners(time, seconds)
    for k in (1, 5, 11):
        with pytest.raises(SimulatorError, match=f"stepped over an edge of chunk {k // 4} "):
            _check_corners(time, seconds[seconds != time.corners_s.ravel()[k]])


def test_many_lengths_of_chunks(simulator: Simulator) -> None:
    """No length of a chunk, step or gap makes ngspice step over an edge."""
    for seed in range(8):
        draw = np.random.default_rng(seed)
        system = random_system(3, 3, "kurashil", "cross4", 4, seed, duration_tau=draw.uniform(0.3, 2, 4))
        design = lower(system, RING, policy=["chunk", "array"][seed % 2])
        if seed >= 4:
            design = replace(design, timeline=replace(design.timeline, switch_s=draw.uniform(0, 1e-8, 4)))
        job = Job(starts(9), system.boundaries_tau)
        solver = BehaviouralSolver(float(draw.uniform(0.01, 0.03)))
        trace = SpiceBehavioural(solver, simulator=simulator).run(design, job)
        assert trace.state == pytest.approx(OdeEngine("realised").run(design, job).state, abs=1e-3)


@pytest.mark.slow
def test_the_shipped_digits(simulator: Simulator) -> None:
    """16x16 sites, 24 couplings, 4 chunks: within 3e-4 rad at every site, two images."""
    from aishw import library
    from aishw.ais.checkpoint import load
    from aishw.ais.system import draw_start

    system = load(library.find("models", "digits16_4bit"))
    design = lower(system, RING)
    job = Job(draw_start(system, 2, 0), system.boundaries_tau)
    trace = SpiceBehavioural(simulator=simulator).run(design, job)
    assert np.abs(trace.state - OdeEngine("realised").run(design, job).state).max() < 3e-4
