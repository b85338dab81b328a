"""The only module that starts ngspice: one disposable process per deck, in a folder of its own.

`ngspice -b` costs 3 to 6 ms beyond the simulation and isolates crashes, so no process serves two decks. `num_threads=1`
must stand in a `.spiceinit` in the run folder; `-D` does nothing and more threads are slower (measured).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from aishw.engines.executor import interrupted
from aishw.engines.ngspice_failure import copy_run, kept, read_log, waveforms
from aishw.engines.rawfile import Raw, last_time_s, layout
from aishw.errors import SimulatorError

OLDEST = 39
WAY_OUT = "install ngspice (`make demo` does, or `apt-get install ngspice`) or set AISHW_NGSPICE to its path"
_OWN = {"deck.cir", "out.raw", "log.txt", ".spiceinit"}


@dataclass(frozen=True)
class Simulator:
    """An ngspice binary, its major version, and whether it has the KLU solver (`.options klu`)."""

    path: Path
    version: int
    klu: bool = False


@dataclass(frozen=True, eq=False)
class Result:
    """A finished run: waveforms, the log, processor and wall-clock seconds, and who computed it."""

    raw: Raw
    log: str
    cpu_s: float
    wall_s: float
    simulator: Simulator


@dataclass(frozen=True)
class _End:
    """How a process ended: its exit code (negative: a signal), and why it was killed ("" if it was not)."""

    code: int
    killed: str
    cpu_s: float
    wall_s: float


def find_simulator(path: Path | str | None = None) -> Simulator:
    """ngspice at `path`, else at $AISHW_NGSPICE, else on PATH. Raises SimulatorError if missing or older than 39."""
    wanted = str(path or os.environ.get("AISHW_NGSPICE") or "ngspice")
    found = shutil.which(wanted)
    if found is None:
        raise SimulatorError(f"ngspice was not found ({wanted!r}); {WAY_OUT}")
    resolved = Path(found).resolve()
    stamp = resolved.stat()
    simulator = Simulator(resolved, *_version(resolved, stamp.st_mtime_ns, stamp.st_size))
    if simulator.version < OLDEST:
        raise SimulatorError(f"ngspice {simulator.version} at {found} is too old, {OLDEST} is needed; {WAY_OUT}")
    return simulator


@lru_cache
def _version(path: Path, mtime_ns: int, size: int) -> tuple[int, bool]:
    try:
        done = subprocess.run(
            [str(path), "--version"],
            capture_output=True,
            timeout=20,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SimulatorError(f"{path} does not answer --version ({type(error).__name__}); {WAY_OUT}") from error
    found = re.search(r"ngspice-(\d+)", done.stdout + done.stderr)
    if found is None:
        raise SimulatorError(f"{path} is not ngspice: --version says nothing like 'ngspice-39'; {WAY_OUT}")
    return int(found.group(1)), "KLU" in done.stdout


def run_deck(
    deck: str,
    *,
    simulator: Simulator | None = None,
    files: Mapping[str, str] = {},
    ngbehavior: str | None = None,
    time_limit_s: float = 600.0,
    memory_limit_GiB: float = 8.0,
    cancel: threading.Event | None = None,
    progress: Callable[[float], None] | None = None,
    keep: Path | None = None,
) -> Result:
    """Run one deck with a `.tran` line to its end in a private folder, and read its waveforms.

    files: further files beside the deck (plain names), for `.include` and `.lib`. ngbehavior: compatibility mode
    ("hsa", "ps" ...), set in `.spiceinit`. cancel: setting it kills the run (by default the event of an interrupt,
    `executor.interrupted`). progress: called with the fraction of the transient that is done. keep: a folder that
    receives deck, log, raw file and `.spiceinit` whatever happens.

    Raises SimulatorError when the run did not reach the end of its `.tran` with finite values, or passed its time or
    memory limit; deck, log and `.spiceinit` are then kept under $AISHW_KEEP or ~/.cache/aishw/failed, and the error
    says where. The process group is killed on any exception, KeyboardInterrupt included.
    """
    simulator, cancel = simulator or find_simulator(), cancel or interrupted()
    for name in files:
        if name in _OWN or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*", name):
            raise SimulatorError(f"{name!r} may not stand beside a deck; use letters, digits, '_', '-' and '.'")
    if ngbehavior is not None and not re.fullmatch(r"[a-z]{1,12}", ngbehavior):
        raise SimulatorError(f"ngbehavior {ngbehavior!r} is not a compatibility mode; use letters, like 'hsa'")
    stop_s = transient_end_s(deck)
    try:
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="aishw-"))
    except OSError as error:
        raise SimulatorError(
            f"no folder for a run of ngspice: {error}; free the disk or choose another folder"
        ) from error
    try:
        try:
            _write(folder, deck, files, ngbehavior)
            end = _spend(folder, simulator, stop_s, time_limit_s, memory_limit_GiB, cancel, progress)
            log = read_log(folder / "log.txt")
            raw = waveforms(folder / "out.raw", log, end.code, end.killed, stop_s, memory_limit_GiB)
        except SimulatorError as error:
            cancelled = cancel is not None and cancel.is_set()
            raise (error if cancelled else kept(folder, error, list(files))) from None
        except OSError as error:
            raise kept(folder, SimulatorError(f"ngspice could not be run: {error}"), list(files)) from error
        if progress:
            progress(1.0)
        return Result(raw, log, end.cpu_s, end.wall_s, simulator)
    finally:
        try:
            if keep is not None:
                copy_run(folder, keep, [*files, "out.raw"])
        except OSError as error:
            raise SimulatorError(f"a run could not be kept in {keep}: {error}; choose another folder") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def transient_end_s(deck: str) -> float:
    """The stop time of the deck's `.tran` line. Raises SimulatorError if there is none."""
    found = re.search(r"^\.tran\s+\S+\s+([0-9.eE+\-]+)([a-z]*)", deck, re.MULTILINE | re.IGNORECASE)
    if found is None:
        raise SimulatorError("the deck has no .tran line with a stop time; write one, aishw runs transients only")
    scale = {"": 1.0, "s": 1.0, "f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "g": 1e9}
    suffix = found.group(2).lower()
    suffix = suffix[:-1] if len(suffix) == 2 and suffix.endswith("s") else suffix
    try:
        return float(found.group(1)) * scale[suffix]
    except (KeyError, ValueError):
        raise SimulatorError(f"the .tran line stops at {found.group(1)}{found.group(2)}, which is not a time") from None


def _write(folder: Path, deck: str, files: Mapping[str, str], ngbehavior: str | None) -> None:
    (folder / "deck.cir").write_text(deck)
    for name, text in files.items():
        (folder / name).write_text(text)
    lines = ["set num_threads=1", *([f"set ngbehavior={ngbehavior}"] if ngbehavior else [])]
    (folder / ".spiceinit").write_text("\n".join(lines) + "\n")


def _spend(
    folder: Path,
    simulator: Simulator,
    stop_s: float,
    time_limit_s: float,
    memory_limit_GiB: float,
    cancel: threading.Event | None,
    progress: Callable[[float], None] | None,
) -> _End:
    # `ulimit` in sh, because a preexec_fn is not safe beside threads. HOME: a user's own .spiceinit must not interfere.
    limit_KiB = int(memory_limit_GiB * 1024 * 1024)
    command = ["/bin/sh", "-c", 'ulimit -c 0; ulimit -v "$1"; shift; exec "$@"', "sh", str(limit_KiB)]
    if shutil.which("setpriv"):  # the kernel then kills the run when we die without a chance to (SIGKILL)
        command += ["setpriv", "--pdeathsig", "KILL"]
    command += [str(simulator.path), "-b", "-r", "out.raw", "deck.cir"]
    environment = {**os.environ, "HOME": str(folder), "OMP_NUM_THREADS": "1", "LC_ALL": "C"}
    begun = time.monotonic()
    with open(folder / "log.txt", "wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    killed, pause_s, shape, told = "", 0.001, None, 0.0
    try:
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                process.returncode = os.waitstatus_to_exitcode(status)
                spent = usage.ru_utime + usage.ru_stime
                return _End(process.returncode, killed, spent, time.monotonic() - begun)
            if not killed and cancel is not None and cancel.is_set():
                killed = "was cancelled"
            elif not killed and time.monotonic() - begun > time_limit_s:
                killed = f"ran past its time limit of {time_limit_s:g} s; simulate less or raise the limit"
            if killed:
                _kill(process.pid)
            elif progress and time.monotonic() - begun > told + 0.2:
                told = time.monotonic() - begun
                shape = shape or layout(folder / "out.raw")
                done_s = last_time_s(folder / "out.raw", *shape) if shape else None
                progress(min(max((done_s or 0.0) / stop_s, 0.0), 1.0))
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 0.05)
    finally:
        if process.returncode is None:
            _kill(process.pid)
            process.wait()


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
