"""`aishw inspect`: what a checkpoint is and which targets hold it; what a calibration found, or how two differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from aishw.cli import common

if TYPE_CHECKING:
    from aishw.ais.system import System


@click.command(name="inspect")
@click.argument("files", metavar="CHECKPOINT | A.h5 [B.h5]", nargs=-1, required=True)
@click.option("--target", "targets", multiple=True, metavar="NAME", help="Ask these targets only; may be repeated.")
@click.option("--agree", is_flag=True, help="Exit 1 unless A.h5 and B.h5 agree within their error bars.")
@common.json_option
def command(files: tuple[str, ...], targets: tuple[str, ...], agree: bool, as_json: bool) -> int:
    """Sizes, parameters, ranges, and which targets hold CHECKPOINT (a file, or a shipped name).

    Or the figures of a calibration A.h5; with B.h5 those of both, side by side.
    """
    calibrations = all(name.endswith(".h5") for name in files)
    if len(files) > 1 + calibrations:
        wrong = f"give one checkpoint, or one or two calibrations (.h5), got {' '.join(files)!r}"
    elif agree and not (calibrations and len(files) == 2):
        wrong = "--agree belongs to two calibrations (.h5)"
    elif targets and calibrations:
        wrong = "--target belongs to a checkpoint, not to a calibration"
    elif agree:
        return _agree(files, as_json)
    else:
        _calibrations(files, as_json) if calibrations else _checkpoint(files[0], targets, as_json)
        return 0
    raise click.UsageError(wrong, click.get_current_context())


def _agree(files: tuple[str, ...], as_json: bool) -> int:
    from aishw.calibrate.agree import agreement
    from aishw.calibrate.summary import check_line

    first, second = (common.load_calibration(name) for name in files)
    checks = agreement(first, second)
    if as_json:
        common.print_json([common.finite({**vars(check), "passed": check.passed}) for check in checks])
    else:
        for check in checks:
            click.echo(check_line(check))
    return 0 if all(check.passed for check in checks) else 1


def _calibrations(files: tuple[str, ...], as_json: bool) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table
    from rich.text import Text

    from aishw.calibrate.merit import side_by_side
    from aishw.calibrate.summary import check_line, missing_of, number

    held = [common.load_calibration(name) for name in files]
    rows = side_by_side(held)
    if as_json:
        common.print_json([
            {"file": name, "made_by": each.made_by, "seed": each.seed, "quick": each.quick,
             "merits": [common.finite(vars(row[k])) for row in rows if row[k] is not None],
             "checks": [common.finite({**vars(check), "passed": check.passed}) for check in each.checks],
             "not_measured": missing_of(each)} for k, (name, each) in enumerate(zip(files, held))
        ])  # fmt: skip
        return
    console = Console(highlight=False)
    titles = [Column(escape(name), justify="right") for name in files]
    shown = Table("", "", *titles, "", box=None, header_style="bold", pad_edge=False)
    group = ""
    for row in rows:
        first = next(merit for merit in row if merit is not None)
        cells = [Text("" if merit is None else number(merit)) for merit in row]
        shown.add_row("" if first.group == group else Text(first.group), first.name, *cells, first.unit)
        group = first.group
    console.print(shown)
    for name, each in zip(files, held):
        console.print(Text(f"{name}: made by: {each.made_by}"))
        missing = missing_of(each)
        if missing:
            console.print(Text(f"{name}: not measured: {', '.join(missing)}"))
        for check in each.checks:
            if not check.passed:
                console.print(Text(f"{name}: {check_line(check)}"))


def _checkpoint(checkpoint: str, targets: tuple[str, ...], as_json: bool) -> None:
    from aishw.hardware.cards import load_target, target_names
    from aishw.lower.preflight import preflight

    system = common.load_system(checkpoint)
    fits = {name: preflight(system, load_target(name)) for name in targets or target_names()}
    content = {
        **_summary(system),
        "targets": {name: {"fits": not why, "objections": why} for name, why in fits.items()},
    }
    if as_json:
        common.print_json(content)
    else:
        _show(content)


def _summary(system: System) -> dict[str, Any]:
    from aishw.ais.families import FAMILIES

    top, family = system.topology, FAMILIES[system.family]
    weights = ({"coupling": system.coupling} if family.coupled else {}) | dict(system.terms)
    return {
        "name": system.name,
        "id": system.id,
        "family": system.family,
        "equation": family.equation,
        "height": top.height,
        "width": top.width,
        "sites": top.sites,
        "neighbourhood": top.neighbourhood,
        "symmetric": top.symmetric,
        "couplings_per_site": top.fan_in if family.coupled else 0,
        "couplings": top.couplings if family.coupled else 0,
        "parameters": system.parameters,
        "visible_sites": int(top.visible.size),
        "image": list(top.image_shape),
        "segments": system.segments,
        "duration_tau": system.duration_tau.tolist(),
        "step_tau": system.step_tau,
        "readout": system.readout,
        "start_mean": system.start.mean,
        "start_deviation": system.start.deviation,
        "noise_delta": system.noise.delta,
        "noise_convention": system.noise.convention,
        "weights": {
            name: [
                {"min": float(chunk.min()), "max": float(chunk.max()), "rms": float((chunk**2).mean() ** 0.5)}
                for chunk in value.reshape(value.shape[0], -1)
                if chunk.size
            ]
            for name, value in weights.items()
        },
    }


def _show(c: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    facts = Table.grid(padding=(0, 2))
    rows = (
        ("name", c["name"]),
        ("family", f"{c['family']}: {c['equation']}"),
        ("grid", f"{c['height']}x{c['width']}, {c['sites']:,} sites, {c['visible_sites']:,} visible as "
                 f"{c['image'][0]}x{c['image'][1]}"),
        ("couplings", f"{c['couplings']:,} {'symmetric' if c['symmetric'] else 'directed'} a segment, "
                      f"{c['couplings_per_site']} a site ({c['neighbourhood']})"),
        ("parameters", f"{c['parameters']:,}"),
        ("chunks", f"{c['segments']} of {', '.join(f'{d:g}' for d in c['duration_tau'])} tau, step {c['step_tau']:g}"),
        ("start", f"mean {c['start_mean']:g}, deviation {c['start_deviation']:g}; pixel = {c['readout']} of the state"),
        ("noise", f"delta {c['noise_delta']:g} ({c['noise_convention']})"),
    )  # fmt: skip
    for label, value in rows:
        facts.add_row(label, Text(str(value)))
    console.print(facts)
    ranges = Table("weights (1/tau)", "segment", "min", "max", "rms", box=None, header_style="", pad_edge=False)
    for name, chunks in c["weights"].items():
        for k, chunk in enumerate(chunks):
            ranges.add_row(Text(name), str(k), *(f"{chunk[key]:.4g}" for key in ("min", "max", "rms")))
    console.print(ranges)
    for name, answer in c["targets"].items():
        console.print(Text(f"{name}: " + ("fits" if answer["fits"] else "; ".join(answer["objections"]))))
