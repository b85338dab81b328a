"""The ways to images agree where they must, whatever the batches, and the circuit's are paired with the equation's."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from problems import random_system

from aishw.ais.rollout import rollout
from aishw.ais.system import Noise, draw_start, pixels
from aishw.ais.topology import grid
from aishw.calibrate.shipped import calibration_of
from aishw.engines.base import Job
from aishw.engines.macromodel import Macromodel
from aishw.errors import TrainError
from aishw.hardware.cards import load_target
from aishw.lower import lower
from aishw.train import ways
from aishw.train.appraisal import appraise, paired
from aishw.train.datasets import load_dataset
from aishw.train.metrics import score, yardstick

SYSTEM = replace(
    random_system(16, 16, "kurashil", "box5", 2, noise=Noise(0.1)), topology=grid(16, 16, "box5", image=(8, 8))
)


@pytest.fixture(scope="module")
def circuit():
    """The design of the random system on ring28, and the shipped tables."""
    tables = calibration_of(load_target("ring28"), 24)
    return lower(SYSTEM, load_target("ring28"), calibration=tables), tables


def test_images_are_the_pixels_of_the_same_start_states(monkeypatch):
    monkeypatch.setattr(ways, "_TOGETHER", 3 * SYSTEM.sites)  # batches of 3, 3 and 1
    (run,) = ways.equation(SYSTEM, "rk4", 0.05).runs
    told = []
    images = ways.images_of(run, SYSTEM, 7, 5, told.append)
    end = rollout(SYSTEM, draw_start(SYSTEM, 7, 5), "rk4", 0.05).numpy()
    exact = pixels(end[:, SYSTEM.topology.visible], "sin").reshape(7, 8, 8)
    assert np.allclose(images, exact, atol=1e-3) and told == [3 / 7, 6 / 7, 1.0]


def test_the_names_say_what_was_done():
    named = [way.name for way in ways.equation_ways(SYSTEM, "euler", noisy=True)]
    assert named == ["Euler, 0.05 tau", "RK4, 0.05 tau", "Euler, 0.05 tau, noise 0.1", "RK4, 0.05 tau, noise 0.1"]
    quiet = replace(SYSTEM, noise=Noise(0.0))
    assert len(ways.equation_ways(quiet, "heun", noisy=True)) == 3  # no noise to repeat it with


def test_the_macromodel_is_the_engines(circuit):
    design, tables = circuit
    shifted, untouched = ways.circuit_ways(design, tables)
    start = draw_start(SYSTEM, 3, 0)
    for way, plan in ((shifted, design), (untouched, replace(design, reference_shift=0.0))):
        seen = way.runs[0](torch.tensor(start, dtype=torch.float32), torch.Generator()).numpy()
        exact = Macromodel(tables).run(plan, Job(start, SYSTEM.boundaries_tau[-1:])).state[:, -1]
        assert np.abs(seen - exact).max() < 0.05 and np.sqrt(((seen - exact) ** 2).mean()) < 3e-3


def test_a_chip_is_itself_and_no_other(circuit):
    design, tables = circuit
    chips = ways.circuit_ways(design, tables, noisy=True, chips=2)[-1]
    assert chips.name == "macromodel, noise, 2 random chips" and len(chips.runs) == 2
    one, same, other = (ways.images_of(run, SYSTEM, 4, 1) for run in (chips.runs[0], *chips.runs))
    assert np.array_equal(one, same) and np.abs(one - other).max() > 1e-3


def test_a_calibration_without_noise_gives_the_nominal_circuit_alone(circuit):
    design, tables = circuit
    bare = replace(tables, noise=None, mismatch=None)
    assert [way.name for way in ways.chip_ways(design, bare, 3)] == ["the nominal circuit"]
    assert [len(way.runs) for way in ways.chip_ways(design, tables, 3)] == [1, 3]
    with pytest.raises(TrainError, match="no noise"):
        ways.circuit_ways(design, bare, noisy=True)


def test_rows_hold_every_seed_and_pairs_take_a_chip_each():
    rod = yardstick(load_dataset("digits").images)
    way = ways.equation(SYSTEM, "euler", 0.2)
    (row,) = appraise([way], SYSTEM, rod, 30, [4, 5])
    apart = [score(ways.images_of(way.runs[0], SYSTEM, 30, seed), rod).distance for seed in (4, 5)]
    assert list(row.distances) == apart and row.distance == pytest.approx(np.mean(apart)) and row.seeds == (4, 5)
    fine = ways.equation(SYSTEM, "rk4", 0.2)
    distances, first = paired([*way.runs, *fine.runs], SYSTEM, rod, 30, [4, 5, 6], lambda part: None)
    assert distances[0] == apart[0] and distances[1] != apart[1] and len(distances) == 3
    assert np.array_equal(first, ways.images_of(way.runs[0], SYSTEM, 30, 4))
