"""`aishw calibrate`: a target's PE, measured in ngspice."""

from __future__ import annotations

from pathlib import Path

import click

from aishw.cli import common


@click.command(name="calibrate")
@click.argument("target", metavar="TARGET")
@click.option("--corner", metavar="NAME", help="Process corner, instead of the card's.")
@click.option("--temperature", type=float, metavar="C", help="Degrees Celsius, instead of the card's.")
@click.option("--fan-in", default=24, show_default=True, type=click.IntRange(1, 24), help="Couplers of the PE.")
@click.option("--steady-only", is_flag=True, help="Leave out the tables: what transistor windows need, no macromodel.")
@common.out_option("The HDF5 file to write.")
@common.force_option
def command(
    target: str, corner: str | None, temperature: float | None, fan_in: int, steady_only: bool, out: Path, force: bool
) -> None:
    """Measures TARGET's loaded PE: its steady state, then what coupling and SHIL do to its phase, by code and bias.

    Windows start from the steady state and replay its taps; the tables make the macromodel. The first takes 8 minutes,
    the second 10 to 20, on 2 cores. Noise and mismatch are not measured yet.
    """
    from dataclasses import replace

    from aishw.atomic import check_output
    from aishw.calibrate.calibration_file import save_calibration
    from aishw.calibrate.coupling import measure_table
    from aishw.calibrate.nominal import circuit_steady
    from aishw.calibrate.shipped import circuit_id
    from aishw.engines.ngspice import find_simulator
    from aishw.hardware.calibration import Calibration

    check_output(out, force)
    card = common.load_target(target, corner, temperature)
    find_simulator()
    with common.progress(f"steady state of {card.name}") as tell:
        tell(0.0)
        steady = circuit_steady(card, fan_in=fan_in)
        tell(1.0)
    steady = replace(steady, circuit=circuit_id(card, steady.solver, fan_in))
    tables = {}
    for kind in () if steady_only else ("coupling", "shil"):
        tables[kind] = measure_table(card, steady, kind, on_point=lambda text: click.echo(text, err=True))
    save_calibration(out, Calibration(steady, tables, common.command_line()))
    click.echo(
        f"{out}: {steady.frequency_Hz / 1e6:.4f} MHz +- {steady.frequency_error_Hz:.0f} Hz, {steady.solver.label}, "
        f"{steady.simulator}, {steady.cpu_s:.0f} s for the waves"
    )
