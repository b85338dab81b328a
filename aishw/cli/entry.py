"""`aishw`: the group of commands, each imported only when it is named, and what a failure looks like.

Exit codes: 0 held, 1 a check fell short, 2 bad input or no result (one line on stderr), 130 and 143 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import Any

import click

from aishw import __version__
from aishw.errors import AishwError, SimulatorError

FELL_SHORT, BAD_INPUT, INTERRUPTED, TERMINATED = 1, 2, 130, 143

COMMANDS = {
    "inspect": "aishw.cli.inspect",
    "import": "aishw.cli.import_",
    "lower": "aishw.cli.lower",
    "netlist": "aishw.cli.netlist",
    "run": "aishw.cli.run",
    "compare": "aishw.cli.compare",
    "verify": "aishw.cli.verify",
    "power": "aishw.cli.power",
    "sample": "aishw.cli.sample",
    "train": "aishw.cli.train",
    "study": "aishw.cli.study",
    "score": "aishw.cli.score",
    "extractor": "aishw.cli.extractor",
    "calibrate": "aishw.cli.calibrate",
    "company": "aishw.cli.company",
}


class Commands(click.Group):
    """The commands by name, in the order of a project's life."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name]).command
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="aishw")
def group() -> None:
    """From a trained analog interaction system to a verdict on the circuit."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command and exits; every failure is one line on stderr."""
    signal.signal(signal.SIGTERM, _terminate)
    # Before torch is loaded: threads that wait by spinning make training five times slower where cores are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """The exit code of one command. AISHW_DEBUG=1 lets an unexpected exception through with its traceback."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    kept: dict[str, Any] = {"words": tuple(words)}
    try:
        with group.make_context("aishw", words or ["--help"], obj=kept) as context:
            code = group.invoke(context)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as finished:
        return finished.exit_code
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "aishw"
        return _say(f"{error.format_message().rstrip('.')}; see `{where} --help`")
    except click.ClickException as error:
        return _say(error.format_message())
    except SimulatorError as error:
        _say(str(error))
        for line in error.tail.splitlines():
            click.echo(f"  | {line}", err=True)
        return BAD_INPUT
    except AishwError as error:
        return _say(str(error))
    except KeyboardInterrupt as error:
        place = kept["place"] if os.path.exists(kept.get("place", "")) else None
        then = f"; {kept['then']}" if kept.get("then") else ""
        _say("interrupted; " + (f"what was computed is kept in {place}{then}" if place else "nothing was written"))
        return TERMINATED if "SIGTERM" in error.args else INTERRUPTED
    except BrokenPipeError:  # `aishw inspect ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        name = f" {error.filename}" if error.filename else ""
        return _say(f"cannot use{name}: {(error.strerror or str(error)).lower()}")
    except MemoryError:
        return _say("out of memory; run fewer images at a time")
    except Exception as error:
        if os.environ.get("AISHW_DEBUG"):
            raise
        return _say(f"unexpected {type(error).__name__}: {error}; details are in {_log()}; this is a bug of aishw")


def _say(line: str) -> int:
    click.echo(f"aishw: {' '.join(line.split())}", err=True)
    return BAD_INPUT


def _terminate(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt("SIGTERM")


def _log() -> str:
    try:
        with tempfile.NamedTemporaryFile("w", prefix="aishw-error-", suffix=".log", delete=False) as file:
            file.write(f"aishw {__version__}, python {sys.version}\n{' '.join(sys.argv)}\n\n{traceback.format_exc()}")
        return file.name
    except OSError:
        return "no log, which could not be written (AISHW_DEBUG=1 shows them)"
