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
@common.out_option("The HDF5 file to write.")
@common.force_option
def command(
    target: str, corner: str | None, temperature: float | None, fan_in: int, out: Path, force: bool
) -> None:
    """Measures the periodic steady state of TARGET's loaded PE: frequency, waves, the phase of the SHIL clock.

    Transistor windows start from it and replay its taps. It takes two to four minutes. Tables of the coupling's shape,
    noise and mismatch are not measured yet.
    """
    from dataclasses import replace

    from aishw.atomic import check_output
    from aishw.calibrate.nominal import circuit_steady
    from aishw.calibrate.shipped import circuit_id
    from aishw.calibrate.steady_file import save_steady
    from aishw.engines.ngspice import find_simulator

    check_output(out, force)
    card = common.load_target(target, corner, temperature)
    find_simulator()
    with common.progress(f"steady state of {card.name}") as tell:
        tell(0.0)
        steady = circuit_steady(card, fan_in=fan_in)
        tell(1.0)
    steady = replace(steady, circuit=circuit_id(card, steady.solver, fan_in))
    save_steady(out, steady, common.command_line())
    click.echo(
        f"{out}: {steady.frequency_Hz / 1e6:.4f} MHz +- {steady.frequency_error_Hz:.0f} Hz, {steady.solver.label}, "
        f"{steady.simulator}, {steady.cpu_s:.0f} s for the waves"
    )
