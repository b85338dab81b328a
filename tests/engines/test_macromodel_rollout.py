"""The differentiable macromodel: the engine's numbers, its solvers' orders, gradients against finite differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_deck_transistor import STEADY, design
from test_macromodel import CODES, ideal

from aishw.ais.parameters import Parameters
from aishw.ais.rollout import rollout
from aishw.ais.system import System
from aishw.ais.topology import grid
from aishw.engines.base import Job, sample_times
from aishw.engines.macromodel import Macromodel
from aishw.engines.macromodel_drift import segment_circuit
from aishw.engines.macromodel_rollout import rollout_macromodel
from aishw.engines.macromodel_rows import code_rows
from aishw.errors import CardError, ModelError
from aishw.hardware.calibration import HARMONICS, Calibration, Table
from aishw.hardware.cards import load_target
from aishw.hardware.together import Together
from aishw.lower.circuit import injected
from aishw.lower.design import Design
from aishw.lower.lower import lower

RATES = np.array([0.001, 0.5, 1.0])


def rough(seed: int = 0, at: int | None = None, by: float = 0.0, kind: str = "", even: complex = 0) -> Calibration:
    """Random harmonics and offsets, quadratic in the code, for every kind. The entry of code `at` of `kind` is that
    of the code at + by, at all biases but the strongest: it is never used, and b comes from it. even: added to the
    even part of the couplers' z_2, at codes -7 and 7.
    """
    tables = {}
    for number, name in enumerate(("coupling", "reference", "shil")):
        draw = np.random.default_rng((seed, number))
        a, b, c = draw.normal(size=(3, HARMONICS)) + 1j * draw.normal(size=(3, HARMONICS))
        c = 0.05 * c + even * np.eye(HARMONICS)[1] * (name != "shil")
        moved = np.equal(CODES, at) & (name == kind) & (RATES[:, None] < RATES[-1])
        x = (CODES + by * moved)[:, :, None] / 7
        z = 0.02 * a + (0.1 * b - 1j * np.eye(HARMONICS)[0]) * x + c * x**2
        offset = RATES[:, None] * (0.1 * x + 0.2 * x**2)[..., 0]
        zero = np.zeros((RATES.size, 15))
        tables[name] = Table(RATES, CODES, offset, RATES[:, None, None] * z, zero, zero)
    return Calibration(STEADY, tables)


def company(closed: bool = True) -> Together:
    """Every number of it, at random and large."""
    draw = np.random.default_rng(9)
    products, conjugates = 0.2 * np.triu(draw.normal(size=(2, 3, 3)) + 1j * draw.normal(size=(2, 3, 3)))
    products[1, 1] = conjugates[1, 1] = 0
    np.fill_diagonal(conjugates, conjugates.diagonal().real)
    pulls = closed * np.array([0.03 - 0.02j, -0.01 + 0.04j, 2e-4 + 1e-4j, 1e-5, 1e-3])
    return Together(products, conjugates, pulls, cubic=np.array([3 - 2j]))


def starts(d: Design, batch: int = 3) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).normal(-0.5, 0.7, (batch, d.system.sites)))


def loss(d: Design, cal: Calibration, x0: torch.Tensor, p: Parameters | None = None, **options) -> torch.Tensor:
    end = rollout_macromodel(d, cal, x0, p, **options)
    return (end * torch.linspace(-1, 1, end.numel(), dtype=end.dtype, device=end.device).reshape(end.shape)).sum()


def weights(system: System, dtype: torch.dtype = torch.float64) -> Parameters:
    p = Parameters.of(system, dtype)
    for value in p.trainable.values():
        value.requires_grad_()
    return p


@pytest.mark.parametrize("policy", ["chunk", "site"])
@pytest.mark.parametrize("path", ["kernel", "gather"])
def test_refined_steps_reach_the_engine(policy: str, path: str) -> None:
    """Offsets, all harmonics, bias per site, detuning, gain errors and the reference's shift, at every sample."""
    d = replace(design(3, policy=policy), reference_shift=0.003)
    draw = np.random.default_rng(2)
    detuning = draw.normal(0, 1e-3, d.system.sites)
    gain = draw.normal(0, 0.05, d.system.topology.edges.shape[1])
    x0, times = starts(d), sample_times(d.system, 4)
    exact = Macromodel(rough(), detuning, gain).run(d, Job(x0.numpy(), times)).state
    found = rollout_macromodel(
        d, rough(), x0, method="rk4", step_tau=0.01, samples_tau=times, detuning=detuning, gain_error=gain, path=path
    )
    assert np.abs(found.numpy() - exact).max() < 5e-5  # the array amplifies both solvers' errors


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("heun", 2), ("rk4", 4)])
def test_orders_of_convergence(method: str, order: int) -> None:
    d = design(5, segments=2)
    exact = rollout_macromodel(d, rough(), starts(d), method="rk4", step_tau=0.002)
    errors = [
        (rollout_macromodel(d, rough(), starts(d), method=method, step_tau=h) - exact).abs().max().item()
        for h in ((0.0025, 0.00125) if method == "euler" else (0.02, 0.01))
    ]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.35)


