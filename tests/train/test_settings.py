"""Recipes: what a TOML file may say."""

from dataclasses import fields
from pathlib import Path

import pytest

from aishw.errors import TrainError
from aishw.train.settings import Settings, read_recipe, settings_from


def recipe(tmp_path, text):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return path


def test_a_recipe_overrides_the_defaults(tmp_path):
    text = 'name = "mine"\nsteps = 12\nduration_tau = 2\n[limit]\nshil = 1\n'
    assert read_recipe(recipe(tmp_path, text)) == Settings(name="mine", steps=12, duration_tau=2.0, limit={"shil": 1.0})


def test_every_field_decides_the_id():
    changed = {
        "family": "kuramoto", "readout": "cos", "solver": "rk4", "critic": "conv", "policy": "site", "clip": "mse",
        "neighbourhood": "king8", "limit": {"shil": 1.0}, "symmetric": True, "average": 0.5, "rate": 0.5,
        "critic_rate": 0.5,
    }  # fmt: skip
    ids = {Settings().id}
    for each in fields(Settings):
        default = getattr(Settings(), each.name)
        if each.name not in changed:
            changed[each.name] = default + "x" if isinstance(default, str) else type(default)(default * 0.5 + 3)
        ids.add(Settings(**{each.name: changed[each.name]}).id)
    assert len(ids) == 1 + len(fields(Settings))


REFUSED = {
    "unknown": ("stepps = 3", "unknown field 'stepps'; known: name, dataset"),
    "text": ('steps = "3"', "steps must be int, got '3'"),
    "truth": ("noise = true", "noise must be float, got True"),
    "fraction": ("steps = 3.5", "steps must be int, got 3.5"),
    "number": ("name = 3", "name must be str, got 3"),
    "table": ("limit = 3", "limit must be a table, got 3"),
    "inside": ('[limit]\nshil = "x"', "limit.shil must be float"),
    "family": ('family = "mlp"', "family = 'mlp' cannot be trained here; known: kuramoto, kurashil"),
    "solver": ('solver = "magic"', "solver = 'magic' is unknown; known: euler, heun, rk4"),
    "range": ("average = 1.0", "average = 1.0 is outside 0..0.999999"),
    "NaN": ("rate = nan", "rate = nan is outside"),
    "negative": ("steps = -1", "steps = -1 is outside"),
    "one bit": ("bits = 1", "bits = 1 leaves no code but 0"),
    "limit": ("[limit]\nshil = 0", "limit.shil = 0.0 is no positive bound on one of coupling, shil, reference"),
    "limit kind": ("[limit]\ndetuning = 1", "limit.detuning"),
    "no TOML": ("= 3", "cannot be read"),
}


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_refused_in_one_line(tmp_path, case):
    text, message = REFUSED[case]
    with pytest.raises(TrainError) as caught:
        read_recipe(recipe(tmp_path, text))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_recipe_that_is_missing_or_no_text(tmp_path):
    with pytest.raises(TrainError, match="No such file"):
        read_recipe(tmp_path / "none.toml")
    path = tmp_path / "bytes.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(TrainError, match="cannot be read"):
        read_recipe(path)


def test_settings_of_plain_values():
    assert settings_from({"bits": 4}).bits == 4


def test_the_shipped_recipes_can_be_read():
    folder = Path(__file__).parents[2] / "examples" / "recipes"
    recipes = sorted(folder.glob("*.toml"))
    assert [read_recipe(path).name for path in recipes] == ["digits16", "digits16_4bit"]
