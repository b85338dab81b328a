"""Does the paper's order of ablations hold in small? Trains what is missing, scores all, writes a table.

    python bench/ablation.py [--only NAME ..] [--json bench/results/ablation.json]
    python bench/ablation.py --write

Recipes: examples/recipes/ablation/; checkpoints: models/ablation/. An interrupted training goes on where it was.
`--write` trains and scores nothing: it puts the stored table between the marks in README.md, the checkpoints' card into
models/ablation/README.md, and 16 samples of every row into docs/training/ablation.png.
Every row is judged alike: the continuous-time solution (RK4), 4,000 images from each of three start seeds, the Frechet
distance on the extractor for 8x8 digits. One training seed each, so small differences are chance.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from marks import write_between

from aishw.ais import checkpoint
from aishw.train import read_recipe, sample_images, score, train
from aishw.train.datasets import load_dataset
from aishw.train.metrics import yardstick
from aishw.verify.images import write_grid

ROWS = {
    "ablation_c4": "base: KuraSHIL, 4 chunks, asymmetric, hidden sites",
    "ablation_c2": "2 chunks",
    "ablation_c1": "1 chunk",
    "ablation_symmetric": "symmetric couplings",
    "ablation_visible": "no hidden sites",
    "ablation_tanhnet": "TanhNet",
    "ablation_more": "base, trained on: as the rows of few bits, which begin with it",
    "ablation_4bit": "4 bit",
    "ablation_kuramoto": "Kuramoto",
    "ablation_polynet": "PolyNet",
    "ablation_selunet": "SeluNet",
    "ablation_3bit": "3 bit",
    "ablation_2bit": "2 bit",
    "ablation_mlp": "MLP of 3 layers (no circuit)",
}
# What the paper finds (arXiv 2606.27294, section 5): a row, how it compares, with which row.
CLAIMS = (
    ("ablation_c4", "better", "ablation_c2"),
    ("ablation_c2", "better", "ablation_c1"),
    ("ablation_c4", "better", "ablation_symmetric"),
    ("ablation_c4", "better", "ablation_visible"),
    ("ablation_4bit", "equal", "ablation_more"),
    ("ablation_4bit", "better", "ablation_3bit"),
    ("ablation_3bit", "better", "ablation_2bit"),
    ("ablation_c4", "better", "ablation_kuramoto"),
    ("ablation_c4", "better", "ablation_polynet"),
    ("ablation_c4", "better", "ablation_tanhnet"),
    ("ablation_c4", "better", "ablation_selunet"),
)
HOW = {"better": "better than", "equal": "about equal to"}
EQUAL = 0.1  # "about equal": this close, relative
SEEDS = (1000, 1001, 1002)
IMAGES = 4000
TOP = Path(__file__).resolve().parent.parent


def checkpoint_of(name: str) -> Path:
    """The checkpoint of a recipe, trained now if it is missing."""
    path = TOP / "models" / "ablation" / f"{name}.pt"
    recipe = TOP / "examples" / "recipes" / "ablation" / f"{name}.toml"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        command = f"python -m aishw.train {recipe.relative_to(TOP)} {path.relative_to(TOP)}"
        trained = train(read_recipe(recipe), path, command=command)
        print(f"{name}: {trained.score.distance:.2f} ({trained.weights}), {trained.cpu_s:.0f} CPU s", flush=True)
    return path


def row(path: Path, rod: Any) -> dict[str, Any]:
    """What a checkpoint reaches: mean and range over the start seeds."""
    system, stated = checkpoint.load(path), checkpoint.made_by(path)
    found = [score(sample_images(system, IMAGES, seed), rod).distance for seed in SEEDS]
    return {
        "distance": float(np.mean(found)), "lowest": min(found), "highest": max(found),
        "parameters": system.parameters, "family": system.family, "segments": system.segments,
        "steps": stated["recipe"]["steps"], "rate": stated["recipe"]["rate"], "bits": stated["recipe"]["bits"],
        "cpu_s": stated["cpu_s"],
    }  # fmt: skip


def holds(rows: dict[str, Any], first: str, how: str, second: str) -> bool:
    """Does the paper's finding hold here?"""
    ours, theirs = rows[first]["distance"], rows[second]["distance"]
    return bool(ours < theirs) if how == "better" else abs(ours - theirs) <= EQUAL * theirs


