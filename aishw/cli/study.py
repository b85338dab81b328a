"""`aishw study`: what the families can learn, measured on small tasks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from aishw.cli import common


@click.command(name="study")
@click.argument("study", metavar="STUDY", type=click.Choice(["planar"]))
@click.option("--pairs", metavar="NAME,..", help="1g-8g, moons-8g, 1g-moons, 1g-s; all by default.")
@click.option(
    "--families", metavar="NAME,..", help="kurashil, kuramoto, polynet, tanhnet, selunet, mlp; all by default."
)
@click.option("--objectives", metavar="NAME,..", help="swd (sliced Wasserstein), otcfm; both by default.")
@click.option("--steps", type=click.IntRange(10, 1_000_000), help="Training steps of a cell, instead of 2000.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**31 - 1), help="Of the training.")
@click.option("--quick", is_flag=True, help="150 steps, two candidates, c = 4 with k = 0 and 4: minutes.")
@click.option("--resume", is_flag=True, help="Go on with the study that the folder holds.")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), metavar="FOLDER", help="Where it goes.")
@common.json_option
def command(
    study: str, pairs: str | None, families: str | None, objectives: str | None, steps: int | None, seed: int,
    quick: bool, resume: bool, out: Path, as_json: bool,
) -> None:  # fmt: skip
    """STUDY is `planar`: four pairs of distributions in the plane, six families, two objectives.

    Every family learns to carry points from one distribution to another with c sets of weights in time and k hidden
    sites; squared Wasserstein distances by exact transport stand beside the floor, the target against itself. The
    folder gets study.json, table.md, pictures, and a checkpoint of every cell. Given again with --resume it trains what
    is missing.
    """
    from dataclasses import replace

    import torch

    from aishw.ais.families import FAMILIES
    from aishw.train.planar.objectives import OBJECTIVES
    from aishw.train.planar.pages import TABLE, write_pages
    from aishw.train.planar.pairs import PAIRS
    from aishw.train.planar.search import Tuning
    from aishw.train.planar.study import FILE, QUICK, load_study, open_study, plan, run_study

    tuning = replace(QUICK if quick else Tuning(), seed=seed)
    tuning = tuning if steps is None else replace(tuning, steps=steps)
    chosen = _names("--pairs", pairs, PAIRS)
    jobs = plan(_names("--families", families, FAMILIES), _names("--objectives", objectives, OBJECTIVES), quick)
    begun = open_study(out, tuning, resume)
    torch.set_num_threads(1)  # the banks are small: on busy cores a second thread made it 30 times slower
    common.keep(out / FILE, "the same command with --resume goes on")
    try:
        with common.stages() as tell:
            finished = run_study(out, begun, jobs, chosen, tell, common.command_line())
    except KeyboardInterrupt:
        if (out / FILE).exists():
            write_pages(out, load_study(out / FILE))
        raise
    write_pages(out, finished)
    if as_json:
        cells = [vars(cell) for cell in finished.cells]
        common.print_json({"folder": str(out), "floors": finished.floors, "cells": cells})
    else:
        click.echo((out / TABLE).read_text())
        click.echo(f"{out}: {len(finished.cells)} cells, {sum(cell.cpu_s for cell in finished.cells):.0f} CPU s")


def _names(option: str, text: str | None, known: Iterable[str]) -> tuple[str, ...]:
    """The names of a list with commas, all known ones without it."""
    if text is None:
        return tuple(known)
    wanted = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    for word in wanted:
        if word not in known:
            raise click.UsageError(f"{option} takes {', '.join(known)}, got {word!r}", click.get_current_context())
    return wanted
