"""Digits without a download, and idx files with everything that can be wrong with them."""

import gzip

import numpy as np
import pytest

from aishw.errors import TrainError
from aishw.train.datasets import load_dataset, read_idx


def idx(pixels, magic=b"\0\0\x08\x03"):
    sizes = b"".join(size.to_bytes(4, "big") for size in pixels.shape)
    return magic + sizes + pixels.astype(np.uint8).tobytes()


PIXELS = np.arange(2 * 3 * 4).reshape(2, 3, 4) * 11  # lopsided: 2 images of 3 rows and 4 columns


def test_digits_are_there_in_a_detectors_range():
    digits = load_dataset("digits")
    assert digits.images.shape == (1797, 8, 8) and digits.images.dtype == np.float32
    assert digits.images.min() == -1 and digits.images.max() == 1
    assert digits.labels[:10].tolist() == list(range(10))  # as the set begins
    # The first digit is a 0: dark corners, a bright ring, a dark middle.
    assert digits.images[0, 0, 0] == -1 and digits.images[0, 1, 3] > 0.5 and digits.images[0, 4, 3] == -1


@pytest.mark.parametrize("packed", [False, True])
def test_an_idx_folder_is_read_in_order_and_scaled(tmp_path, packed):
    content = idx(PIXELS)
    name = "train-images-idx3-ubyte" + (".gz" if packed else "")
    (tmp_path / name).write_bytes(gzip.compress(content) if packed else content)
    found = load_dataset(str(tmp_path))
    assert found.image_shape == (3, 4)
    assert np.allclose(found.images, PIXELS / 127.5 - 1)


def test_the_split_chooses_the_file(tmp_path):
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(PIXELS))
    assert load_dataset(str(tmp_path), "t10k").images.shape == (2, 3, 4)
    with pytest.raises(TrainError, match=r"no train-images-idx3-ubyte \(or .gz\); it has t10k-images-idx3-ubyte;"):
        load_dataset(str(tmp_path))


def test_a_name_that_is_nothing(tmp_path):
    with pytest.raises(TrainError, match="neither 'digits' nor a folder"):
        load_dataset(str(tmp_path / "none"))


DAMAGED = {
    "empty": (b"", "ends after 0 bytes"),
    "short magic": (b"\0\0", "ends after 2 bytes"),
    "wrong magic": (b"\x89PNG" + idx(PIXELS), "begins with 89 50 4e 47"),
    "floats": (idx(PIXELS, b"\0\0\x0d\x03"), "begins with 00 00 0d 03"),
    "no sizes": (b"\0\0\x08\x03\0\0", "truncated: 6 bytes"),
    "truncated": (idx(PIXELS)[:-1], r"truncated: 39 bytes, sizes \[2, 3, 4\] ask for 40"),
    "too long": (idx(PIXELS) + b"x", r"too long: 41 bytes, sizes \[2, 3, 4\] ask for 40"),
    "enormous": (b"\0\0\x08\x03" + b"\xff" * 12, "truncated: 16 bytes"),
}


@pytest.mark.parametrize("case", DAMAGED, ids=str)
def test_damage_is_named(tmp_path, case):
    content, message = DAMAGED[case]
    path = tmp_path / "x-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(TrainError, match=message) as caught:
        read_idx(path)
    assert "\n" not in str(caught.value)


def test_labels_are_no_images(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x01" + (3).to_bytes(4, "big") + b"abc")
    with pytest.raises(TrainError, match=r"holds sizes \[3\], expected images, rows, columns"):
        load_dataset(str(tmp_path))


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(idx(PIXELS))[:-9]], ids=["no gzip", "cut short"])
def test_a_damaged_gzip_is_refused(tmp_path, content):
    path = tmp_path / "x.gz"
    path.write_bytes(content)
    with pytest.raises(TrainError, match="cannot be read"):
        read_idx(path)


# ---------------------------------------------------------------- labels


def labelled(folder, labels, packed=False, split="train"):
    """A folder of the two images with these labels, or whatever bytes are given as labels."""
    (folder / f"{split}-images-idx3-ubyte").write_bytes(idx(PIXELS))
    content = labels if isinstance(labels, bytes) else idx(np.array(labels), b"\0\0\x08\x01")
    name = f"{split}-labels-idx1-ubyte" + (".gz" if packed else "")
    (folder / name).write_bytes(gzip.compress(content) if packed else content)
    return str(folder)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("split", ["train", "t10k"])
def test_labels_come_along_with_their_split(tmp_path, packed, split):
    found = load_dataset(labelled(tmp_path, [7, 0], packed, split), split)
    assert found.labels.tolist() == [7, 0] and found.labels.dtype == np.int64 and found.name == tmp_path.name


def test_images_without_labels_are_enough_to_train_on(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(PIXELS))
    assert load_dataset(str(tmp_path)).labels is None


@pytest.mark.parametrize("labels, words", [
    ([1, 2, 3], "holds 3 labels for 2 images; fetch both files of one split"),
    ([1, 10], "holds label 10, allowed are 0..9"),
    (idx(PIXELS), r"holds sizes \[2, 3, 4\], expected one label for each image"),
    (b"", "ends after 0 bytes"),
    (b"\0\0\x08\x01\0\0\0\x02\1", "truncated: 9 bytes"),
    (b"\0\0\x0b\x01\0\0\0\x02\1\1", "begins with 00 00 0b 01"),
], ids=["count", "range", "images", "empty", "truncated", "magic"])  # fmt: skip
def test_labels_that_do_not_belong_are_refused(tmp_path, labels, words):
    with pytest.raises(TrainError, match=words):
        load_dataset(labelled(tmp_path, labels))


def test_files_and_folders_in_each_others_place_are_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(TrainError, match="is a file; give the folder"):
        load_dataset(str(tmp_path / "file"))
    (tmp_path / "train-images-idx3-ubyte").mkdir()
    with pytest.raises(TrainError, match="train-images-idx3-ubyte is a folder, expected an idx file"):
        load_dataset(str(tmp_path))


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 0, 4)])
def test_no_images_are_refused(tmp_path, shape):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(np.zeros(shape)))
    with pytest.raises(TrainError, match="expected images, rows, columns"):
        load_dataset(str(tmp_path))