@pytest.mark.parametrize("together", [None, company()])
def test_both_paths_have_the_same_numbers_and_gradients(together: Together | None) -> None:
    d, cal = design(6), replace(rough(even=0.5 + 1j), together=together)
    gain = np.random.default_rng(3).normal(0, 0.05, d.system.topology.edges.shape[1])
    found = []
    for path in ("kernel", "gather"):
        p, x0 = weights(d.system), starts(d).requires_grad_()
        out = loss(d, cal, x0, p, path=path, gain_error=gain)
        found.append([out, *torch.autograd.grad(out, [x0, *p.trainable.values()])])
    for one, other in zip(*found, strict=True):
        assert one.abs().max() > 0
        assert (one - other).abs().max() < 1e-9 * one.abs().max()


@pytest.mark.parametrize("path", ["kernel", "gather"])
@pytest.mark.parametrize("together", [None, company(False), company()])
def test_what_injections_do_together_is_the_circuits_and_so_is_its_gradient(path: str, together) -> None:
    """One evaluation of the drift against `lower.circuit`; finite differences with respect to every phase."""
    d, cal = design(3, policy="site"), replace(rough(even=0.5 + 1j), together=together)
    top, x = d.system.topology, starts(d)
    gain = np.random.default_rng(4).normal(0, 0.1, top.edges.shape[1])
    exact = injected(d, cal, 1, gain_error=gain)
    without = replace(exact, together=Together(), pull=None)
    assert np.abs(exact.drifts(top)(x.numpy()) - without.drifts(top)(x.numpy())).max() > 1e-3
    codes = tuple(torch.from_numpy(d.codes[kind][1].astype(float)) for kind in ("coupling", "reference", "shil"))
    drift = segment_circuit(d, cal, 1, x, gain_error=gain).drift(path, codes)
    state = x.T.contiguous().requires_grad_()
    found = drift(state) / d.cycles_per_tau[1]
    assert np.allclose(found.detach().numpy().T, exact.drifts(top)(x.numpy()), rtol=1e-10, atol=1e-12)
    mix = torch.linspace(-1, 1, found.numel(), dtype=torch.float64).reshape(found.shape)
    (gradient,) = torch.autograd.grad((found * mix).sum(), state)
    for site in range(d.system.sites):
        push = np.zeros((1, d.system.sites))
        push[0, site] = 1e-6
        there, back = (exact.drifts(top)(x.numpy() + sign * push) for sign in (1, -1))
        expected = ((there - back) / 2e-6 * mix.numpy().T).sum(axis=1)
        assert gradient[site].numpy() == pytest.approx(expected, rel=1e-6, abs=1e-8)


