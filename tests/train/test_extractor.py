"""The small CNN that scores are measured on: shipped, made again, and refused when it is damaged."""

import json

import numpy as np
import pytest

from aishw import library
from aishw.errors import TrainError
from aishw.train.datasets import Dataset, load_dataset
from aishw.train.extractor import KIND, load_extractor, shapes
from aishw.train.extractor_training import save_extractor, train_extractor
from aishw.train.features import measure

SHIPPED = {"digits": (8, 8), "mnist": (28, 28)}


@pytest.fixture(scope="module")
def bars():
    """Two easy classes: a bright row, a bright column."""
    chance = np.random.default_rng(0)
    labels = chance.integers(0, 2, 300)
    images = np.full((300, 6, 5), -1.0) + 0.1 * chance.normal(size=(300, 6, 5))
    for image, label, place in zip(images, labels, chance.integers(0, 5, 300)):
        image[(place,) if label else (slice(None), place)] = 1.0
    return Dataset("bars", images.astype(np.float32), labels)


def test_the_shipped_ones_state_their_accuracy_and_fit_their_size():
    assert set(library.names(KIND)) >= set(SHIPPED)
    for name, size in SHIPPED.items():
        found = load_extractor(name)
        assert (found.name, (found.rows, found.columns)) == (name, size)
        assert found.accuracy > 0.97 and found.held_out >= 359 and found.made_by["command"].startswith("aishw extr")
        assert library.find(KIND, name).stat().st_size < 300_000


def test_the_shipped_digits_extractor_names_digits():
    digits = load_dataset("digits")
    found = load_extractor("digits")
    features = found.features(digits.images)
    assert features.shape == (1797, 64) and features.min() == 0  # after a ReLU
    assert (found.classes(digits.images) == digits.labels).mean() > 0.97
    assert np.allclose(found.features(digits.images[600:603]), features[600:603], atol=1e-5)


def test_trained_on_held_out_images_twice_is_the_same(bars, tmp_path):
    one = train_extractor(bars, "bars", seed=3, steps=150)
    two = train_extractor(bars, "bars", seed=3, steps=150)
    assert one.accuracy > 0.95 and one.held_out == 60 and one.made_by["images"] == 240
    assert all(np.array_equal(one.weights[name], two.weights[name]) for name in shapes(6, 5))
    save_extractor(one, tmp_path / "bars.safetensors")
    back = load_extractor(tmp_path / "bars.safetensors")
    assert np.array_equal(back.features(bars.images), one.features(bars.images))
    assert (back.accuracy, back.made_by) == (one.accuracy, one.made_by)
    assert measure(str(tmp_path / "bars.safetensors"), 6, 5).name == "cnn bars"


def test_images_decide_which_one_and_the_name_says_so():
    assert measure("cnn", 8, 8).name == "cnn digits" and measure("auto", 28, 28).name == "cnn mnist"
    assert measure("auto", 5, 7).name == "pixel" and measure("pixel", 8, 8).classes is None
    assert measure("mnist", 28, 28).accuracy == load_extractor("mnist").accuracy


@pytest.mark.parametrize("name, size, words", [
    ("cnn", (5, 7), "no CNN is shipped for images of 5x7 (only 8x8, 28x28); train one with `aishw extractor`"),
    ("mnist", (8, 8), "takes images of 28x28, these are 8x8"),
    ("inception", (8, 8), "unknown extractor 'inception'; known: auto, cnn, pixel, digits, mnist"),
    ("./none.safetensors", (8, 8), "cannot be read: no such file or directory"),
])  # fmt: skip
def test_a_name_that_does_not_fit_is_refused(name, size, words):
    with pytest.raises(TrainError) as caught:
        measure(name, *size)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_labels_and_enough_images_are_needed(bars):
    with pytest.raises(TrainError, match="has no labels; put its labels-idx1-ubyte file"):
        train_extractor(Dataset("plain", bars.images), "x")
    with pytest.raises(TrainError, match="has 20 images; an extractor takes 50"):
        train_extractor(Dataset("few", bars.images[:20], bars.labels[:20]), "x")
    with pytest.raises(TrainError, match="images are 3x9; an extractor halves them twice"):
        train_extractor(Dataset("flat", np.zeros((100, 3, 9), np.float32), np.zeros(100, np.int64)), "x")


def damaged(case):
    """A shipped file with something wrong in it."""
    from safetensors.numpy import load, save

    whole = library.find(KIND, "digits").read_bytes()
    arrays = load(whole)
    stated = json.loads(whole[8 : 8 + int.from_bytes(whole[:8], "little")])["__metadata__"]
    header = json.loads(stated["header"])
    if case == "truncated":
        return whole[:-100]
    if case == "other numbers":
        arrays["hidden.bias"] = arrays["hidden.bias"] + 1
    elif case == "other shapes":
        arrays["hidden.bias"] = arrays["hidden.bias"][1:]
    elif case == "a checkpoint":
        header["format"] = "aishw checkpoint"
    elif case == "version":
        header["version"] = 9
    elif case == "no accuracy":
        del header["accuracy"]
    elif case == "no json":
        return save(arrays, {"header": "{"})
    return save(arrays, {"header": json.dumps(header)})


DAMAGE = {
    "truncated": "truncated", "other numbers": "do not match its hash", "other shapes": "do not fit images of 8x8",
    "a checkpoint": "no extractor", "version": "version 9", "no accuracy": "lacks one of", "no json": "no extractor",
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGE, ids=str)
def test_a_damaged_file_is_one_line(case, tmp_path):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(damaged(case))
    with pytest.raises(TrainError, match=DAMAGE[case]) as caught:
        load_extractor(path)
    assert "\n" not in str(caught.value) and "bad.safetensors" in str(caught.value)


def test_another_suffix_is_refused(tmp_path, bars):
    with pytest.raises(TrainError, match=r"an extractor is a \.safetensors file"):
        load_extractor(tmp_path / "x.pt")
    with pytest.raises(TrainError, match=r"written as a \.safetensors file"):
        save_extractor(load_extractor("digits"), tmp_path / "x.pt")
