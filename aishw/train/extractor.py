"""A small CNN that names the digit in an image, and whose last hidden layer measures images.

    pixels -> 3x3 conv, ReLU, 2x2 max pool -> 3x3 conv, ReLU, 2x2 max pool -> 64 ReLU (the features) -> 10 classes

Features are the raw activations. Distances between them mean nothing across extractors, so every score names its own.
A file is a `.safetensors` of the weights; its header says what they were trained on and what share of held-out images
they name rightly. The shipped ones are `digits` (8x8) and `mnist` (28x28).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aishw import library
from aishw.ais.tensorfile import METADATA, read_tensors, safetensors_bytes, shown
from aishw.errors import AishwError, TrainError
from aishw.identity import fingerprint

if TYPE_CHECKING:
    import torch

FORMAT, VERSION = "aishw extractor", 1
KIND = "models/extractors"
FEATURES, CLASSES, CHANNELS = 64, 10, 16
SUFFIX = ".safetensors"
_TOGETHER = 500  # images in one forward pass; more only take more memory
_HEADER: dict[str, type | tuple[type, ...]] = {
    "name": str, "rows": int, "columns": int, "accuracy": (int, float), "held_out": int, "made_by": dict,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Extractor:
    """A trained network for images of rows x columns pixels in [-1, 1].

    weights: float32 by name (`shapes`). accuracy: share of the `held_out` images, never trained on, whose class it
    named. made_by: command, data set, seed, CPU seconds.
    """

    name: str
    rows: int
    columns: int
    weights: dict[str, NDArray[np.float32]]
    accuracy: float
    held_out: int
    made_by: dict[str, Any]

    def features(self, images: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n, 64) activations of images (n, rows, columns). Raises TrainError for images of another size."""
        return self._run(images)[0]

    def classes(self, images: NDArray[np.floating]) -> NDArray[np.int64]:
        """(n,) the likeliest class of each image."""
        return self._run(images)[1].argmax(axis=1)

    def _run(self, images: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        import torch

        if images.ndim != 3 or images.shape[1:] != (self.rows, self.columns):
            raise TrainError(
                f"extractor {self.name!r} takes images of {self.rows}x{self.columns}, got {images.shape}; "
                "train one of your own with `aishw extractor`"
            )
        weights = {name: torch.from_numpy(value) for name, value in self.weights.items()}
        given = torch.from_numpy(np.ascontiguousarray(images, np.float32))
        with torch.no_grad():
            parts = [forward(weights, part) for part in given.split(_TOGETHER)]
        seen, named = (torch.cat(column).double().numpy() for column in zip(*parts))
        return seen, named


def forward(weights: dict[str, torch.Tensor], images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Features (n, 64) and class scores (n, 10) of images (n, rows, columns)."""
    from torch.nn import functional as F

    x = images.unsqueeze(1)
    for k in (1, 2):
        x = F.max_pool2d(F.relu(F.conv2d(x, weights[f"conv{k}.weight"], weights[f"conv{k}.bias"], padding=1)), 2)
    hidden = F.relu(F.linear(x.flatten(1), weights["hidden.weight"], weights["hidden.bias"]))
    return hidden, F.linear(hidden, weights["classes.weight"], weights["classes.bias"])


def shapes(rows: int, columns: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight. Raises TrainError for images that two poolings leave nothing of."""
    if rows < 4 or columns < 4:
        raise TrainError(f"images are {rows}x{columns}; an extractor halves them twice and takes 4x4 at least")
    flat = CHANNELS * (rows // 4) * (columns // 4)
    return {
        "conv1.weight": (CHANNELS, 1, 3, 3), "conv1.bias": (CHANNELS,),
        "conv2.weight": (CHANNELS, CHANNELS, 3, 3), "conv2.bias": (CHANNELS,),
        "hidden.weight": (FEATURES, flat), "hidden.bias": (FEATURES,),
        "classes.weight": (CLASSES, FEATURES), "classes.bias": (CLASSES,),
    }  # fmt: skip


def to_bytes(extractor: Extractor) -> bytes:
    """The content of its file."""
    header = {name: getattr(extractor, name) for name in _HEADER} | {"format": FORMAT, "version": VERSION}
    header = json.loads(json.dumps(header))
    stated = json.dumps(header | {"hash": fingerprint(header, extractor.weights)})
    return safetensors_bytes(extractor.weights, {"format": FORMAT, "header": stated})


def load_extractor(name: str | Path) -> Extractor:
    """A shipped extractor by its bare name, or one of the user's own by its path.

    Raises TrainError for a file that is missing, damaged, or no extractor.
    """
    path = library.find(KIND, name)
    if path.suffix != SUFFIX:
        raise TrainError(f"{shown(path)}: an extractor is a {SUFFIX} file, as `aishw extractor` writes it")
    try:
        return _read(path, path.stat().st_mtime_ns)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise TrainError(f"extractor {shown(path)} cannot be read: {reason}; check the path") from None
    except AishwError as error:
        raise TrainError(f"extractor {shown(path)} cannot be read: {error}") from None


def for_size(rows: int, columns: int) -> str | None:
    """The shipped extractor of that image size."""
    sizes = {name: load_extractor(name) for name in library.names(KIND)}
    return next((name for name, each in sizes.items() if (each.rows, each.columns) == (rows, columns)), None)


@lru_cache(maxsize=8)
def _read(path: Path, changed_ns: int) -> Extractor:
    tree = read_tensors(path)
    try:
        header = json.loads(tree.pop(METADATA).get("header", "{}"))
    except ValueError:
        header = {}
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise TrainError("it is no extractor of aishw; make one with `aishw extractor`")
    if header.get("version") != VERSION:
        raise TrainError(f"it has version {header.get('version')!r}, this aishw reads {VERSION}; make it again")
    if not all(isinstance(header.get(key), kind) for key, kind in _HEADER.items()):
        raise TrainError(f"its header lacks one of {', '.join(_HEADER)}; make it again")
    want = shapes(header["rows"], header["columns"])
    arrays = {name: np.asarray(value, np.float32) for name, value in tree.items()}
    if {name: value.shape for name, value in arrays.items()} != want:
        raise TrainError(f"its weights do not fit images of {header['rows']}x{header['columns']}; make it again")
    if header.pop("hash", None) != fingerprint(header, arrays):
        raise TrainError("its numbers do not match its hash; copy or make it again")
    if not (all(np.isfinite(value).all() for value in arrays.values()) and math.isfinite(header["accuracy"])):
        raise TrainError("it holds NaN or infinite values; make it again")
    return Extractor(weights=arrays, **{key: header[key] for key in _HEADER})
