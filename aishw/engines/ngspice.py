"""The only module that starts ngspice: one disposable process per deck, in a folder of its own.

`ngspice -b` costs 3 to 6 ms beyond the simulation and isolates crashes, so no process serves two decks. `num_threads=1`
must stand in a `.spiceinit` in the run folder; `-D` does nothing and more threads are slower (measured).
"""

from __future__ import annotations

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

import numpy as np

from aishw.engines.rawfile import Raw, last_time_s, layout, read_raw
from aishw.errors import SimulatorError

OLDEST = 39
WAY_OUT = "install ngspice (`make demo` does, or `apt-get install ngspice`) or set AISHW_NGSPICE to its path"
KEPT_RUNS = 20  # failed runs kept in the cache; older ones go
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
        raise SimulatorError(f"ngspice {simulator.version} at {found} is too old; aishw needs {OLDEST} or newer: {WAY_OUT}")
    return simulator


@lru_cache
def _version(path: Path, mtime_ns: int, size: int) -> tuple[int, bool]:
    try:
        done = subprocess.run(
            [str(path), "--version"], capture_output=True, timeout=20, text=True, errors="replace", stdin=subprocess.DEVNULL
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
    ("hsa", "ps" ...), set in `.spiceinit`. cancel: setting it kills the run. progress: called with the fraction of the
    transient that is done. keep: a folder that receives deck, log, raw file and `.spiceinit` whatever happens.

    Raises SimulatorError when the run did not reach the end of its `.tran` with finite values, or passed its time or
    memory limit; deck, log and `.spiceinit` are then kept under $AISHW_KEEP or ~/.cache/aishw/failed, and the error
    says where. The process group is killed on any exception, KeyboardInterrupt included.
    """
    simulator = simulator or find_simulator()
    for name in files:
        if name in _OWN or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*", name):
            raise SimulatorError(f"{name!r} may not stand beside a deck; use letters, digits, '_', '-' and '.'")
    if ngbehavior is not None and not re.fullmatch(r"[a-z]{1,12}", ngbehavior):
        raise SimulatorError(f"ngbehavior {ngbehavior!r} is not a compatibility mode; use letters, like 'hsa'")
    stop_s = transient_end_s(deck)
    folder = Path(tempfile.mkdtemp(prefix="aishw-"))
    try:
        try:
            _write(folder, deck, files, ngbehavior)
            code, cpu_s, wall_s, verdict = _spend(
                folder, simulator, stop_s, time_limit_s, memory_limit_GiB, cancel, progress
            )
            log = (folder / "log.txt").read_text(errors="replace")
            raw = _judge(folder, log, code, verdict, stop_s, memory_limit_GiB)
        except SimulatorError as error:
            raise _kept(folder, error, files) from None
        except OSError as error:
            raise _kept(folder, SimulatorError(f"ngspice could not be run: {error}"), files) from error
        if progress:
            progress(1.0)
        return Result(raw, log, cpu_s, wall_s, simulator)
    finally:
        if keep is not None:
            _copy(folder, keep, [*files, "out.raw"])
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
    folder: Path, simulator: Simulator, stop_s: float, time_limit_s: float, memory_limit_GiB: float,
    cancel: threading.Event | None, progress: Callable[[float], None] | None,
) -> tuple[int, float, float, str]:
    """Exit code (negative: a signal), processor seconds, wall seconds, and why it was killed ("" if it was not)."""
    # `ulimit` in sh, because a preexec_fn is not safe beside threads. HOME: a user's own .spiceinit must not interfere.
    limit_KiB = int(memory_limit_GiB * 1024 * 1024)
    command = ["/bin/sh", "-c", 'ulimit -c 0; ulimit -v "$1"; shift; exec "$@"', "sh", str(limit_KiB)]
    command += [str(simulator.path), "-b", "-r", "out.raw", "deck.cir"]
    environment = {**os.environ, "HOME": str(folder), "OMP_NUM_THREADS": "1", "LC_ALL": "C"}
    begun = time.monotonic()
    with open(folder / "log.txt", "wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    verdict, pause_s, shape, told = "", 0.001, None, 0.0
    try:
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                process.returncode = os.waitstatus_to_exitcode(status)
                return process.returncode, usage.ru_utime + usage.ru_stime, time.monotonic() - begun, verdict
            if not verdict and cancel is not None and cancel.is_set():
                verdict = "was cancelled"
            elif not verdict and time.monotonic() - begun > time_limit_s:
                verdict = f"ran past its time limit of {time_limit_s:g} s; simulate less or raise the limit"
            if verdict:
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
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _judge(folder: Path, log: str, code: int, verdict: str, stop_s: float, memory_limit_GiB: float) -> Raw:
    """The waveforms, or why there are none."""
    if verdict:
        raise SimulatorError(f"ngspice {verdict}", tail=_tail(log))
    reasons = (
        (r"can't allocate|out of memory|malloc.*error|bad_alloc", f"ran out of memory (limit {memory_limit_GiB:g} GiB)"),
        (r"rawfile write error|no space left|disk full", f"could not write its raw file: the disk under {folder.parent} is full"),
        (r"timestep too small", "stopped: timestep too small"),
        (r"singular matrix", "met a singular matrix: a node without a path to ground, or sources in a loop"),
        (r"there aren't any circuits loaded|no circuit loaded|error on line|fatal error", "refused the deck"),
    )
    for pattern, reason in reasons:
        found = re.search(pattern, log, re.IGNORECASE)
        if found:
            line = log[log.rfind("\n", 0, found.start()) + 1 :].split("\n", 1)[0].strip()
            detail = f" ({line[:160]})" if reason.startswith(("stopped", "met")) else ""
            detail = f" ({_first_error(log)})" if reason == "refused the deck" else detail
            raise SimulatorError(f"ngspice {reason}{detail}", tail=_tail(log))
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        why = "; the system kills what runs it out of memory" if name == "SIGKILL" else ""
        raise SimulatorError(f"ngspice crashed ({name}){why}; memory limit {memory_limit_GiB:g} GiB", tail=_tail(log))
    if code:
        raise SimulatorError(f"ngspice failed with exit code {code} ({_first_error(log)})", tail=_tail(log))
    try:
        raw = read_raw(folder / "out.raw")
    except SimulatorError as error:
        raise SimulatorError(str(error), tail=_tail(log)) from None
    if raw.time_s[-1] < stop_s * (1 - 1e-9):
        raise SimulatorError(f"ngspice stopped at {raw.time_s[-1]:.6g} s of {stop_s:.6g} s", tail=_tail(log))
    if not np.isfinite(raw.values).all():
        column = int(np.argmax(~np.isfinite(raw.values).all(axis=0)))
        raise SimulatorError(f"ngspice returned NaN or infinite values for {raw.names[column]}", tail=_tail(log))
    return raw


def _first_error(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for k, line in enumerate(lines):
        if "error" in line.lower():
            return " ".join(lines[k : k + 2])[:160]
    return lines[-1][:160] if lines else "no output"


def _tail(log: str, lines: int = 15) -> str:
    return "\n".join([line for line in log.splitlines() if line.strip()][-lines:])


def _copy(folder: Path, into: Path, names: list[str]) -> None:
    into.mkdir(parents=True, exist_ok=True)
    for name in ["deck.cir", "log.txt", ".spiceinit", *names]:
        if (folder / name).exists():
            shutil.copy2(folder / name, into / name)


def _kept(folder: Path, error: SimulatorError, files: Mapping[str, str]) -> SimulatorError:
    """The same error with the deck and the log put aside, and the folder named in its line."""
    if "was cancelled" in str(error):
        return error
    own = os.environ.get("AISHW_KEEP")
    home = Path(own) if own else Path(os.path.expanduser("~")) / ".cache" / "aishw" / "failed"
    try:
        home.mkdir(parents=True, exist_ok=True)
        into = Path(tempfile.mkdtemp(prefix=time.strftime("run-%Y%m%d-%H%M%S-"), dir=home))
        _copy(folder, into, list(files))
        if not own:
            for old in sorted(home.glob("run-*"))[:-KEPT_RUNS]:
                shutil.rmtree(old, ignore_errors=True)
    except OSError:
        return SimulatorError(f"{error}; its deck could not be kept under {home}", tail=error.tail)
    return SimulatorError(f"{error}; deck and log are in {into}", kept=into, tail=error.tail)
