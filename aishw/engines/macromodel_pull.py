"""How far neighbours see a PE's phase moved by its own drive (`hardware.together`), in torch; a kernel on the CPU."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from aishw.ais.coupling_cpu import LinearPair
from aishw.ais.wiring import Wiring

Tensor = torch.Tensor


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

    def seen(self, x: Tensor, codes: tuple[Tensor, Tensor, Tensor], kernel: bool) -> Tensor:
        """(N, B): phases x (N, B) as neighbours see them. Gradients reach x and codes."""
        parts = zip((self.weight, self.own, self.shil), codes)
        weight, own, shil = (value + by_code * carried(code) for (value, by_code), code in parts)
        u, v = x.cos(), x.sin()
        both = torch.cat([u, v], dim=1)
        if kernel:
            near = LinearPair.apply(both, weight, self.wiring)
        else:
            driven, driving = self.edges
            near = torch.zeros_like(both).index_add(0, driven, weight[:, None] * both[driving])
        a, b = near.chunk(2, dim=1)
        a = a + own[:, None]  # T_0 = exp(is) (a - ib)
        (c, d), p, q = shil[:, :, None], self.factor.real, self.factor.imag
        moved = u * (p * a + q * b) + v * (p * b - q * a) + c * (u * u - v * v) - d * (2 * u * v)
        return x + self.delay[:, None] + moved


def carried(code: Tensor) -> Tensor:
    """0, with the gradient of the code."""
    return code - code.detach()
