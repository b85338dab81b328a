"""What a change of codes moves phases by (`lower.switching`), in torch; gradients reach the phases, not the codes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from aishw.hardware.calibration import Calibration
from aishw.lower.design import Design
from aishw.lower.switching import Sources, change, reference_rad, shil_change
from aishw.lower.together import together_of

Tensor = torch.Tensor


def switched(design: Design, calibration: Calibration, segment: int, like: Tensor) -> Callable[[Tensor], Tensor]:
    """A function of phases (N, B) just before a segment begins that returns those just after, in the dtype and on the
    device of `like`."""
    numbers = together_of(calibration).switch
    if not numbers.any():
        return lambda x: x
    (weights, biases), (size, signed) = change(design, segment), shil_change(design, segment)
    once, twice = _sums(design, weights, like), _sums(design, biases, like)
    back = np.exp(-1j * reference_rad(design, segment))
    first, second, third, fourth, fifth, sixth = numbers * back ** np.array([0, 2, 2, 0, 2, 1])
    by_size, by_sign = (like.new_tensor(each)[:, None] for each in (size, signed))

    def moved(x: Tensor) -> Tensor:
        u, v = x.cos(), x.sin()
        u2, v2 = u * u - v * v, 2 * u * v
        a, b = once(u, v)  # T_0 = exp(is) (a - ib), and exp(-2is) T_0 = exp(-is) (a - ib)
        x = x + first.real * (u * a + v * b) + first.imag * (u * b - v * a)
        x = x + second.real * (u * a - v * b) + second.imag * (v * a + u * b)
        if third and any(each.any() for each in biases):
            a, b = twice(u2, v2)  # exp(-2is) T_2 = a - ib
            x = x + third.real * a + third.imag * b
        if fourth:
            u3, v3 = u * u2 - v * v2, u * v2 + v * u2
            a, b = once(u3, v3)
            x = x + fourth.real * (u3 * a + v3 * b) + fourth.imag * (u3 * b - v3 * a)
        x = x + by_size * (fifth.real * u2 + fifth.imag * v2)  # exp(-2is)
        return x + by_sign * (sixth.real * u - sixth.imag * v)  # exp(-is) exp(2is)

    return moved


def _sums(design: Design, sources: Sources, like: Tensor) -> Callable[[Tensor, Tensor], tuple[Tensor, ...]]:
    """A function of cosines and sines (N, B): the sums over a site's sources of both."""
    pair, own = sources
    edges = torch.from_numpy(np.ascontiguousarray(design.system.topology.edges)).to(like.device)
    size = (own.size, own.size)
    matrix = torch.sparse_coo_tensor(edges, like.new_tensor(pair), size, check_invariants=False).coalesce()
    by_own = like.new_tensor(own)[:, None]

    def sums(u: Tensor, v: Tensor) -> tuple[Tensor, ...]:
        a, b = torch.sparse.mm(matrix, torch.cat([u, v], dim=1)).chunk(2, dim=1)
        return a + by_own, b

    return sums
