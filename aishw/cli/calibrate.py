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
@click.option("--seed", default=0, show_default=True, type=common.SEED, help="Of the drawn chips and noise.")
@click.option("--quick", is_flag=True, help="Fewer points and draws.")
@click.option("--only", metavar="STAGE,..", help="These stages beside the steady state, and what they need.")
@click.option("--steady-only", is_flag=True, help="The steady state alone: for transistor windows, no macromodel.")
@click.option("--steps", type=click.IntRange(60, 5000),
              help="Largest step: a period over this, not the card's (140). Arrays need 280.")  # fmt: skip
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 256), help="ngspice side by side.")
@common.out_option("The HDF5 file to write; a page, a text and pictures come beside it.")
@common.force_option
@common.json_option
def command(
    target: str, corner: str | None, temperature: float | None, fan_in: int, seed: int, quick: bool, only: str | None,
    steady_only: bool, steps: int | None, workers: int, out: Path, force: bool, as_json: bool,
) -> int:  # fmt: skip
    """Measures TARGET's loaded PE: what coupling and SHIL do to its phase, its noise, mismatch, corners and power.

    Transistor windows start from its steady state and replay its taps; its tables make the macromodel. The stages are
    steady, solver, response, coupling, shil, predicted, noise, mismatch, corners, power. An interrupted command goes on
    where it stopped when it is given again. Exits 1 if a check fell short; the file is written all the same.
    """
    from aishw.atomic import check_output
    from aishw.calibrate.beside import Beside, write_beside
    from aishw.calibrate.calibration_file import save_calibration
    from aishw.calibrate.company_runs import COVERED
    from aishw.calibrate.plan import STAGES, Settings, calibrate, parts_of
    from aishw.calibrate.summary import check_line, closing_line, total
    from aishw.engines.ngspice import find_simulator

    check_output(out, force)
    Beside.of(out).check(force)
    wanted = ("steady",) if steady_only else _stages(only, STAGES)
    card = common.load_target(target, corner, temperature)
    settings = Settings(fan_in, seed, quick, workers, wanted, steps)
    simulator = find_simulator()
    parts = parts_of(Beside.of(out).parts, card, settings, f"ngspice {simulator.version}")
    parts.open()
    common.keep(parts.folder, "the same command goes on from there")
    with common.stages() as tell:
        calibration = calibrate(card, settings, parts, tell, lambda line: click.echo(line, err=True))
    save_calibration(out, calibration, overwrite=force)
    times, typed = parts.times(), common.command_line()
    beside = write_beside(out, calibration, times, typed, overwrite=force)
    parts.close()
    failed = [check for check in calibration.checks if not check.passed]
    if as_json:
        wall_s, cpu_s = total(times)
        common.print_json({
            "file": str(out), "page": str(beside.page), "target": card.name, "quick": quick, "wall_s": wall_s,
            "cpu_s": cpu_s, "frequency_Hz": calibration.steady.frequency_Hz,
            "checks": [common.finite({**vars(check), "passed": check.passed}) for check in calibration.checks],
        })  # fmt: skip
    else:
        for check in calibration.checks:
            click.echo(check_line(check))
        click.echo(f"{out}: {closing_line(calibration, times)}; {beside.page}")
        if calibration.tables and fan_in in COVERED:
            click.echo(f"next: `aishw company {out}`, for what injections do together")
    return 1 if failed else 0


def _stages(only: str | None, known: tuple[str, ...]) -> tuple[str, ...]:
    if only is None:
        return known
    wanted = tuple(dict.fromkeys(word.strip() for word in only.split(",")))
    for word in wanted:
        if word not in known:
            raise click.UsageError(
                f"--only takes stages of {', '.join(known)}, got {word!r}", click.get_current_context()
            )
    return wanted
