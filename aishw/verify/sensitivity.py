"""How much an array amplifies: a small start perturbation followed through a run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aishw.errors import CompareError

Run = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """growth (B, T): rms over sites of the perturbed minus the plain run, divided by the start perturbation's rms.

    site_growth (N,): the same at the end, for each site, rms over images. epsilon_rad: rms of the perturbation.
    """

    growth: NDArray[np.float64]
    site_growth: NDArray[np.float64]
    epsilon_rad: float
    seed: int

    @property
    def median(self) -> float:
        """Growth over the whole run, the median of the images."""
        return float(np.median(self.growth[:, -1]))

    @property
    def grown(self) -> float:
        """The part of the images whose perturbation ends larger than it began."""
        return float((self.growth[:, -1] > 1).mean())

    def start_error_rad(self, end_rad: float) -> float:
        """The start error that alone would end as `end_rad`: end_rad / median growth (linear)."""
        return end_rad / self.median if self.median > 0 else math.inf


def sensitivity(run: Run, x0: NDArray[np.float64], epsilon: float = 1e-6, seed: int = 0) -> Sensitivity:
    """Runs `x0` (B, N) and `x0` with a random perturbation of rms `epsilon` rad an image.

    run: (B, N) start states -> (B, T, N) states, deterministic; the perturbation must outweigh its solver's error.
    Raises CompareError for an epsilon that is not positive and for states of another shape or with NaN.
    """
    if not (math.isfinite(epsilon) and epsilon > 0):
        raise CompareError(f"a perturbation must be a positive number of rad, got {epsilon}")
    x0 = np.asarray(x0, dtype=np.float64)
    push = np.random.default_rng(seed).normal(size=x0.shape)
    push *= epsilon / np.sqrt((push**2).mean(axis=1, keepdims=True))
    plain, pushed = (np.asarray(run(start), dtype=np.float64) for start in (x0, x0 + push))
    if plain.ndim != 3 or plain.shape != pushed.shape or plain.shape[::2] != x0.shape:
        raise CompareError(
            f"the run returned {plain.shape}, expected (images, times, sites) for starts {x0.shape}"
        )
    change = pushed - plain
    if not np.isfinite(change).all():
        raise CompareError("the perturbed run holds NaN or infinite values; use a smaller step")
    return Sensitivity(
        growth=np.sqrt((change**2).mean(axis=2)) / epsilon,
        site_growth=np.sqrt((change[:, -1] ** 2).mean(axis=0)) / epsilon,
        epsilon_rad=float(epsilon),
        seed=seed,
    )
