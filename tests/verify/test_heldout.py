"""Held-out networks: what they are made of, and (slow) that the shipped macromodel foretells one."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from aishw.calibrate.closed import CHUNKS, CYCLES, FAN_IN, network
from aishw.calibrate.shipped import calibration_of
from aishw.engines.base import Job, sample_times
from aishw.engines.ode import OdeEngine
from aishw.hardware.cards import load_target
from aishw.hardware.solver import Solver
from aishw.verify.heldout import run_heldout

RING28 = load_target("ring28")


def test_a_network_is_signed_asymmetric_and_never_the_same() -> None:
    design, x0 = network(RING28, 0)
    again, same = network(RING28, 0)
    other, _ = network(RING28, 1)
    codes = design.codes["coupling"]
    assert codes.shape == (CHUNKS, 9 * FAN_IN) and x0.shape == (1, 9)
    assert design.cycles == CYCLES and design.system.topology.fan_in == FAN_IN
    assert codes.min() < 0 < codes.max()
    driven, driving = design.system.topology.edges
    back = [np.flatnonzero((driven == j) & (driving == i)).item() for i, j in zip(driven, driving)]
    assert not np.array_equal(codes, codes[:, back])
    assert all(np.abs(design.codes[kind]).max() > 0 for kind in ("shil", "reference"))
    assert design.id == again.id != other.id and np.array_equal(x0, same)


def test_its_equation_is_that_of_its_codes() -> None:
    """One site, one step: the drift is the sum of code/7 * rate * sin over the injections."""
    design, x0 = network(RING28, 2)
    trace = OdeEngine("realised").run(design, Job(x0, np.array([0.0, 1e-4])))
    driven, driving = design.system.topology.edges
    s, site = x0[0], 4
    here = driven == site
    pair = design.codes["coupling"][0, here] / 7 * np.sin(s[site] - s[driving[here]])
    levels = RING28.injections["shil"].levels
    shil, reference = (int(design.codes[kind][0, site]) for kind in ("shil", "reference"))
    rate = {kind: value[0, site] for kind, value in design.rate.items()}
    wanted = rate["coupling"] * pair.sum() + rate["reference"] * reference / 7 * np.sin(s[site])
    wanted -= rate["shil"] * np.sign(shil) * levels[abs(shil)] * np.sin(2 * s[site])
    seen = (trace.state[0, 1, site] - trace.state[0, 0, site]) / (1e-4 * CYCLES / CHUNKS)
    # The card's levels of a coupler are rounded to six digits.
    assert seen == pytest.approx(wanted, rel=1e-3)
    assert sample_times(design.system)[-1] == CHUNKS


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")
def test_the_shipped_macromodel_foretells_a_network() -> None:
    """40 cycles of the transistors with real taps, codes that no fit has seen."""
    calibration = calibration_of(RING28, FAN_IN, Solver(steps_per_cycle=280))
    assert calibration is not None
    found = run_heldout(RING28, calibration, 1, cycles=40)
    assert found.macromodel.max() < 0.05
    assert found.equation[-1] > 3 * found.macromodel[-1]
