"""`aishw lower`: a checkpoint, put onto a target, as a run file."""

from __future__ import annotations

from pathlib import Path

import click

from aishw.cli import common


@click.command(name="lower")
@common.checkpoint_argument
@common.target_options
@common.lower_options
@common.out_option("The run file to write (HDF5).")
@common.force_option
@common.json_option
def command(
    checkpoint: str, target: str, corner: str | None, temperature: float | None, bits: int, policy: str, strategy: str,
    clip: str, stretch: float, out: Path, force: bool, as_json: bool,
) -> None:  # fmt: skip
    """Quantises CHECKPOINT to the codes that a target holds, and writes a run file."""
    from aishw import store
    from aishw.atomic import check_output
    from aishw.lower.lower import lower

    check_output(out, force)
    system = common.load_system(checkpoint)
    card = common.load_target(target, corner, temperature)
    design = lower(system, card, bits=bits, policy=policy, strategy=strategy, clip=clip, stretch=stretch)
    store.save_design(out, design, overwrite=force)
    line = design.timeline
    if as_json:
        content = {
            "run_file": str(out), "design_id": design.id, "system_id": system.id, "target": card.name, "bits": bits,
            "policy": policy, "strategy": strategy, "clipped": {k: int(v) for k, v in design.clipped.items()},
            "cycles_per_image": design.cycles, "image_s": line.image_s, "writes": line.writes,
            "transfers": line.transfers, "cores": line.cores, "storage_bits": line.storage_bits,
        }  # fmt: skip
        common.print_json(content)
        return
    clipped = sum(design.clipped.values())
    click.echo(
        f"{out}: {system.name} on {card.name}, {bits} bit, one full scale per {policy}, {clipped:,} weights clipped"
    )
    click.echo(
        f"{line.strategy}: {line.image_s * 1e6:.4g} us and {design.cycles:,.0f} cycles an image, {line.writes:,} weight"
        f" writes, {line.transfers:,} state transfers, {line.cores} core(s), {line.storage_bits:,} weight bits on chip"
    )
