"""Does the image survive the circuit? Frechet distances of the digits on the equation and on the calibrated circuit.

    python bench/transfer.py [--part transfer,sensitivity] [--images 4000] [--seeds 3] [--chips 5] [--grids FOLDER]
                             [--only "ROW;.."] [--write]

Rows are paired: one start seed gives every row the same start states, one chip number the same chip. "Circuit" is the
macromodel of `ring28`'s shipped calibration with its thermal noise and flicker; a chip adds a trim residual of 3e-5 of
the frequency and couplers that differ by 1 % (or the card's own measured spread). Results lie in
bench/results/transfer_digits16.json, cell by cell: a run that was stopped goes on; other weights or another calibration
begin anew. `--write` puts the tables between the marks of README.md, `--grids` draws 64 samples of each row.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from marks import write_between
from numpy.typing import NDArray
from transfer_alone import SENSITIVITY, alone_image, sensitivity_table

from aishw import library
from aishw.ais import checkpoint
from aishw.ais.system import System
from aishw.calibrate.match import tables_id
from aishw.identity import fingerprint
from aishw.lower.design import Design
from aishw.train import read_recipe, sample_images, train
from aishw.train.chip import Chip, draw_chip, spread_of
from aishw.train.circuit import sampled
from aishw.train.circuit_design import Circuit, circuit_for, design_of
from aishw.train.datasets import load_dataset
from aishw.train.metrics import features_of, frechet, yardstick
from aishw.units import TWO_PI
from aishw.verify.images import write_grid

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "bench" / "results" / "transfer_digits16.json"
RECIPE = ROOT / "examples" / "recipes" / "digits16_circuit.toml"
MODELS = ("digits16", "digits16_4bit", "digits16_circuit")
TRIM_RESIDUAL, GAIN = 3e-5, 0.01
TUNED_CHIP = 1
TUNE_STEPS = 50  # about 20 s on a free core
STEP_TAU = 0.2  # RK4 on the digits: 0.02 rad rms from a step of 0.0125; no distance moves by 1 %

Floats = NDArray[np.float64]
Cells = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """model: a shipped checkpoint. on: "equation" or "circuit". shifted: by the reference's shift. chips: 0 the nominal
    chip with noise, else so many random ones. own: the card's own spread. tuned: "", "trims", "trims on the DAC" or
    "weights", on chip TUNED_CHIP."""

    text: str
    model: str
    on: str = "circuit"
    shifted: bool = True
    chips: int = 0
    own: bool = False
    tuned: str = ""


def transfer_rows(chips: int) -> dict[str, Row]:
    drawn = f"the same on {chips} random chips ({TRIM_RESIDUAL:g} and {GAIN:.0%})"
    trained = "digits16_circuit"
    one = Row("the same on the one chip of the rows below", trained, chips=1, own=True)
    return {
        "float": Row("ideal equation, floating point", "digits16", on="equation"),
        "codes": Row("ideal equation, 4 bit", "digits16_4bit", on="equation"),
        "untouched": Row("4 bit, untouched, on the circuit", "digits16_4bit", shifted=False),
        "shift": Row("the same with the reference's shift", "digits16_4bit"),
        "shift chips": Row(drawn, "digits16_4bit", chips=chips),
        "tuned": Row("trained through the circuit, nominal chip", trained),
        "tuned chips": Row(drawn, trained, chips=chips),
        "tuned own": Row(f"the same on {chips} chips of the card's own spread", trained, chips=chips, own=True),
        "one chip": one,
        "trims": replace(one, text="256 static trims learned on that chip", tuned="trims"),
        "trims dac": replace(one, text="those trims on the trim DAC's steps", tuned="trims on the DAC"),
        # 50 steps at full rate with a new critic are too coarse: it makes them worse.
        "weights": replace(one, text="weights tuned on that chip, too coarsely", tuned="weights"),
    }


@lru_cache
def system_of(model: str) -> System:
    return checkpoint.load(library.find("models", model))


@lru_cache
def circuit_of(own: bool) -> Circuit:
    circuit = circuit_for("ring28", step_tau=STEP_TAU)
    return circuit if own else replace(circuit, spread=spread_of(circuit.calibration, TRIM_RESIDUAL, GAIN))


@lru_cache
def design_for(model: str, shifted: bool) -> Design:
    design = design_of(circuit_of(True), system_of(model))
    return design if shifted else replace(design, reference_shift=0.0)


def image(row: Row, seed: int, chip: int, images: int, tuned: dict[str, Any]) -> Floats:
    """(images, rows, columns) of one cell."""
    if row.on == "equation":
        return np.asarray(sample_images(system_of(row.model), images, seed))
    circuit, design, trim = circuit_of(row.own), design_for(row.model, row.shifted), None
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


def tune(what: str, folder: Path) -> dict[str, Any]:
    """A short training of trims or weights on one chip, by the product's own loop; what it gives, and its CPU time."""
    spread = circuit_of(True).spread
    settings = replace(
        read_recipe(RECIPE), start_from="digits16_circuit", chip=TUNED_CHIP, chip_detuning=spread.detuning,
        chip_gain=spread.gain, steps=TUNE_STEPS, trim="only" if what == "trims" else "", average=0.9, judge_every=25,
    )  # fmt: skip
    out = folder / f"{what}.pt"
    found = train(settings, out, overwrite=True)
    return {"trims": list(found.trim) if found.trim else None, "cpu_s": found.cpu_s, "path": str(out)}


