"""What images are measured on: a Measure turns them into features, and names their classes if it can.

auto            the CNN that is shipped for the image's size, else the pixels
cnn             that CNN, or a refusal
pixel           the pixels themselves
digits, mnist   a shipped CNN by its name; ./own.safetensors is one of the user's own
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aishw import library
from aishw.errors import TrainError
from aishw.train.extractor import KIND, SUFFIX, for_size, load_extractor

Images = NDArray[np.floating]
Floats = NDArray[np.float64]
EXTRACTORS = ("auto", "cnn", "pixel")


@dataclass(frozen=True)
class Measure:
    """features: (n, rows, columns) to (n, d). classes: to (n,), if it names any; accuracy: how often rightly."""

    name: str
    features: Callable[[Images], Floats]
    classes: Callable[[Images], NDArray[np.int64]] | None = None
    accuracy: float | None = None


def pixel_features(images: Images) -> Floats:
    """(n, rows * columns): the pixels themselves."""
    return np.asarray(images, np.float64).reshape(len(images), -1)


def measure(name: str, rows: int, columns: int) -> Measure:
    """The Measure called `name` for images of rows x columns. Raises TrainError if there is none."""
    if name == "pixel":
        return Measure("pixel", pixel_features)
    if name in ("auto", "cnn"):
        shipped = for_size(rows, columns)
        if shipped is None and name == "auto":
            return Measure("pixel", pixel_features)
        if shipped is None:
            sizes = ", ".join(f"{each.rows}x{each.columns}" for each in map(load_extractor, library.names(KIND)))
            raise TrainError(
                f"no CNN is shipped for images of {rows}x{columns} (only {sizes or 'none'}); train one with "
                "`aishw extractor`, or measure on 'pixel'"
            )
        name = shipped
    if name not in library.names(KIND) and Path(name).suffix != SUFFIX:
        known = ", ".join((*EXTRACTORS, *library.names(KIND)))
        raise TrainError(f"unknown extractor {name!r}; known: {known}, or a {SUFFIX} file of your own")
    found = load_extractor(name)
    if (found.rows, found.columns) != (rows, columns):
        raise TrainError(
            f"extractor {name!r} takes images of {found.rows}x{found.columns}, these are {rows}x{columns}; "
            "train one with `aishw extractor`"
        )
    return Measure(f"cnn {found.name}", found.features, found.classes, found.accuracy)
