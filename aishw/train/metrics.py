"""How far images are from real ones: the Frechet distance on named features, never without its yardsticks.

    d^2 = |mu_a - mu_b|^2 + tr(A + B - 2 (A B)^(1/2))        (Dowson and Landau 1982)

between the Gaussians of both feature sets. It falls with the sample size and means nothing across extractors, so a
Score carries both sizes, the extractor, the distance of one half of the real images to the other (floor), and that
of pixels without any structure (noise).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aishw.errors import TrainError
from aishw.train.features import Floats, Images, Measure, measure


@dataclass(frozen=True)
class Score:
    """distance: of `images` images to `real` real ones, on the features of `extractor`.

    floor: one random half of the real images against the other; each half may be smaller than `images`, so a good model
    may lie below it. noise: as many images as real ones, their every pixel drawn from all real pixels.
    accuracy: the share of held-out images that the extractor names rightly; None for one that names none.
    """

    distance: float
    images: int
    real: int
    floor: float
    noise: float
    extractor: str
    accuracy: float | None = None

    def __str__(self) -> str:
        names = "" if self.accuracy is None else f"; the extractor names {self.accuracy:.1%} of held-out images rightly"
        return (
            f"FD({self.extractor}) {self.distance:.3g} with n = {self.images} against {self.real} real images "
            f"(real half against half {self.floor:.3g}, noise {self.noise:.3g}{names})"
        )


@dataclass(frozen=True, eq=False)
class Yardstick:
    """Real images (m, rows, columns), measured once: their features (m, d), and the floor and noise of every Score."""

    measure: Measure
    real: Images
    features: Floats
    floor: float
    noise: float


def yardstick(real: Images, extractor: str | Measure = "auto", seed: int = 0) -> Yardstick:
    """The Yardstick of `real` on the features of `extractor` (`features.measure`); `seed` draws halves and noise.

    Raises TrainError for an unknown extractor or images that it cannot take.
    """
    real = np.asarray(real)
    if real.ndim != 3 or len(real) < 4:
        raise TrainError(f"real images are {real.shape}, expected 4 or more of rows x columns")
    chosen = extractor if isinstance(extractor, Measure) else measure(extractor, *real.shape[1:])
    chance = np.random.default_rng(seed)
    features = chosen.features(real)
    order = chance.permutation(len(real))
    half = len(real) // 2
    floor = frechet(features[order[:half]], features[order[half:]])
    blank = chance.choice(np.ravel(real), real.shape)
    return Yardstick(chosen, real, features, floor, frechet(chosen.features(blank), features))


def score(images: Images, real: Images | Yardstick, extractor: str | Measure = "auto", seed: int = 0) -> Score:
    """The Score of images (n, rows, columns) against real ones, or against a Yardstick made of them.

    Raises TrainError for an unknown extractor, and for images of another size or with NaN.
    """
    rod = real if isinstance(real, Yardstick) else yardstick(real, extractor, seed)
    return score_features(features_of(images, rod), rod)


def features_of(images: Images, rod: Yardstick) -> NDArray[np.float64]:
    """(n, d) on the yardstick's measure. Raises TrainError for images of another size or with NaN."""
    images = np.asarray(images)
    if images.shape[1:] != rod.real.shape[1:]:
        raise TrainError(f"images are {images.shape}, the real ones {rod.real.shape}; both need one size")
    if not np.isfinite(images).all():
        raise TrainError("images hold NaN or infinite values; the run has diverged")
    return rod.measure.features(images)


def score_features(features: Floats, rod: Yardstick) -> Score:
    """The Score of images whose features are known."""
    distance = frechet(features, rod.features)
    sizes = (len(features), len(rod.real))
    return Score(distance, *sizes, rod.floor, rod.noise, rod.measure.name, rod.measure.accuracy)


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
