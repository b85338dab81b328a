"""`aishw extractor`: a labelled data set becomes the network whose features a score is measured on."""

from __future__ import annotations

from pathlib import Path

import click

from aishw.cli import common


@click.command(name="extractor")
@click.argument("dataset")
@click.option("--split", default="train", show_default=True, help="Which idx files of the folder: train, t10k.")
@click.option("--name", help="What scores call it (default: the output's).")
@click.option("--steps", type=common.COUNT, help="Batches of 64 (default 3000).")
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0, 2**31 - 1), help="Of split, weights, order."
)
@common.out_option("The .safetensors to write.")
@common.force_option
@common.json_option
def command(
    dataset: str, split: str, name: str | None, steps: int | None, seed: int, out: Path, force: bool, as_json: bool
) -> None:
    """Trains a small CNN on DATASET: `digits` (scikit-learn's), or a folder of idx images and labels."""
    from aishw.train.datasets import load_dataset
    from aishw.train.extractor_training import STEPS, check_extractor_path, save_extractor, train_extractor

    check_extractor_path(out, force)
    content = load_dataset(dataset, split)
    with common.progress(f"training {out.stem}") as tell:
        made = train_extractor(content, name or out.stem, seed, steps or STEPS, common.command_line(), tell)
    save_extractor(made, out, force)
    if as_json:
        common.print_json({"extractor": str(out), "name": made.name, "image": [made.rows, made.columns],
                           "accuracy": made.accuracy, "held_out": made.held_out, **made.made_by})  # fmt: skip
    else:
        click.echo(f"{out}: {made.accuracy:.2%} of {made.held_out:,} held-out images named rightly, "
                   f"{made.made_by['cpu_s']:.0f} CPU s")  # fmt: skip
