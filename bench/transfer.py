"""Does the image survive the circuit? Frechet distances on the equation and on the calibrated circuit.

    python bench/transfer.py [--mnist FOLDER] [--part transfer,sensitivity] [--images N] [--seeds 3] [--chips 5]
                             [--only "ROW;.."] [--grids FOLDER] [--picture PNG] [--write]

The digits, or with `--mnist` (a folder of its idx files) MNIST on 56x56. Rows are paired: one start seed gives every
row the same start states, one chip number the same chip. "Circuit" is the macromodel of the subject's target by its
shipped calibration with its thermal noise and flicker; a chip adds a trim residual of 3e-5 of the frequency and
couplers that differ by 1 % (or the card's own measured spread). Rows of a model that is not there are left out. Results
lie in bench/results/transfer_*.json, cell by cell: a run that was stopped goes on; other weights or another calibration
begin anew. `--write` puts the tables between the marks of README.md, `--grids` draws 64 samples of each row,
`--picture` two lines of samples of four rows.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from marks import write_between
from numpy.typing import NDArray
from transfer_alone import SENSITIVITY, alone_image, sensitivity_table
from transfer_rows import GAIN, SHARES, SUBJECTS, TRIM_RESIDUAL, Row, Subject, cell, still_valid, transfer_rows
from transfer_rows import transfer_table as table_of

from aishw import library
from aishw.ais import checkpoint
from aishw.ais.system import System
from aishw.atomic import write_whole
from aishw.calibrate.match import tables_id
from aishw.canvas import png_bytes, sheet
from aishw.errors import AishwError
from aishw.identity import fingerprint
from aishw.lower.design import Design
from aishw.train import read_recipe, sample_images, train
from aishw.train.chip import Chip, draw_chip, spread_of
from aishw.train.circuit import sampled
from aishw.train.circuit_design import Circuit, circuit_for, design_of
from aishw.train.datasets import load_dataset
from aishw.train.metrics import Yardstick, features_of, frechet, yardstick
from aishw.units import TWO_PI
from aishw.verify.images import write_grid

ROOT = Path(__file__).parent.parent
TUNED_CHIP = 1
# By what: few small steps, and a critic that has seen the starting weights before the first of them.
TUNING = {
    "trims": {"trim": "only", "steps": 50, "average": 0.9, "judge_every": 25},
    "weights": {"steps": 200, "rate": 5e-4, "critic_first": 450, "average": 0.95, "judge_every": 25},
}
SCAN_SEED, SCAN_IMAGES = 1000, 1000
PICTURED = ("codes", "untouched", "shift", "tuned")

Floats = NDArray[np.float64]


@lru_cache
def system_of(model: str) -> System:
    return checkpoint.load(library.find("models", model))


@lru_cache
def circuit_of(subject: Subject, own: bool) -> Circuit:
    circuit = circuit_for(subject.target, step_tau=subject.step_tau)
    return circuit if own else replace(circuit, spread=spread_of(circuit.calibration, TRIM_RESIDUAL, GAIN))


@lru_cache
def design_for(subject: Subject, model: str) -> Design:
    return design_of(circuit_of(subject, True), system_of(model))


def scaled(design: Design, share: float) -> Design:
    return replace(design, reference_shift=share * design.reference_shift)


def image(subject: Subject, row: Row, seed: int, chip: int, images: int, share: float, tuned: dict[str, Any]) -> Floats:
    """(images, rows, columns) of one cell. share: of the reference's shift."""
    if row.on == "equation":
        return np.asarray(sample_images(system_of(row.model), images, seed))
    circuit, design, trim = circuit_of(subject, row.own), scaled(design_for(subject, row.model), share), None
    if row.tuned == "weights":
        design = design_of(circuit, checkpoint.load(tuned["weights"]))
    elif row.tuned:
        trim = np.array(tuned["trims"])
        if row.tuned == "trims on the DAC":
            trim = dac_step(circuit) * np.round(trim / dac_step(circuit))
    drawn: Chip | None = draw_chip(design.system.topology, circuit.spread, chip) if chip else None
    return sampled(circuit, design, images, seed, drawn, trim)


def dac_step(circuit: Circuit) -> float:
    """rad per cycle that one trim code makes, mean over the codes."""
    assert circuit.calibration.mismatch is not None
    return float(TWO_PI * np.abs(np.diff(circuit.calibration.mismatch.trim_step)).mean())


def scan(subject: Subject, model: str, rod: Yardstick) -> float:
    """The share of the reference's shift whose images, of starts that no row has, are nearest to the real ones."""
    circuit, design = circuit_of(subject, False), design_for(subject, model)
    found = {share: sampled(circuit, scaled(design, share), SCAN_IMAGES, SCAN_SEED) for share in SHARES}
    return min(SHARES, key=lambda share: frechet(features_of(found[share], rod), rod.features))


def tune(subject: Subject, what: str, folder: Path) -> dict[str, Any]:
    """A short training of trims or weights on one chip, by the product's own loop; what it gives, and its CPU time."""
    spread = circuit_of(subject, True).spread
    settings = replace(
        read_recipe(ROOT / "examples" / "recipes" / subject.recipe), start_from=subject.circuit, chip=TUNED_CHIP,
        chip_detuning=spread.detuning, chip_gain=spread.gain, **TUNING[what],
    )  # fmt: skip
    out = folder / f"{what}.pt"
    found = train(settings, out, overwrite=True)
    return {"trims": list(found.trim) if found.trim else None, "cpu_s": found.cpu_s, "path": str(out)}


