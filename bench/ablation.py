"""Does the paper's order of ablations hold in small? Trains what is missing, scores all, writes a table.

    python bench/ablation.py [--only NAME ..] [--json bench/results/ablation.json]

Recipes: examples/recipes/ablation/; checkpoints: models/ablation/. An interrupted training goes on where it was.
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

from aishw.ais import checkpoint
from aishw.train import read_recipe, sample_images, score, train
from aishw.train.datasets import load_dataset
from aishw.train.metrics import yardstick

ROWS = {
    "ablation_c4": "KuraSHIL, 4 chunks, asymmetric, hidden sites",
    "ablation_c2": "2 chunks",
    "ablation_c1": "1 chunk",
    "ablation_symmetric": "symmetric couplings",
    "ablation_visible": "no hidden sites",
    "ablation_tanhnet": "TanhNet",
    "ablation_4bit": "4 bit",
    "ablation_kuramoto": "Kuramoto",
    "ablation_polynet": "PolyNet",
    "ablation_selunet": "SeluNet",
    "ablation_3bit": "3 bit",
    "ablation_2bit": "2 bit",
    "ablation_mlp": "MLP of 3 layers (no circuit)",
}
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


def main() -> None:
    ask = argparse.ArgumentParser()
    ask.add_argument("--only", nargs="*", choices=list(ROWS), default=list(ROWS))
    ask.add_argument("--json", type=Path, default=TOP / "bench" / "results" / "ablation.json")
    asked = ask.parse_args()
    os.chdir(TOP)
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
