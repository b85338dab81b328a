"""`aishw netlist`: the deck of a run file, for ngspice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aishw.cli import common

if TYPE_CHECKING:
    from aishw.engines.base import Job, Trace
    from aishw.lower.design import Design


@click.command(name="netlist")
@common.run_file_argument
@click.option("--level", required=True, type=click.Choice(["behavioural", "transistor"]), help="What stands for a PE.")
@click.option(
    "--window", metavar="R,C,H,W", help="Transistors for this rectangle only; the rest replays a trace of RUN.h5."
)
@click.option("--outside", default="ode", show_default=True, metavar="ENGINE", help="Whose trace the outside replays.")
@click.option("--chip", is_flag=True, help="With latches, bias DACs and phase detectors instead of ideal sources.")
@click.option("--image", default=0, show_default=True, type=click.IntRange(0), help="Which start state.")
@click.option(
    "--seed", default=0, show_default=True, type=common.SEED, help="Of the start states, if no trace gives them."
)
@common.out_option("The deck to write.")
@common.force_option
def command(
    run_file: Path,
    level: str,
    window: str | None,
    outside: str,
    chip: bool,
    image: int,
    seed: int,
    out: Path,
    force: bool,
) -> None:
    """Writes the deck of RUN.h5: the whole array, or a window of it."""
    from aishw import store
    from aishw.ais.system import draw_start
    from aishw.atomic import check_output, write_whole

    if level == "behavioural" and (window or chip):
        raise click.UsageError("--window and --chip belong to --level transistor", click.get_current_context())
    check_output(out, force)
    design = store.load_design(run_file)
    places = common.parse_windows([window] if window else [], design.system)
    if level == "behavioural":
        from aishw.engines.deck_behavioural import behavioural_deck

        text = behavioural_deck(design, draw_start(design.system, image + 1, seed)[image])
    else:
        from aishw.calibrate.match import tables_id
        from aishw.calibrate.shipped import calibration_of_design, steady_of
        from aishw.engines.chip import transistor_deck
        from aishw.engines.macromodel import as_neighbours_see

        trace, job = _recorded(run_file, outside, image) if places else (None, None)
        tables = calibration_of_design(design) if trace and trace.engine == "macromodel" else None
        if trace and tables and trace.settings.get("calibration") == tables_id(tables):
            trace = as_neighbours_see(design, tables, trace)
        x0 = job.x0[image] if job else draw_start(design.system, image + 1, seed)[image]
        text = transistor_deck(
            design, steady_of(design.target, design.system.topology.fan_in), x0,
            window=places[0] if places else None, outside=trace, image=image,
            storage="latch" if chip else "ideal", bias="dac" if chip else "ideal", readout=chip,
        )  # fmt: skip
    write_whole(out, text, overwrite=force)
    click.echo(f"{out}: {_size(design)}, {text.count(chr(10)):,} lines; run it with `ngspice -b -r out.raw {out}`")


def _recorded(run_file: Path, engine: str, image: int) -> tuple[Trace, Job]:
    from aishw import store
    from aishw.errors import StoreError

    for trace in reversed(store.load_traces(run_file, engine)):
        if (trace.images == image).any():
            return trace, store.load_jobs(run_file)[trace.job_id]
    raise StoreError(
        f"{run_file} holds no {engine} trace of image {image} for the sites outside the window; "
        f"`aishw run {run_file} --engine {engine}` makes one"
    )


def _size(design: Design) -> str:
    top = design.system.topology
    return f"{top.height}x{top.width} sites, {design.system.segments} chunks, {design.bits} bit"
