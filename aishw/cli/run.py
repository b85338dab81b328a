"""`aishw run`: one engine on a run file; its traces are added to the file."""

from __future__ import annotations

from pathlib import Path

import click

from aishw.cli import common


@click.command(name="run")
@common.run_file_argument
@click.option("--engine", required=True,
              help="ode-float, ode-euler, ode, macromodel, spice-behavioural, spice-transistor.")  # fmt: skip
@click.option("--images", default=4, show_default=True, type=common.COUNT, help="Start states of the job.")
@click.option("--only", metavar="I,J,..", help="Run these images of the job only.")
@click.option("--seed", default=0, show_default=True, type=common.SEED, help="Of the start states and the noise.")
@click.option("--noise", is_flag=True, help="With the noise it was trained with, where the engine has it.")
@click.option("--outside", default="ode", show_default=True, metavar="ENGINE", help="Whose trace drives a window.")
@common.window_option
@common.calibration_option("Of the macromodel and of transistor runs, instead of the shipped one.")
@common.force_option
@common.json_option
def command(
    run_file: Path, engine: str, images: int, only: str | None, seed: int, noise: bool, outside: str,
    windows: tuple[str, ...], calibration: str | None, force: bool, as_json: bool,
) -> None:  # fmt: skip
    """Carries random start states through the design in RUN.h5."""
    from aishw import store
    from aishw.ais.system import draw_start
    from aishw.atomic import check_output
    from aishw.calibrate.match import check_calibration
    from aishw.engines.base import Job, sample_times
    from aishw.verify.runner import Runner

    design = store.load_design(run_file)
    check_output(run_file, overwrite=True)
    if windows and engine != "spice-transistor":
        raise click.UsageError("--window belongs to --engine spice-transistor", click.get_current_context())
    places = common.parse_windows(windows, design.system)
    rows = _rows(only, images)
    job = Job(draw_start(design.system, images, seed), sample_times(design.system), seed, noise)
    tables = common.given_calibration(calibration)
    if tables is not None:
        check_calibration(tables, design)
    runner = Runner(run_file, design, job, overwrite=force, calibration=tables)
    runner.check_new(engine, rows, places)
    common.keep(run_file)
    with common.progress(engine) as tell:
        traces = runner.run(engine, rows, places, outside, tell)
    if as_json:
        common.print_json([
            {"engine": t.engine, "version": t.version, "job_id": t.job_id, "images": t.images.tolist(),
             "sites": int(t.sites.size), "cpu_s": t.cpu_s, "settings": dict(t.settings)} for t in traces
        ])  # fmt: skip
        return
    for t in traces:
        click.echo(
            f"{run_file}: {t.engine}, {t.images.size} images, {t.sites.size} sites, {t.cpu_s:.1f} CPU s ({t.version})"
        )


def _rows(only: str | None, images: int) -> list[int]:
    if only is None:
        return list(range(images))
    try:
        rows = [int(part) for part in only.split(",")]
    except ValueError:
        rows = [-1]
    if not all(0 <= row < images for row in rows) or len(set(rows)) != len(rows):
        raise click.UsageError(
            f"--only takes different image numbers from 0 to {images - 1}, got {only!r}", click.get_current_context()
        )
    return sorted(rows)
