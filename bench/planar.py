"""The 2-D study's figures in the README come from here.

    aishw study planar -o FOLDER              an hour of one shared core; --resume goes on
    python bench/planar.py FOLDER --write     takes its results over
    python bench/planar.py                    prints the kept ones

--write copies study.json to bench/results/planar.json and the pictures to docs/planar/, and puts the tables between the
marks in README.md.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from marks import write_between

from aishw.ais.families import FAMILIES
from aishw.train.planar.objectives import OBJECTIVES
from aishw.train.planar.pairs import PAIRS
from aishw.train.planar.study import FILE, Study, load_study, plan
from aishw.train.planar.table import CHUNKS, HIDDEN, beside_floor, markdown, table

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "bench" / "results" / "planar.json"
PICTURES = ROOT / "docs" / "planar"
AIMS = (("moons-8g", 4, 0, 0.0095), ("moons-8g", 4, 4, 0.0095), ("1g-moons", 4, 4, 0.0026))


def section(study: Study) -> str:
    """The README's tables."""
    pairs = [name for name in PAIRS if name in study.floors]
    heads = [PAIRS[name].title for name in pairs]
    lines = ["W2^2 / floor. Floor: the target against itself, on the same samples.", ""]
    rows = []
    for pair, c, k, aim in AIMS:
        value = study.value("swd", "kurashil", c, k, pair)
        if value is not None:
            verdict = "reached" if value <= aim else "**missed**"
            found = beside_floor(study, "swd", "kurashil", c, k, pair)
            rows.append([f"KuraSHIL, {PAIRS[pair].title}, c = {c}, k = {k}", found, f"{aim:.4f}", verdict])
    lines += markdown(["aim", "W2^2 / floor", "at most", ""], rows)
    rows = [
        [name, OBJECTIVES[objective], f"{c}, {k}", *(beside_floor(study, objective, name, c, k, p) for p in pairs)]
        for c, k in ((4, 0), (4, 4))
        for objective in OBJECTIVES
        for name in FAMILIES
    ]
    lines += markdown(["family", "objective", "c, k", *heads], rows)
    rows = [
        [PAIRS[pair].title, str(c), *(beside_floor(study, "swd", "kurashil", c, k, pair) for k in HIDDEN)]
        for pair in pairs
        for c in CHUNKS
    ]
    lines += markdown(["KuraSHIL, sliced Wasserstein", "c", *(f"k = {k}" for k in HIDDEN)], rows)
    return "\n".join([*lines, extent(study)])


def extent(study: Study) -> str:
    """How many of the planned cells there are, and which: those that are missing, or those that are there if few."""
    done = {cell.key for cell in study.cells}
    planned = [
        (job.objective, job.shape.family, job.shape.segments, job.shape.hidden, pair)
        for job in plan(tuple(FAMILIES), tuple(OBJECTIVES))
        for pair in PAIRS
    ]
    there = [key for key in planned if key in done]
    text = f"{len(there)} of {len(planned)} cells, {sum(cell.cpu_s for cell in study.cells) / 60:.1f} CPU minutes."
    missing = [key for key in planned if key not in done]
    if not missing:
        return text
    few = len(there) < len(missing)
    groups: dict[str, list[str]] = {}
    for objective, family, c, k, _ in there if few else missing:
        groups.setdefault(f"{family} by {OBJECTIVES[objective]}", []).append(f"({c}, {k})")
    listed = "; ".join(f"{name} {' '.join(dict.fromkeys(conditions))}" for name, conditions in groups.items())
    return f"{text} {'Trained' if few else 'Not trained'}, (c, k): {listed}. `aishw study planar --resume` goes on."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    file = options.folder / FILE if options.folder else KEPT
    study = load_study(file)
    print(table(study))
    print(section(study))
    if not options.write:
        return
    if not options.folder:
        sys.exit("--write takes a study's folder")
    from aishw.train.planar.pages import write_pages

    write_pages(options.folder, study)
    PICTURES.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, KEPT)
    for picture in options.folder.glob("*.png"):
        shutil.copyfile(picture, PICTURES / picture.name)
    write_between("<!-- planar -->", section(study))


if __name__ == "__main__":
    main()
