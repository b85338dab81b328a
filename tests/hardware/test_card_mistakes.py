"""Every field of a card, left out and filled with wrong things: a CardError of one line, or a target that works."""

import copy
import tomllib
from pathlib import Path

import pytest
from problems import tiny_kurashil

from aishw import library
from aishw.errors import AishwError, CardError
from aishw.hardware import cards
from aishw.hardware.cards import load_target, load_technology
from aishw.lower import lower

WRONG = (
    "x",
    "",
    -1,
    0,
    1.5,
    1e308,
    float("nan"),
    [],
    [1, "a"],
    [1, 1],
    [0.0, 1.0],
    [[1]],
    {},
    {"a": "b"},
    "a\nb",
    True,
)
TARGET = tomllib.loads(Path(library.find("models/targets", "ring28")).read_text())
TECHNOLOGY = tomllib.loads(Path(library.find("models/technologies", "generic28")).read_text())


def places(table, above=()):
    for name, value in table.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from places(value, (*above, name))


def spoilt(table, place):
    """The card without a field, then with every wrong value in it."""
    for value in (None, *WRONG):
        card = copy.deepcopy(table)
        inner = card
        for name in place[:-1]:
            inner = inner[name]
        if value is None:
            del inner[place[-1]]
        else:
            inner[place[-1]] = value
        yield value, card


@pytest.mark.parametrize("place", list(places(TARGET)), ids=".".join)
def test_a_spoilt_target_is_one_line_or_works(place, monkeypatch):
    technology = load_technology("generic28")
    monkeypatch.setattr(cards, "load_technology", lambda *a: technology)
    system = tiny_kurashil(4, 4)
    for value, card in spoilt(TARGET, place):
        monkeypatch.setattr(cards.tomllib, "loads", lambda text, card=card: card)
        try:
            lower(system, load_target("ring28"))
        except AishwError as error:
            assert "\n" not in str(error) and len(str(error)) < 400, (value, error)
        else:
            assert value is not None or place in (("circuit", "trim_steps"),), place


@pytest.mark.parametrize("place", list(places(TECHNOLOGY)), ids=".".join)
def test_a_spoilt_technology_is_one_line_or_works(place, monkeypatch):
    for value, card in spoilt(TECHNOLOGY, place):
        monkeypatch.setattr(cards.tomllib, "loads", lambda text, card=card: card)
        try:
            load_technology("generic28")
        except CardError as error:
            assert "\n" not in str(error), (value, error)
        else:
            assert value is not None or "mismatch" in place, place
