"""The numba kernels: same numbers as plain torch, accurate sines, and still working where nothing can be cached."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from problems import random_system

import aishw.ais.rollout as solver
from aishw.ais import coupling_kernels as kernels
from aishw.ais.coupling_cpu import LinearPair, PhaseDrift, works
from aishw.ais.parameters import Parameters
from aishw.ais.rollout import rollout
from aishw.ais.topology import complete, grid
from aishw.ais.wiring import wire

ROOT = Path(__file__).parents[2]


def bench():
    spec = importlib.util.spec_from_file_location("bench_rollout", ROOT / "bench" / "rollout.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("dtype", "limit"), [("float32", 3e-7), ("float64", 5e-16)])
def test_sines_are_right_to_rounding(dtype, limit):
    x = np.linspace(-40, 40, 20_001).astype(dtype).reshape(-1, 3)
    wave = np.empty((x.shape[0], 6), dtype)
    kernels.fill_wave(x, kernels.trig_table(dtype), wave)
    exact = np.concatenate([np.sin(x.astype(np.longdouble)), np.cos(x.astype(np.longdouble))], axis=1)
    assert np.abs(wave - exact).max() < limit


def test_no_number_stays_no_number():
    x = torch.tensor([[np.nan, np.inf, 0.1], [0.0, 0.0, 0.2]])
    out = PhaseDrift.apply(x, torch.ones(2), None, None, None, 1.0, wire(complete(2)))
    assert out[:, :2].isnan().all() and out[:, 2].isfinite().all()


@pytest.mark.parametrize("neighbourhood", ["cross4", "king8", "box5", ((0, 1),), ((1, 0), (0, 2), (3, 1))])
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 2e-6), (torch.float64, 1e-14)])
def test_kernels_and_gather_agree(neighbourhood, dtype, limit):
    """5 starts: the fan-ins 4, 8, 24, 1 and 3 use the eightfold loop, its rest, and both."""
    for family in ("kurashil", "kuramoto", "tanhnet"):
        system = random_system(6, 7, family, neighbourhood, strength=0.2)
        x0 = torch.tensor(np.random.default_rng(0).normal(0, 0.8, (5, 42))).to(dtype)
        results = []
        for coupling in ("kernel", "gather"):
            p = Parameters.of(system, dtype)
            for value in p.trainable.values():
                value.requires_grad_()
            end = rollout(p, x0, coupling=coupling)
            gradients = torch.autograd.grad(end.square().mean(), list(p.trainable.values()))
            results.append([end.detach(), *gradients])
        for kernel, gather in zip(*results):
            assert (kernel - gather).abs().max() < limit * gather.abs().max()


def test_the_benchmark_compares_the_same_thing():
    module = bench()
    p, x0 = module.problem(8, 4, 4, torch.float64)
    naive = module.measure(lambda: module.gather_and_sin(p, x0, 80, 0.05), p, True)[1]
    ours = module.measure(lambda: rollout(p, x0, step_tau=0.05), p, True)[1]
    assert len(naive) == 4
    assert all(torch.allclose(a, b, rtol=1e-10, atol=1e-15) for a, b in zip(naive, ours))


def test_pair_sums_are_those_of_the_edges():
    topology = grid(4, 5, "king8")
    draw = torch.Generator().manual_seed(0)
    x, c = (torch.randn(*shape, generator=draw, dtype=torch.float64) for shape in ((20, 3), (160,)))
    sine, line = torch.zeros_like(x), torch.zeros_like(x)
    for e, (i, j) in enumerate(topology.edges.T.tolist()):
        sine[i] += c[e] * torch.sin(x[i] - x[j])
        line[i] += c[e] * x[j]
    wiring = wire(topology)
    assert torch.allclose(PhaseDrift.apply(x, c, None, None, None, 1.0, wiring), sine, atol=1e-13)
    assert torch.allclose(PhaseDrift.apply(x, c, None, None, None, -1.0, wiring), -sine, atol=1e-13)
    assert torch.allclose(LinearPair.apply(x, c, wiring), line, atol=1e-13)


def test_strides_of_the_caller_do_not_matter():
    topology = grid(4, 5, "king8")
    x = torch.randn(3, 20, dtype=torch.float64).T.requires_grad_()
    c = torch.randn(160, 2, dtype=torch.float64)[:, 0].requires_grad_()
    run = lambda x, c: PhaseDrift.apply(x, c, None, None, None, 1.0, wire(topology))  # noqa: E731
    assert torch.equal(run(x, c), run(x.contiguous(), c.contiguous()))
    assert torch.autograd.gradcheck(run, (x, c), fast_mode=True)


def test_auto_takes_the_kernel_and_without_it_gives_the_same(monkeypatch):
    assert works(torch.float32) and solver._kernel_runs(torch.float64)
    system = random_system()
    x0 = np.random.default_rng(0).normal(0, 0.5, (2, 20))
    p = Parameters.of(system)
    p.coupling.requires_grad_()
    fast = rollout(p, x0)
    assert "PhaseDrift" in backward_names(fast.grad_fn)
    monkeypatch.setattr(solver, "_kernel_runs", lambda dtype: False)
    plain = rollout(p, x0)
    assert "PhaseDrift" not in backward_names(plain.grad_fn)
    assert torch.allclose(fast, plain, atol=1e-13)
    gradients = [torch.autograd.grad(end.square().sum(), p.coupling)[0] for end in (fast, plain)]
    assert torch.allclose(*gradients, atol=1e-12)


def backward_names(node) -> str:
    seen, todo = set(), [node]
    while todo:
        node = todo.pop()
        if node is not None and node not in seen:
            seen.add(node)
            todo += [next_node for next_node, _ in node.next_functions]
    return " ".join(type(node).__name__ for node in seen)


RUN = """
import numpy as np
{before}
from aishw.ais.rollout import rollout
from problems import tiny_kurashil
from aishw.ais.rollout import _kernel_runs
import torch
assert _kernel_runs(torch.float64)
print(float(rollout(tiny_kurashil(), np.full((1, 9), 0.3)).sum()))
"""
FULL_DISK = """
import numba.core.caching as caching
def full(*_):
    raise OSError(28, 'No space left on device')
caching.IndexDataCacheFile.save = full
"""
NO_PLACE = """
import numba.core.caching as caching
caching.CacheImpl._locator_classes = []
caching.CodeLibraryCacheImpl._locator_classes = []
caching.CompileResultCacheImpl._locator_classes = []
"""


@pytest.mark.parametrize("before", [FULL_DISK, NO_PLACE], ids=["full disk", "nowhere to write"])
def test_kernels_work_where_no_cache_can_be_written(before, tmp_path):
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r})" + RUN.format(before=before)
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
        env={"NUMBA_CACHE_DIR": str(tmp_path), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    system = random_system(3, 3, "kurashil", "cross4", 2, 0)
    assert np.isclose(float(ran.stdout), rollout(system, np.full((1, 9), 0.3), coupling="gather").sum().item())
