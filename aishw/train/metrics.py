"""How far images are from real ones: the Frechet distance on named features, never without its yardsticks.

    d^2 = |mu_a - mu_b|^2 + tr(A + B - 2 (A B)^(1/2))        (Dowson and Landau 1982)

between the Gaussians of both feature sets. It falls with the sample size and means nothing across extractors, so a
Score carries both sizes, the extractor, the distance of one half of the real images to the other (floor), and that
of pixels without any structure (noise).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aishw.errors import TrainError

Floats = NDArray[np.float64]


def pixel_features(images: NDArray[np.floating]) -> Floats:
    """(n, rows * columns): the pixels themselves."""
    return np.asarray(images, np.float64).reshape(len(images), -1)


EXTRACTORS: dict[str, Callable[[NDArray[np.floating]], Floats]] = {"pixel": pixel_features}


@dataclass(frozen=True)
class Score:
    """distance: of `images` images to `real` real ones, on the features of `extractor`.

    floor: one random half of the real images against the other; each half is smaller than `images`, so a good model
    may lie below it. noise: `images` images whose every pixel is drawn from all real pixels.
    """

    distance: float
    images: int
    real: int
    floor: float
    noise: float
    extractor: str

    def __str__(self) -> str:
        return (
            f"FD({self.extractor}) {self.distance:.3g} with n = {self.images} against {self.real} real images "
            f"(real half against half {self.floor:.3g}, noise {self.noise:.3g})"
        )


def frechet(features: Floats, other: Floats) -> float:
    """The squared Frechet distance of the Gaussians fitted to (n, d) and (m, d). Raises TrainError below 2 rows."""
    for each in (features, other):
        if each.ndim != 2 or len(each) < 2 or each.shape[1] != features.shape[1]:
            raise TrainError(f"features are {features.shape} and {other.shape}; both need 2 rows, equally wide")
        if not np.isfinite(each).all():
            raise TrainError("features hold NaN or infinite values; the run has diverged")
    shift = features.mean(axis=0) - other.mean(axis=0)
    one = np.atleast_2d(np.cov(features, rowvar=False))
    two = np.atleast_2d(np.cov(other, rowvar=False))
    value, vector = np.linalg.eigh(one)
    root = (vector * np.sqrt(np.clip(value, 0, None))) @ vector.T
    shared = np.sqrt(np.clip(np.linalg.eigvalsh(root @ two @ root), 0, None)).sum()
    return float(max(shift @ shift + np.trace(one) + np.trace(two) - 2 * shared, 0.0))


def score(
    images: NDArray[np.floating], real: NDArray[np.floating], extractor: str = "pixel", seed: int = 0
) -> Score:
    """The Score of images (n, ...) against real ones (m, ...). Raises TrainError for an unknown extractor."""
    if extractor not in EXTRACTORS:
        raise TrainError(f"unknown features {extractor!r}; known: {', '.join(EXTRACTORS)}")
    chance = np.random.default_rng(seed)
    features = EXTRACTORS[extractor]
    truth = features(real)
    order = chance.permutation(len(real))
    half = len(real) // 2
    floor = frechet(truth[order[:half]], truth[order[half:]])
    noise = frechet(features(chance.choice(np.ravel(real), np.shape(images))), truth)
    return Score(frechet(features(images), truth), len(images), len(real), floor, noise, extractor)