def chips_of(row: Row) -> list[int]:
    return list(range(1, row.chips + 1)) or [0]


def fill(cells: Cells, name: str, value: Callable[[], float], keep: Callable[[], None]) -> None:
    if name not in cells:
        cells[name] = value()
        keep()
        print(f"{name:40s} {cells[name]:.4g}", flush=True)


def transfer_table(results: dict[str, Any], rows: dict[str, Row]) -> str:
    """Markdown: one line per row, and what was measured how."""
    cells, key, shift = results["cells"], results["key"], results["shift"]
    head = ("digits 16x16", "FD, mean", "by start seed", "worst chip and seed")
    lines = [f"| {' | '.join(head)} |", "| --- | --- | --- | --- |"]
    for name, row in rows.items():
        found = {tuple(each.split("|")[1:]): value for each, value in cells.items() if each.split("|")[0] == name}
        if not found:
            continue
        seeds = sorted({seed for seed, _ in found})
        means = [np.mean([value for (s, _), value in found.items() if s == seed]) for seed in seeds]
        shown = ", ".join(f"{mean:.3g}" for mean in means)
        lines.append(f"| {row.text} | {np.mean(means):.3g} | {shown} | {max(found.values()):.3g} |")
    about = (
        f"FD on the features of `{key['extractor']}`, n = {key['images']} against {results['real']} real images; real "
        f"half against half {results['floor']:.3g}, pixels at random {results['noise']:.3g}."
    )
    for name, shift in results["shift"].items():
        about += f" `{name}`: shift {shift:+.5f} rad per cycle, {results['cycles'][name]:.1f} cycles an image."
    for what, cpu_s in results.get("cpu_s", {}).items():
        about += f" Tuning {what} on one chip: {cpu_s:.0f} CPU s."
    return "\n".join([about, "", *lines])


def still_valid(results: dict[str, Any], key: dict[str, Any], rows: dict[str, Row]) -> Cells:
    """The cells of models that are the same, if nothing else has changed."""
    old = results.get("key", {})
    if {**old, "models": 0} != {**key, "models": 0}:
        return {}
    same = {name for name, id in key["models"].items() if old["models"].get(name) == id}
    cells = {cell: value for cell, value in results["cells"].items() if cell.split("|")[0] in rows}
    return {cell: value for cell, value in cells.items() if rows[cell.split("|")[0]].model in same}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", default="transfer,sensitivity")
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--chips", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--grids", default="")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    parts, only = args.part.split(","), [name for name in args.only.split(";") if name]
    circuit = circuit_of(True)
    rod = yardstick(load_dataset("digits").images)
    models = [name for name in MODELS if name in library.names("models")]
    rows = {name: row for name, row in transfer_rows(args.chips).items() if row.model in models}
    key: dict[str, Any] = {
        "models": {name: system_of(name).id for name in models}, "calibration": tables_id(circuit.calibration),
        "extractor": rod.measure.name, "features": fingerprint(rod.features), "images": args.images,
    }  # fmt: skip
    alone_key = {**key, "models": key["models"]["digits16_4bit"]}
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if results.get("key") != key:
        kept = still_valid(results, key, rows)
        results |= {"key": key, "cells": kept, "cpu_s": {}}
    if results.get("alone_key") != alone_key:
        results |= {"alone_key": alone_key, "alone": {}}
    results |= {"floor": rod.floor, "noise": rod.noise, "real": len(rod.real)}
    designs = {name: design_for(name, True) for name in models[1:]}
    results["cycles"] = {name: design.cycles for name, design in designs.items()}
    results["shift"] = {name: float(design.reference_shift) for name, design in designs.items()}

    def keep() -> None:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")

    def distance(shown: Floats) -> float:
        return frechet(features_of(shown, rod), rod.features)

    if "transfer" in parts:
        with tempfile.TemporaryDirectory() as folder:
            tuned: dict[str, Any] = {}
            for name, row in rows.items():
                wanted = [(s, c) for s in range(1, args.seeds + 1) for c in chips_of(row)]
                todo = [(s, c) for s, c in wanted if f"{name}|{s}|{c}" not in results["cells"]]
                if (only and name not in only) or not (todo or args.grids):
                    continue
                what = "weights" if row.tuned == "weights" else "trims"
                if row.tuned and what not in tuned:
                    made = tune(what, Path(folder))
                    tuned[what] = made["path"] if what == "weights" else made["trims"]
                    results.setdefault("cpu_s", {})[what] = made["cpu_s"]
                for seed, chip in todo:
                    fill(results["cells"], f"{name}|{seed}|{chip}",
                         lambda: distance(image(row, seed, chip, args.images, tuned)), keep)  # fmt: skip  # noqa: B023
                if args.grids:
                    shown = image(row, 1, chips_of(row)[0], 64, tuned)
                    write_grid(Path(args.grids) / f"{name.replace(' ', '_')}.png", shown, 16, 6, overwrite=True)
    if "sensitivity" in parts:
        for name in SENSITIVITY:
            if not only or name in only:
                fill(results["alone"], name, lambda: distance(alone_image(name, circuit, args.images)), keep)  # noqa: B023
    text = transfer_table(results, rows) + "\n\n" + sensitivity_table(results["alone"])
    print(text)
    if args.write:
        write_between("<!-- transfer digits16 -->", text)


if __name__ == "__main__":
    main()
