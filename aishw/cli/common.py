"""What the commands share: arguments, option types, progress on stderr, JSON on stdout."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from aishw.ais.system import System
    from aishw.engines.window import Window
    from aishw.hardware.calibration import Calibration
    from aishw.hardware.target import Target


class Positive(click.ParamType[float]):
    """A finite number above 0."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number", param, ctx)
        if not (math.isfinite(number) and number > 0):
            self.fail(f"{value!r} must be finite and above 0", param, ctx)
        return number


POSITIVE = Positive()
COUNT = click.IntRange(1, 1_000_000)
SEED = click.IntRange(0, 2**63 - 1)


def checkpoint_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.argument("checkpoint", metavar="CHECKPOINT")(command)


def run_file_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.argument("run_file", metavar="RUN.h5", type=click.Path(path_type=Path))(command)


def out_option(help: str) -> Callable[..., Any]:
    return click.option("-o", "--out", required=True, type=click.Path(path_type=Path), metavar="PATH", help=help)


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--target, --corner, --temperature."""
    for option in (
        click.option("--temperature", type=float, metavar="C", help="Degrees Celsius, instead of the card's."),
        click.option("--corner", metavar="NAME", help="Process corner, instead of the card's."),
        click.option("--target", required=True, metavar="NAME", help="A shipped target, or the path of a card."),
    ):
        command = option(command)
    return command


def lower_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """How a system is put onto a target: --bits, --policy, --strategy, --clip, --stretch."""
    for option in (
        click.option("--stretch", default=1.0, show_default=True, type=float, help="Cycles, over the fewest possible."),
        click.option(
            "--clip", default="maximum", show_default=True, help="Where full scale lies: maximum, mse, sigma3."
        ),
        click.option(
            "--strategy", default="state_stationary", show_default=True, help="How the chunks follow each other."
        ),
        click.option(
            "--policy", default="chunk", show_default=True, help="Who shares a full scale: array, chunk, site."
        ),
        click.option("--bits", default=4, show_default=True, type=click.IntRange(1, 16), help="Width of a weight."),
    ):
        command = option(command)
    return command


def parse_windows(texts: Sequence[str], system: System) -> tuple[Window, ...]:
    """Windows from R,C,H,W; raises GridError for one that is off the system's grid, before anything is computed."""
    from aishw.engines.window import Window

    windows = tuple(Window.parse(text) for text in texts)
    for window in windows:
        window.sites(system.topology.height, system.topology.width)
    return windows


window_option = click.option(
    "--window",
    "windows",
    multiple=True,
    metavar="R,C,H,W",
    help="Transistors for this rectangle of PEs: row, column, height, width; may be repeated.",
)
force_option = click.option("--force", is_flag=True, help="Overwrite what is there.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


def load_system(checkpoint: str) -> System:
    """The System of a file, or of a shipped checkpoint by its bare name."""
    from aishw import library
    from aishw.ais import checkpoint as files

    return files.load(library.find("models", checkpoint))


def calibration_option(help: str) -> Callable[..., Any]:
    return click.option("--calibration", metavar="FILE", help=help)


def given_calibration(name: str | None) -> Calibration | None:
    """The calibration of the option --calibration, if it was given, with the company beside its file."""
    from aishw import library
    from aishw.calibrate.company import with_company

    return None if name is None else with_company(load_calibration(name), library.find("calibration", name))


def calibrated_target(name: str | None, target: Target, system: System, bits: int) -> tuple[Target, Calibration | None]:
    """The target under the calibration `name`, and that calibration. Without a name it is the shipped one if that fits;
    if none does, or the name is "none", the card's own figures stand."""
    from aishw.calibrate.match import check_codes
    from aishw.calibrate.scale import calibrated
    from aishw.calibrate.shipped import calibration_of
    from aishw.errors import CardError

    fan_in = system.topology.fan_in
    if name == "none":
        return target, None
    if given := given_calibration(name):
        return calibrated(target, given, fan_in, bits)
    found = calibration_of(target, fan_in)
    if found is not None:
        with suppress(CardError):  # tables of another width
            check_codes(found, bits)
            return calibrated(target, found, fan_in, bits)
    return target, None


def load_calibration(name: str) -> Calibration:
    """The calibration of a file, or a shipped one by its bare name: as measured, without company."""
    from aishw import library
    from aishw.calibrate.calibration_file import load_calibration as load

    return load(library.find("calibration", name))


def load_target(name: str, corner: str | None, temperature_C: float | None) -> Target:
    from aishw.hardware.cards import load_target as load

    return load(name, corner=corner, temperature_C=temperature_C)


def keep(place: Path, then: str = "") -> None:
    """Names what stays if the command is interrupted from here on, and how it goes on."""
    click.get_current_context().obj.update(place=place, then=then)


def command_line() -> str:
    """The command as it was typed, for files that say what made them; paths are shortened to their names."""
    import shlex

    return shlex.join([word if word.startswith("-") else Path(word).name for word in typed_words()])


def typed_words() -> tuple[str, ...]:
    """The words of the command."""
    words = click.get_current_context().find_root().obj.get("words", ())
    return ("aishw", *words)


def finite(content: dict[str, Any]) -> dict[str, Any]:
    """The same with None for a number that JSON has no word for."""
    return {key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in content.items()}


def print_json(content: Any) -> None:
    click.echo(json.dumps(content, indent=1, allow_nan=False))


@contextmanager
def progress(label: str) -> Iterator[Callable[[float], None]]:
    """One stage: a bar on stderr, if that is a terminal; the callback takes the fraction that is done."""
    with stages(quiet=True) as tell:
        yield lambda fraction: tell(label, fraction)


@contextmanager
def stages(quiet: bool = False) -> Iterator[Callable[[str, float], None]]:
    """Named stages, one after another: bars on a terminal, else (unless `quiet`) a line on stderr for each."""
    import sys
    import time

    if not sys.stderr.isatty():
        begun, finished = time.monotonic(), set()

        def say(stage: str, fraction: float) -> None:
            if fraction >= 1.0 and stage not in finished and not quiet:
                finished.add(stage)
                click.echo(f"{stage}: done after {time.monotonic() - begun:.1f} s", err=True)

        yield say
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    name, percent = TextColumn("{task.description}", markup=False), TextColumn("{task.percentage:3.0f} %")
    tasks: dict[str, Any] = {}
    with Progress(name, BarColumn(), percent, TimeElapsedColumn(), console=Console(stderr=True)) as shown:

        def draw(stage: str, fraction: float) -> None:
            if stage not in tasks:
                tasks[stage] = shown.add_task(stage, total=1.0)
            shown.update(tasks[stage], completed=fraction)

        yield draw
