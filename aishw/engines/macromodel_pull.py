"""How far neighbours see a PE's phase moved by its own drive (`hardware.together`), in torch; a kernel on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aishw.ais.coupling_cpu import run
from aishw.ais.wiring import Wiring
from aishw.engines import macromodel_kernels as kernels

Tensor = torch.Tensor
Array = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Pull:
    """How far drives move the phases that neighbours see: delay + Re[factor T_0 + shil exp(2i s)], rad.

    delay: (N,) rad. weight (E,), own (N,): rad per cycle, the weights of T_0. shil: (2, N) rad, real and imaginary
    parts. Each a pair: what it is, and what a code adds. factor: cycles.
    """

    delay: Tensor
    weight: tuple[Tensor, Tensor]
    own: tuple[Tensor, Tensor]
    shil: tuple[Tensor, Tensor]
    factor: complex
    edges: Tensor
    wiring: Wiring

    def seen(self, x: Tensor, codes: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """(N, B): phases x (N, B) as neighbours see them, in plain torch. Gradients reach x and codes."""
        parts = zip((self.weight, self.own, self.shil), codes)
        weight, own, shil = (value + by_code * carried(code) for (value, by_code), code in parts)
        u, v = x.cos(), x.sin()
        both, (driven, driving) = torch.cat([u, v], dim=1), self.edges
        a, b = torch.zeros_like(both).index_add(0, driven, weight[:, None] * both[driving]).chunk(2, dim=1)
        a = a + own[:, None]  # T_0 = exp(is) (a - ib)
        (c, d), p, q = shil[:, :, None], self.factor.real, self.factor.imag
        moved = u * (p * a + q * b) + v * (p * b - q * a) + c * (u * u - v * v) - d * (2 * u * v)
        return x + self.delay[:, None] + moved

    def fill(self, x: Array, wave: Array) -> Array:
        """The same of x (N, LANES) by the kernel. wave: (N, 2 LANES), its sines and cosines. The result is overwritten
        by the next one."""
        run(
            kernels.pull_forward, *self.wiring.forward, x, wave, self.delay.numpy(), *self._numbers,
            self._room[0], self._room[1],
        )  # fmt: skip
        return self._room[1]

    def backward(self, wave: Array, grad: Tensor, grad_x: Tensor, codes: Sequence[Tensor]) -> None:
        """The adjoint of the last `fill` for grad (N, LANES): added to grad_x (N, LANES) and to those of the codes."""
        near, _, push, far = self._room
        found = [torch.zeros_like(value) for value, _ in (self.weight, self.own, self.shil)]
        run(
            kernels.pull_backward, *self.wiring.forward, *self.wiring.backward, wave, near, *self._numbers, push, far,
            grad.numpy(), grad_x.numpy(), *(each.numpy() for each in found),
        )  # fmt: skip
        for code, each, (_, by_code) in zip(codes, found, (self.weight, self.own, self.shil)):
            code += (each * by_code).reshape(-1, len(code)).sum(0)

    @cached_property
    def _numbers(self) -> tuple[Array, ...]:
        factor = self.delay.new_tensor([self.factor.real, self.factor.imag])
        return tuple(each.numpy() for each in (self.weight[0], self.own[0], self.shil[0], factor))

    @cached_property
    def _room(self) -> tuple[Array, ...]:
        """Sums over neighbours (N, 2 LANES), phases (N, LANES), and what the adjoint needs (N, 2 LANES), (2 LANES,)."""
        sites, double = len(self.delay), 2 * kernels.LANES
        sizes = (sites, double), (sites, kernels.LANES), (sites, double), (double,)
        return tuple(self.delay.new_empty(size).numpy() for size in sizes)


def carried(code: Tensor) -> Tensor:
    """0, with the gradient of the code."""
    return code - code.detach()
