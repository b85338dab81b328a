"""`aishw verify`: the whole ladder for a checkpoint, and a report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aishw.cli import common

if TYPE_CHECKING:
    from aishw.ais.system import System
    from aishw.hardware.calibration import Calibration
    from aishw.lower.design import Design
    from aishw.train.metrics import Yardstick
    from aishw.verify.distribution import Distribution
    from aishw.verify.pipeline import Score, Tell

STRIP = 20  # images of each way in the report


@click.command(name="verify")
@common.checkpoint_argument
@common.target_options
@common.lower_options
@common.calibration_option("Scale, reference frequency and macromodel (default: the shipped one; none: the card's).")
@click.option("--images", default=16, show_default=True, type=common.COUNT, help="Start states on the ODE rungs.")
@click.option("--behavioural-images", default=2, show_default=True, type=click.IntRange(0),
              help="How many of them the whole array runs in ngspice.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, type=common.SEED, help="Of the start states.")
@common.window_option
@click.option("--window-site", default="most_sensitive", show_default=True,
              help="Where the one-PE window is without --window: most_sensitive, least_sensitive.")  # fmt: skip
@click.option("--no-window", is_flag=True, help="Run no transistors.")
@click.option("--window-limit-rad", type=common.POSITIVE, help="Judge windows: rms at the end.")
@click.option("--image-limit-rad", type=common.POSITIVE, help="Judge the last whole image: rms at the end.")
@click.option("--scored-images", default=1000, show_default=True, type=click.IntRange(0, 1_000_000),
              help="Images of each score through the macromodel (0: the distribution is not judged).")  # fmt: skip
@click.option("--chips", default=3, show_default=True, type=click.IntRange(1, 100), help="Random chips of the scores.")
@click.option("--score-ratio", default=1.5, show_default=True, type=common.POSITIVE,
              help="Limit of the circuit's distance over the equation's or training's, the floor added.")  # fmt: skip
@click.option("--dataset", metavar="NAME", help="The real images: digits, or a folder (default: the recipe's).")
@common.out_option("The folder for report.html, report.json, pictures and run.h5.")
@click.option("--resume", is_flag=True, help="Go on with what is in the folder.")
@common.force_option
@common.json_option
def command(
    checkpoint: str, target: str, corner: str | None, temperature: float | None, bits: int, policy: str, strategy: str,
    clip: str, stretch: float, calibration: str | None, images: int, behavioural_images: int, seed: int,
    windows: tuple[str, ...], window_site: str, no_window: bool, window_limit_rad: float | None,
    image_limit_rad: float | None, scored_images: int, chips: int, score_ratio: float, dataset: str | None, out: Path,
    resume: bool, force: bool, as_json: bool,
) -> int:  # fmt: skip
    """Takes CHECKPOINT down the ladder on a target and writes a report. Exits 1 if a check fell short."""
    from aishw.lower.lower import lower
    from aishw.verify.pipeline import Plan, verify
    from aishw.verify.record import comparison_record

    system = common.load_system(checkpoint)
    card = common.load_target(target, corner, temperature)
    chosen = () if no_window else common.parse_windows(windows, system) or None
    plan = Plan(
        images, seed, behavioural_images, chosen, window_site, window_limit_rad=window_limit_rad,
        image_limit_rad=image_limit_rad,
    )  # fmt: skip
    card, tables = common.calibrated_target(calibration, card, system, bits)
    design = lower(
        system, card, bits=bits, policy=policy, strategy=strategy, clip=clip, stretch=stretch, calibration=tables
    )
    scores = _scores(checkpoint, system, dataset, scored_images, chips, score_ratio, seed)
    common.keep(out / "run.h5")
    with common.stages() as tell:
        done = verify(
            design, out, plan, command=common.typed_words(), overwrite=force, resume=resume, tell=tell,
            calibration=tables, distribution=scores,
        )  # fmt: skip
    if as_json:
        width = system.topology.width
        common.print_json({
            "headline": done.verdict.headline, "passed": done.verdict.passed, "complete": done.verdict.complete,
            "parts": [vars(part) for part in done.verdict.parts], "report": str(done.page),
            "rungs": [{"name": r.name, "engine": r.engine, "limit_rad": r.limit_rad, "passed": r.passed,
                       "above": comparison_record(r.above, width)} for r in done.rungs],
        })  # fmt: skip
    else:
        for rung in done.rungs:
            if rung.above is not None:
                word = {True: "held", False: "fell short", None: "not judged"}[rung.passed]
                limit = f", limit {rung.limit_rad:.3g} on {rung.above.judged}" if rung.limit_rad else ""
                click.echo(f"{rung.name} against {rung.above_name}: {rung.above.end_rms_rad:.3g} rad rms, "
                           f"{rung.above.end_max_rad:.3g} largest at the end{limit}: {word}")  # fmt: skip
        for part in done.verdict.parts:
            click.echo(f"{part.name}: {part.state}; {part.reason}")
        click.echo(f"{done.verdict.headline}; {done.page}")
    return 0 if done.verdict.passed else 1


def _scores(
    checkpoint: str, system: System, dataset: str | None, images: int, chips: int, ratio: float, seed: int
) -> Score | str:
    """What scores images through the circuit for the verdict, or why nothing can."""
    from aishw.ais import checkpoint as files
    from aishw.errors import TrainError
    from aishw.library import find
    from aishw.train import appraisal, ways
    from aishw.train.metrics import yardstick
    from aishw.verify.distribution import Distribution, Line

    if not images:
        return "images made through the macromodel were not scored, as was asked"
    try:
        made_by = files.made_by(find("models", checkpoint))
        real = appraisal.real_images(system, made_by.get("recipe") or {}, dataset, None)
        rod = yardstick(real.images)
        ended = _ended(made_by.get("score"), rod)
    except TrainError as error:
        if dataset is not None:
            raise
        return f"images made through the macromodel were not scored: {error}"

    def score(design: Design, calibration: Calibration, tell: Tell) -> Distribution:
        exact = ways.equation(system, "rk4", ways.FINE_TAU, name="the equation")
        lines, strips = [], {}
        for way in (exact, *ways.chip_ways(design, calibration, chips)):
            seeds = range(seed, seed + chips)
            at = partial(tell, f"scores: {way.name}")
            distances, shown = appraisal.paired(way.runs, system, rod, images, seeds, at)
            lines.append(Line(way.name, distances, judged=way is not exact))
            strips[way.name] = shown[:STRIP]
        return Distribution(
            tuple(lines), images, len(real.images), real.name, rod.measure.name, rod.floor, rod.noise, ratio, strips,
            ended,
        )  # fmt: skip

    return score


def _ended(score: object, rod: Yardstick) -> float | None:
    """The distance that training ended at, if the checkpoint says so and it was measured as `rod` measures."""
    said = score if isinstance(score, Mapping) else {}
    distance, floor = (said.get(name) for name in ("distance", "floor"))
    if not (isinstance(distance, float) and isinstance(floor, float) and said.get("extractor") == rod.measure.name):
        return None
    return distance if math.isfinite(distance) and math.isclose(floor, rod.floor, rel_tol=1e-3) else None
