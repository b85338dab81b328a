"""Images: which pixel is which site, PSNR in closed form, and the PNG writer."""

import io
import math
from dataclasses import replace

import numpy as np
import pytest
import verify_problems as problems

from aishw.ais.topology import grid
from aishw.errors import CompareError, StoreError
from aishw.verify import image, psnr, write_grid
from aishw.verify.images import png_bytes, sheet


def test_pixels_follow_the_visible_sites_row_by_row():
    system = problems.kurashil(4, 6, image=(2, 3))  # visible sites (0, 2, 4) of rows 0 and 2
    state = np.zeros((2, 24))
    state[1, 2 * 6 + 4] = math.asin(0.6)
    seen = image(system, state)
    assert seen.shape == (2, 2, 3)
    expected = np.zeros((2, 2, 3))
    expected[1, 1, 2] = 0.6
    np.testing.assert_allclose(seen, expected)


def test_a_window_shows_only_its_own_pixels():
    system = problems.kurashil(4, 6, image=(2, 3))
    seen = image(system, [[math.pi / 2, -math.pi / 2]], sites=[12, 0])
    assert seen[0, 1, 0] == 1 and seen[0, 0, 0] == -1 and np.isnan(seen).sum() == 4


def test_visible_sites_in_their_own_order():
    system = replace(problems.kurashil(4, 6), topology=grid(4, 6, "cross4", visible=np.array([17, 0])))
    np.testing.assert_allclose(image(system, np.arcsin(np.arange(24) / 100)), [[[0.17, 0.0]]])


def test_an_identity_readout_is_clipped_to_the_pixel_range():
    system = problems.tanhnet(1, 3)
    np.testing.assert_array_equal(image(system, [[-3.0, 0.25, 1.5]]), [[[-1.0, 0.25, 1.0]]])


def test_a_state_of_another_width_is_refused():
    with pytest.raises(CompareError, match="24 sites"):
        image(problems.kurashil(), np.zeros((1, 5)))


def test_psnr_of_a_constant_difference():
    a = np.zeros((2, 3, 4))
    b = a.copy()
    b[1] = 0.2
    value = psnr(a, b)
    assert np.isposinf(value[0]) and value[1] == pytest.approx(20.0)
    with pytest.raises(CompareError):
        psnr(a, b[:1])


def test_a_sheet_is_crisp_and_its_gaps_are_transparent():
    maps = np.array([[[-1.0, 1.0]], [[0.0, np.nan]], [[1.0, 1.0]]])  # three images of 1x2
    drawn = sheet(maps, columns=2, upscale=3, gap=1)
    assert drawn.shape == (3 + 1 + 3, 6 + 1 + 6, 4)
    assert (drawn[:3, :3, 0] == 0).all() and (drawn[:3, 3:6, 0] == 255).all()
    assert (drawn[:3, 7:10, :3] == 128).all()
    assert len({*drawn[0, 10, :3].tolist()}) > 1  # NaN is not a grey
    assert (drawn[3, :, 3] == 0).all() and (drawn[:3, 6, 3] == 0).all() and (drawn[4:, 7:, 3] == 0).all()
    assert (drawn[4:, :6] == 255).all()


def test_a_png_file_holds_the_pixels_and_is_not_overwritten(tmp_path):
    from PIL import Image

    maps = np.random.default_rng(0).uniform(-1, 1, (5, 8, 8))
    path = write_grid(tmp_path / "grid.png", maps, columns=3, upscale=2)
    np.testing.assert_array_equal(np.array(Image.open(path)), sheet(maps, 3, 2))
    before = path.read_bytes()
    with pytest.raises(StoreError, match="exists"):
        write_grid(path, -maps)
    assert path.read_bytes() == before
    write_grid(path, -maps, overwrite=True)
    assert path.read_bytes() != before and [each.name for each in tmp_path.iterdir()] == ["grid.png"]


def test_an_unwritable_png_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "missing" / "a.png", tmp_path / "file" / "a.png"):
        with pytest.raises(StoreError, match="cannot write") as caught:
            write_grid(path, np.zeros((1, 2, 2)))
        assert "\n" not in str(caught.value)


def test_grey_arrays_become_png_too():
    from PIL import Image

    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(png_bytes(grey)))), grey)
