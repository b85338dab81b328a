"""The macromodel: with an ideal table it is the ODE; each term alone does what the docstring's equation says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_deck_transistor import STEADY, design

from aishw.engines.base import Job, sample_times
from aishw.engines.macromodel import Macromodel
from aishw.engines.ode import OdeEngine
from aishw.errors import CardError
from aishw.hardware.calibration import HARMONICS, Calibration, Table
from aishw.lower.circuit import look_up
from aishw.lower.design import Design

CODES = np.arange(-7, 8)


def table(levels: np.ndarray, sign: float, rates: tuple[float, ...] = (0.001, 1.0)) -> Table:
    """An ideal kind: code c gives sign * rate * level(c) * sin."""
    harmonics = np.zeros((len(rates), 15, HARMONICS), dtype=complex)
    strength = np.sign(CODES) * np.interp(np.abs(CODES), np.arange(levels.size), levels)
    harmonics[:, :, 0] = -1j * sign * np.array(rates)[:, None] * strength
    zero = np.zeros((len(rates), 15))
    return Table(np.array(rates), CODES, zero, harmonics, zero, zero)


def ideal(d: Design) -> Calibration:
    levels = {kind: injection.levels for kind, injection in d.target.injections.items()}
    return Calibration(STEADY, {"coupling": table(levels["coupling"], 1.0), "shil": table(levels["shil"], -1.0)})


def job(d: Design) -> Job:
    return Job(np.random.default_rng(0).normal(-0.5, 0.5, (2, d.system.sites)), sample_times(d.system, 5))


@pytest.mark.parametrize("policy", ["array", "chunk", "site"])
def test_an_ideal_table_is_the_ode(policy: str) -> None:
    d = design(3, policy=policy)
    exact = OdeEngine("realised").run(d, job(d))
    model = Macromodel(ideal(d)).run(d, job(d))
    assert model.state.shape == exact.state.shape
    assert np.abs(model.state - exact.state).max() < 1e-5


def test_offsets_and_detuning_turn_the_phase_at_their_rate() -> None:
    """All codes 0: offset(0) is not counted twice, a detuning of 0.01 rad per cycle adds 0.01 * cycles."""
    d = design(4, segments=1)
    d = replace(d, codes={kind: np.zeros_like(code) for kind, code in d.codes.items()})
    tables = dict(ideal(d).tables)
    tables["coupling"] = replace(tables["coupling"], offset=np.full((2, 15), 0.3))
    detuning = np.zeros(d.system.sites)
    detuning[7] = 0.01
    end = Macromodel(Calibration(STEADY, tables), detuning).run(d, job(d)).state[:, -1] - job(d).x0
    assert end[:, 7] == pytest.approx(0.01 * d.cycles, rel=1e-6)
    assert np.abs(np.delete(end, 7, axis=1)).max() < 1e-9


def test_a_second_harmonic_depends_on_twice_the_difference() -> None:
    """One edge, one direction: site 7 driven by site 6 with z_2 = 0.02 exp(0.4i) alone, everything else still."""
    d = design(5, segments=1)
    codes = {kind: np.zeros_like(code) for kind, code in d.codes.items()}
    driven, driving = d.system.topology.edges
    codes["coupling"][0, (driven == 7) & (driving == 6)] = 3
    d = replace(d, codes=codes)
    tables = dict(ideal(d).tables)
    harmonics = np.zeros((2, 15, HARMONICS), dtype=complex)
    harmonics[:, 10, 1] = 0.02 * np.exp(0.4j)
    tables["coupling"] = replace(tables["coupling"], harmonics=harmonics, rate=np.array([0.0495, 0.0496]))
    slope = Macromodel(Calibration(STEADY, tables)).slope(replace(d, full_scale=full(d, 0.0495)), 0, 1)
    state = np.random.default_rng(1).normal(0, 1, 20)
    found = slope(0.0, state)
    expected = d.cycles_per_tau[0] * 0.02 * np.cos(2 * (state[7] - state[6]) + 0.4)
    assert found[7] == pytest.approx(expected, rel=1e-9)
    assert np.abs(np.delete(found, 7)).max() < 1e-12


def full(d: Design, rate: float) -> dict[str, np.ndarray]:
    return {kind: np.full_like(value, rate) * d.cycles_per_tau[:, None] for kind, value in d.full_scale.items()}


def test_tables_follow_the_bias_and_refuse_above_it() -> None:
    levels = np.linspace(0, 1, 8)
    t = table(levels, 1.0, (0.01, 0.04))
    for rate in (0.005, 0.01, 0.02, 0.04):
        _, harmonics = t.at(rate)
        assert abs(harmonics[-1, 0]) == pytest.approx(rate)
    with pytest.raises(CardError, match="strongest calibrated bias"):
        t.at(0.05)
    offset, harmonics = look_up(t, np.array([0.01, 0.04]), np.array([-7, 7], dtype=np.int8))
    assert harmonics[:, 0] == pytest.approx([0.01j, -0.04j])
    assert offset.tolist() == [0, 0]
