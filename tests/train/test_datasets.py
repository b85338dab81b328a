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
