"""Pair sums and phase drifts on one CPU thread as torch functions with a hand-written adjoint.

Backwards only the state is kept; sines and sums are computed again. Gradients go through once (no double backward):
`rollout(.., coupling="gather")` has them all. Measured by `bench/rollout.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.autograd.function import once_differentiable

from aishw.ais import coupling_kernels as kernels
from aishw.ais.topology import Topology
from aishw.ais.wiring import Wiring, wire

Tensor = torch.Tensor


class PhaseDrift(torch.autograd.Function):
    """detuning - shil sin 2x + reference sin x + sign sum_e C_e sin(x_i - x_j).

    x: (N, B); coupling: (E,); detuning, shil, reference: (N,) or None for zero. KuraSHIL has sign 1, Kuramoto -1.
    """

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        x: Tensor,
        coupling: Tensor,
        detuning: Tensor | None,
        shil: Tensor | None,
        reference: Tensor | None,
        sign: float,
        wiring: Wiring,
    ) -> Tensor:
        ctx.save_for_backward(x, coupling, detuning, shil, reference)
        ctx.sign, ctx.wiring = sign, wiring
        out = x.new_empty(x.shape)
        run(
            kernels.phase_forward, *wiring.forward, _read(x), _read(coupling), _one(x, sign),
            *(_term(x, term) for term in (detuning, shil, reference)), _table(x), out.numpy(),
        )  # fmt: skip
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, coupling, detuning, shil, reference = ctx.saved_tensors
        grad_x, grad_coupling = x.new_empty(x.shape), x.new_zeros(coupling.shape)
        grad_terms = x.new_zeros(3, x.shape[0])
        run(
            kernels.phase_backward, *ctx.wiring.forward, *ctx.wiring.backward, _read(x), _read(coupling),
            _one(x, ctx.sign), _term(x, shil), _term(x, reference), _table(x),
            _read(grad.contiguous()), grad_x.numpy(), grad_coupling.numpy(), grad_terms.numpy(),
        )  # fmt: skip
        by_term = (
            part if term is not None else None for part, term in zip(grad_terms, (detuning, shil, reference))
        )
        return grad_x, grad_coupling, *by_term, None, None


class LinearPair(torch.autograd.Function):
    """sum_e J_e x_j; x: (N, B), coupling: (E,)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, coupling: Tensor, wiring: Wiring) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(x, coupling)
        ctx.wiring = wiring
        out = x.new_empty(x.shape)
        run(kernels.linear_forward, *wiring.forward, _read(x), _read(coupling), out.numpy())
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, coupling = ctx.saved_tensors
        grad_x, grad_coupling = x.new_empty(x.shape), x.new_zeros(coupling.shape)
        run(
            kernels.linear_backward, *ctx.wiring.forward, *ctx.wiring.backward, _read(x), _read(coupling),
            _read(grad.contiguous()), grad_x.numpy(), grad_coupling.numpy(),
        )  # fmt: skip
        return grad_x, grad_coupling, None


def works(dtype: torch.dtype) -> bool:
    """Whether a kernel compiles and runs here; tried on a single pair."""
    try:
        topology = Topology(1, 2, ((0, 1),), np.arange(2))
        x = torch.tensor([[0.5], [0.0]], dtype=dtype)
        out = PhaseDrift.apply(x, torch.ones(2, dtype=dtype), None, None, None, 1.0, wire(topology))
    except Exception:  # whatever a compiler may raise; the caller has another path
        return False
    return bool(abs(out[0, 0].item() - np.sin(0.5)) < 1e-6)


def run(kernel: Callable[..., None], *arguments: Any) -> None:
    """Calls a kernel. Where its machine code cannot be written to the cache (a full disk), numba raises after each of
    the nested kernels is compiled and before anything runs: the next call has one more of them at hand."""
    for _ in range(4):
        try:
            return kernel(*arguments)
        except OSError:
            continue
    kernel(*arguments)


def _read(tensor: Tensor) -> NDArray[np.floating[Any]]:
    return tensor.detach().contiguous().numpy()


def _one(x: Tensor, value: float) -> np.floating[Any]:
    return np.dtype(_dtype(x)).type(value)


def _term(x: Tensor, term: Tensor | None) -> NDArray[np.floating[Any]]:
    return np.zeros(x.shape[0], _dtype(x)) if term is None else _read(term)


def _table(x: Tensor) -> NDArray[np.floating[Any]]:
    return kernels.trig_table(_dtype(x))


def _dtype(x: Tensor) -> str:
    return str(x.dtype).removeprefix("torch.")
