"""`aishw train`: a data set becomes a checkpoint."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import click

from aishw.cli import common


@click.command(name="train")
@click.argument("dataset", required=False)
@click.option(
    "--recipe", type=click.Path(path_type=Path), metavar="RECIPE.toml", help="Settings; the options override it."
)
@click.option("--family", help="Equation: kurashil, kuramoto, polynet, tanhnet, selunet, mlp.")
@click.option("--objective", help="What training pulls on: wgan, swd, otcfm.")
@click.option("--steps", type=int, help="Generator steps.")
@click.option("--bits", type=int, help="Width of a weight; 0 trains floating point.")
@click.option("--seed", type=int)
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Any other setting of a recipe.")
@click.option("--pictures", type=click.Path(path_type=Path), metavar="FOLDER", help="Sample grids as it trains.")
@click.option("--events", type=click.Path(path_type=Path), metavar="FOLDER", help="TensorBoard event files.")
@click.option(
    "--picture-every", default=250, show_default=True, type=common.COUNT, help="Steps between two sample grids."
)
@common.out_option("The checkpoint to write; an unfinished run is kept beside it and gone on with.")
@common.force_option
@common.json_option
def command(
    dataset: str | None, recipe: Path | None, family: str | None, objective: str | None, steps: int | None,
    bits: int | None, seed: int | None, assignments: tuple[str, ...], pictures: Path | None, events: Path | None,
    picture_every: int, out: Path, force: bool, as_json: bool,
) -> None:  # fmt: skip
    """Trains on DATASET: `digits` (scikit-learn's, the default), or a folder of idx files.

    Killed or interrupted, the same command goes on to the same result."""
    from aishw.ais.tensorfile import check_suffix
    from aishw.atomic import check_output
    from aishw.cli.train_progress import shown
    from aishw.train import Watch, read_recipe, settings_from, train

    check_output(out, force)
    check_suffix(out)
    named = {"dataset": dataset, "family": family, "objective": objective, "steps": steps, "bits": bits, "seed": seed}
    given = dict(map(_assignment, assignments)) | {name: value for name, value in named.items() if value is not None}
    settings = read_recipe(recipe, given) if recipe else settings_from(given, "the command line")
    common.keep(out.with_name(out.name + ".unfinished"), "the same command goes on from there")
    watch = Watch(pictures, events, picture_every)
    with shown(settings.name, settings.steps) as tell:
        trained = train(settings, out, tell, command=common.command_line(), overwrite=force, watch=watch)
    score = trained.score
    if as_json:
        content = {"checkpoint": str(out), "parameters": trained.system.parameters, "weights": trained.weights,
                   "cpu_s": trained.cpu_s, "score": {k: v for k, v in vars(score).items()}}  # fmt: skip
        common.print_json(content)
    else:
        click.echo(f"{out}: {trained.system.parameters:,} parameters, {trained.weights} weights, {trained.cpu_s:.0f} s")
        click.echo(f"score: {score}")


def _assignment(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise click.UsageError(f"--set takes NAME=VALUE, got {text!r}", click.get_current_context())
    try:
        return name.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name.strip(), value
