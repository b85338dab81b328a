"""RK4 through all segments as one torch function, with the adjoint of RK4 written out.

    k1 = f(x), k2 = f(x + h/2 k1), k3 = f(x + h/2 k2), k4 = f(x + h k3), x' = x + h/6 (k1 + 2 k2 + 2 k3 + k4)
    backwards from u = dL/dx':  u4 = J4' (h/6 u), u3 = J3' (h/3 u + h u4), u2 = J2' (h/3 u + h/2 u3),
                                u1 = J1' (h/6 u + h/2 u2), dL/dx = u + u1 + u2 + u3 + u4

`aishw.ais.rollout` computes the same with one torch node for each f. A bank of two-site systems is so small that the
nodes, not the arithmetic, are the cost: one call here takes a third of the time. The sums over edges and the phase
drifts are the package's kernels (`aishw.ais.coupling_kernels`); the other families add their own term in numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.autograd.function import once_differentiable

from aishw.ais import coupling_kernels as kernels
from aishw.ais.coupling_cpu import Wiring, run
from aishw.ais.families import FAMILIES

Array = NDArray[np.floating[Any]]
_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # torch.selu's


class Solve(torch.autograd.Function):
    """End states (N, B) from x0 (N, B); coupling (S, E), then the family's terms (S, N) in its own order."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        family: str,
        wiring: Wiring,
        steps: int,
        h: float,
        x0: torch.Tensor,
        *weights: torch.Tensor,
    ) -> torch.Tensor:
        """`steps` RK4 steps of length h in every segment."""
        held = [_array(value) for value in weights]
        x, stages = _array(x0), []
        half, sixth, third = (x.dtype.type(h / d) for d in (2, 6, 3))
        for segment in range(len(held[0])):
            own = [value[segment] for value in held]
            for _ in range(steps):
                k1 = _forward(family, wiring, x, own)
                x2 = x + half * k1
                k2 = _forward(family, wiring, x2, own)
                x3 = x + half * k2
                k3 = _forward(family, wiring, x3, own)
                x4 = x + x.dtype.type(h) * k3
                k4 = _forward(family, wiring, x4, own)
                stages.append((x, x2, x3, x4))
                x = x + sixth * (k1 + k4) + third * (k2 + k3)
        ctx.family, ctx.wiring, ctx.steps, ctx.h, ctx.held, ctx.stages = family, wiring, steps, h, held, stages
        return torch.from_numpy(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # type: ignore[override]
        u = _array(grad)
        h, half, sixth, third = (u.dtype.type(ctx.h / d) for d in (1, 2, 6, 3))
        found = [np.zeros_like(value) for value in ctx.held]
        for n in reversed(range(len(ctx.stages))):
            segment = n // ctx.steps
            own, into = ([value[segment] for value in each] for each in (ctx.held, found))
            x1, x2, x3, x4 = ctx.stages[n]
            u4 = _backward(ctx.family, ctx.wiring, x4, own, sixth * u, into)
            u3 = _backward(ctx.family, ctx.wiring, x3, own, third * u + h * u4, into)
            u2 = _backward(ctx.family, ctx.wiring, x2, own, third * u + half * u3, into)
            u1 = _backward(ctx.family, ctx.wiring, x1, own, sixth * u + half * u2, into)
            u = u + u1 + u2 + u3 + u4
        return None, None, None, None, torch.from_numpy(u), *map(torch.from_numpy, found)


def _forward(family: str, wiring: Wiring, x: Array, own: list[Array]) -> Array:
    """f(x) (N, B); own: coupling (E,), terms (N,)."""
    out = np.empty_like(x)
    if FAMILIES[family].pairing == "sine":
        sign, detuning, shil, reference = _phase_terms(family, x, own)
        run(kernels.phase_forward, *wiring.forward, x, own[0], sign, detuning, shil, reference, _table(x), out)
        return out
    run(kernels.linear_forward, *wiring.forward, x, own[0], out)
    return _LINEAR[family](x, out, own[1:], None)[0]


def _backward(family: str, wiring: Wiring, x: Array, own: list[Array], grad: Array, into: list[Array]) -> Array:
    """J' grad (N, B); adds the weights' gradients to `into`."""
    back = np.empty_like(x)
    if FAMILIES[family].pairing == "sine":
        sign, _, shil, reference = _phase_terms(family, x, own)
        by_term = np.zeros((3, len(x)), x.dtype)
        run(
            kernels.phase_backward, *wiring.forward, *wiring.backward, x, own[0], sign, shil, reference, _table(x),
            grad, back, into[0], by_term,
        )  # fmt: skip
        for total, found in zip(into[1:], by_term[:1] if family == "kuramoto" else by_term[1:]):
            total += found
        return back
    pair = np.empty_like(x)
    run(kernels.linear_forward, *wiring.forward, x, own[0], pair)
    _, by_pair, by_x, by_terms = _LINEAR[family](x, pair, own[1:], grad)
    run(kernels.linear_backward, *wiring.forward, *wiring.backward, x, own[0], by_pair, back, into[0])
    for total, found in zip(into[1:], by_terms):
        total += found
    return back + by_x


def _phase_terms(family: str, x: Array, own: list[Array]) -> tuple[Any, Array, Array, Array]:
    none = np.zeros(len(x), x.dtype)
    if family == "kuramoto":
        return x.dtype.type(-1), own[1], none, none
    return x.dtype.type(1), none, own[1], own[2]


def _polynet(x: Array, pair: Array, terms: list[Array], grad: Array | None) -> tuple[Any, ...]:
    """x (gain - x^2) + pair."""
    gain, square = terms[0][:, None], x * x
    if grad is None:
        return (x * (gain - square) + pair,)
    return None, grad, grad * (gain - 3 * square), ((grad * x).sum(axis=1),)


def _tanhnet(x: Array, pair: Array, terms: list[Array], grad: Array | None) -> tuple[Any, ...]:
    """tanh(pair + bias + self_weight x) - x."""
    bias, own = (term[:, None] for term in terms)
    bent = np.tanh(pair + bias + own * x)
    if grad is None:
        return (bent - x,)
    inner = grad * (1 - bent * bent)
    return None, inner, inner * own - grad, (inner.sum(axis=1), (inner * x).sum(axis=1))


def _selunet(x: Array, pair: Array, terms: list[Array], grad: Array | None) -> tuple[Any, ...]:
    """selu(pair + bias + self_weight x)."""
    bias, own = (term[:, None] for term in terms)
    inside = pair + bias + own * x
    below = x.dtype.type(_SELU_SCALE * _SELU_ALPHA) * np.exp(np.minimum(inside, 0))
    up = x.dtype.type(_SELU_SCALE)
    if grad is None:
        return (np.where(inside > 0, up * inside, below - x.dtype.type(_SELU_SCALE * _SELU_ALPHA)),)
    inner = grad * np.where(inside > 0, up, below)
    return None, inner, inner * own, (inner.sum(axis=1), (inner * x).sum(axis=1))


# (x, pair sum, terms, None) -> (drift,); with a gradient -> (None, by pair sum, by x, by terms).
_LINEAR: dict[str, Callable[..., tuple[Any, ...]]] = {"polynet": _polynet, "tanhnet": _tanhnet, "selunet": _selunet}


def _table(x: Array) -> Array:
    return kernels.trig_table(x.dtype.name)


def _array(tensor: torch.Tensor) -> Array:
    held: Array = tensor.detach().contiguous().numpy()
    return held
