"""Training through the circuit: the equation when nothing is wrong, one chip per seed, gradients for trims."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from aishw.ais.parameters import Parameters
from aishw.ais.rollout import rollout
from aishw.ais.system import draw_start
from aishw.ais.topology import grid
from aishw.errors import CardError, TrainError
from aishw.lower.reference import common_drift
from aishw.train import Settings, train
from aishw.train.chip import Spread, draw_chip, spread_of
from aishw.train.circuit import circuit_images, on_chip, sampled
from aishw.train.circuit_alone import constant_second, ideal_tables, with_angle, with_harmonic
from aishw.train.circuit_design import Circuit, circuit_for, circuit_of, design_of

TOP = grid(8, 8, "box5", image=(4, 4))
SMALL = Settings(
    name="small", height=8, width=8, segments=2, duration_tau=0.5, step_tau=0.25, noise=0.0, steps=3, batch=8,
    critic_width=16, critic_steps=2, bits=4, through="macromodel", chip_detuning=2e-4, chip_gain=0.01,
)  # fmt: skip


def weights(seed: int = 0, dtype: torch.dtype = torch.float32) -> Parameters:
    draw = torch.Generator().manual_seed(seed)
    coupling = 0.3 * torch.randn((2, TOP.couplings), generator=draw, dtype=dtype)
    terms = {kind: 0.3 * torch.randn((2, TOP.sites), generator=draw, dtype=dtype) for kind in ("shil", "reference")}
    return Parameters("kurashil", TOP, coupling, terms, (0.5, 0.5))


def quiet(**others) -> Circuit:
    return circuit_for("ring28", spread=Spread(), **others)


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_without_any_non_ideality_the_circuit_is_the_equation() -> None:
    p, circuit = weights(dtype=torch.float64), quiet()
    circuit = replace(circuit, calibration=ideal_tables(circuit.calibration, circuit.target))
    design = design_of(circuit, p.to_system())
    assert abs(design.reference_shift) < 2e-5  # the two means of one drift, in single precision
    start = torch.from_numpy(draw_start(design.system, 4, 0))
    found = on_chip(circuit, replace(design, reference_shift=0.0), None, start, chance())
    assert torch.allclose(found, rollout(design.realised, start, "heun", 0.1), atol=1e-9)


def test_a_turned_coupling_drifts_by_the_sine_of_its_angle() -> None:
    """Re[-i r exp(ia) exp(iD)] = r sin(D + a): its mean over even phases is 0, at D = 0 it is r sin a."""
    circuit = quiet()
    found = with_angle(ideal_tables(circuit.calibration, circuit.target), 0.1).table("coupling")
    assert np.allclose(found.harmonics[-1, -1, 0].real, found.rate[-1] * np.sin(0.1))
    assert np.allclose(found.harmonics[-1, 0, 0].real, -found.rate[-1] * np.sin(0.1))


def test_the_constant_second_harmonic_goes_back_to_where_it_came_from() -> None:
    circuit = quiet()
    share, phase = constant_second(circuit.calibration)
    bare = ideal_tables(circuit.calibration, circuit.target)
    found = with_harmonic(bare, 2, share, phase, circuit.target, constant=True).table("coupling")
    idle = found.codes == 0
    assert np.allclose(found.harmonics[-1, idle, 1], circuit.calibration.table("coupling").harmonics[-1, idle, 1])


def test_the_shift_is_that_of_lowering() -> None:
    circuit, p = quiet(), weights()
    design = design_of(circuit, p.to_system())
    exact = common_drift(design, circuit.calibration, draw_start(design.system, 16, 0))
    assert design.reference_shift == pytest.approx(exact, abs=1e-5)  # 4e-4 rad over an image


def test_a_chip_is_its_seed() -> None:
    spread = Spread(2e-4, 0.01)
    one, again, other = (draw_chip(grid(40, 40), spread, seed) for seed in (3, 3, 4))
    assert np.array_equal(one.detuning, again.detuning) and np.array_equal(one.gain_error, again.gain_error)
    assert abs(np.corrcoef(one.detuning, other.detuning)[0, 1]) < 0.1
    assert one.detuning.mean() == pytest.approx(0, abs=1e-12) and one.detuning.std() == pytest.approx(2e-4, rel=0.1)
    assert one.gain_error.std() == pytest.approx(0.01, rel=0.05)


def test_the_cards_own_spread_is_what_was_measured() -> None:
    calibration = quiet().calibration
    own, told = spread_of(calibration), spread_of(calibration, 3e-5, 0.01)
    assert calibration.mismatch is not None and calibration.noise is not None
    assert own.detuning == pytest.approx(2 * np.pi * np.sqrt((calibration.mismatch.trim_residual**2).mean()))
    assert (told.detuning, told.gain) == pytest.approx((6 * np.pi * 1e-5, 0.01))
    assert own.wander**2 * calibration.noise.image_cycles == pytest.approx(calibration.noise.flicker)


def test_a_trim_gets_the_gradient_of_a_difference() -> None:
    p, circuit = weights(dtype=torch.float64), quiet(step_tau=0.05)
    design = design_of(circuit, p.to_system())
    start = torch.from_numpy(draw_start(design.system, 3, 0))
    trim = torch.zeros(TOP.sites, dtype=torch.float64, requires_grad=True)

    def total(trim: torch.Tensor) -> torch.Tensor:
        return on_chip(circuit, design, None, start, chance(), trim=trim).sin().sum()

    total(trim).backward()
    assert trim.grad is not None
    site, by = 11, 1e-6
    moved = torch.zeros(TOP.sites, dtype=torch.float64)
    moved[site] = by
    difference = (total(moved) - total(-moved)) / (2 * by)
    assert float(trim.grad[site]) == pytest.approx(float(difference), rel=1e-6)


def test_images_repeat_by_the_generator_and_a_chip_stays_the_same() -> None:
    p = weights()
    held = {"coupling": p.coupling, **p.terms}
    start = torch.randn((4, TOP.sites), generator=chance())
    one, again, other = (circuit_images(SMALL, TOP, held, start, chance(seed)) for seed in (1, 1, 2))
    assert one.shape == (4, 16) and torch.equal(one, again) and not torch.equal(one, other)
    one, again, other = (circuit_images(replace(SMALL, chip=k), TOP, held, start, chance(1)) for k in (5, 5, 6))
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_trims_alone_leave_the_weights(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("aishw.train.judge.JUDGED", 80)
    settings = replace(SMALL, trim="only", chip=1, rate=1e-4, start_from="digits16_4bit")
    settings = replace(settings, height=16, width=16, segments=4, duration_tau=1.0)
    found = train(settings, tmp_path / "trimmed.pt")
    assert found.system.coupling.shape[0] == 4 and len(found.trim) == 256 and max(map(abs, found.trim)) > 0
    from aishw.ais import checkpoint
    from aishw.library import find

    before = checkpoint.load(find("models", "digits16_4bit"))
    assert np.allclose(found.system.coupling, before.coupling, atol=1e-6)
    circuit = circuit_for("ring28")
    images = sampled(circuit, design_of(circuit, before), 3, seed=0, trim=np.array(found.trim))
    assert images.shape == (3, 8, 8) and np.abs(images).max() <= 1


def test_a_circuit_without_tables_is_refused() -> None:
    with pytest.raises(TrainError, match="no calibration of 'ring28_isolated' with 8 couplers"):
        circuit_of(replace(SMALL, neighbourhood="king8"), grid(8, 8, "king8", image=(4, 4)))
    with pytest.raises(TrainError, match="bits = 8, target 'ring28' has 2, 3, 4"):
        circuit_for("ring28", bits=8)
    with pytest.raises(CardError, match="lower it with --bits 4"):
        circuit_for("ring28", bits=3)
