"""The error boundary and the lazy group."""

import os
import signal
import subprocess
import sys
import time

import click
import pytest

from aishw.cli import entry
from aishw.errors import SimulatorError, StoreError


@pytest.fixture
def fails(monkeypatch):
    """Makes `aishw inspect` raise what it is given."""

    def arm(error, place=None):
        @click.command()
        @click.pass_obj
        def command(obj):
            if place:
                obj["place"] = place
            raise error

        monkeypatch.setattr(entry.Commands, "get_command", lambda *a: command)

    return arm


def test_help_lists_every_command_and_its_module_exists(aishw):
    answer = aishw("--help")
    assert answer.code == 0 and answer.err == ""
    assert len(entry.COMMANDS) >= 9
    for name in entry.COMMANDS:
        assert f"  {name} " in answer.out
        assert aishw(name, "--help").code == 0


def test_version(aishw):
    import aishw as package

    assert package.__version__ in aishw("--version").out


@pytest.mark.parametrize("arguments, word", [
    (["nosuch"], "nosuch"),
    (["inspect"], "CHECKPOINT"),
    (["inspect", "a", "b"], "one or two calibrations"),
    (["inspect", "--nosuch", "a"], "--nosuch"),
    (["lower", "a", "--bits", "x", "--target", "t", "-o", "o"], "--bits"),
    (["lower", "a", "--bits", "0", "--target", "t", "-o", "o"], "--bits"),
    (["lower", "a"], "--target"),
    (["sample", "a", "-o", "b.png", "--images", "0"], "--images"),
    (["compare", "a", "b", "c", "--limit-rad", "nan"], "--limit-rad"),
    (["compare", "a", "b", "c", "--limit-rad", "-1"], "--limit-rad"),
])  # fmt: skip
def test_a_wrong_command_line_is_one_line(aishw, arguments, word):
    answer = aishw(*arguments)
    assert answer.code == 2 and answer.out == "" and len(answer.err.splitlines()) == 1
    assert word in answer.err and "--help`" in answer.err


def test_an_aishw_error_is_its_line_even_with_newlines_in_it(aishw, fails):
    fails(StoreError("run 'a\nb' is bad"))
    aishw("inspect").one_line("run 'a b' is bad")


def test_a_simulator_error_shows_the_last_lines(aishw, fails):
    fails(SimulatorError("ngspice crashed; deck and log are in /kept", tail="line 1\nline 2"))
    answer = aishw("inspect")
    assert answer.code == 2
    assert answer.err.splitlines() == ["aishw: ngspice crashed; deck and log are in /kept", "  | line 1", "  | line 2"]


@pytest.mark.parametrize("error, words", [
    (PermissionError(13, "Permission denied", "/x/y"), ("/x/y", "permission denied")),
    (IsADirectoryError(21, "Is a directory", "d"), ("d", "is a directory")),
    (OSError(28, "No space left on device"), ("no space left",)),
    (OSError(30, "Read-only file system", "f"), ("read-only file system",)),
    (MemoryError(), ("out of memory",)),
])  # fmt: skip
def test_what_the_system_refuses_is_one_line(aishw, fails, error, words):
    fails(error)
    aishw("inspect").one_line(*words)


def test_a_bug_is_one_line_with_a_log_that_has_the_traceback(aishw, fails, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.delenv("AISHW_DEBUG", raising=False)
    fails(ZeroDivisionError("oops"))
    answer = aishw("inspect")
    assert answer.code == 2 and len(answer.err.splitlines()) == 1
    log = next(tmp_path.glob("aishw-error-*.log"))
    assert str(log) in answer.err and "ZeroDivisionError: oops" in log.read_text()
    monkeypatch.setenv("AISHW_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        aishw("inspect")


def test_an_interrupt_says_what_is_kept(aishw, fails, tmp_path):
    fails(KeyboardInterrupt())
    answer = aishw("inspect")
    assert answer.code == 130 and answer.err.strip() == "aishw: interrupted; nothing was written"
    fails(KeyboardInterrupt(), place=tmp_path / "run.h5")
    assert "nothing was written" in aishw("inspect").err  # it was not made yet
    (tmp_path / "run.h5").write_text("x")
    answer = aishw("inspect")
    assert answer.code == 130 and answer.err.strip().endswith(f"what was computed is kept in {tmp_path / 'run.h5'}")


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_the_process_with_their_code(number, code, tmp_path):
    script = (
        "import time, click\nfrom aishw.cli import entry\n"
        "@click.command()\ndef command():\n    print('go', flush=True); time.sleep(30)\n"
        "entry.Commands.get_command = lambda *a: command\nentry.main(['inspect'])"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # What a shell runs in the background ignores SIGINT, and so would a suite that was started there.
    pipes["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    child = subprocess.Popen([sys.executable, "-c", script], **pipes)
    assert child.stdout.readline() == "go\n"
    os.kill(child.pid, number)
    _, err = child.communicate(timeout=20)
    assert child.returncode == code and err == "aishw: interrupted; nothing was written\n"


def test_a_closed_pipe_is_no_error():
    script = (
        "import click\nfrom aishw.cli import entry\n"
        "@click.command()\ndef command():\n    [click.echo('x' * 1000) for _ in range(1000)]\n"
        "entry.Commands.get_command = lambda *a: command\nentry.main(['inspect'])"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stdout.read(10)
    child.stdout.close()
    assert child.stderr.read() == b"" and child.wait(timeout=20) == 0


def test_help_is_fast_enough_to_be_used():
    """Not a benchmark (that is bench/import_time.py): a module that pulls in torch would cost seconds."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "aishw.cli", "--help"], check=True, stdout=subprocess.DEVNULL)
    assert time.perf_counter() - start < 5


def test_python_runs_the_package_as_the_script_does():
    told = subprocess.run([sys.executable, "-m", "aishw", "nothere"], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == "aishw: No such command 'nothere'; see `aishw --help`\n"