def fill(cells: dict[str, float], name: str, value: Callable[[], float], keep: Callable[[], None]) -> None:
    if name not in cells:
        cells[name] = value()
        keep()
        print(f"{name:40s} {cells[name]:.4g}", flush=True)


def draw(path: Path, subject: Subject, shown: dict[str, Floats]) -> None:
    """Two lines of samples for each row, a grey line between rows."""
    strips = [sheet(images[:32], 16, subject.upscale)[..., 0] for images in shown.values()]
    rule = np.full((8, strips[0].shape[1]), 128, np.uint8)
    lines = [part for strip in strips for part in (rule, strip)][1:]
    write_whole(path, png_bytes(np.concatenate(lines)), overwrite=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", default="")
    parser.add_argument("--part", default="transfer,sensitivity")
    parser.add_argument("--images", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--chips", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--grids", default="")
    parser.add_argument("--picture", default="")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    subject = SUBJECTS["mnist56" if args.mnist else "digits16"]
    parts, only = args.part.split(","), [name for name in args.only.split(";") if name]
    count = args.images or subject.images
    rod = yardstick(load_dataset(args.mnist or "digits", subject.split).images)
    circuit = circuit_of(subject, True)
    models = [name for name in subject.models if name in library.names("models")]
    rows = {name: row for name, row in transfer_rows(subject, args.chips).items() if row.model in models}
    key: dict[str, Any] = {
        "models": {name: system_of(name).id for name in models}, "calibration": tables_id(circuit.calibration),
        "extractor": rod.measure.name, "features": fingerprint(rod.features), "images": count,
    }  # fmt: skip
    results: dict[str, Any] = json.loads(subject.results.read_text()) if subject.results.exists() else {}
    if results.get("key") != key:
        cells, shares = still_valid(results, key, rows)
        results |= {"key": key, "cells": cells, "share": shares, "cpu_s": {}}
    results |= {"floor": rod.floor, "noise": rod.noise, "real": len(rod.real)}
    designs = {name: design_for(subject, name) for name in models if name != subject.float}
    results["cycles"] = {name: design.cycles for name, design in designs.items()}
    results["shift"] = {name: float(design.reference_shift) for name, design in designs.items()}

    def keep() -> None:
        subject.results.write_text(json.dumps(results, indent=1) + "\n")

    def distance(shown: Floats) -> float:
        return frechet(features_of(shown, rod), rod.features)

    def share_of(row: Row) -> float:
        if row.shift == "scanned":
            shares = results.setdefault("share", {})
            if row.model not in shares:
                shares[row.model] = scan(subject, row.model, rod)
            return float(shares[row.model])
        return 0.0 if row.shift == "none" else 1.0

    drawn: dict[str, Floats] = {}
    if "transfer" in parts:
        with tempfile.TemporaryDirectory() as folder:
            tuned: dict[str, Any] = {}
            for name, row in rows.items():
                wanted = [(s, c) for s in range(1, args.seeds + 1) for c in row.drawn]
                todo = [(s, c) for s, c in wanted if cell(name, s, c) not in results["cells"]]
                pictured = bool(args.picture) and name in PICTURED
                if (only and name not in only) or not (todo or args.grids or pictured):
                    continue
                what = "weights" if row.tuned == "weights" else "trims"
                if row.tuned and what not in tuned:
                    made = tune(subject, what, Path(folder))
                    tuned[what] = made["path"] if what == "weights" else made["trims"]
                    results.setdefault("cpu_s", {})[what] = made["cpu_s"]

                def images(seed: int, chip: int, n: int) -> Floats:
                    return image(subject, row, seed, chip, n, share_of(row), tuned)  # noqa: B023

                for seed, chip in todo:
                    fill(results["cells"], cell(name, seed, chip),
                         lambda: distance(images(seed, chip, count)), keep)  # fmt: skip  # noqa: B023
                if args.grids or pictured:
                    drawn[name] = images(1, row.drawn[0], 64)
    for name, shown in drawn.items() if args.grids else ():
        Path(args.grids).mkdir(parents=True, exist_ok=True)
        path = Path(args.grids) / f"{subject.name}_{name.replace(' ', '_')}.png"
        write_grid(path, shown, 16, subject.upscale, overwrite=True)
    if args.picture:
        draw(Path(args.picture), subject, {name: drawn[name] for name in PICTURED if name in drawn})
    text = table_of(subject, results, rows)
    if subject.name == "digits16":
        alone_key = {**key, "models": key["models"][subject.codes]}
        if results.get("alone_key") != alone_key:
            results |= {"alone_key": alone_key, "alone": {}}
        for name in SENSITIVITY if "sensitivity" in parts else ():
            if not only or name in only:
                fill(results["alone"], name, lambda: distance(alone_image(name, circuit, count)), keep)  # noqa: B023
        text += "\n\n" + sensitivity_table(results["alone"])
    keep()
    print(text)
    if args.write:
        write_between(subject.mark, text)


if __name__ == "__main__":
    try:
        main()
    except AishwError as error:
        sys.exit(str(error))
