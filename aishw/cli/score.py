"""`aishw score`: how good a checkpoint's images are, by Euler's steps, in continuous time, and through the circuit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aishw.cli import common
from aishw.library import DEFAULT_TARGET

if TYPE_CHECKING:
    from aishw.ais.system import System
    from aishw.train.appraisal import Row
    from aishw.train.metrics import Yardstick
    from aishw.verify.sensitivity import Sensitivity


@click.command(name="score")
@common.checkpoint_argument
@click.option("--through", default="ode", show_default=True, type=click.Choice(["ode", "macromodel"]),
              help="Only the equation, or the calibrated circuit as well.")  # fmt: skip
@click.option("--images", default=4000, show_default=True, type=click.IntRange(10, 1_000_000), help="For each score.")
@click.option("--seed", default=0, show_default=True, type=common.SEED, help="Of the start states and the noise.")
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(1, 100), help="How many, from --seed on.")
@click.option("--dataset", metavar="NAME", help="The real images: digits, or a folder (default: the recipe's).")
@click.option("--split", help="Which idx files of the folder: train, t10k (default: the recipe's).")
@click.option("--extractor", default="auto", show_default=True,
              help="What distances are measured on: cnn, pixel, digits, mnist, or a .safetensors file.")  # fmt: skip
@click.option("--inception", type=click.Path(path_type=Path), metavar="WEIGHTS.pth",
              help="Measure on Inception v3 with these weights (needs aishw[inception]).")  # fmt: skip
@click.option("--noise", is_flag=True, help="Also with the trained noise, and the circuit's.")
@click.option("--chips", default=0, show_default=True, type=click.IntRange(0, 100),
              help="Also on random chips (--through macromodel).")  # fmt: skip
@click.option("--target", default=DEFAULT_TARGET, show_default=True, metavar="NAME",
              help="A target, or the path of a card.")  # fmt: skip
@click.option("--corner", metavar="NAME", help="Process corner, instead of the card's.")
@click.option("--temperature", type=float, metavar="C", help="Degrees Celsius, instead of the card's.")
@click.option("--bits", type=click.IntRange(1, 16), help="Also what codes of this width stand for; the circuit's width "
              "(default there: the recipe's, or 4).")  # fmt: skip
@click.option("--policy", help="Who shares a full scale: array, chunk, site (default: the recipe's, or chunk).")
@click.option("--clip", help="Where full scale lies: maximum, mse, sigma3 (default: the recipe's, or maximum).")
@common.calibration_option("The macromodel's tables (default: the shipped ones).")
@click.option("--card", type=click.Path(path_type=Path), metavar="CARD.md", help="Also write a model card.")
@common.force_option
@common.json_option
def command(
    checkpoint: str, through: str, images: int, seed: int, seeds: int, dataset: str | None, split: str | None,
    extractor: str, inception: Path | None, noise: bool, chips: int, target: str, corner: str | None,
    temperature: float | None, bits: int | None, policy: str | None, clip: str | None, calibration: str | None,
    card: Path | None, force: bool, as_json: bool,
) -> None:  # fmt: skip
    """Frechet distance of CHECKPOINT's images to real ones, with its floor, and what it does not see."""
    from aishw.ais import checkpoint as files
    from aishw.atomic import check_output, write_whole
    from aishw.library import find
    from aishw.lower.lower import lower
    from aishw.train import appraisal, ways
    from aishw.train.card import write_card
    from aishw.train.inception import inception_measure
    from aishw.train.metrics import yardstick
    from aishw.train.quality import between_halves

    if card is not None:
        check_output(card, force)
    if chips and through != "macromodel":
        raise click.UsageError("--chips needs --through macromodel", click.get_current_context())
    system, stated = common.load_system(checkpoint), files.made_by(find("models", checkpoint))
    recipe: dict[str, Any] = stated.get("recipe") or {}
    real = appraisal.real_images(system, recipe, dataset, split)
    rod = yardstick(real.images, extractor if inception is None else inception_measure(inception))
    design = None
    if through == "macromodel" or bits is not None:
        width = bits or recipe.get("bits") or 4
        part, tables = common.load_target(target, corner, temperature), None
        if through == "macromodel":
            part, tables = common.calibrated_target(calibration, part, system, width)
        design = lower(
            system, part, bits=width, policy=policy or recipe.get("policy") or "chunk",
            clip=clip or recipe.get("clip") or "maximum", calibration=tables,
        )  # fmt: skip
    chosen = ways.equation_ways(system, recipe.get("solver") or "euler", noise, design)
    if through == "macromodel":
        assert design is not None
        chosen += ways.circuit_ways(design, ways.needed(tables, design), noise, chips)
    with common.stages(quiet=True) as tell:
        rows = appraisal.appraise(chosen, system, rod, images, range(seed, seed + seeds), tell)
        halves = appraisal.Row("real, half against half", (), (between_halves(rod),))
        growth = _growth(system, seed)
    content = {
        "checkpoint": Path(checkpoint).name, "system": system.id, "name": system.name, "parameters": system.parameters,
        "dataset": real.name, "split": "all" if real.name == "digits" else split or recipe.get("split") or "train",
        "real": len(real.images), "images": images, "seeds": list(range(seed, seed + seeds)),
        "extractor": rod.measure.name, "accuracy": rod.measure.accuracy, "floor": rod.floor, "noise": rod.noise,
        "rows": [row.plain() for row in rows], "real_halves": halves.plain(),
        "sensitivity": {"median": growth.median, "grown": growth.grown, "images": len(growth.growth)},
        "circuit": None if design is None else {
            "target": design.target.name, "bits": design.bits, "policy": design.policy, "cycles": design.cycles,
            "calibrated": through == "macromodel", "reference_shift": design.reference_shift,
        },
        "command": common.command_line(),
    }  # fmt: skip
    if card is not None:
        write_whole(card, write_card(system, stated, content), force)
    if as_json:
        common.print_json(content)
    else:
        _show(content, [*rows, halves], rod, growth)
        if card is not None:
            click.echo(f"model card: {card}")


