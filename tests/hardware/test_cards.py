"""Cards and cells: what a card must say, and what its cells are at every width."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aishw import library
from aishw.errors import CardError
from aishw.hardware.cards import load_target, load_technology, target_names
from aishw.hardware.cells import cell_text, coupler_cell, fixed_units, model_text
from aishw.hardware.solver import Solver
from aishw.hardware.target import Injection

CARD = Path(library.find("models/targets", "ring28")).read_text()


def own_card(folder: Path, old: str, new: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(CARD.replace(old, new))
    return path


def test_the_default_target() -> None:
    target = load_target("ring28")
    assert "ring28" in target_names()
    assert (target.height, target.width, target.fan_in, target.encoding) == (56, 56, 24, "offset")
    assert target.technology.supply_V == 0.9


def test_corner_and_temperature_reach_the_models() -> None:
    texts = {
        corner: model_text(load_target("ring28", corner=corner).technology) for corner in ("tt", "ff", "ss", "sf", "fs")
    }
    assert len(set(texts.values())) == 5
    assert all(text.count(".model") == 2 and ".lib" not in text for text in texts.values())
    assert load_target("ring28", temperature_C=85.0).technology.temperature_K == pytest.approx(358.15)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('name = "ring28"', "", "lacks the field 'name'"),
        ("height = 56", 'height = "x"', "height must be a whole number"),
        ('encoding = "offset"', 'encoding = "grey"', "encoding 'grey'"),
        ("[injection.shil]", "[injection.shill]", "injections must be"),
        ('technology = "generic28"', 'technology = "nowhere"', "unknown technology"),
        ('policies = ["array"', 'policies = ["row"', "'row' is not one of"),
        ("height = 56", "height = ", "not valid TOML"),
        ("[circuit]", "[solver]\nbypass = 1\n[circuit]", "solver.bypass must be true or false"),
        ("[circuit]", "[solver]\nmethod = 'euler'\n[circuit]", "solver method 'euler' is unknown"),
        ("[circuit]", "[solver]\nsteps = 100\n[circuit]", "solver.steps must be one of method, steps_per_cycle"),
    ],
)
def test_a_wrong_card_is_one_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(CardError, match=says) as error:
        load_target(own_card(tmp_path, old, new))
    assert "\n" not in str(error.value)


def test_a_card_may_say_how_its_runs_are_integrated(tmp_path: Path) -> None:
    told = load_target(own_card(tmp_path, "[circuit]", "[solver]\nbypass = true\nsteps_per_cycle = 200\n[circuit]"))
    assert told.solver == Solver(steps_per_cycle=200, bypass=True)
    assert load_target("ring28").solver == Solver()


def test_unknown_names() -> None:
    with pytest.raises(CardError, match="unknown target"):
        load_target("ring29")
    with pytest.raises(CardError, match="no corner 'tf'; it has tt, ff"):
        load_technology("generic28", corner="tf")
    with pytest.raises(CardError, match=r"200\.\.450 K"):
        load_technology("generic28", temperature_C=900.0)
    with pytest.raises(CardError, match="cannot be read"):
        load_target("./no/such/card.toml")


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6])
def test_a_coupler_has_the_same_load_and_strength_at_every_width(bits: int) -> None:
    top = 2 ** (bits - 1) - 1
    units = [fixed_units(code, bits) for code in range(-top, top + 1)]
    assert np.ptp([up + un for up, un in units]) < 1e-12
    assert units[-1][0] - units[-1][1] == pytest.approx(14)
    assert units[top] == pytest.approx((units[top][1], units[top][0]))  # code 0 is balanced
    assert coupler_cell(bits).count(" weight ") == bits + 1


def test_a_model_name_may_not_carry_text_into_a_deck(tmp_path: Path) -> None:
    technology = tmp_path / "tech.toml"
    text = Path(library.find("models/technologies", "generic28")).read_text()
    technology.write_text(text.replace('nmos = "nch"', 'nmos = "nch\\n.control"'))
    path = own_card(tmp_path, 'technology = "generic28"', f'technology = "{technology}"')
    with pytest.raises(CardError, match="not a plain word"):
        cell_text(load_target(path), 4, 4)


def test_bias_follows_the_table_and_refuses_above_it() -> None:
    injection = Injection(np.array([0, 1]), np.array([0.3, 0.4]), np.array([0.01, 0.1]))
    assert injection.bias_for(np.array([0.01, 0.1])).tolist() == pytest.approx([0.3, 0.4])
    assert float(injection.bias_for(np.sqrt(1e-3))) == pytest.approx(0.35)
    with pytest.raises(CardError, match="above the strongest"):
        injection.bias_for(0.2)
