"""`python -m aishw.train RECIPE.toml OUT.pt [--force]`: trains and shows how far it is; run it again to go on."""

from __future__ import annotations

import sys

from aishw.errors import AishwError
from aishw.train.loop import Step, train
from aishw.train.recipe import read_recipe


def main(arguments: list[str]) -> int:
    """0 when the checkpoint is written, 2 with one line for bad input, 130 when interrupted."""
    force = "--force" in arguments
    names = [argument for argument in arguments if argument != "--force"]
    if len(names) != 2:
        print("usage: python -m aishw.train RECIPE.toml OUT.pt [--force]", file=sys.stderr)
        return 2
    recipe, out = names
    command = f"python -m aishw.train {recipe} {out}"
    try:
        trained = train(read_recipe(recipe), out, _show, command=command, overwrite=force)
    except AishwError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\ninterrupted; the same command goes on from {out}.unfinished", file=sys.stderr)
        return 130
    print(f"\n{out}: {trained.score}, {trained.cpu_s:.0f} CPU s")
    return 0


def _show(at: Step) -> None:
    if at.step % 10 == 0 or at.step == at.steps:
        line = f"\r{at.step}/{at.steps} steps, {at.cpu_s:.0f} CPU s, distance {at.distance:.3f} "
        print(line, end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
