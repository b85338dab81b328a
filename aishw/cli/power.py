"""`aishw power`: the law, the simulation, and the ledger of one image."""

from __future__ import annotations

from pathlib import Path

import click

from aishw.cli import common
from aishw.library import DEFAULT_TARGET


@click.command(name="power")
@click.argument("run_file", metavar="[RUN.h5]", required=False, type=click.Path(path_type=Path))
@click.option("--sites", type=int, metavar="M", help="Sites of an array, instead of a run file.")
@click.option("--couplings", type=int, metavar="L", help="Couplings of each site.")
@click.option("--bits", type=int, metavar="Q", help="Width of a weight (default: 4).")
@click.option("--chunks", type=int, metavar="C", help="Time chunks of an image (default: 4).")
@click.option("--cycles", type=float, metavar="N", help="Cycles of an image (default: from the target's rate).")
@click.option("--frequency", type=float, metavar="HZ", help="Of the oscillators (default: the target's).")
@click.option("--target", metavar="NAME", help=f"A shipped target, or the path of a card (default: {DEFAULT_TARGET}).")
@click.option("--strategy", metavar="NAME", help="How chunks follow each other (default: the run's).")
@click.option("--images", type=float, metavar="N", help="Images for one programming (default: 1000).")
@click.option("--calibration", metavar="FILE", help="Supply figures (default: those shipped with the target).")
@click.option("--figures", type=click.Path(path_type=Path), metavar="DIR", help="Write PNG figures into this folder.")
@click.option("--sweep", is_flag=True, help="Simulate the points behind the power model; -o names the file.")
@click.option("--quick", is_flag=True, help="With --sweep: a few points, to see that it works.")
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 256), help="ngspice side by side.")
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="PATH", help="With --sweep: the file to write.")
@common.force_option
@common.json_option
def command(
    run_file: Path | None, sites: int | None, couplings: int | None, bits: int | None, chunks: int | None,
    cycles: float | None, frequency: float | None, target: str | None, strategy: str | None, images: float | None,
    calibration: str | None, figures: Path | None, sweep: bool, quick: bool, workers: int, out: Path | None,
    force: bool, as_json: bool,
) -> int:  # fmt: skip
    """What an image costs: of RUN.h5, by its own codes and cycles, or of an array of --sites and --couplings.

    Every line says where it comes from: measured silicon, simulated, analytic, or assumed. Beside it stand the
    published law, silicon, and other generators. With --sweep the supply is simulated afresh over couplings, bits,
    size, bias, frequency, corner and temperature; an interrupted sweep goes on when it is given again.
    """
    if sweep:
        if run_file is not None or out is None:
            raise _usage("--sweep takes --target and -o FILE, and no run file")
        return _sweep(target or DEFAULT_TARGET, calibration, out, quick, workers, force, as_json)
    if out is not None or quick:
        raise _usage("-o and --quick go with --sweep; figures go where --figures says")
    sizes = {"--sites": sites, "--couplings": couplings}
    if (run_file is None) == all(each is None for each in sizes.values()):
        raise _usage("give a run file, or --sites and --couplings")
    if run_file is None and None in sizes.values():
        raise _usage(f"{' and '.join(name for name, each in sizes.items() if each is None)} is missing")
    if run_file is not None:
        fixed = {"--bits": bits, "--chunks": chunks, "--cycles": cycles, "--frequency": frequency, "--target": target}
        for name, value in fixed.items():
            if value is not None:
                raise _usage(f"{name} is the run file's own; leave it out")
    from aishw.energy.answer import Sizes, of_run, of_sizes

    asked = Sizes(sites or 0, couplings or 0, 4 if bits is None else bits, 4 if chunks is None else chunks, cycles,
                  frequency)  # fmt: skip
    found = (
        of_run(run_file, strategy, images, calibration)
        if run_file is not None
        else of_sizes(asked, target, DEFAULT_TARGET, strategy, images, calibration)
    )
    written = []
    if figures is not None:
        from aishw.energy.figures import write_figures

        written = write_figures(figures, found, overwrite=force)
    if as_json:
        common.print_json({**found.record, "figures": [str(path) for path in written]})
    else:
        click.echo("\n".join([*found.text(), *(f"{path}" for path in written)]))
    return 0


def _sweep(
    target: str, calibration: str | None, out: Path, quick: bool, workers: int, force: bool, as_json: bool
) -> int:
    from aishw.atomic import check_output
    from aishw.energy.answer import swept
    from aishw.energy.text import sweep_text
    from aishw.engines.ngspice import find_simulator

    check_output(out, force)
    find_simulator()
    folder = out.with_name(f"{out.name}.parts")
    common.keep(folder, "the same command goes on from there")
    with common.progress("sweep") as tell:
        found = swept(
            target, calibration, out, folder, quick=quick, workers=workers, overwrite=force, tell=tell,
            say=lambda line: click.echo(line, err=True),
        )  # fmt: skip
    if as_json:
        common.print_json({"file": str(out), **found})
    else:
        click.echo("\n".join([*(sweep_text(found) if found["checks"] else []), f"{out}: {found['runs']} runs"]))
    return 0 if all(check["passed"] for check in found["checks"]) else 1


def _usage(said: str) -> click.UsageError:
    return click.UsageError(said, click.get_current_context())
