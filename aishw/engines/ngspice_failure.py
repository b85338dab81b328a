"""Did a run of ngspice succeed, and if not, why: its log, exit code and raw file. What is kept of a failed run.

ngspice warns of much and exits with 0 after some failures (a full disk), so the proof of success is a raw file that
reaches the end of the `.tran` with finite values.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
import time
from pathlib import Path

import numpy as np

from aishw.engines.rawfile import Raw, read_raw
from aishw.errors import SimulatorError

KEPT_RUNS = 20  # failed runs kept in the cache; older ones go
LONGEST_LOG = 4_000_000  # bytes: the first and the last half of a longer one

# Seen in logs of ngspice 39 and 46: what it prints, what that means, and whether its line helps.
_REASONS = (
    (
        r"can't allocate|out of memory|bad_alloc",
        "ran out of memory (limit {limit:g} GiB); raise it or simulate less",
        False,
    ),
    (
        r"rawfile write error|no space left|disk full",
        "could not write its results: no room in {folder}; free some, or set TMPDIR",
        False,
    ),
    (r"timestep too small", "stopped: timestep too small", True),
    (r"singular matrix", "met a singular matrix: a node without a path to ground, or a loop of sources", True),
    (r"no circuit loaded|there aren't any circuits|error on line|bad syntax|fatal error", "refused the deck", True),
)
# A line like these says more than "fatal error" does.
_TELLING = r"undefined|unknown|bad syntax|cannot compute|not found|could not find|error on line|timestep too small"


def read_log(path: Path) -> str:
    """A run's log, without the title of the deck, which is not ngspice's own word."""
    with open(path, "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        text = stream.read(LONGEST_LOG // 2)
        if size > LONGEST_LOG // 2:
            stream.seek(max(size - LONGEST_LOG // 2, LONGEST_LOG // 2))
            text += stream.read()
    lines = text.decode("utf-8", "replace").splitlines()
    return "\n".join(line for line in lines if not line.startswith("Circuit:"))


def waveforms(raw_file: Path, log: str, code: int, killed: str, stop_s: float, memory_limit_GiB: float) -> Raw:
    """The waveforms of a finished run. Raises SimulatorError, with the log's last lines, if it did not succeed.

    code: the exit code (negative: a signal). killed: why we ended it ("" if we did not).
    """
    reason = (
        killed or _from_log(log, memory_limit_GiB, raw_file.parent.parent) or _from_code(log, code, memory_limit_GiB)
    )
    if reason:
        raise SimulatorError(f"ngspice {reason}", tail=_tail(log))
    try:
        raw = read_raw(raw_file)
    except SimulatorError as error:
        raise SimulatorError(str(error), tail=_tail(log)) from None
    if raw.time_s[-1] < stop_s * (1 - 1e-9):
        raise SimulatorError(f"ngspice stopped at {raw.time_s[-1]:.6g} s of {stop_s:.6g} s", tail=_tail(log))
    if not np.isfinite(raw.values).all():
        column = int(np.argmax(~np.isfinite(raw.values).all(axis=0)))
        raise SimulatorError(f"ngspice returned NaN or infinite values for {raw.names[column]}", tail=_tail(log))
    return raw


def kept(folder: Path, error: SimulatorError, names: list[str]) -> SimulatorError:
    """The same error, with the run's deck, log and `.spiceinit` put aside and the place named in its line.

    The place is $AISHW_KEEP, or ~/.cache/aishw/failed, which holds the last 20.
    """
    own = os.environ.get("AISHW_KEEP")
    home = Path(own) if own else Path("~/.cache/aishw/failed").expanduser()
    try:
        home.mkdir(parents=True, exist_ok=True)
        into = Path(tempfile.mkdtemp(prefix=time.strftime("run-%Y%m%d-%H%M%S-"), dir=home))
        copy_run(folder, into, names)
        if not own:
            for old in sorted(home.glob("run-*"))[:-KEPT_RUNS]:
                shutil.rmtree(old, ignore_errors=True)
    except OSError:
        return SimulatorError(f"{error}; its deck could not be kept in {home}", tail=error.tail)
    return SimulatorError(f"{error}; deck and log are in {into}", kept=into, tail=error.tail)


def copy_run(folder: Path, into: Path, names: list[str]) -> None:
    """Deck, log, `.spiceinit` and `names`, as far as they exist."""
    into.mkdir(parents=True, exist_ok=True)
    for name in ["deck.cir", "log.txt", ".spiceinit", *names]:
        if (folder / name).exists():
            shutil.copy2(folder / name, into / name)


def _from_log(log: str, memory_limit_GiB: float, folder: Path) -> str:
    for pattern, reason, shown in _REASONS:
        if re.search(pattern, log, re.IGNORECASE):
            detail = f" ({_telling_line(log)})" if shown else ""
            return reason.format(limit=memory_limit_GiB, folder=folder) + detail
    return ""


def _from_code(log: str, code: int, memory_limit_GiB: float) -> str:
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        why = "killed from outside, perhaps for want of memory" if name == "SIGKILL" else "crashed"
        return f"ended with {name}: {why} (memory limit {memory_limit_GiB:g} GiB)"
    return f"failed with exit code {code} ({_telling_line(log)})" if code else ""


def _telling_line(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for pattern in (_TELLING, "error"):
        for k, line in enumerate(lines):
            if re.search(pattern, line, re.IGNORECASE):
                return " ".join(lines[k : k + 2] if line.endswith(("line", ":")) else [line])[:160]
    return lines[-1][:160] if lines else "no output"


def _tail(log: str, lines: int = 15) -> str:
    return "\n".join([line for line in log.splitlines() if line.strip()][-lines:])
