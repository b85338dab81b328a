"""How far a training is, on stderr: a bar with rate and time left on a terminal, else a line a minute."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from aishw.train import Step

_LINE_EVERY_S = 60.0


@contextmanager
def shown(name: str, steps: int) -> Iterator[Callable[[Step], None]]:
    """A function to be called with every Step."""
    if not sys.stderr.isatty():
        yield _lines(name)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[told]}", markup=False), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), speed_estimate_period=300) as bar:
        task, begun = bar.add_task(f"training {name}", total=steps, told=""), _Rate()

        def tell(at: Step) -> None:
            if begun.first is None:
                bar.reset(task, total=steps, completed=at.step - 1)  # a resumed run's rate counts from here
            told = f"{begun.per_s(at.step):.3g} steps/s, distance {at.distance:.3g}"
            bar.update(task, completed=at.step, told=told)

        yield tell


def _lines(name: str) -> Callable[[Step], None]:
    rate, said = _Rate(), time.monotonic()

    def tell(at: Step) -> None:
        nonlocal said
        per_s = rate.per_s(at.step)
        if time.monotonic() - said > _LINE_EVERY_S:
            said = time.monotonic()
            left = f"{(at.steps - at.step) / per_s / 60:.0f} min left" if per_s else "time left unknown"
            line = f"training {name}: step {at.step} of {at.steps}, {per_s:.3g} steps/s, {left}, "
            click.echo(f"{line}distance {at.distance:.3g}", err=True)

    return tell


class _Rate:
    """Steps per second since the first call."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.begun = 0.0

    def per_s(self, step: int) -> float:
        if self.first is None:
            self.first, self.begun = step, time.monotonic()
            return 0.0
        return (step - self.first) / max(time.monotonic() - self.begun, 1e-9)
