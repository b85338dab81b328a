"""Watching a run: sample grids and TensorBoard events as it trains. Nothing here draws from the run's own chance, so a
run that is watched gives the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aishw.atomic import check_folder, write_whole
from aishw.canvas import png_bytes, sheet
from aishw.errors import StoreError, TrainError
from aishw.train.judge import judged_images
from aishw.train.run import Run

if TYPE_CHECKING:
    from aishw.train.loop import Step

SHOWN = 64  # images in a grid
_UPSCALED = 240  # a small image is drawn about 240/4 pixels wide


@dataclass(frozen=True)
class Watch:
    """What to write while training. pictures: a folder of sample grids (PNG), the same start states each time. events:
    a folder of TensorBoard event files. every: steps between two grids.

    Raises TrainError for a step count below 1.
    """

    pictures: Path | None = None
    events: Path | None = None
    every: int = 250

    def __post_init__(self) -> None:
        if self.every < 1:
            raise TrainError(f"pictures every {self.every} steps cannot be; give 1 or more")

    def check(self, again: bool) -> None:
        """Raises StoreError for a folder that is not empty (unless `again`) or not writable, and TrainError if
        TensorBoard is missing; asked before training."""
        for folder in (self.pictures, self.events):
            if folder is not None:
                check_folder(folder, overwrite=again)
        if self.events is not None:
            _writer_class()


@contextmanager
def watching(watch: Watch, begun: int) -> Iterator[Callable[[Run, Step], None]]:
    """A function to be called after every step; `begun` steps were done before. Folders are made when first needed."""
    with ExitStack() as open_files:
        looks: list[Callable[[Run, Step], None]] = []
        if watch.pictures is not None:
            looks.append(_drawer(watch.pictures, watch.every))
        if watch.events is not None:
            looks.append(_recorder(watch.events, watch.every, begun, open_files))

        def look(run: Run, at: Step) -> None:
            for each in looks:
                each(run, at)

        yield look


def _drawer(folder: Path, every: int) -> Callable[[Run, Step], None]:
    def draw(run: Run, at: Step) -> None:
        if at.step % every == 0 or at.step == at.steps:
            _make(folder)
            path = folder / f"step_{at.step:0{len(str(at.steps))}d}.png"
            write_whole(path, png_bytes(sheet(*_grid(run))), overwrite=True)

    return draw


def _recorder(folder: Path, every: int, begun: int, open_files: ExitStack) -> Callable[[Run, Step], None]:
    _make(folder)
    # What an interrupted run wrote after its last saving is written again.
    writer = _writer_class()(str(folder), purge_step=begun + 1)
    open_files.callback(writer.close)

    def record(run: Run, at: Step) -> None:
        writer.add_scalar("distance", at.distance, at.step)
        writer.add_scalar("rate", run.optimiser.param_groups[0]["lr"], at.step)
        if at.step % every == 0 or at.step == at.steps:
            for kind, value in run.weights.items():
                writer.add_scalar(f"largest/{kind}", float(value.detach().abs().max()), at.step)
            writer.add_image("images", sheet(*_grid(run))[..., :3], at.step, dataformats="HWC")
            writer.flush()

    return record


def _grid(run: Run) -> tuple[Any, int, int]:
    """Images of the averaged weights, and how a sheet of them is laid out."""
    images = np.nan_to_num(judged_images(run, run.average, SHOWN), nan=0.0)
    return images, 8, max(1, _UPSCALED // 4 // images.shape[1])


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make {folder}: {str(error.strerror).lower()}") from None


def _writer_class() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise TrainError("event files need TensorBoard: pip install 'aishw[events]'") from None
    return SummaryWriter