def _growth(system: System, seed: int) -> Sensitivity:
    """Over the whole run, in double precision."""
    from aishw.ais.rollout import rollout
    from aishw.ais.system import draw_start
    from aishw.train.ways import FINE_TAU
    from aishw.verify.sensitivity import sensitivity

    end = system.boundaries_tau[-1:]
    return sensitivity(lambda x: rollout(system, x, "rk4", FINE_TAU, end).numpy(), draw_start(system, 16, seed))


def _show(content: dict[str, Any], rows: Sequence[Row], rod: Yardstick, growth: Sensitivity) -> None:
    names = (
        "" if rod.measure.accuracy is None else f", which names {rod.measure.accuracy:.1%} of held-out images rightly"
    )
    seeds = content["seeds"]
    click.echo(
        f"{content['name']}: {content['parameters']:,} parameters, {content['images']:,} images against "
        f"{content['real']:,} real ones of {content['dataset']}, seed {seeds[0]}"
        + (f" to {seeds[-1]}, mean (and range)" if len(seeds) > 1 else "")
    )
    click.echo(
        f"Frechet distance on {rod.measure.name}{names}: real half against half {rod.floor:.3g}, noise {rod.noise:.4g}"
    )
    wide = max(len(row.name) for row in rows)
    click.echo(f"{'':{wide}}  distance{' ' * 14}precision  recall  classes  nearest  copies")
    for row in rows:
        low, high = min(row.distances), max(row.distances)
        spread = f"({low:.3g}..{high:.3g})" if len(row.distances) > 1 else ""
        apart = "      -" if row.qualities[0].classes is None else f"{row.mean('class_distance'):7.3f}"
        click.echo(
            f"{row.name:{wide}}  {row.distance:8.3g} {spread:13} {row.mean('precision'):9.2f} "
            f"{row.mean('recall'):7.2f}  {apart}  {row.mean('nearest'):7.2f}  {row.mean('copies'):6.1%}"
        )
    click.echo(
        f"a start perturbation grows {growth.median:.3g} times over a run (median of {len(growth.growth)} images, "
        f"{growth.grown:.0%} grow)"
    )