def test_one_coupler_alone_is_its_table_whatever_injections_do_together() -> None:
    """Site 7 driven by site 6, all else at code 0 of an ideal table: only what every coupler's bias does is left."""
    d = design(5, segments=1)
    codes = {kind: np.zeros_like(code) for kind, code in d.codes.items()}
    driven, driving = d.system.topology.edges
    codes["coupling"][0, (driven == 7) & (driving == 6)] = 5
    d, together, x = replace(d, codes=codes), company(False), starts(d).numpy()
    products, conjugates = np.diag([1.0, 0, 0]) * together.products, np.diag([1.0, 0, 0]) * together.conjugates
    cal = replace(ideal(d), together=Together(products, conjugates))
    found, plain = (
        injected(d, each, 0).drifts(d.system.topology)(x) for each in (cal, replace(cal, together=Together()))
    )
    assert np.abs(plain[:, 7]).max() > 0.01
    assert found == pytest.approx(plain, abs=1e-12)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_has_the_same_numbers_and_gradients() -> None:
    d = design(6)
    found = []
    for device in ("cpu", "cuda"):
        p = Parameters.of(d.system, torch.float64, device)
        for value in p.trainable.values():
            value.requires_grad_()
        out = loss(d, rough(), starts(d).to(device), p)
        found.append([out.cpu(), *(g.cpu() for g in torch.autograd.grad(out, list(p.trainable.values())))])
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_precision_is_that_of_the_start(dtype: torch.dtype) -> None:
    d = design(6)
    exact = rollout_macromodel(d, rough(), starts(d))
    found = rollout_macromodel(d, rough(), starts(d).to(dtype))
    assert found.dtype == dtype
    assert (found - exact).abs().max() < (1e-4 if dtype == torch.float32 else 1e-12)


def test_gradient_of_a_start_is_the_finite_difference() -> None:
    d, step = design(7), 1e-6
    x0 = starts(d).requires_grad_()
    (gradient,) = torch.autograd.grad(loss(d, rough(), x0), x0)
    for place in ((0, 0), (2, 13)):
        push = torch.zeros_like(x0)
        push[place] = step
        there, back = loss(d, rough(), x0 + push), loss(d, rough(), x0 - push)
        assert gradient[place].item() == pytest.approx(((there - back) / (2 * step)).item(), rel=1e-6)


def alone(**moved) -> Calibration:
    return replace(rough(**moved), together=Together())


@pytest.mark.parametrize("kind", ["coupling", "reference", "shil"])
@pytest.mark.parametrize("code", [-7, -2, 1, 5])
def test_gradient_of_a_code_is_the_finite_difference_of_the_table(kind: str, code: int) -> None:
    """One injection alone has this code; moving the table's entry along its own polynomial moves the loss by the
    gradient of that one weight, times the code's width."""
    d, step = design(8), 1e-5
    codes = {name: np.where(value == code, 3 if code != 3 else 4, value) for name, value in d.codes.items()}
    place = (1, 11)
    codes[kind][place] = code
    d = replace(d, codes=codes)
    p, x0 = weights(d.system), starts(d)
    own = p.coupling if kind == "coupling" else p.terms[kind]
    (gradient,) = torch.autograd.grad(loss(d, alone(), x0, p), own)
    there, back = (loss(d, alone(at=code, by=by, kind=kind), x0) for by in (step, -step))
    site = d.system.topology.edges[0, 11] if kind == "coupling" else 11
    levels = d.target.injections[kind].levels
    steepness = np.gradient(np.concatenate([-levels[:0:-1], levels]))[code + 7]
    width = d.full_scale[kind][1, site] * steepness
    assert abs(gradient[place]) > 1e-3
    assert gradient[place].item() * width == pytest.approx(((there - back) / (2 * step)).item(), rel=1e-5)


