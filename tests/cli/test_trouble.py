"""Killed half-way, run twice, and a simulator that is not what it should be."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from problems import tiny_kurashil

from aishw import store
from aishw.ais import checkpoint


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AISHW_KEEP", str(tmp_path / "kept"))
    checkpoint.save(tiny_kurashil(4, 4), "tiny.pt", "test")
    return tmp_path


@pytest.fixture
def run_file(here, aishw):
    assert aishw("lower", "./tiny.pt", "--target", "ring28", "-o", "run.h5").code == 0
    return here / "run.h5"


def fake_ngspice(folder, body, version="ngspice-39"):
    """A program that says its version and otherwise does `body`."""
    program = folder / "fake-ngspice"
    program.write_text(f'#!/bin/sh\ncase "$1" in --version) echo "{version}"; exit 0;; esac\n{body}\n')
    program.chmod(0o755)
    return str(program)


VERIFY = ["verify", "./tiny.pt", "--target", "ring28", "--images", "3"]
VERIFY += ["--behavioural-images", "2", "--no-window", "-o", "out"]


# ---------------------------------------------------------------- run, compare, verify


def test_run_and_compare_from_end_to_end(run_file, aishw):
    for engine in ("ode-float", "ode"):
        answer = aishw("run", "run.h5", "--engine", engine, "--images", "3", "--json")
        (trace,) = json.loads(answer.out)
        assert answer.code == 0 and trace["engine"] == engine and trace["images"] == [0, 1, 2]
    assert aishw("run", "run.h5", "--engine", "spice-behavioural", "--images", "3", "--only", "1").code == 0
    limit = ["--limit-rad", "1e-3", "--judged", "end_max"]
    held = aishw("compare", "run.h5", "ode", "spice-behavioural", *limit, "--json")
    (content,) = json.loads(held.out)
    assert held.code == 0 and content["passed"] is True and content["images"] == [1]
    assert aishw("compare", "run.h5", "ode-float", "ode").code == 0
    short = aishw("compare", "run.h5", "ode-float", "ode", "--limit-rad", "1e-9")
    assert short.code == 1 and "fell short" in short.out
    aishw("compare", "run.h5", "ode-float", "ode", "--judged", "nosuch").one_line("nosuch", "end_rms")


def test_run_twice_is_refused_and_force_replaces(run_file, aishw):
    run = ["run", "run.h5", "--engine", "ode", "--images", "2"]
    assert aishw(*run).code == 0
    before = run_file.read_bytes()
    aishw(*run).one_line("already holds ode", "--force")
    assert run_file.read_bytes() == before
    assert aishw(*run, "--force").code == 0
    assert len(store.load_traces("run.h5")) == 1


def test_a_netlist_is_written_once_and_holds_no_text_of_the_checkpoint(here, aishw):
    evil = 'x\n.control\nshell touch pwned\n.endc\n.include "/etc/passwd"'
    checkpoint.save(tiny_kurashil(4, 4, name=evil), "evil.pt", "test")
    assert aishw("lower", "./evil.pt", "--target", "ring28", "-o", "evil.h5").code == 0
    netlist = ["netlist", "evil.h5", "--level", "behavioural", "-o", "deck.cir"]
    assert aishw(*netlist).code == 0
    deck = Path("deck.cir").read_text()
    for line in deck.splitlines()[1:]:  # ngspice takes the first line as the title, whatever it says
        assert not line.lower().lstrip().startswith((".control", ".include", "shell", ".endc"))
    aishw(*netlist).one_line("exists")
    assert Path("deck.cir").read_text() == deck
    assert aishw("inspect", "./evil.pt").code == 0


def test_verify_twice_and_again(here, aishw):
    plain = [*VERIFY[:4], "--behavioural-images", "0", "--images", "2", "--no-window", "-o", "out"]
    answer = aishw(*plain, "--json")
    content = json.loads(answer.out)
    assert answer.code == 0 and content["passed"] is True and Path(content["report"]).exists()
    aishw(*plain).one_line("--resume", "--force")
    assert aishw(*plain, "--resume").code == 0
    assert aishw(*plain, "--force").code == 0
    Path("mine").mkdir()
    Path("mine/notes").write_text("x")
    aishw(*plain[:-1], "mine", "--force").one_line("mine")
    assert os.listdir("mine") == ["notes"]


def test_verify_exits_1_when_a_check_falls_short(here, aishw):
    two = ["--bits", "2", "--images", "2", "--behavioural-images", "0", "--no-window"]
    answer = aishw("verify", "./tiny.pt", "--target", "ring28", *two, "--image-limit-rad", "1e-9", "-o", "out")
    assert answer.code == 1 and "Fell short" in answer.out and Path("out/report.html").exists()


# ---------------------------------------------------------------- a simulator in trouble


@pytest.mark.parametrize("body, version, words", [
    ("exit 0", "ngspice-30", ("too old",)),
    ("exit 0", "something", ("not ngspice",)),
    ("echo 'Error: fatal'; exit 1", "ngspice-39", ("ngspice",)),
    ("kill -SEGV $$", "ngspice-39", ("crashed",)),
    ("exit 0", "ngspice-39", ("out.raw",)),
    ("echo 'doAnalyses: TRAN: Timestep too small'; exit 0", "ngspice-39", ("timestep too small",)),
])  # fmt: skip
def test_a_simulator_in_trouble_is_one_line_its_last_words_and_a_kept_deck(
    run_file, aishw, monkeypatch, body, version, words
):
    monkeypatch.setenv("AISHW_NGSPICE", fake_ngspice(run_file.parent, body, version))
    before = run_file.read_bytes()
    answer = aishw("run", "run.h5", "--engine", "spice-behavioural", "--images", "2")
    first, *tail = answer.err.splitlines()
    assert answer.code == 2 and first.startswith("aishw: ") and all(word in first for word in words), answer
    assert all(line.startswith("  | ") for line in tail)
    assert "Traceback" not in answer.err and run_file.read_bytes() == before
    if version == "ngspice-39":
        kept = first.rsplit(" ", 1)[1]
        assert Path(kept, "deck.cir").exists() and kept.startswith(str(run_file.parent))


def test_a_simulator_that_is_missing_is_said_before_anything_is_computed(here, aishw, monkeypatch):
    monkeypatch.setenv("AISHW_NGSPICE", "/no/such/ngspice")
    aishw(*VERIFY).one_line("ngspice was not found", "AISHW_NGSPICE")
    assert not Path("out").exists()


# ---------------------------------------------------------------- killed half-way


def heed_interrupts():
    """What a shell runs in the background ignores SIGINT, and so would a suite that was started there."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def started(here, arguments, wait_for):
    """`aishw` in a process of its own, once `wait_for()` is true."""
    sleeper = fake_ngspice(here, f"echo $$ >>{here}/started; exec sleep 100")
    environment = {**os.environ, "AISHW_NGSPICE": sleeper}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    pipes["preexec_fn"] = heed_interrupts
    child = subprocess.Popen([sys.executable, "-m", "aishw.cli", *arguments], env=environment, **pipes)
    deadline = time.monotonic() + 60
    while not wait_for():
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return child


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_verify_that_was_stopped_goes_on_where_it_was(here, aishw, number, code):
    child = started(here, VERIFY, (here / "started").exists)
    os.kill(child.pid, number)
    out, err = child.communicate(timeout=30)
    assert child.returncode == code and out == ""
    pids = [int(word) for word in (here / "started").read_text().split()]
    if number == signal.SIGKILL:
        [os.killpg(pid, signal.SIGKILL) for pid in pids if alive(pid)]
    else:
        assert err.splitlines()[-1] == "aishw: interrupted; what was computed is kept in out/run.h5"
        deadline = time.monotonic() + 10
        while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(alive(pid) for pid in pids)
    assert [trace.engine for trace in store.load_traces("out/run.h5")] == ["ode-float", "ode-euler", "ode"]
    assert not Path("out/report.html").exists()
    before = {trace.engine: trace.state for trace in store.load_traces("out/run.h5")}
    assert aishw(*VERIFY, "--resume").code == 0
    traces = store.load_traces("out/run.h5")
    assert [trace.engine for trace in traces[3:]] == ["spice-behavioural"] * 2 and Path("out/report.html").exists()
    assert all(np.array_equal(before[trace.engine], trace.state) for trace in traces[:3])


def test_a_training_that_was_stopped_goes_on(here, aishw):
    train = ["train", "digits", "--steps", "40", "--set", "batch=8", "--set", "critic_steps=1", "--set", "save_every=1",
             "--set", "segments=1", "--set", "height=8", "--set", "width=8", "-o", "out.pt"]  # fmt: skip
    child = started(here, train, (here / "out.pt.unfinished").exists)
    os.kill(child.pid, signal.SIGINT)
    _, err = child.communicate(timeout=60)
    if child.returncode == 0:
        pytest.skip("it was done before the signal came")
    assert child.returncode == 130 and "out.pt.unfinished" in err and not Path("out.pt").exists()
    assert aishw(*train).code == 0
    assert checkpoint.load("out.pt").segments == 1 and not Path("out.pt.unfinished").exists()
