"""Quality: a Score, and beside it what one number hides: variety, odd images, classes, copies."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aishw.train.extractor import CLASSES
from aishw.train.features import Images, Measure
from aishw.train.metrics import Score, Yardstick, features_of, score_features, yardstick
from aishw.train.neighbours import MOST, nearness, precision_recall


@dataclass(frozen=True)
class Quality:
    """precision, recall: on `compared` images and as many real ones. nearest: median distance to the nearest real image
    over the real images' own; copies: share of images nearer than 99 % of those (`neighbours`).

    classes, real_classes: share of each class among the images and the real ones, both as the extractor names them,
    class_distance: half the sum of their differences (0 alike, 1 disjoint); None on features that name no class.
    """

    score: Score
    precision: float
    recall: float
    compared: int
    nearest: float
    copies: float
    classes: tuple[float, ...] | None = None
    real_classes: tuple[float, ...] | None = None
    class_distance: float | None = None

    def __str__(self) -> str:
        named = "" if self.class_distance is None else f", classes {self.class_distance:.3f} apart"
        return (
            f"precision {self.precision:.2f}, recall {self.recall:.2f} (n = {self.compared}){named}, nearest real "
            f"image at {self.nearest:.2f} of the real ones' own distance, {self.copies:.1%} near copies"
        )


def quality(images: Images, real: Images | Yardstick, extractor: str | Measure = "auto", seed: int = 0) -> Quality:
    """The Quality of images (n, rows, columns) against real ones, or against a Yardstick made of them.

    `seed` draws what the neighbours are counted on. Raises TrainError as `metrics.score` does.
    """
    rod = real if isinstance(real, Yardstick) else yardstick(real, extractor, seed)
    features = features_of(images, rod)
    chance = np.random.default_rng(seed)
    compared = min(MOST, len(images), len(rod.real))
    some = chance.choice(len(images), compared, replace=False)
    few = chance.permutation(len(rod.real))[:MOST]
    precision, recall = precision_recall(features[some], rod.features[few[:compared]])
    flat, true = (np.asarray(each, np.float32).reshape(len(each), -1) for each in (images, rod.real))
    nearest, copies = nearness(flat[some], true[few], true)
    plain = Quality(score_features(features, rod), precision, recall, compared, nearest, copies)
    if rod.measure.classes is None:
        return plain
    shares = [_shares(rod.measure.classes(each)) for each in (np.asarray(images), rod.real)]
    apart = float(np.abs(shares[0] - shares[1]).sum() / 2)
    named, truly = (tuple(each.tolist()) for each in shares)
    return replace(plain, classes=named, real_classes=truly, class_distance=apart)


def between_halves(rod: Yardstick, seed: int = 0) -> Quality:
    """What one random half of the real images reaches against the other: the best that a generator may hope for."""
    order = np.random.default_rng(seed).permutation(len(rod.real))
    one, two = order[: len(order) // 2], order[len(order) // 2 :]  # as in `yardstick`
    return quality(rod.real[one], replace(rod, real=rod.real[two], features=rod.features[two]), seed=seed)


def _shares(classes: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.bincount(classes, minlength=CLASSES) / len(classes)
