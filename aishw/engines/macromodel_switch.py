"""What a change of codes moves phases by, and what crossings tell of them (`lower.switching`), in torch.

Gradients reach phases and codes but SHIL's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch

from aishw.ais.coupling_cpu import LinearPair
from aishw.ais.coupling_torch import NearSum, joined
from aishw.ais.rollout import kernel_fits
from aishw.ais.wiring import wire
from aishw.hardware.calibration import Calibration
from aishw.lower.design import Design
from aishw.lower.switching import Floats, change, reference_rad, shil_change, sources
from aishw.lower.together import together_of

Tensor = torch.Tensor
_KINDS = ("coupling", "reference")


def switched(
    design: Design, calibration: Calibration, segment: int, like: Tensor, codes: Mapping[str, Tensor] | None = None
) -> Callable[[Tensor], Tensor]:
    """A function of phases (N, B) just before a segment begins that returns those just after, in the dtype and on the
    device of `like`.

    codes: per kind, (S, E) or (S, N), the design's codes as tensors that gradients go to.
    """
    numbers = together_of(calibration).switch
    if not numbers.any():
        return lambda x: x
    (weights, biases), (size, signed) = change(design, segment), shil_change(design, segment)
    signs = {k: sign for k, sign in ((segment, 1), (segment - 1, -1)) if k >= 0}
    pair, own = (_carried(design, codes, kind, step, signs, like) for kind, step in zip(_KINDS, weights))
    once, twice = _sums(design, pair, own), _sums(design, like.new_tensor(biases[0]), like.new_tensor(biases[1]))
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


def told(
    design: Design, calibration: Calibration, segment: int, like: Tensor, codes: Mapping[str, Tensor] | None = None
) -> Callable[[Tensor], Tensor]:
    """A function of the phases (N, B) that drift in a segment that returns what crossings tell of them; codes as in
    `switched`."""
    numbers = together_of(calibration).ripple
    if not numbers.any():
        return lambda x: x
    weights, biases = sources(design, segment)
    pair, own = (_carried(design, codes, kind, step, {segment: 1}, like) for kind, step in zip(_KINDS, weights))
    once, twice = _sums(design, pair, own), _sums(design, like.new_tensor(biases[0]), like.new_tensor(biases[1]))
    strength = like.new_tensor(design.values("shil")[segment] / design.cycles_per_tau[segment])[:, None]

    def read(x: Tensor) -> Tensor:
        u, v = x.cos(), x.sin()
        u2, v2 = u * u - v * v, 2 * u * v
        u3, v3 = u * u2 - v * v2, u * v2 + v * u2
        for number, sums, c, s in zip(numbers, (once, once, twice), (u, u3, u2), (v, v3, v2)):
            a, b = sums(c, s)  # T_k = exp(ik s) (a - ib)
            x = x + number.real * (c * a + s * b) + number.imag * (c * b - s * a)
        return x + strength * (numbers[3].real * u2 - numbers[3].imag * v2)

    return read


def _carried(
    design: Design, codes: Mapping[str, Tensor] | None, kind: str, step: Floats, signs: Mapping[int, int], like: Tensor
) -> Tensor:
    """`step` of a kind's weights as a tensor whose gradient goes to the codes of segments, by their signs."""
    value = like.new_tensor(step)
    if codes is None or not codes[kind].requires_grad:
        return value
    driven = design.system.topology.edges[0] if kind == "coupling" else slice(None)
    for k, sign in signs.items():
        rate = like.new_tensor(sign * design.rate[kind][k][driven] / design.code_limit)
        value = value + rate * (codes[kind][k] - codes[kind][k].detach())
    return value


def _sums(design: Design, pair: Tensor, own: Tensor) -> Callable[[Tensor, Tensor], tuple[Tensor, ...]]:
    """A function of cosines and sines (N, B): the sums over a site's sources, its couplers' (E,) and its own (N,), of
    both."""
    top, kernel = design.system.topology, kernel_fits(pair)

    def sums(u: Tensor, v: Tensor) -> tuple[Tensor, ...]:
        both = torch.cat([u, v], dim=1)
        if kernel:
            near = LinearPair.apply(both, pair, wire(top))
        else:
            near = NearSum.apply(both, pair, joined(top, pair.device))
        a, b = near.chunk(2, dim=1)
        return a + own[:, None], b

    return sums
