"""Images to train on: scikit-learn's 8x8 digits, which need no download, or idx files from a folder of the user's own.

Pixels lie in [-1, 1], as a phase detector reads them. idx is the format of MNIST and Fashion-MNIST: a magic number (0,
0, 8 for bytes, number of dimensions), one big-endian 32-bit size for each dimension, then the bytes; plain or gzipped.
"""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aishw.errors import TrainError

CLASSES = 10
_BYTES = 8  # idx type code of unsigned bytes


@dataclass(frozen=True, eq=False)
class Dataset:
    """images: (n, rows, columns) float32 in [-1, 1]. labels: (n,) classes 0..9; None if they did not come along."""

    name: str
    images: NDArray[np.float32]
    labels: NDArray[np.int64] | None = None

    @property
    def image_shape(self) -> tuple[int, int]:
        return (int(self.images.shape[1]), int(self.images.shape[2]))


def load_dataset(name: str, split: str = "train") -> Dataset:
    """The data set `digits`, or the idx files of a folder: `<split>-images-idx3-ubyte` and, if it is there,
    `<split>-labels-idx1-ubyte`, plain or .gz. MNIST and Fashion-MNIST name their splits train and t10k.

    Raises TrainError for a folder or file that is missing, truncated, too long, or no idx file of images, and for
    labels that do not belong to the images.
    """
    if name == "digits":
        from sklearn.datasets import load_digits

        found = load_digits()
        return Dataset("digits", (found.images / 8 - 1).astype(np.float32), found.target.astype(np.int64))
    folder = Path(name).expanduser()
    if folder.is_file():
        raise TrainError(f"data set {name!r} is a file; give the folder that holds the idx files, or 'digits'")
    if not folder.is_dir():
        raise TrainError(f"data set {name!r} is neither 'digits' nor a folder of idx files")
    stem = f"{split}-images-idx3-ubyte"
    path = _either(folder, stem)
    if path is None:
        there = ", ".join(sorted(p.name for p in folder.glob("*-images-idx3-ubyte*"))) or "no idx images"
        raise TrainError(f"{folder} has no {stem} (or .gz); it has {there}; put the file there or name another split")
    pixels = read_idx(path)
    if pixels.ndim != 3 or 0 in pixels.shape:
        raise TrainError(f"{path} holds sizes {list(pixels.shape)}, expected images, rows, columns")
    beside = _either(folder, f"{split}-labels-idx1-ubyte")
    labels = None if beside is None else _labels(beside, len(pixels))
    return Dataset(folder.resolve().name, (pixels / 127.5 - 1).astype(np.float32), labels)


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The bytes of an idx file in their own shape. Raises TrainError, naming what is wrong."""
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower() or "damaged"
        raise TrainError(f"{path} cannot be read: {reason}; fetch it again") from None
    if len(content) < 4:
        raise TrainError(f"{path} ends after {len(content)} bytes, an idx file has a magic number of 4; fetch it again")
    if content[:2] != b"\0\0" or content[2] != _BYTES or not 1 <= content[3] <= 4:
        raise TrainError(f"{path} begins with {content[:4].hex(' ')}, idx images with 00 00 08 03: not an idx file")
    start = 4 + 4 * content[3]
    sizes = [int.from_bytes(content[k : k + 4], "big") for k in range(4, min(start, len(content)), 4)]
    promised = start + math.prod(sizes)
    if len(content) != promised:
        state = "truncated" if len(content) < promised else "too long"
        raise TrainError(f"{path} is {state}: {len(content)} bytes, sizes {sizes} ask for {promised}; fetch it again")
    return np.frombuffer(content, np.uint8, offset=start).reshape(sizes)


def _either(folder: Path, stem: str) -> Path | None:
    """The plain file, or the packed one, or None."""
    for path in (folder / stem, folder / f"{stem}.gz"):
        if path.is_dir():
            raise TrainError(f"{path} is a folder, expected an idx file; unpack the file itself to this place")
        if path.exists():
            return path
    return None


def _labels(path: Path, images: int) -> NDArray[np.int64]:
    """One class for each image."""
    labels = read_idx(path)
    if labels.ndim != 1:
        raise TrainError(f"{path} holds sizes {list(labels.shape)}, expected one label for each image")
    if labels.size != images:
        raise TrainError(f"{path} holds {labels.size} labels for {images} images; fetch both files of one split")
    if labels.max() >= CLASSES:
        raise TrainError(f"{path} holds label {labels.max()}, allowed are 0..{CLASSES - 1}; move it away if unused")
    return labels.astype(np.int64)
