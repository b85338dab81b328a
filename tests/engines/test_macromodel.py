"""The macromodel: with an ideal table it is the ODE; each term alone does what the docstring's equation says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_deck_transistor import STEADY, design

from aishw.engines.base import Job, sample_times
from aishw.engines.macromodel import Macromodel
from aishw.engines.ode import OdeEngine
from aishw.errors import CardError, ModelError
from aishw.hardware.calibration import HARMONICS, Calibration, Table
from aishw.hardware.findings import NoiseFinding
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
    """All codes 0: the PE's own drift counts once, not per coupler; 0.01 rad per cycle of detuning add to it."""
    d = design(4, segments=1)
    d = replace(d, codes={kind: np.zeros_like(code) for kind, code in d.codes.items()})
    tables = dict(ideal(d).tables)
    tables["coupling"] = replace(tables["coupling"], offset=np.full((2, 15), 0.3))
    detuning = np.zeros(d.system.sites)
    detuning[7] = 0.01
    end = Macromodel(Calibration(STEADY, tables), detuning).run(d, job(d)).state[:, -1] - job(d).x0
    assert end[:, 7] == pytest.approx(0.31 * d.cycles, rel=1e-6)
    assert np.delete(end, 7, axis=1) == pytest.approx(0.3 * d.cycles, rel=1e-6)


def test_the_own_drift_follows_the_bias_and_the_reference_is_one_coupler_of_the_fan_in() -> None:
    d = idle(1)
    tables = dict(ideal(d).tables)
    tables["coupling"] = replace(tables["coupling"], offset=np.repeat([[0.1], [0.3]], 15, axis=1))
    pair, own = (0.1 + 0.2 * np.log(d.rate[kind][0] / 0.001) / np.log(1000) for kind in ("coupling", "reference"))
    assert np.abs(pair - 0.3).min() > 0.01 and np.abs(own - 0.3).min() > 0.01
    found = Macromodel(Calibration(STEADY, tables)).slope(d, 0, 1)(0.0, np.zeros(d.system.sites))
    expected = d.cycles_per_tau[0] * (pair + (own - 0.3) / STEADY.fan_in)
    assert found == pytest.approx(expected, rel=1e-9)


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


def idle(segments: int = 2) -> Design:
    d = design(4, segments=segments)
    return replace(d, codes={kind: np.zeros_like(code) for kind, code in d.codes.items()})


def test_noise_spreads_idle_phases_by_the_calibrations_diffusion() -> None:
    """Thermal and flicker, 4e-4 rad^2 per cycle in all, over all cycles: 8,000 draws, 1.6 % standard error."""
    d = idle()
    noise = NoiseFinding(3e-4, 1e-4, {}, 0.0, 0.0, 0.0, 0.0)
    asked = Job(np.zeros((400, 20)), sample_times(d.system, 1), seed=3, noise=True)
    trace = Macromodel(replace(ideal(d), noise=noise)).run(d, asked)
    assert trace.state[:, 0].max() == 0
    for at, cycles in enumerate(np.cumsum(d.cycles_per_tau * d.system.duration_tau), start=1):
        assert trace.state[:, at].var() == pytest.approx(4e-4 * cycles, rel=0.07)
    explicit = Macromodel(ideal(d), diffusion=4e-4).run(d, asked)
    assert np.allclose(explicit.state, trace.state, rtol=1e-12, atol=1e-12)
    assert trace.settings["diffusion"] == pytest.approx(4e-4)


def test_noise_follows_the_seed_and_an_image_sees_the_same_alone() -> None:
    d = design(3)
    asked = replace(job(d), seed=3, noise=True)
    engine = Macromodel(ideal(d), diffusion=1e-5)
    first, again = engine.run(d, asked), engine.run(d, asked)
    assert np.array_equal(first.state, again.state)
    assert not np.array_equal(first.state, engine.run(d, replace(asked, seed=4)).state)
    assert engine.run(d, asked, images=[1]).state[0] == pytest.approx(first.state[1], abs=1e-9)


def test_without_diffusion_the_noisy_scheme_is_the_solver() -> None:
    d = design(3)
    exact = Macromodel(ideal(d)).run(d, job(d))
    fixed = Macromodel(ideal(d), diffusion=0.0).run(d, replace(job(d), noise=True))
    assert np.abs(fixed.state - exact.state).max() < 1e-4


def test_noise_without_figures_is_refused() -> None:
    d = design(3)
    with pytest.raises(ModelError, match="no noise figures"):
        Macromodel(ideal(d)).run(d, replace(job(d), noise=True))
    with pytest.raises(ModelError, match="0 or more"):
        Macromodel(ideal(d), diffusion=-1.0).run(d, replace(job(d), noise=True))


def test_a_gain_error_scales_what_its_couplers_code_does() -> None:
    """With an ideal table, one coupler 10 % too strong is a coupling 10 % larger; its part at code 0 stays."""
    d = design(3, segments=1)
    gain, strongest = np.zeros(d.system.topology.edges.shape[1]), int(np.abs(d.codes["coupling"][0]).argmax())
    gain[strongest] = 0.1
    (i, j), state = d.system.topology.edges[:, strongest], np.random.default_rng(1).normal(0, 1, 20)
    plain = Macromodel(ideal(d)).slope(d, 0, 1)(0.0, state)
    changed = Macromodel(ideal(d), gain_error=gain).slope(d, 0, 1)(0.0, state)
    expected = 0.1 * d.values("coupling")[0, strongest] * np.sin(state[i] - state[j])
    assert abs(expected) > 0.01
    assert (changed - plain)[i] == pytest.approx(expected, rel=1e-6)
    assert np.abs(np.delete(changed - plain, i)).max() < 1e-12
    tables = dict(ideal(d).tables)
    tables["coupling"] = replace(tables["coupling"], harmonics=np.full((2, 15, HARMONICS), 0.01 + 0j))
    constant = Calibration(STEADY, tables)
    same = [Macromodel(constant, gain_error=g).slope(d, 0, 1)(0.0, state) for g in (None, gain)]
    assert same[0] == pytest.approx(same[1], abs=1e-12)


def test_errors_of_another_size_are_refused() -> None:
    d = design(3)
    with pytest.raises(ModelError, match=r"detuning is \(3,\), expected one finite number for each of 20 sites"):
        Macromodel(ideal(d), detuning=np.zeros(3)).run(d, job(d))
    with pytest.raises(ModelError, match="for each of 160 edges"):
        Macromodel(ideal(d), gain_error=np.zeros(3)).run(d, job(d))
