"""Recipes: what a TOML file may say."""

from dataclasses import fields
from pathlib import Path

import pytest

from aishw.errors import TrainError
from aishw.train.recipe import read_recipe, settings_from
from aishw.train.settings import Settings


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
        "critic_rate": 0.5, "objective": "swd", "schedule": "cosine", "noise_convention": "per_step", "bits": 4,
        "weight_error": 0.5, "chip_gain": 0.5, "trim_rate": 0.5, "through": "macromodel", "trim": "also",
    }  # fmt: skip
    circuit = {"bits": 4, "through": "macromodel"}
    needed = {"through": {"bits": 4}, "trim": circuit, "chip_gain": circuit, "chip_detuning": circuit}
    bookkeeping = {"save_every", "save_minutes"}
    ids = {Settings().id}
    for each in fields(Settings):
        default = getattr(Settings(), each.name)
        if each.name not in changed:
            changed[each.name] = default + "x" if isinstance(default, str) else type(default)(default * 0.5 + 3)
        found = Settings(**{each.name: changed[each.name], **needed.get(each.name, {})}).id
        assert (found == Settings().id) == (each.name in bookkeeping)
        ids.add(found)
    assert len(ids) == 1 + len(fields(Settings)) - len(bookkeeping)


REFUSED = {
    "unknown": ("stepps = 3", "unknown field 'stepps'; known: name, dataset"),
    "text": ('steps = "3"', "steps must be int, got '3'"),
    "truth": ("noise = true", "noise must be float, got True"),
    "fraction": ("steps = 3.5", "steps must be int, got 3.5"),
    "number": ("name = 3", "name must be str, got 3"),
    "table": ("limit = 3", "limit must be a table, got 3"),
    "inside": ('[limit]\nshil = "x"', "limit.shil must be float"),
    "family": ('family = "ising"', "family = 'ising' cannot be trained here; known: kuramoto, kurashil"),
    "objective": ('objective = "vae"', "objective = 'vae' is unknown; known: wgan, swd, otcfm"),
    "no codes": ('through = "macromodel"', "through = 'macromodel' trains codes; set bits"),
    "no circuit": ('trim = "only"', "trim = 'only' trains the circuit's detunings; set through"),
    "two detunings": ('through = "macromodel"\nbits = 4\ndetuning_error = 0.1', "use chip_detuning"),
    "chip": ("chip_gain = 0.1", "are the circuit's; set through"),
    "no rollout": ('objective = "otcfm"', "set noise = 0 and detuning_error = 0"),
    "uncoupled": ('family = "mlp"\nsymmetric = true', "the mlp has no couplings"),
    "no layer": ('family = "mlp"\n[limit]\nw4 = 1', "limit.w4 = 1.0 is no positive bound on one of w1, b1, w2"),
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


def test_an_empty_recipe_trains_nothing(tmp_path):
    (tmp_path / "empty.toml").write_text("# nothing\n")
    with pytest.raises(TrainError, match=r"empty\.toml is empty"):
        read_recipe(tmp_path / "empty.toml")


def test_phases_are_read_by_their_sine_and_other_states_as_they_are():
    assert [Settings(family=name).readout for name in ("kurashil", "kuramoto", "polynet")] == ["sin", "sin", "identity"]
    assert Settings(family="polynet", readout="cos").readout == "cos"


def test_changes_go_over_a_recipe(tmp_path):
    path = recipe(tmp_path, 'family = "tanhnet"\nsteps = 5\n')
    assert read_recipe(path, {"steps": 7}) == Settings(family="tanhnet", steps=7)
    assert read_recipe(path, {"family": "kurashil"}).readout == "sin"
    with pytest.raises(TrainError, match="the command line: steps must be int"):
        read_recipe(path, {"steps": "x"})


def test_settings_of_plain_values():
    assert settings_from({"bits": 4}).bits == 4


def test_the_shipped_recipes_can_be_read():
    folder = Path(__file__).parents[2] / "examples" / "recipes"
    recipes = sorted(folder.glob("**/*.toml"))
    assert [read_recipe(path).name for path in recipes] == [path.stem for path in recipes] and len(recipes) > 1
