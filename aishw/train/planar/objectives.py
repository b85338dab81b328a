"""The two objectives of the 2-D study, for all rows of a bank at once.

    sliced Wasserstein: E over directions w of W1(w . v(T), w . x1)          only the end is judged
    OT-CFM:             E over t, (x0, x1) of |f(x_t, t) - (x1 - x0)|^2      x_t = (1 - t) x0 + t x1

(x0, x1) are coupled by exact optimal transport within a mini-batch (Tong et al., 2023). Hidden sites have no path to
be told: under OT-CFM they start from N(0, 0.25 I) and follow their own equation while the visible ones are held on the
straight path. (The paper conditions h0 on the pair in a way that it does not describe; here h0 is independent of it.)
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from aishw.train.planar.bank import VISIBLE, Shape, velocity, with_hidden
from aishw.train.planar.pairs import PAIRS
from aishw.train.planar.transport import coupled

if TYPE_CHECKING:
    import torch

    from aishw.train.planar.bank import Weights

    Tensor = torch.Tensor

OBJECTIVES = {"swd": "sliced Wasserstein", "otcfm": "OT-CFM"}
_PATH_STEPS = 8


def sliced_distance(fake: Tensor, real: Tensor, projections: int, generator: torch.Generator) -> Tensor:
    """(R,): the sliced W1 of fake (R, B, 2) to real (R, B, 2), over evenly spread directions turned by a random angle.

    real may be the same tensor, expanded, for several rows.
    """
    import torch

    turn = torch.rand((), generator=generator)
    angle = (torch.arange(projections, dtype=fake.dtype) + turn) * (math.pi / projections)
    across = torch.stack([angle.cos(), angle.sin()])
    seen, wanted = (fake @ across).transpose(1, 2), (real @ across).transpose(1, 2)
    order = torch.from_numpy(np.argsort(seen.detach().numpy(), axis=-1))
    target = torch.from_numpy(np.sort(wanted.numpy(), axis=-1))
    return (seen.gather(-1, order) - target).abs().mean(dim=(1, 2))


@lru_cache(maxsize=8)
def coupled_batches(name: str, batches: int, batch: int, seed: int) -> Tensor:
    """(batches, 2, batch, 2): source and target of pair `name`, coupled within each batch."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    made = []
    for _ in range(batches):
        x0, x1 = PAIRS[name].draw(batch, generator)
        made.append(torch.stack([x0, torch.from_numpy(coupled(x0.numpy(), x1.numpy()))]))
    return torch.stack(made)


def flow_loss(shape: Shape, weights: Weights, x0: Tensor, x1: Tensor, generator: torch.Generator) -> Tensor:
    """(R,): the OT-CFM loss on coupled x0, x1 (R, B, 2)."""
    return _hidden_flow(shape, weights, x0, x1, generator) if shape.hidden else _flow(shape, weights, x0, x1, generator)


def _flow(shape: Shape, weights: Weights, x0: Tensor, x1: Tensor, generator: torch.Generator) -> Tensor:
    """Every segment has its even share of the batch, at times drawn within it."""
    import torch

    total = x0.new_zeros(len(x0))
    for segment in range(shape.segments):
        a, b = x0[:, segment :: shape.segments], x1[:, segment :: shape.segments]
        t = (segment + torch.rand((1, a.shape[1], 1), generator=generator)) / shape.segments
        total = total + _miss(velocity(shape, weights, segment, a + t * (b - a)), a, b) / shape.segments
    return total


def _hidden_flow(shape: Shape, weights: Weights, x0: Tensor, x1: Tensor, generator: torch.Generator) -> Tensor:
    """Hidden sites by Heun steps along the straight visible path; the loss is taken at the start of every step."""
    import torch

    z, h = with_hidden(shape, x0, generator), 1 / _PATH_STEPS
    hidden, total = z[..., VISIBLE:], x0.new_zeros(len(x0))
    for step in range(_PATH_STEPS):
        segment = step * shape.segments // _PATH_STEPS
        here, there = (x0 + (step + k) * h * (x1 - x0) for k in (0, 1))
        first = velocity(shape, weights, segment, torch.cat([here, hidden], dim=-1))
        guess = hidden + h * first[..., VISIBLE:]
        second = velocity(shape, weights, segment, torch.cat([there, guess], dim=-1))
        hidden = hidden + (h / 2) * (first + second)[..., VISIBLE:]
        total = total + (_miss(first, x0, x1) + _miss(second, x0, x1)) / (2 * _PATH_STEPS)
    return total


def _miss(found: Tensor, x0: Tensor, x1: Tensor) -> Tensor:
    return (found[..., :VISIBLE] - (x1 - x0)).square().sum(dim=-1).mean(dim=-1)
