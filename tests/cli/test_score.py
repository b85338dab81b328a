"""`aishw score` and `aishw extractor`: every number with its yardstick, every wrong input one line."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from problems import random_system

from aishw.ais import checkpoint
from aishw.ais.topology import grid
from aishw.train.datasets import load_dataset


def drawing(height, width, image):
    """A random system whose visible sites are every second one."""
    system = random_system(height, width, "kurashil", "box5", 2)
    return replace(system, topology=grid(height, width, "box5", image=image))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of our own: a checkpoint that draws 8x8 images and says nothing of its data, and idx images of 6x5."""
    monkeypatch.chdir(tmp_path)
    checkpoint.save(drawing(16, 16, (8, 8)), "own.pt", "test")
    (tmp_path / "bars").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (60, 6, 5), np.uint8)
    for name, content in (("images-idx3", pixels), ("labels-idx1", pixels[:, 0, 0] % 2)):
        sizes = b"".join(size.to_bytes(4, "big") for size in content.shape)
        magic = bytes([0, 0, 8, content.ndim])
        (tmp_path / "bars" / f"train-{name}-ubyte").write_bytes(magic + sizes + content.tobytes())
    return tmp_path


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """What one run with everything on prints as JSON, and the card that it writes."""
    import contextlib
    import io

    from aishw.cli.entry import run

    card = tmp_path_factory.mktemp("card") / "card.md"
    words = ["score", "digits16_4bit", "--through", "macromodel", "--noise", "--chips", "2", "--seeds", "2",
             "--images", "100", "--json", "--card", str(card)]  # fmt: skip
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert run(words) == 0
    return json.loads(out.getvalue()), card.read_text()


def test_every_way_is_scored_on_the_same_yardstick(scored):
    content, _ = scored
    names = [row["way"] for row in content["rows"]]
    assert names == [
        "Euler, 0.1 tau", "Heun, 0.1 tau", "RK4, 0.05 tau", "Euler, 0.1 tau, noise 0.1", "RK4, 0.05 tau, noise 0.1",
        "4-bit codes, RK4", "macromodel, reference shifted", "macromodel, untouched", "macromodel, noise",
        "macromodel, noise, 2 random chips",
    ]  # fmt: skip
    assert [len(row["qualities"]) for row in content["rows"]] == [2] * 9 + [4]
    for row in content["rows"]:
        for each in row["qualities"]:
            assert each["score"]["floor"] == content["floor"] and each["score"]["noise"] == content["noise"]
            assert each["score"]["images"] == 100 and each["score"]["accuracy"] == content["accuracy"] > 0.97
    assert content["real"] == 1797 and content["dataset"] == "digits" and content["extractor"] == "cnn digits"
    assert content["real_halves"]["distance"] == content["floor"]


def test_the_numbers_are_in_order(scored):
    rows = {row["way"]: row["distance"] for row in scored[0]["rows"]}
    assert rows["Heun, 0.1 tau"] == pytest.approx(rows["RK4, 0.05 tau"], rel=0.1)
    untouched = rows.pop("macromodel, untouched")
    assert all(distance < 0.3 * scored[0]["noise"] for distance in rows.values())
    assert untouched < scored[0]["noise"]
    assert rows["macromodel, reference shifted"] < 0.5 * untouched  # one number brings most of it back
    assert scored[0]["sensitivity"]["median"] > 1 and scored[0]["circuit"]["reference_shift"] != 0


def test_the_card_says_what_was_scored(scored):
    content, card = scored
    for words in ("# digits16_4bit", "26,624", "aishw.train", "226.93", "CC BY 4.0", "Floor", "n = 100",
                  "macromodel, untouched", 'start_from = "digits16"', f"{content['floor']:.3g}"):  # fmt: skip
        assert words in card, words
    assert max(map(len, card.splitlines())) < 700 and "None" not in card and "nan" not in card


def test_the_recipe_on_the_card_trains_the_same(scored, tmp_path):
    from aishw.library import find
    from aishw.train import read_recipe

    toml = scored[1].split("```toml\n")[1].split("```")[0]
    (tmp_path / "recipe.toml").write_text(toml)
    again = vars(read_recipe(tmp_path / "recipe.toml"))
    for name, value in checkpoint.made_by(find("models", "digits16_4bit"))["recipe"].items():
        assert again[name] == value, name


