"""`aishw lower`: a checkpoint, put onto a target, as a run file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aishw.cli import common

if TYPE_CHECKING:
    from aishw.calibrate.scale import ValidRange
    from aishw.lower.design import Design


@click.command(name="lower")
@common.checkpoint_argument
@common.target_options
@common.lower_options
@common.calibration_option("Scale and reference frequency (default: the shipped one; none: the card's figures).")
@common.out_option("The run file to write (HDF5).")
@common.force_option
@common.json_option
def command(
    checkpoint: str, target: str, corner: str | None, temperature: float | None, bits: int, policy: str, strategy: str,
    clip: str, stretch: float, calibration: str | None, out: Path, force: bool, as_json: bool,
) -> None:  # fmt: skip
    """Quantises CHECKPOINT to the codes that a target holds, and writes a run file."""
    from aishw import store
    from aishw.atomic import check_output
    from aishw.calibrate.scale import valid_range
    from aishw.lower.lower import lower

    check_output(out, force)
    system = common.load_system(checkpoint)
    card = common.load_target(target, corner, temperature)
    card, tables = common.calibrated_target(calibration, card, system, bits)
    design = lower(
        system, card, bits=bits, policy=policy, strategy=strategy, clip=clip, stretch=stretch, calibration=tables
    )
    store.save_design(out, design, overwrite=force)
    valid = None if tables is None else valid_range(tables)
    if as_json:
        _print_json(design, out, valid)
    else:
        _show(design, out, valid)


def _print_json(design: Design, out: Path, valid: ValidRange | None) -> None:
    line = design.timeline
    content = {
        "run_file": str(out), "design_id": design.id, "system_id": design.system.id, "target": design.target.name,
        "bits": design.bits, "policy": design.policy, "strategy": line.strategy,
        "clipped": {k: int(v) for k, v in design.clipped.items()}, "cycles_per_image": design.cycles,
        "seconds_per_tau": design.seconds_per_tau.tolist(), "reference_shift": design.reference_shift,
        "image_s": line.image_s, "writes": line.writes, "transfers": line.transfers, "cores": line.cores,
        "storage_bits": line.storage_bits,
    }  # fmt: skip
    if valid is not None:
        content["valid_range"] = {**vars(valid), "objections": valid.objections(design)}
    common.print_json(content)


def _show(design: Design, out: Path, valid: ValidRange | None) -> None:
    from aishw.units import ns

    line, system, card = design.timeline, design.system, design.target
    clipped = sum(design.clipped.values())
    click.echo(
        f"{out}: {system.name} on {card.name}, {design.bits} bit, one full scale per {design.policy}, {clipped:,} "
        "weights clipped"
    )
    click.echo(
        f"{line.strategy}: {line.image_s * 1e6:.4g} us and {design.cycles:,.0f} cycles an image, {line.writes:,} weight"
        f" writes, {line.transfers:,} state transfers, {line.cores} core(s), {line.storage_bits:,} weight bits on chip"
    )
    if valid is None:
        return
    tau_ns = design.seconds_per_tau / ns
    held = (
        ""
        if valid.empty
        else (f"; coupling valid from {valid.lowest:.4f} to {valid.highest:.4f} rad/cycle of the strongest code")
    )
    click.echo(
        f"calibrated: {card.frequency_Hz / 1e6:.4f} MHz, {tau_ns.min():.4g} to {tau_ns.max():.4g} ns a tau, reference "
        f"{design.reference_shift:+.5f} rad/cycle{held}"
    )
    for objection in valid.objections(design):
        click.echo(f"outside the valid range: {objection}")
