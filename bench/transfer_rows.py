"""The rows of bench/transfer.py: which model runs on what, of which data, and the table that they make."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).resolve().parent / "results"
TRIM_RESIDUAL, GAIN = 3e-5, 0.01
SHARES = (0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0, 1.125, 1.25)  # of the mean drift, for the row that scans it

Cells = dict[str, float]


@dataclass(frozen=True)
class Subject:
    """What is put onto the circuit. target: of the macromodel. float, codes, circuit: checkpoints by name:
    floating point, 4 bit, and trained through the circuit. split: of the data set. images: of a row, unless told.
    step_tau: of RK4 on the circuit. recipe: tunes the trained model on one chip ("": those rows are left out). aim: how
    much worse than the ideal float model the trained one may be, on random chips. upscale: of a pixel in pictures.
    """

    name: str
    title: str
    target: str
    float: str
    codes: str
    circuit: str
    split: str
    images: int
    step_tau: float
    recipe: str
    aim: float
    upscale: int

    @property
    def models(self) -> tuple[str, str, str]:
        return (self.float, self.codes, self.circuit)

    @property
    def results(self) -> Path:
        return RESULTS / f"transfer_{self.name}.json"

    @property
    def mark(self) -> str:
        return f"<!-- transfer {self.name} -->"


SUBJECTS = {
    "digits16": Subject(
        "digits16", "digits 16x16", "ring28_isolated", "digits16", "digits16_4bit", "digits16_isolated", "train", 4000,
        0.2,  # 0.02 rad rms from a step of 0.0125; no distance moves by 1 %
        "digits16_isolated.toml", 0.3, 6,
    ),
    "mnist56": Subject(
        "mnist56", "MNIST 56x56", "ring28_isolated", "mnist56_wide", "mnist56_4bit", "mnist56_isolated", "t10k", 2000,
        1 / 6,  # a step of 0.2 moves pixels by 0.03 rms and the distance by 0.6 % from a step of 0.025
        "", 0.5, 2,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """model: a shipped checkpoint. on: "equation" or "circuit". shift: of the reference: "none", "mean" (the mean
    drift) or "scanned" (the best of SHARES of it). chips: 0 the nominal chip with noise, else so many random ones. own:
    the card's own spread. tuned: "", "trims", "trims on the DAC" or "weights", on one chip."""

    text: str
    model: str
    on: str = "circuit"
    shift: str = "mean"
    chips: int = 0
    own: bool = False
    tuned: str = ""

    @property
    def drawn(self) -> list[int]:
        """The chips by seed."""
        return list(range(1, self.chips + 1)) or [0]


def transfer_rows(subject: Subject, chips: int) -> dict[str, Row]:
    drawn = f"the same on {chips} random chips ({TRIM_RESIDUAL:g} and {GAIN:.0%})"
    plain, codes, trained = subject.models
    rows = {
        "float": Row("ideal equation, floating point", plain, on="equation"),
        "codes": Row("ideal equation, 4 bit", codes, on="equation"),
        "untouched": Row("4 bit, untouched, on the circuit", codes, shift="none"),
        "shift": Row("the same with the reference's shift", codes),
        "scan": Row("the same with the share of it that a scan likes best", codes, shift="scanned"),
        "shift chips": Row(f"the whole shift on {chips} random chips ({TRIM_RESIDUAL:g} and {GAIN:.0%})", codes,
                           chips=chips),
        "tuned": Row("trained through the circuit, nominal chip", trained),
        "tuned chips": Row(drawn, trained, chips=chips),
        "tuned own": Row(f"the same on {chips} chips of the card's own spread", trained, chips=chips, own=True),
    }  # fmt: skip
    if not subject.recipe:
        return rows
    one = Row("the same on the one chip of the rows below", trained, chips=1, own=True)
    return rows | {
        "one chip": one,
        "trims": replace(one, text="256 static trims learned on that chip", tuned="trims"),
        "trims dac": replace(one, text="those trims on the trim DAC's steps", tuned="trims on the DAC"),
        "weights": replace(one, text="weights tuned on that chip", tuned="weights"),
    }


def cell(name: str, seed: int, chip: int) -> str:
    return f"{name}|{seed}|{chip}"


def of_row(cells: Cells, name: str) -> dict[tuple[int, int], float]:
    """The distances of one row by start seed and chip."""
    found = {tuple(map(int, each.split("|")[1:])): v for each, v in cells.items() if each.split("|")[0] == name}
    return {(seed, chip): value for (seed, chip), value in found.items()}


def still_valid(results: dict[str, Any], key: dict[str, Any], rows: dict[str, Row]) -> tuple[Cells, Cells]:
    """The cells and scanned shares of models that are the same, if nothing else has changed."""
    old = results.get("key", {})
    if {**old, "models": 0} != {**key, "models": 0}:
        return {}, {}
    same = {name for name, id in key["models"].items() if old["models"].get(name) == id}
    cells = {each: value for each, value in results["cells"].items() if each.split("|")[0] in rows}
    cells = {each: value for each, value in cells.items() if rows[each.split("|")[0]].model in same}
    return cells, {model: share for model, share in results.get("share", {}).items() if model in same}


def transfer_table(subject: Subject, results: dict[str, Any], rows: dict[str, Row]) -> str:
    """Markdown: what was measured how, and one line per row."""
    key = results["key"]
    head = (subject.title, "FD, mean", "by start seed", "worst chip and seed")
    lines = [f"| {' | '.join(head)} |", "| --- | --- | --- | --- |"]
    for name, row in rows.items():
        found = of_row(results["cells"], name)
        if found:
            means = _by_seed(found)
            shown = ", ".join(f"{mean:.3g}" for mean in means.values())
            average = float(np.mean(list(means.values())))
            lines.append(f"| {row.text} | {average:.3g} | {shown} | {max(found.values()):.3g} |")
    about = (
        f"FD on the features of `{key['extractor']}`, n = {key['images']} against {results['real']} real images; real "
        f"half against half {results['floor']:.3g}, pixels at random {results['noise']:.4g}. "
        f"Circuit: `{subject.target}`."
    )
    about += _against_float(subject, results["cells"])
    for name, shift in results["shift"].items():
        about += f" `{name}`: shift {shift:+.5f} rad per cycle, {results['cycles'][name]:.1f} cycles an image."
    for name, share in results.get("share", {}).items():
        about += f" A scan of other starts likes {share:g} of the shift best for `{name}`."
    for what, cpu_s in results.get("cpu_s", {}).items():
        about += f" Tuning {what} on one chip: {cpu_s:.0f} CPU s."
    return "\n".join([about, "", *lines])


def _by_seed(found: dict[tuple[int, int], float]) -> dict[int, float]:
    """The mean over chips, by start seed."""
    seeds = sorted({seed for seed, _ in found})
    return {seed: float(np.mean([value for (s, _), value in found.items() if s == seed])) for seed in seeds}


def _against_float(subject: Subject, cells: Cells) -> str:
    """What the circuit costs the trained model, over the start seeds that both rows have."""
    plain, trained = (_by_seed(of_row(cells, name)) for name in ("float", "tuned chips"))
    seeds = plain.keys() & trained.keys()
    if not seeds:
        return ""
    more = np.mean([trained[s] for s in seeds]) / np.mean([plain[s] for s in seeds]) - 1
    reached = "reached" if more <= subject.aim else "**missed**"
    return (
        f" Trained through the circuit, on random chips, against the ideal float model: {more:+.0%} (aim: at most "
        f"{subject.aim:+.0%}, {reached})."
    )
