"""The second part of the verdict: do images made through the circuit score like those of the equation?

The Frechet distance to real images, on the same start states for all ways: of the trained equation in continuous time,
of the nominal circuit with its noise, and of random chips. The part holds while the mean over chips and starts is at
most `ratio` times the yardstick plus the floor, which is the distance of one half of the real images to the other. The
yardstick is the equation's distance, or the one that training ended at if that is smaller: weights that were trained
through a circuit draw badly by the equation, and must not be excused by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aishw.errors import CompareError
from aishw.verify.ladder import Part

RATIO = 1.5
NAME = "distribution"


@dataclass(frozen=True)
class Line:
    """One way and its distance for every start seed (and chip). judged: it counts against the limit."""

    name: str
    distances: tuple[float, ...]
    judged: bool = False

    def __post_init__(self) -> None:
        if not self.distances or not np.isfinite(self.distances).all():
            raise CompareError(f"{self.name} needs finite distances, got {self.distances}")

    @property
    def mean(self) -> float:
        return float(np.mean(self.distances))


@dataclass(frozen=True, eq=False)
class Distribution:
    """What was scored. lines: the equation's first. images: n of every distance; real: m, of the data set `dataset`.

    floor, noise: of the real images themselves, and of pixels without structure. strips: a few images of each way.
    ended: what training ended at, on the same features and real images, if that is known.
    """

    lines: tuple[Line, ...]
    images: int
    real: int
    dataset: str
    extractor: str
    floor: float
    noise: float
    ratio: float = RATIO
    strips: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    ended: float | None = None

    def __post_init__(self) -> None:
        if len(self.lines) < 2 or self.lines[0].judged or not any(line.judged for line in self.lines):
            raise CompareError("a distribution needs the equation's line first, and one that is judged")

    @property
    def yardstick(self) -> tuple[str, float]:
        """What the limit counts from, and its name."""
        ideal = self.lines[0]
        if self.ended is not None and self.ended < ideal.mean:
            return "what training ended at", self.ended
        return ideal.name, ideal.mean

    @property
    def limit(self) -> float:
        return self.ratio * self.yardstick[1] + self.floor

    @property
    def passed(self) -> bool:
        return all(line.mean <= self.limit for line in self.lines if line.judged)

    @property
    def part(self) -> Part:
        """The verdict's part, with every number that it rests on."""
        ideal = self.lines[0]
        said = [f"{line.name} {_of(line)}" for line in self.lines[1:]]
        name, distance = self.yardstick
        counted = "that" if name == ideal.name else f"the {distance:.3g} that training ended at"
        words = (
            f"Frechet distance to {self.real:,} real images of {self.dataset} ({self.extractor}, n = {self.images:,}): "
            f"{'; '.join(said)}; {ideal.name} {_of(ideal)}. Limit {self.limit:.3g}: {self.ratio:g} times {counted} "
            f"plus the floor of {self.floor:.3g}; noise would score {self.noise:.3g}"
        )
        return Part(NAME, "held" if self.passed else "fell short", words)


def not_judged(reason: str) -> Part:
    return Part(NAME, "not judged", reason)


def _of(line: Line) -> str:
    if len(line.distances) == 1:
        return f"{line.mean:.3g}"
    return f"{line.mean:.3g} ({min(line.distances):.3g} to {max(line.distances):.3g})"
