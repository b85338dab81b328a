"""No text from outside can become a command in a deck."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from fake_ngspice import DECK
from hypothesis import given
from hypothesis import strategies as st
from test_ngspice import real

from aishw.engines.names import deck_name, title_line
from aishw.engines.ngspice import run_deck
from aishw.errors import SimulatorError

HOSTILE = [
    ".control\nshell touch {file}\n.endc",
    "a\n.control\nshell touch {file}\n.endc\n",
    "a\r.include /etc/passwd\r",
    "a\u2028.control\u2029shell touch {file}",
    "*#shell touch {file}",
    "ng_script\nshell touch {file}",
    ".include /etc/passwd",
    ".lib '/etc/passwd' tt",
    "\"quoted\" 'name' `shell touch {file}` $(touch {file})",
    "name with  spaces\tand tabs",
    "+ .end",
    "\\\nshell",
    "",
    "\0\x1b[2J",
    "Ωμέγα",
    "{file}" * 40,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names(text: str) -> None:
    title, name = title_line(text), deck_name(text)
    assert re.fullmatch(r"\* aishw( [A-Za-z][A-Za-z0-9_]*)*", title) and len(title) <= 120
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) and len(name) <= 60


@given(st.text())
def test_any_text(text: str) -> None:
    assert re.fullmatch(r"\* aishw( [A-Za-z][A-Za-z0-9_]*)*", title_line(text))
    assert len(title_line(text).splitlines()) == 1
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,59}", deck_name(text))


def test_plain_names_stay() -> None:
    assert deck_name("digits16_4bit") == "digits16_4bit"
    assert deck_name("4bit") == "n4bit"
    assert deck_name("a-b.c") == "a_b_c"
    assert title_line("my  system") == "* aishw my system"


@pytest.mark.parametrize("text", HOSTILE[:8])
def test_nothing_runs_in_ngspice(text: str, tmp_path: Path) -> None:
    """The same texts, unescaped, do run: the check below can fail (first case)."""
    file = tmp_path / "made"
    hostile = text.replace("{file}", str(file))
    run_deck(title_line(hostile) + "\n" + DECK.split("\n", 1)[1], simulator=real())
    assert not file.exists()


def test_ngspice_would_run_it(tmp_path: Path) -> None:
    file = tmp_path / "made"
    title = f"* aishw\n.control\nshell touch {file}\nrun\nwrite out.raw\nquit 0\n.endc"
    simulator = real()
    with contextlib.suppress(SimulatorError):  # the run itself may be refused; the command has run
        run_deck(title + "\n" + DECK.split("\n", 1)[1], simulator=simulator)
    assert file.exists()
