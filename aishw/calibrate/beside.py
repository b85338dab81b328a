"""What lies beside a calibration file: a page, a text with times, pictures, and parts of an unfinished one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aishw.atomic import check_folder, check_output, write_whole
from aishw.calibrate.page import CAPTIONS, draw, page_of
from aishw.calibrate.summary import text_of
from aishw.errors import StoreError
from aishw.hardware.calibration import Calibration


@dataclass(frozen=True)
class Beside:
    """The paths that belong to a calibration file."""

    page: Path
    text: Path
    figures: Path
    parts: Path

    @staticmethod
    def of(file: Path) -> Beside:
        stem = file.with_suffix("")
        return Beside(
            stem.with_suffix(".html"), stem.with_suffix(".txt"), stem.with_name(f"{stem.name}_figures"),
            file.with_name(f"{file.name}.parts"),
        )  # fmt: skip

    def check(self, overwrite: bool) -> None:
        """Raises StoreError if one of them could not be written."""
        check_output(self.page, overwrite)
        check_output(self.text, overwrite)
        check_folder(self.figures, overwrite)


def write_beside(
    file: Path,
    calibration: Calibration,
    times: Mapping[str, tuple[float, float]],
    command: str,
    overwrite: bool = False,
) -> Beside:
    """Writes the pictures, the page and the text of `file`. times: (wall, CPU) seconds by stage."""
    beside, pictures = Beside.of(file), draw(calibration)
    beside.check(overwrite)
    try:
        beside.figures.mkdir(exist_ok=True)
        for stale in CAPTIONS.keys() - pictures.keys():
            (beside.figures / stale).unlink(missing_ok=True)
        for name, picture in pictures.items():
            write_whole(beside.figures / name, picture, overwrite=True)
    except OSError as error:
        raise StoreError(f"cannot write into {beside.figures}: {(error.strerror or str(error)).lower()}") from None
    write_whole(beside.text, text_of(calibration, times, command), overwrite)
    write_whole(beside.page, page_of(file.name, calibration, pictures, times, command), overwrite)
    return beside
