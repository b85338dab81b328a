"""`aishw compare`: two engines' traces of one run file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aishw.cli import common

if TYPE_CHECKING:
    from aishw.verify.compare import Comparison


@click.command(name="compare")
@common.run_file_argument
@click.argument("reference", metavar="ENGINE")
@click.argument("candidate", metavar="ENGINE")
@click.option("--limit-rad", type=common.POSITIVE, help="Exit 1 if the judged error is larger.")
@click.option(
    "--judged", default="end_rms", show_default=True, help="What the limit applies to: end_rms, end_max, max."
)
@common.calibration_option("Refuse a macromodel's trace that was not computed with this one.")
@common.json_option
def command(
    run_file: Path, reference: str, candidate: str, limit_rad: float | None, judged: str, calibration: str | None,
    as_json: bool,
) -> int:  # fmt: skip
    """How far the second engine's states lie from the first's, on every job and site that both ran."""
    from aishw import store
    from aishw.calibrate.match import check_calibration, check_traces
    from aishw.verify.pipeline import compare_traces
    from aishw.verify.record import comparison_record

    design, traces = store.load_design(run_file), store.load_traces(run_file)
    tables = common.given_calibration(calibration)
    if tables is not None:
        check_calibration(tables, design)
        check_traces(tables, [trace for trace in traces if trace.engine in (reference, candidate)])
    compared = compare_traces(design.system, traces, reference, candidate, limit_rad, judged)
    if as_json:
        width = design.system.topology.width
        common.print_json([comparison_record(each, width) for each in compared])
    else:
        for each in compared:
            _show(each, design.system.topology.width)
    return 1 if any(each.passed is False for each in compared) else 0


def _show(c: Comparison, width: int) -> None:
    click.echo(f"{c.candidate} against {c.reference}: {c.images.size} images, {c.sites.size} sites, gauge {c.gauge}")
    click.echo(
        f"  rms at the end {c.end_rms_rad:.4g} rad, largest at the end {c.end_max_rad:.4g}, of the run {c.max_rad:.4g}"
    )
    site, error = c.worst_sites[0]
    click.echo(f"  worst site ({site // width}, {site % width}): {error:.4g} rad; {len(c.slips)} slips of whole turns")
    if c.psnr_dB is not None:
        click.echo(f"  pixels: PSNR {c.psnr_dB.min():.1f} dB for the worst image")
    if c.limit_rad is not None:
        word = "held" if c.passed else "fell short"
        click.echo(f"  {word}: {c.judged} {c.judged_rad:.4g} rad, limit {c.limit_rad:.4g} rad")
