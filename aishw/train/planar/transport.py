"""How far two sets of points are from each other, and who should go where: exact optimal transport.

    W2^2 = min over permutations p of mean_i |a_i - b_p(i)|^2        (equal weights: a permutation is optimal)

Two sets of the same distribution are not at distance 0: with 256 points of eight Gaussians it is 0.009, because the
modes hold unequal shares. That is the floor, and no model can be told from the data below it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aishw.train.planar.pairs import PAIRS, Pair

if TYPE_CHECKING:
    import torch

    Tensor = torch.Tensor

SAMPLES = 256
SEEDS = 3
DRAWS = 8  # of 256 samples for each seed; one draw of eight Gaussians scatters by 0.004
_FLOOR_SEED, _FLOOR_REPEATS = 4_000_000, 6
_JUDGE_SEEDS = 1_000_000, 2_000_000  # of starts, of targets


@dataclass(frozen=True)
class Distance:
    """W2^2 on 256 samples: the mean, and its means over the draws of each seed."""

    mean: float
    by_seed: tuple[float, ...]


def w2_squared(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """W2^2 of two equally large sets of points, (n, d) each; infinite if a point is not finite."""
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("inf")
    cost, order = _assigned(a, b)
    return float(cost[np.arange(len(a)), order].mean())


def coupled(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.floating]:
    """b in the order in which it is closest to a, (n, d): the mini-batch coupling of OT-CFM."""
    return b[_assigned(a, b)[1]]


def judge(pair: Pair, ends: Callable[[Tensor, torch.Generator], Tensor]) -> Distance:
    """The Distance of a model to the pair's target; `ends(x0, generator)` takes (n, 2) starts to (n, 2) ends.

    Every model of a target, and the floor, meet the same target samples.
    """
    import torch

    by_seed = []
    for seed in range(SEEDS):
        starts, targets = (torch.Generator().manual_seed(first + seed) for first in _JUDGE_SEEDS)
        made = ends(pair.source(SAMPLES * DRAWS, starts), starts).detach().double().numpy()
        real = pair.target(SAMPLES * DRAWS, targets).double().numpy()
        draws = zip(made.reshape(DRAWS, SAMPLES, 2), real.reshape(DRAWS, SAMPLES, 2))
        by_seed.append(float(np.mean([w2_squared(a, b) for a, b in draws])))
    return Distance(float(np.mean(by_seed)), tuple(by_seed))


@lru_cache
def floor(name: str) -> Distance:
    """The Distance of the target of pair `name` to itself, which is the same for pairs with one target.

    The samples that models are judged on, against `_FLOOR_REPEATS` times as many others.
    """
    import torch

    pair, other = PAIRS[name], torch.Generator().manual_seed(_FLOOR_SEED)
    found = [judge(pair, lambda x0, generator: pair.target(len(x0), other)).by_seed for _ in range(_FLOOR_REPEATS)]
    by_seed = np.mean(found, axis=0)
    return Distance(float(by_seed.mean()), tuple(by_seed.tolist()))


def _assigned(a: NDArray[np.floating], b: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
    from scipy.optimize import linear_sum_assignment

    cost = ((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=2)
    return cost, linear_sum_assignment(cost)[1]
