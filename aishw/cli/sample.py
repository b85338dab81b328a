"""`aishw sample`: images of a checkpoint, as trained or as a target's codes stand for it, as one picture."""

from __future__ import annotations

from pathlib import Path

import click

from aishw.cli import common


@click.command(name="sample")
@common.checkpoint_argument
@click.option("--images", default=64, show_default=True, type=common.COUNT, help="How many.")
@click.option("--seed", default=0, show_default=True, type=common.SEED, help="Of the start states and the noise.")
@click.option("--noise", is_flag=True, help="With the noise it was trained with.")
@click.option("--method", default="rk4", show_default=True, help="Solver: euler, heun, rk4.")
@click.option("--step-tau", type=common.POSITIVE, help="Longest step; by default the one it was trained with.")
@click.option("--columns", default=8, show_default=True, type=common.COUNT, help="Images side by side.")
@click.option(
    "--upscale", default=8, show_default=True, type=click.IntRange(1, 64), help="Picture pixels for one pixel."
)
@click.option("--target", metavar="NAME", help="Through this target's codes; by default as trained.")
@click.option("--bits", default=4, show_default=True, type=click.IntRange(1, 16), help="Width of a code.")
@click.option("--policy", default="chunk", show_default=True, help="Who shares a full scale: array, chunk, site.")
@click.option("--clip", default="maximum", show_default=True, help="Where full scale lies: maximum, mse, sigma3.")
@common.out_option("The PNG to write.")
@common.force_option
def command(
    checkpoint: str, images: int, seed: int, noise: bool, method: str, step_tau: float | None, columns: int,
    upscale: int, target: str | None, bits: int, policy: str, clip: str, out: Path, force: bool,
) -> None:  # fmt: skip
    """Solves CHECKPOINT's equation from random start states, and draws the images at the end."""
    from aishw.ais.rollout import rollout
    from aishw.ais.system import draw_start
    from aishw.atomic import check_output
    from aishw.verify.images import image, write_grid

    check_output(out, force)
    system = common.load_system(checkpoint)
    if target is not None:
        from aishw.lower import lower

        card = common.load_target(target, None, None)
        system = lower(system, card, bits=bits, policy=policy, clip=clip).realised
    x0 = draw_start(system, images, seed)
    kick, generator = (system.noise, seed) if noise else (None, None)
    end = rollout(system, x0, method, step_tau or system.step_tau, noise=kick, generator=generator)
    write_grid(out, image(system, end.numpy()), columns, upscale, overwrite=force)
    click.echo(f"{out}: {images} images of {system.name}, seed {seed}")