def test_a_table_for_the_eye(here, aishw):
    answer = aishw("score", "./own.pt", "--dataset", "digits", "--images", "120", "--bits", "3")
    assert answer.code == 0
    for words in ("120 images against 1,797 real ones", "Euler, 0.05 tau", "RK4, 0.05 tau", "3-bit codes, RK4",
                  "real half against half", "names 98.1% of held-out images rightly", "grows"):  # fmt: skip
        assert words in answer.out, words
    assert "macromodel" not in answer.out


def test_pixels_name_no_classes(here, aishw):
    answer = aishw("score", "digits16", "--images", "50", "--extractor", "pixel", "--json")
    content = json.loads(answer.out)
    assert content["accuracy"] is None and content["rows"][0]["qualities"][0]["classes"] is None


def test_the_same_seed_is_the_same_and_another_is_not(here, aishw):
    one, two, three = (
        json.loads(aishw("score", "digits16", "--images", "50", "--seed", seed, "--json").out) for seed in (3, 3, 4)
    )
    assert one["rows"] == two["rows"] and one["rows"][0]["distance"] != three["rows"][0]["distance"]


def test_an_extractor_of_ones_own(here, aishw):
    answer = aishw("extractor", "bars", "-o", "bars.safetensors", "--steps", "20", "--json")
    made = json.loads(answer.out)
    assert answer.code == 0 and made["image"] == [6, 5] and made["held_out"] == 12 and made["dataset"] == "bars"
    assert "held-out images" in aishw("extractor", "bars", "-o", "two.safetensors", "--steps", "5").out
    checkpoint.save(drawing(12, 10, (6, 5)), "six.pt", "test")
    words = ("score", "./six.pt", "--dataset", "bars", "--images", "40", "--extractor", "./bars.safetensors")
    assert "Frechet distance on cnn bars" in aishw(*words).out
    assert "Frechet distance on pixel" in aishw(*words[:-2]).out


WRONG = {
    "nothing named": (["./own.pt"], ("does not say what it was trained on", "--dataset")),
    "no folder": (["digits16", "--dataset", "nosuch"], ("nosuch", "neither 'digits' nor a folder")),
    "no split": (["./own.pt", "--dataset", "bars", "--split", "t10k"], ("no t10k-images-idx3-ubyte",)),
    "other size": (["digits16", "--dataset", "bars"], ("draws images of 8x8", "'bars' has 6x5")),
    "other extractor": (["digits16", "--extractor", "mnist"], ("takes images of 28x28",)),
    "no extractor": (["digits16", "--extractor", "vgg"], ("unknown extractor 'vgg'",)),
    "no weights": (["digits16", "--inception", "w.pth"], ("no file w.pth",)),
    "no engine": (["digits16", "--through", "spice"], ("--through",)),
    "chips of no circuit": (["digits16", "--chips", "2"], ("--chips needs --through macromodel",)),
    "no calibration": (["digits16", "--through", "macromodel", "--calibration", "none"],
                       ("no calibration of 'ring28_isolated'", "aishw calibrate")),
    "too many bits": (["digits16", "--bits", "9"], ("9",)),
    "card in the way": (["digits16", "--card", "own.pt"], ("own.pt exists", "--force")),
    "no folder for the card": (["digits16", "--card", "a/b.md"], ("a",)),
    "few images": (["digits16", "--images", "3"], ("--images",)),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG, ids=str)
def test_wrong_input_is_one_line(here, aishw, case):
    words, said = WRONG[case]
    aishw("score", *words).one_line(*said)
    assert sorted(path.name for path in Path().iterdir()) == ["bars", "own.pt"]


def test_a_trained_folder_that_went_away_is_named(here, aishw):
    checkpoint.save(drawing(12, 10, (6, 5)), "six.pt", {"recipe": {"dataset": "gone/bars", "split": "train"}})
    aishw("score", "./six.pt").one_line("was trained on 'gone/bars'", "--dataset")


@pytest.mark.parametrize("words, said", [
    (["digits", "-o", "x.pt"], (".safetensors",)),
    (["nosuch", "-o", "x.safetensors"], ("neither 'digits' nor a folder",)),
    (["digits", "-o", "own.pt/x.safetensors"], ("own.pt",)),
])  # fmt: skip
def test_an_extractor_that_cannot_be_made(here, aishw, words, said):
    aishw("extractor", *words).one_line(*said)


def test_scoring_needs_no_labels(here, aishw):
    (here / "bars" / "train-labels-idx1-ubyte").unlink()
    aishw("extractor", "bars", "-o", "x.safetensors").one_line("has no labels")
    assert load_dataset("bars").labels is None
