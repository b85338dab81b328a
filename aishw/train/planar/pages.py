"""What a person reads of a study: its table and its pictures, written beside `study.json`."""

from __future__ import annotations

from pathlib import Path

from aishw.atomic import write_whole
from aishw.train.planar.figures import families_map, hidden_map, samples
from aishw.train.planar.study import Study
from aishw.train.planar.table import table

TABLE = "table.md"


def write_pages(folder: Path, study: Study) -> None:
    """table.md, families.png, kurashil.png (if its c x k was trained) and samples.png; old ones are replaced."""
    if not study.cells:
        return
    write_whole(folder / TABLE, table(study), overwrite=True)
    write_whole(folder / "families.png", families_map(study), overwrite=True)
    if any((cell.objective, cell.family) == ("swd", "kurashil") for cell in study.cells):
        write_whole(folder / "kurashil.png", hidden_map(study), overwrite=True)
    write_whole(folder / "samples.png", samples(folder, study), overwrite=True)
