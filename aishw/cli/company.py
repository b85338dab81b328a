"""`aishw company`: what a calibration's injections do together."""

from __future__ import annotations

from pathlib import Path

import click

from aishw.cli import common


@click.command(name="company")
@click.argument("calibration", metavar="CALIBRATION.h5", type=click.Path(path_type=Path))
@click.option("--target", metavar="NAME", help="The card that was calibrated, if it is a file of your own.")
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 256), help="ngspice side by side.")
@common.force_option
@common.json_option
def command(calibration: Path, target: str | None, workers: int, force: bool, as_json: bool) -> None:
    """Measures what the injections of a calibrated PE do together, and what its drive does to its taps.

    A table's runs move one injection at a time, and neighbours that are replayed stay where they are said to be. Here
    all move at once, and some neighbours are PEs. The numbers go into CALIBRATION_company.json; every command that
    takes the calibration applies them from then on. An interrupted command goes on where it stopped.
    """
    from aishw.atomic import check_output
    from aishw.calibrate.calibration_file import load_calibration
    from aishw.calibrate.company import company_path, save_company
    from aishw.calibrate.company_runs import measure_company
    from aishw.calibrate.parts import Parts
    from aishw.engines.ngspice import find_simulator

    held = load_calibration(calibration)
    out, kept = company_path(calibration), calibration.with_name(f"{calibration.stem}_company.parts")
    check_output(out, force)
    steady = held.steady
    card = common.load_target(target or steady.target, steady.corner, steady.temperature_K - 273.15)
    find_simulator()
    parts = Parts(kept, "company")
    parts.open()
    common.keep(kept, "the same command goes on from there")
    with common.stages() as tell:
        found, line = measure_company(card, held, kept, workers=workers, made_by=common.command_line(), tell=tell)
    save_company(out, found)
    parts.close()
    if as_json:
        common.print_json({"file": str(out), **vars(found)})
        return
    click.echo(line)
    for name, value in found.values.items():
        click.echo(f"{name:16} {value:+.5f} +- {found.errors[name]:.5f}")
    click.echo(f"a chunk's mean drift is off by {found.before:.1e} rad per cycle with the tables alone, by "
               f"{found.after:.1e} in runs left out of the fit; {found.runs} runs")  # fmt: skip
    click.echo(f"jumps where codes change {found.jump_before:.4f} rad; {found.jump_after:.4f} left")
    click.echo(f"{out}: applied wherever {calibration.name} is")
