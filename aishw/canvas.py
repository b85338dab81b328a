"""The look of figures and image grids: colours, one style, an Agg canvas, sheets of images, and PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, MUTED, RULE = "#1f2430", "#5d6575", "#c9ced8"
SERIES = ("#2563b8", "#c2410c", "#0f8a6d", "#8a3fb0", "#8a6d00", "#6b7280")
STYLE = {
    "font.size": 9, "font.family": "DejaVu Sans", "axes.titlesize": 9, "axes.labelsize": 9, "text.parse_math": False,
    "xtick.labelsize": 8, "ytick.labelsize": 8, "legend.fontsize": 8, "legend.frameon": False,
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": MUTED, "axes.linewidth": 0.7,
    "xtick.color": MUTED, "ytick.color": MUTED, "axes.spines.top": False, "axes.spines.right": False,
    "figure.facecolor": "white", "savefig.facecolor": "white", "axes.titlelocation": "left",
}  # fmt: skip


def plain(text: str) -> str:
    """What the bundled font can draw, 60 characters at most; a leading underscore would hide a legend entry."""
    drawn = "".join(c if " " <= c <= "~" else "?" for c in text)
    return (drawn if len(drawn) <= 60 else drawn[:57] + "...").lstrip("_") or "?"


@contextmanager
def drawing(width_in: float, height_in: float) -> Iterator[Figure]:
    """A figure of `width_in` x `height_in` inches in our style; the caller's own matplotlib settings stay."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(width_in, height_in), dpi=144)
        FigureCanvasAgg(figure)
        yield figure


def png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG file, without a date or a version in it."""
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def sheet(images: NDArray[np.float64], columns: int = 8, upscale: int = 8, gap: int = 4) -> NDArray[np.uint8]:
    """(rows, columns, 4) RGBA: `images` (B, h, w) in [-1, 1] side by side, -1 black, +1 white.

    Every pixel becomes a square of `upscale`, nothing is smoothed. Gaps are transparent, NaN is a muted blue.
    """
    count, height, width = images.shape
    columns = max(1, min(columns, count))
    rows = -(-count // columns)
    canvas = np.zeros((rows * (height * upscale + gap) - gap, columns * (width * upscale + gap) - gap, 4), np.uint8)
    grey = np.round((np.nan_to_num(np.clip(images, -1, 1), nan=0.0) + 1) * 127.5).astype(np.uint8)
    block = np.stack([grey, grey, grey, np.full_like(grey, 255)], axis=-1)
    block[np.isnan(images)] = (122, 142, 170, 255)
    block = block.repeat(upscale, axis=1).repeat(upscale, axis=2)
    for k in range(count):
        top = (k // columns) * (height * upscale + gap)
        left = (k % columns) * (width * upscale + gap)
        canvas[top : top + height * upscale, left : left + width * upscale] = block[k]
    return canvas


def png_bytes(rgba: NDArray[np.uint8]) -> bytes:
    """A PNG file of (rows, columns, 4) RGBA or (rows, columns) grey."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(rgba).save(out, format="PNG", optimize=True)
    return out.getvalue()
