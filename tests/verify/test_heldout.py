"""Held-out networks: what they are made of, and (slow) that the shipped macromodel foretells one."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from aishw.calibrate.closed import CHUNKS, CYCLES, FAN_IN, network
from aishw.calibrate.shipped import calibration_of
from aishw.engines.base import Job, sample_times
from aishw.engines.macromodel import Macromodel
from aishw.engines.ode import OdeEngine
from aishw.hardware.cards import load_target
from aishw.hardware.solver import Solver
from aishw.hardware.together import Together
from aishw.verify.heldout import Devices, judge, run_devices

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


def test_phases_of_the_macromodel_are_judged_without_error_and_a_turned_site_as_slipped() -> None:
    calibration = calibration_of(RING28, FAN_IN, Solver(steps_per_cycle=280))
    assert calibration is not None
    design, x0 = network(RING28, 6, cycles=40)
    state = Macromodel(calibration).run(design, Job(x0, design.system.boundaries_tau)).state[0]
    state[-1, 4] += 6.0
    found = judge(calibration, design, x0, Devices(state, 1.0))
    assert found.slipped == (4,)
    assert found.macromodel[:-1].max() < 1e-6 and found.macromodel[-1] == pytest.approx((2 * np.pi - 6) / 3, rel=1e-6)
    assert found.equation.min() > 0.01


def test_growth_and_the_foreseen_error_are_those_of_free_phases_where_nothing_couples() -> None:
    """All tables 0: a start error stays as it is, and a drift error of 1e-3 is 0.01 rad after each 10 cycles."""
    calibration = calibration_of(RING28, FAN_IN, Solver(steps_per_cycle=280))
    assert calibration is not None
    still = {k: replace(t, offset=0 * t.offset, harmonics=0 * t.harmonics) for k, t in calibration.tables.items()}
    still = replace(calibration, tables=still, together=Together())
    design, x0 = network(RING28, 6, cycles=40)
    found = judge(still, design, x0, Devices(np.repeat(x0, 5, axis=0), 1.0), drift_error=1e-3)
    assert found.macromodel.max() < 1e-9
    assert found.growth == pytest.approx(np.ones(4), abs=1e-4)
    assert found.foreseen == pytest.approx(0.01 * np.arange(1, 5), rel=0.4)  # 8 draws of 9 sites
    assert np.diff(found.foreseen) == pytest.approx(found.foreseen[0] * np.ones(3), rel=1e-6)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")
def test_the_shipped_macromodel_foretells_a_network() -> None:
    """40 cycles of the transistors with real taps, codes that no fit has seen."""
    calibration = calibration_of(RING28, FAN_IN, Solver(steps_per_cycle=280))
    assert calibration is not None
    design, x0 = network(RING28, 6, cycles=40)
    found = judge(calibration, design, x0, run_devices(calibration.steady, design, x0))
    assert found.macromodel.max() < 0.05
    assert found.macromodel[-1] < found.equation[-1]
