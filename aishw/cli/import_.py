"""`aishw import`: someone else's state dict becomes a checkpoint."""

from __future__ import annotations

from pathlib import Path

import click

from aishw.cli import common


@click.command(name="import")
@click.argument("foreign", type=click.Path(path_type=Path), metavar="FOREIGN.pt")
@click.option("--map", "mapping", required=True, type=click.Path(path_type=Path), metavar="MAP.toml",
              help="Its names, shapes and sign convention.")  # fmt: skip
@common.out_option("The checkpoint to write (.pt or .safetensors).")
@common.force_option
def command(foreign: Path, mapping: Path, out: Path, force: bool) -> None:
    """Reads FOREIGN.pt (tensors only; nothing in it can run) as MAP.toml says, and writes a checkpoint."""
    from aishw.ais import checkpoint
    from aishw.ais.foreign import import_foreign
    from aishw.ais.tensorfile import check_suffix
    from aishw.atomic import check_output

    check_output(out, force)
    check_suffix(out)
    system = import_foreign(foreign, mapping)
    checkpoint.save(system, out, made_by=f"aishw import {foreign.name} --map {mapping.name}", overwrite=force)
    click.echo(f"{out}: {system.family}, {system.sites} sites, {system.parameters:,} parameters")