@pytest.mark.parametrize("path", ["kernel", "gather"])
def test_gradient_of_a_coupling_is_that_of_its_gain(path: str) -> None:
    """With a table linear in the code, the gradient per code times the code is the finite difference in a gain."""
    d, step, edge = design(8), 1e-6, 11
    table = ideal(d).table("coupling")
    straight = replace(table, harmonics=-1j * table.rate[:, None, None] * CODES[:, None] / 7 * np.eye(1, HARMONICS))
    cal = replace(ideal(d), tables={**ideal(d).tables, "coupling": straight}, together=company())
    p, x0, one = weights(d.system), starts(d), np.eye(1, d.system.topology.edges.shape[1], edge)[0]
    (gradient,) = torch.autograd.grad(loss(d, cal, x0, p, path=path), p.coupling)
    levels = d.target.injections["coupling"].levels
    steepness = np.gradient(np.concatenate([-levels[:0:-1], levels]))[d.codes["coupling"][:, edge] + 7]
    width = d.full_scale["coupling"][:, d.system.topology.edges[0, edge]] * steepness
    found = (gradient[:, edge].numpy() * width * d.codes["coupling"][:, edge]).sum()
    there, back = (loss(d, cal, x0, gain_error=by * one).item() for by in (step, -step))
    assert abs(found) > 1e-3
    assert found == pytest.approx((there - back) / (2 * step), rel=1e-5)


def test_straight_through_is_the_plain_rollouts_gradient_for_an_ideal_circuit() -> None:
    """Forward, the integer codes; backward, the gradient of the realised weights; a clipped weight gets none."""
    straight = {k: replace(i, levels=np.arange(8) / 7) for k, i in load_target("ring28").injections.items()}
    target = replace(load_target("ring28"), injections=straight)
    system = design(9).system
    d = lower(system, target, clip="sigma3")
    cal = ideal(d)
    p, x0 = weights(system), starts(d)
    out = rollout_macromodel(d, cal, x0, p)
    real = weights(d.realised)
    expected = rollout(real, x0)
    assert torch.allclose(out, expected, atol=1e-9)
    found = torch.autograd.grad(out.square().sum(), list(p.trainable.values()))
    wanted = torch.autograd.grad(expected.square().sum(), list(real.trainable.values()))
    clipped = 0
    for name, one, other in zip(p.trainable, found, wanted, strict=True):
        scale = torch.from_numpy(d.full_scale[name])
        scale = scale[:, system.topology.edges[0]] if name == "coupling" else scale
        beyond = p.trainable[name].abs() > scale
        clipped += int(beyond.sum())
        assert torch.equal(one[beyond], torch.zeros_like(one[beyond]))
        assert torch.allclose(one[~beyond], other[~beyond], rtol=1e-9, atol=1e-9)
    assert clipped == sum(d.clipped.values()) > 0


def test_a_symmetric_pair_shares_its_gradient() -> None:
    draw, top = np.random.default_rng(4), grid(4, 4, "king8", symmetric=True)
    coupling = draw.normal(size=(1, top.couplings))[:, top.pair]
    terms = {name: draw.normal(size=(1, 16)) for name in ("shil", "reference")}
    system = System("kurashil", top, coupling, terms, np.ones(1))
    d = lower(system, load_target("ring28"))
    shared, each = weights(system), weights(system)
    each = replace(each, coupling=torch.from_numpy(coupling).requires_grad_())
    (one,) = torch.autograd.grad(loss(d, rough(), starts(d), shared), shared.coupling)
    (two,) = torch.autograd.grad(loss(d, rough(), starts(d), each), each.coupling)
    summed = torch.zeros_like(one).index_add(1, torch.from_numpy(top.pair), two)
    assert torch.allclose(one, summed, rtol=1e-12, atol=1e-12)


def test_a_detuning_for_each_start_is_that_of_runs_alone() -> None:
    d = design(5)
    off = np.random.default_rng(5).normal(0, 1e-3, (3, d.system.sites))
    together = rollout_macromodel(d, rough(), starts(d), detuning=off)
    alone = [rollout_macromodel(d, rough(), starts(d)[k : k + 1], detuning=off[k]) for k in range(3)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-12)


