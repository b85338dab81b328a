"""States as images: what the phase detector sees at the visible sites, how alike two images are, and PNG files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aishw.ais.system import System, pixels
from aishw.atomic import check_output, write_whole
from aishw.canvas import png_bytes, sheet
from aishw.errors import CompareError


def image(system: System, state: NDArray[np.float64], sites: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """(B, h, w) pixels in [-1, 1] of `state` (B, M) or (M,) at `sites` (M,); all sites of the system if None.

    Pixels are `system.pixels`, in the order of `topology.visible`. An identity readout is clipped to [-1, 1]. A visible
    site that the state does not hold (a window) is NaN. Raises CompareError for a state of another width.
    """
    shown = np.atleast_2d(np.asarray(state, dtype=np.float64))
    held = np.arange(system.sites) if sites is None else np.asarray(sites)
    if shown.ndim != 2 or shown.shape[1] != held.size:
        raise CompareError(f"a state of shape {np.shape(state)} does not hold one value for each of {held.size} sites")
    full = np.full((shown.shape[0], system.sites), np.nan)
    full[:, held] = shown
    seen = np.clip(pixels(full[:, system.topology.visible], system.readout), -1.0, 1.0)
    return seen.reshape(shown.shape[0], *system.topology.image_shape)


def psnr(reference: NDArray[np.float64], candidate: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B,) dB: 10 log10(4 / mean square difference), pixels in [-1, 1], so a peak of 2; inf for equal images."""
    if reference.shape != candidate.shape:
        raise CompareError(f"images of {reference.shape} and {candidate.shape} cannot be compared")
    square = ((reference - candidate) ** 2).reshape(reference.shape[0], -1).mean(axis=1)
    with np.errstate(divide="ignore"):
        return 10 * np.log10(4.0 / square)


def write_grid(
    path: Path, images: NDArray[np.float64], columns: int = 8, upscale: int = 8, overwrite: bool = False
) -> Path:
    """The sample grid of `images` (B, h, w) as a PNG file; the old file or the new one, never half of one.

    Raises StoreError if `path` exists (unless `overwrite`) or cannot be written.
    """
    path = Path(path)
    check_output(path, overwrite)
    write_whole(path, png_bytes(sheet(images, columns, upscale)), overwrite)
    return path
