"""Appraisal: the Quality of one checkpoint on several ways, over several start seeds, against one set of real images.

A distance depends on its start seed, and ways are compared on the same starts: so each Row holds every seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aishw.ais.system import System
from aishw.errors import TrainError
from aishw.train.datasets import Dataset, load_dataset
from aishw.train.metrics import Yardstick, score
from aishw.train.quality import Quality, quality
from aishw.train.ways import Run, Way, images_of


@dataclass(frozen=True)
class Row:
    """One way, and its Quality for each of the `seeds`; on several chips, for all seeds on the first, then the next."""

    name: str
    seeds: tuple[int, ...]
    qualities: tuple[Quality, ...]

    @property
    def distances(self) -> tuple[float, ...]:
        return tuple(each.score.distance for each in self.qualities)

    @property
    def distance(self) -> float:
        """The mean over seeds."""
        return float(np.mean(self.distances))

    def mean(self, field: str) -> float:
        """The mean over seeds of another field of Quality; NaN where it is None."""
        values = [getattr(each, field) for each in self.qualities]
        return float("nan") if None in values else float(np.mean(values))

    def plain(self) -> dict[str, Any]:
        """The row as JSON takes it."""
        return {
            "way": self.name, "distance": self.distance, "seeds": list(self.seeds),
            "qualities": [asdict(each) for each in self.qualities],
        }  # fmt: skip


def appraise(
    ways: Sequence[Way],
    system: System,
    rod: Yardstick,
    images: int,
    seeds: Sequence[int],
    tell: Callable[[str, float], None] | None = None,
) -> tuple[Row, ...]:
    """A Row for each way, of `images` images from each seed. tell: called with a way's name and the part done."""
    rows = []
    for way in ways:
        found: list[Quality] = []
        whole = len(seeds) * len(way.runs)
        for run, seed in product(way.runs, seeds):

            def step(part: float, name: str = way.name, done: int = len(found), whole: int = whole) -> None:
                if tell is not None:
                    tell(name, (done + 0.99 * part) / whole)

            found.append(quality(images_of(run, system, images, seed, step), rod))
        if tell is not None:
            tell(way.name, 1.0)
        rows.append(Row(way.name, tuple(seeds), tuple(found)))
    return tuple(rows)


def real_images(system: System, recipe: Mapping[str, Any], dataset: str | None, split: str | None) -> Dataset:
    """The data set that is asked for, or else the one of the recipe that made the system.

    Raises TrainError if neither names one, if it is not here, and if its images have another size.
    """
    named = dataset or recipe.get("dataset")
    if not named:
        raise TrainError(f"{system.name} does not say what it was trained on; name the real images with --dataset")
    try:
        found = load_dataset(str(named), str(split or recipe.get("split") or "train"))
    except TrainError as error:
        if dataset is not None:
            raise
        raise TrainError(f"{system.name} was trained on {named!r}: {error}; --dataset names another place") from None
    if found.image_shape != system.topology.image_shape:
        ours, theirs = ("x".join(map(str, shape)) for shape in (system.topology.image_shape, found.image_shape))
        raise TrainError(f"{system.name} draws images of {ours}, data set {found.name!r} has {theirs}; name another")
    return found


def paired(
    runs: Sequence[Run],
    system: System,
    rod: Yardstick,
    images: int,
    seeds: Sequence[int],
    tell: Callable[[float], None],
) -> tuple[tuple[float, ...], NDArray[np.float64]]:
    """The distance for each seed, seed k by run k (the last run for all further seeds), and the first seed's images."""
    found, first = [], None
    for k, seed in enumerate(seeds):

        def step(part: float, k: int = k) -> None:
            tell((k + 0.99 * part) / len(seeds))

        seen = images_of(runs[min(k, len(runs) - 1)], system, images, seed, step)
        first = seen if first is None else first
        found.append(score(seen, rod).distance)
    tell(1.0)
    assert first is not None
    return tuple(found), first