@pytest.mark.parametrize("together", [None, company()])
def test_a_batch_of_any_size_is_that_of_its_parts(together: Together | None) -> None:
    """The kernels take 64 starts at a time, the last ones filled up: numbers and gradients are those of the parts."""
    d, cal = design(4, segments=1), replace(rough(), together=together)
    p, x0 = weights(d.system), starts(d, 70).requires_grad_()
    whole = rollout_macromodel(d, cal, x0, p, path="kernel")
    parts = torch.cat([rollout_macromodel(d, cal, x0[rows], p, path="kernel") for rows in (slice(5), slice(5, 70))])
    assert torch.allclose(whole, parts, rtol=0, atol=1e-12)
    found = [torch.autograd.grad(each.square().sum(), [x0, *p.trainable.values()]) for each in (whole, parts)]
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-11)


def test_noise_spreads_idle_phases_by_its_diffusion_and_follows_its_seed() -> None:
    d = design(4, segments=2)
    d = replace(d, codes={kind: np.zeros_like(code) for kind, code in d.codes.items()})
    x0 = torch.zeros(400, d.system.sites, dtype=torch.float64)
    runs = [rollout_macromodel(d, ideal(d), x0, diffusion=4e-4, generator=seed) for seed in (1, 1, 2)]
    assert torch.equal(runs[0], runs[1]) and not torch.equal(runs[0], runs[2])
    assert runs[0].var().item() == pytest.approx(4e-4 * d.cycles, rel=0.06)  # 8,000 draws: 1.6 % standard error


def test_polynomials_are_the_fourier_series() -> None:
    table, angle = rough().tables["coupling"], np.linspace(-3, 3, 7)
    rows = code_rows(table, 0.04).polynomials(2.0) / 2
    offset, z = table.at(0.04)
    u, v = np.cos(angle), np.sin(angle)
    for q in (0, 7, 12):
        turn = np.exp(1j * np.outer(np.arange(1, HARMONICS + 1), angle))
        expected = offset[q] - offset[7] + (z[q] @ turn).real
        found = np.polynomial.polynomial.polyval(u, rows[q, 0, : HARMONICS + 1]) + v * np.polynomial.polynomial.polyval(
            u, rows[q, 0, HARMONICS + 1 : 2 * HARMONICS + 1]
        )
        assert found == pytest.approx(expected, rel=1e-12, abs=1e-15)
        assert rows[q, 0, 2 * HARMONICS + 1 :] == pytest.approx([0.04 * (q - 7) / 7, 0.04])


def test_what_does_not_fit_is_refused() -> None:
    d, cal = design(4), rough()
    for options, message in (
        ({"x0": np.zeros((2, 3))}, r"start states are \(2, 3\)"),
        ({"method": "dopri"}, "unknown method 'dopri'"),
        ({"path": "triton"}, "unknown path 'triton'"),
        ({"step_tau": 0}, "step_tau must be positive"),
        ({"samples_tau": [99.0]}, "sample times"),
        ({"detuning": np.zeros(3)}, r"detuning is \(3,\)"),
        ({"gain_error": np.zeros(3)}, r"gain error is \(3,\)"),
        ({"diffusion": 1e-6}, "needs a generator"),
        ({"diffusion": -1.0, "generator": 0}, "0 or more"),
        ({"parameters": weights(d.system, torch.float32)}, "expected .* torch.float64"),
    ):
        with pytest.raises(ModelError, match=message):
            rollout_macromodel(d, cal, **({"x0": starts(d)} | options))
    short = replace(cal.tables["coupling"], codes=CODES - 7 + 0 * CODES)
    with pytest.raises(CardError, match="ends at code"):
        rollout_macromodel(d, Calibration(STEADY, dict(cal.tables) | {"coupling": short}), starts(d))
    cold = {kind: 2e3 * value for kind, value in d.full_scale.items()}
    with pytest.raises(CardError, match="strongest calibrated bias"):
        rollout_macromodel(replace(d, full_scale=cold), cal, starts(d))