def table(found: dict[str, Any]) -> str:
    """Markdown: a line per row, then the paper's order."""
    rows, starts = found["rows"], len(found["start_seeds"])
    lines = [
        f"FD on the features of `{found['extractor']}`, n = {found['images']:,} from each of {starts} start seeds, "
        f"continuous time; floor {found['floor']:.3g}, noise {found['noise']:.3g}; {found['training_seeds']} training "
        "seed a row.",
        "",
        "| row | FD (lowest to highest) | parameters | steps, rate | CPU s |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows.values():
        spread = f"{row['distance']:.2f} ({row['lowest']:.2f} to {row['highest']:.2f})"
        made = f"{row['steps']:,}, {row['rate']:g}"
        lines.append(f"| {row['says']} | {spread} | {row['parameters']:,} | {made} | {row['cpu_s']:.0f} |")
    lines += ["", "| the paper's order | here | |", "| --- | --- | --- |"]
    for first, how, second in CLAIMS:
        if first in rows and second in rows:
            one, other = (rows[name]["says"].split(":")[0] for name in (first, second))
            says = f"{one}: {HOW[how]} {other}"
            here = f"{rows[first]['distance']:.2f}, {rows[second]['distance']:.2f}"
            lines.append(f"| {says} | {here} | {'holds' if holds(rows, first, how, second) else '**does not hold**'} |")
    return "\n".join(lines)


def card(found: dict[str, Any]) -> str:
    """The card of the set: what made each checkpoint."""
    lines = [
        "# Ablation models",
        "",
        "Small generators of 8x8 digits, one for each question of the table: objects of a comparison, no good models.",
        "`python bench/ablation.py` trains and scores them, `--write` makes this page.",
        "",
        table(found),
        "",
        "| checkpoint | command | seed | kept weights | system id |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in found["rows"]:
        path = TOP / "models" / "ablation" / f"{name}.pt"
        made, system = checkpoint.made_by(path), checkpoint.load(path)
        lines.append(f"| `{name}.pt` | `{made['command']}` | {made['seed']} | {made['weights']} | `{system.id}` |")
    return "\n".join(lines) + "\n"


def write(found: dict[str, Any]) -> None:
    """Puts what is stored where readers see it."""
    write_between("<!-- ablation -->", table(found))
    (TOP / "models" / "ablation" / "README.md").write_text(card(found))
    shown = [sample_images(checkpoint.load(checkpoint_of(name)), 16, SEEDS[0]) for name in found["rows"]]
    picture = TOP / "docs" / "training" / "ablation.png"
    write_grid(picture, np.concatenate(shown), columns=16, upscale=4, overwrite=True)


def main() -> None:
    ask = argparse.ArgumentParser()
    ask.add_argument("--only", nargs="*", choices=list(ROWS), default=list(ROWS))
    ask.add_argument("--json", type=Path, default=TOP / "bench" / "results" / "ablation.json")
    ask.add_argument("--write", action="store_true", help="write what is stored into README.md, and stop")
    asked = ask.parse_args()
    os.chdir(TOP)
    if asked.write:
        write(json.loads(asked.json.read_text()))
        return
    rod = yardstick(load_dataset("digits").images)
    old = json.loads(asked.json.read_text())["rows"] if asked.json.exists() else {}
    rows = {name: old[name] for name in ROWS if name in old and name not in asked.only}
    print(f"{'':46} FD     lowest highest parameters")
    for name in asked.only:
        rows[name] = {"says": ROWS[name], **row(checkpoint_of(name), rod)}
        each = rows[name]
        print(
            f"{ROWS[name]:45} {each['distance']:6.2f} {each['lowest']:6.2f} {each['highest']:6.2f} "
            f"{each['parameters']:10,}", flush=True,
        )  # fmt: skip
        content = {
            "extractor": rod.measure.name, "images": IMAGES, "real": len(rod.real), "start_seeds": list(SEEDS),
            "training_seeds": 1, "floor": rod.floor, "noise": rod.noise,
            "rows": {each: rows[each] for each in ROWS if each in rows},
        }  # fmt: skip
        asked.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
