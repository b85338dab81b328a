"""The runner around ngspice: what it does when ngspice works, and every way in which it may not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from fake_ngspice import DECK, fake, raw_bytes, waves

from aishw.engines.ngspice import Simulator, find_simulator, run_deck, transient_end_s
from aishw.errors import SimulatorError


def real() -> Simulator:
    try:
        return find_simulator()
    except SimulatorError as error:
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def kept_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AISHW_KEEP", str(tmp_path / "kept"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "runs"))
    (tmp_path / "runs").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path / "kept"


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] not in "ZX"
    except OSError:
        return False


def gone(pid_file: Path) -> bool:
    pid = int(pid_file.read_text())
    for _ in range(100):
        if not alive(pid):
            return True
        time.sleep(0.02)
    return False


def test_a_sine_comes_back(tmp_path: Path) -> None:
    told: list[float] = []
    result = run_deck(DECK, simulator=real(), progress=told.append)
    assert result.raw.time_s[0] == pytest.approx(0, abs=1e-5)
    assert result.raw.time_s[-1] == pytest.approx(1e-3, rel=1e-12)
    assert result.raw["V(A)"] == pytest.approx(np.sin(2 * np.pi * 1e3 * result.raw.time_s), abs=1e-9)
    assert told[-1] == 1.0
    assert 0 < result.cpu_s < 10 and result.wall_s > 0
    assert not list((tmp_path / "runs").iterdir())


def test_the_threads_and_the_mode_stand_in_spiceinit(tmp_path: Path) -> None:
    simulator = fake(tmp_path / "fake", 'cat .spiceinit; ls; echo "HOME=$HOME in $PWD"; cp "$raw" out.raw')
    log = run_deck(DECK, simulator=simulator, ngbehavior="hsa", files={"more.lib": "* more\n"}).log
    assert "set num_threads=1\nset ngbehavior=hsa\n" in log
    assert "more.lib" in log
    home, here = log.split("HOME=")[1].split()[0::2][:2]
    assert home == here


def test_memory_is_limited(tmp_path: Path) -> None:
    simulator = fake(tmp_path / "fake", 'ulimit -v; cp "$raw" out.raw')
    assert run_deck(DECK, simulator=simulator, memory_limit_GiB=0.5).log.strip() == str(512 * 1024)


def test_keep_gets_everything_on_success(tmp_path: Path) -> None:
    simulator = fake(tmp_path / "fake", 'echo hello; cp "$raw" out.raw')
    run_deck(DECK, simulator=simulator, keep=tmp_path / "mine" / "run")
    kept = tmp_path / "mine" / "run"
    assert sorted(path.name for path in kept.iterdir()) == [".spiceinit", "deck.cir", "log.txt", "out.raw"]
    assert (kept / "deck.cir").read_text() == DECK


FAILURES = {
    "crash": ("kill -SEGV $$", "ended with SIGSEGV: crashed"),
    "killed": ("kill -KILL $$", "want of memory"),
    "exit code": ('echo "Error: no such thing"; exit 3', r"exit code 3 \(Error: no such thing\)"),
    "no raw file": ("exit 0", "missing or empty"),
    "empty raw file": (": > out.raw", "missing or empty"),
    "half a raw file": ('head -c 900 "$raw" > out.raw', "truncated"),
    "header only": ('head -c 100 "$raw" > out.raw', "header is cut off"),
    "disk full": ('cp "$raw" out.raw; echo "Warning: rawfile write error !!"', "no room in"),
    "memory": ('echo "malloc: Internal Error: can\'t allocate 21 bytes."; exit 1', r"out of memory \(limit 8 GiB\)"),
    "time step": (
        'cp "$raw" out.raw; echo "doAnalyses: TRAN:  Timestep too small; time = 1e-9"; exit 1',
        "timestep too small.*time = 1e-9",
    ),
    "singular": ('echo "Warning: singular matrix:  check node v1#branch"; cp "$raw" out.raw', "singular.*v1#branch"),
    "refused": (
        'echo "Undefined parameter [x]"; echo "ERROR: fatal error in ngspice, exit(1)"; exit 1',
        "refused.*Undefined",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_one_line_and_keeps_the_deck(name: str, tmp_path: Path, kept_here: Path) -> None:
    body, message = FAILURES[name]
    simulator = fake(tmp_path / "fake", f"echo first words\n{body}")
    with pytest.raises(SimulatorError, match=message) as caught:
        run_deck(DECK, simulator=simulator, files={"more.lib": "* more\n"})
    assert "\n" not in str(caught.value)
    assert caught.value.kept is not None and caught.value.kept.parent == kept_here
    assert {path.name for path in caught.value.kept.iterdir()} == {".spiceinit", "deck.cir", "log.txt", "more.lib"}
    assert (caught.value.kept / "deck.cir").read_text() == DECK
    assert str(caught.value.kept) in str(caught.value)
    assert "first words" in caught.value.tail
    assert not list((tmp_path / "runs").iterdir())


def test_a_run_that_stops_early_is_a_failure(tmp_path: Path) -> None:
    simulator = fake(tmp_path / "fake", f'cp "{tmp_path}/short.raw" out.raw')
    (tmp_path / "short.raw").write_bytes(raw_bytes(waves(9.9e-4)))
    with pytest.raises(SimulatorError, match=r"stopped at 0.00099 s of 0.001 s"):
        run_deck(DECK, simulator=simulator)


def test_nan_is_a_failure(tmp_path: Path) -> None:
    table = waves()
    table[50, 2] = np.nan
    simulator = fake(tmp_path / "fake", f'cp "{tmp_path}/nan.raw" out.raw')
    (tmp_path / "nan.raw").write_bytes(raw_bytes(table))
    with pytest.raises(SimulatorError, match=r"NaN or infinite values for i\(v1\)"):
        run_deck(DECK, simulator=simulator)


def test_a_title_is_not_taken_for_a_failure(tmp_path: Path) -> None:
    simulator = fake(tmp_path / "fake", 'echo "Circuit: * disk full, timestep too small"; cp "$raw" out.raw')
    assert run_deck(DECK, simulator=simulator).raw.time_s.size == 101


def test_a_hanging_run_is_killed_with_its_children(tmp_path: Path) -> None:
    simulator = fake(tmp_path / "fake", f'sleep 100 & echo $! > "{tmp_path}/child"\necho "still here"\nsleep 100')
    begun = time.monotonic()
    with pytest.raises(SimulatorError, match=r"past its time limit of 0\.3 s") as caught:
        run_deck(DECK, simulator=simulator, time_limit_s=0.3)
    assert time.monotonic() - begun < 5
    assert gone(tmp_path / "child")
    assert "still here" in caught.value.tail


def test_cancel_kills_the_run_and_keeps_nothing(tmp_path: Path, kept_here: Path) -> None:
    simulator = fake(tmp_path / "fake", f'sleep 100 & echo $! > "{tmp_path}/child"; wait')
    cancel = threading.Event()
    threading.Timer(0.3, cancel.set).start()
    with pytest.raises(SimulatorError, match="was cancelled"):
        run_deck(DECK, simulator=simulator, cancel=cancel)
    assert gone(tmp_path / "child")
    assert not kept_here.exists()


def test_an_interrupt_kills_the_run(tmp_path: Path) -> None:
    simulator = fake(tmp_path / "fake", f'sleep 100 & echo $! > "{tmp_path}/child"; wait')

    def interrupt(fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_deck(DECK, simulator=simulator, progress=interrupt)
    assert gone(tmp_path / "child")
    assert not list((tmp_path / "runs").iterdir())


@pytest.mark.skipif(not shutil.which("setpriv"), reason="util-linux's setpriv is not here")
def test_a_run_does_not_outlive_its_caller(tmp_path: Path) -> None:
    simulator = fake(tmp_path / "fake", f'echo $$ > "{tmp_path}/child"; exec sleep 100')
    code = f"from aishw.engines.ngspice import run_deck; run_deck({DECK!r})"
    caller = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "AISHW_NGSPICE": str(simulator.path)})
    try:
        until = time.monotonic() + 20
        while not ((tmp_path / "child").exists() and (tmp_path / "child").read_text().endswith("\n")):
            assert time.monotonic() < until
            time.sleep(0.02)
    finally:
        caller.kill()
        caller.wait()
    assert gone(tmp_path / "child")


def test_progress_reads_the_growing_raw_file(tmp_path: Path) -> None:
    half = len(raw_bytes(waves()[:51]))
    body = f'head -c {half + 10} "$raw" > out.raw; sleep 0.8; cp "$raw" out.raw'
    told: list[float] = []
    run_deck(DECK, simulator=fake(tmp_path / "fake", body), progress=told.append)
    assert told[-1] == 1.0
    assert any(abs(fraction - 0.5) < 0.02 for fraction in told[:-1])
    assert told == sorted(told)


def test_kept_runs_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AISHW_KEEP")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    simulator = fake(tmp_path / "fake", "exit 1")
    last = None
    for _ in range(22):
        with pytest.raises(SimulatorError) as caught:
            run_deck(DECK, simulator=simulator)
        last = caught.value.kept
    failed = tmp_path / "home" / ".cache" / "aishw" / "failed"
    assert len(list(failed.iterdir())) == 20
    assert last is not None and last.parent == failed


def test_a_place_to_keep_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AISHW_KEEP", str(tmp_path / "file" / "below"))
    with pytest.raises(SimulatorError, match="could not be kept") as caught:
        run_deck(DECK, simulator=fake(tmp_path / "fake", "exit 1"))
    assert caught.value.kept is None
    with pytest.raises(SimulatorError, match="no folder for a run"):
        run_deck(DECK, simulator=fake(tmp_path / "fake", "exit 1"), keep=tmp_path / "file" / "below")


@pytest.mark.parametrize("name", ["../x.lib", "a/b", ".spiceinit", "deck.cir", "out.raw", "x y", "", "-x"])
def test_files_beside_the_deck_have_plain_names(name: str, tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match="may not stand beside a deck"):
        run_deck(DECK, simulator=fake(tmp_path / "fake", "exit 0"), files={name: "x"})


def test_a_mode_is_a_word(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match="compatibility mode"):
        run_deck(DECK, simulator=fake(tmp_path / "fake", "exit 0"), ngbehavior="hsa\nshell rm x")


def test_missing_old_and_foreign_simulators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SimulatorError, match=r"not found.*apt-get install ngspice"):
        find_simulator(tmp_path / "nowhere")
    with pytest.raises(SimulatorError, match=r"ngspice 38 .* too old, 39 is needed"):
        fake(tmp_path / "old", "exit 0", version="ngspice-38")
    with pytest.raises(SimulatorError, match="is not ngspice"):
        fake(tmp_path / "foreign", "exit 0", version="spice3f5")
    assert fake(tmp_path / "new", "exit 0", version="ngspice-44.2").version == 44
    fake(tmp_path / "first", "exit 0", version="ngspice-40")
    monkeypatch.setenv("PATH", f"{tmp_path / 'first'}:{os.environ['PATH']}")
    monkeypatch.delenv("AISHW_NGSPICE", raising=False)
    assert find_simulator().version == 40
    monkeypatch.setenv("AISHW_NGSPICE", str(tmp_path / "new" / "ngspice"))
    assert find_simulator().version == 44
    monkeypatch.setenv("AISHW_NGSPICE", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SimulatorError, match="not found"):
        find_simulator()


def test_the_end_of_a_transient_is_read() -> None:
    assert transient_end_s("* t\n.TRAN 1n 2.5us uic\n") == pytest.approx(2.5e-6)
    assert transient_end_s("* t\n.tran 1e-12 3e-07 0 1e-12\n") == 3e-07
    for deck in ("* t\n.end\n", "* t\n*.tran 1 2\n", "* t\n.tran 1n\n", "* t\n.tran 1n {stop}\n"):
        with pytest.raises(SimulatorError, match=r"\.tran"):
            transient_end_s(deck)


def test_real_failures(tmp_path: Path) -> None:
    """What ngspice itself says of a bad line, a loop of sources, and too little memory."""
    simulator = real()
    with pytest.raises(SimulatorError, match=r"refused the deck \(.*nonsense"):
        run_deck(DECK.replace("R1 a 0 1.0", "R1 a 0 1.0\nnonsense"), simulator=simulator)
    with pytest.raises(SimulatorError, match=r"refused the deck \(.*missing_one"):
        run_deck(DECK.replace("R1 a 0 1.0", "R1 a 0 {missing_one}"), simulator=simulator)
    with pytest.raises(SimulatorError, match=r"timestep too small|singular"):
        run_deck(DECK.replace("R1 a 0 1.0", "V2 a 0 1.0"), simulator=simulator)
    ladder = "".join(f"R{k} n{k} n{k + 1} 1.0\nC{k} n{k + 1} 0 1e-9\n" for k in range(60_000))
    with pytest.raises(SimulatorError, match="memory"):
        run_deck(DECK.replace("R1 a 0 1.0\n", f"R1 a n0 1.0\n{ladder}"), simulator=simulator, memory_limit_GiB=0.06)
