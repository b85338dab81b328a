"""A fit finds what was put in, its intervals hold what they promise, and a law's own runs give the law back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from energy_problems import TRUTH, made_sweep
from scipy import stats

from aishw.energy import law
from aishw.energy.against_law import against_law, bit_runs, met_at
from aishw.energy.bench import Point, held_element
from aishw.energy.checks import checks_of
from aishw.energy.model import drive, fit_model, held_out, quantile95, straight
from aishw.errors import EnergyError


def test_exact_runs_give_the_coefficients_back() -> None:
    sweep = made_sweep()
    model = fit_model(sweep)
    for part, truth in TRUTH.items():
        assert model.fits[part].coefficients == pytest.approx(truth, rel=1e-6, abs=1e-13)
    assert len(held_out(sweep, model)) >= 8 and all(abs(run.error) < 1e-9 for run in held_out(sweep, model))
    assert all(check.passed for check in checks_of(sweep, model))


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    point, f = Point(14, 3), 0.9e8
    inside = 0
    for seed in range(200):
        model = fit_model(made_sweep(0.01, seed))
        (value, off), exact = model.parts(point, f)["taps_W"], fit_model(made_sweep()).parts(point, f)["taps_W"][0]
        inside += abs(value - exact) <= off
    assert 175 <= inside <= 200


def test_students_quantile() -> None:
    for freedom in (3, 5, 10, 40, 1000):
        assert quantile95(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-2)


def test_a_line_of_the_law_meets_the_law() -> None:
    x = np.array([0.0, 4, 8, 16, 24])
    line = straight(x, np.array([law.node_W(int(n)) for n in x]))
    assert line.at_zero == pytest.approx(law.OSCILLATOR_W) and line.slope == pytest.approx(25.3e-6)
    sweep = made_sweep()
    plain = np.array([p == Point(p.couplings) for p in sweep.points()])
    total = np.array([law.node_W(int(n)) for n in sweep.couplings])
    lawful = replace(sweep, ring_W=np.where(plain, total, sweep.ring_W), taps_W=0 * total, couplers_W=0 * total + 1e-9)
    found = {each.name: each for each in against_law(lawful)}
    assert found["a coupling more"].agrees and found["a node without couplings"].agrees
    assert not {each.name: each for each in against_law(sweep)}["a coupling more"].agrees


def test_each_bit_doubles_a_held_element() -> None:
    for bits in (2, 3, 5, 6):
        assert drive(bits, held_element(bits)) == pytest.approx(2.0 ** (bits - 4))
    assert drive(4, 1.0) == 1.0
    sweep = made_sweep()
    assert set(sweep.bits[bit_runs(sweep, True)]) == set(sweep.bits[bit_runs(sweep, False)]) == {2, 3, 4, 5, 6}


def test_the_laws_slope_is_met_where_the_model_says() -> None:
    sweep = made_sweep()
    model = fit_model(sweep)
    met = met_at(model, sweep)
    assert model.coupler(4, met.size)[0] == pytest.approx(law.COUPLER_W * law.ROUTING)
    assert met.rate == pytest.approx(met.size * 0.049)
    assert met.tried_W == pytest.approx(model.coupler(4, met.tried)[0], rel=1e-6)


def test_too_few_runs_are_refused() -> None:
    sweep = made_sweep()
    with pytest.raises(EnergyError, match="runs do not fit"):
        fit_model(replace(sweep, use=np.where(np.arange(sweep.use.size) < 4, 0, 1)))
