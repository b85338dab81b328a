"""Calibration files: bit for bit, the same bytes for the same content, and what is refused."""

from __future__ import annotations

import shutil
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from calibration_problems import everything, tables_only

from aishw import library
from aishw.calibrate.calibration_file import FORMAT, VERSION, has_tables, load_calibration, save_calibration
from aishw.calibrate.steady_file import load_steady, save_steady
from aishw.errors import StoreError
from aishw.hardware.cards import load_target

RING28 = load_target("ring28")


def assert_same(before: object, after: object, where: str = "") -> int:
    """Compares field by field and returns how many plain values were compared."""
    if is_dataclass(before):
        names = [f.name for f in fields(before) if f.name != "cpu_s"]
        return sum(assert_same(getattr(before, n), getattr(after, n), f"{where}/{n}") for n in names)
    if isinstance(before, dict):
        assert set(before) == set(after), where
        return sum(assert_same(before[k], after[k], f"{where}/{k}") for k in before)
    if isinstance(before, tuple):
        assert len(before) == len(after), where
        return sum(assert_same(a, b, where) for a, b in zip(before, after))
    if isinstance(before, np.ndarray):
        assert before.dtype == after.dtype and np.array_equal(before, after, equal_nan=True), where
    else:
        assert before == after and type(before) is type(after), (where, before, after)
    return 1


def test_every_field_comes_back_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "c.h5"
    before = everything(RING28)
    save_calibration(path, before)
    after = load_calibration(path)
    assert assert_same(before, after) > 120
    assert all(getattr(after, f.name) is not None for f in fields(after))
    assert len(after.checks) == len(before.checks) > 5
    assert after.table("reference") is after.tables["coupling"]


def test_what_is_not_measured_stays_none(tmp_path: Path) -> None:
    path = tmp_path / "c.h5"
    save_calibration(path, tables_only(RING28))
    after = load_calibration(path)
    assert after.noise is None and after.predicted is None and after.checks == ()
    assert after.tables["shil"].curve is None and after.tables["coupling"].curve is not None


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    once, again, slow = (tmp_path / name for name in ("a.h5", "b.h5", "c.h5"))
    before = everything(RING28)
    save_calibration(once, before)
    save_calibration(again, load_calibration(once))
    save_calibration(slow, replace(before, steady=replace(before.steady, cpu_s=1e6)))
    assert once.read_bytes() == again.read_bytes() == slow.read_bytes()
    save_calibration(again, replace(before, seed=4))
    assert once.read_bytes() != again.read_bytes()


def test_units_stand_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "c.h5"
    save_calibration(path, everything(RING28))
    with h5py.File(path) as file:
        content = file["content"]
        for place, unit in (
            ("steady/frequency_Hz", "Hz"), ("steady/waves/p", "V"), ("tables/coupling/harmonics", "rad/cycle"),
            ("tables/coupling/residual_rad", "rad"), ("response/r0", "rad/C"), ("noise/thermal", "rad2/cycle"),
            ("power/ring_W", "W"), ("corners/temperature_C", "Celsius"), ("response/charge_C", "C"),
        ):  # fmt: skip
            assert content[place].attrs["units"] == unit, place
        unnamed = []
        content.visititems(lambda name, node: unnamed.append(name) if isinstance(node, h5py.Dataset)
                           and "units" not in node.attrs else None)  # fmt: skip
        assert not unnamed


def test_a_steady_state_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.h5"
    steady = tables_only(RING28).steady
    save_steady(path, steady, "x")
    assert assert_same(steady, load_steady(path)) > 15
    assert not has_tables(path)
    with pytest.raises(StoreError, match="no tables"):
        load_calibration(path)
    save_calibration(path, tables_only(RING28))
    assert has_tables(path) and assert_same(steady, load_steady(path))


def test_foreign_and_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.h5"
    with pytest.raises(StoreError, match=r"no calibration at .*`aishw calibrate` makes one"):
        load_calibration(path)
    save_calibration(path, everything(RING28))
    sound = path.read_bytes()
    for size in (0, 10, 600, len(sound) // 2, len(sound) - 100):
        path.write_bytes(sound[:size])
        for load in (load_calibration, load_steady):
            with pytest.raises(StoreError, match=r"c\.h5 cannot be read as a calibration"):
                load(path)
    path.write_text("a text")
    with pytest.raises(StoreError, match="cannot be read"):
        load_calibration(path)
    with h5py.File(path, "w") as file:
        file.attrs["format"] = "aishw run"
    with pytest.raises(StoreError, match="is a run file, but no calibration"):
        load_calibration(path)
    with pytest.raises(StoreError, match="is not a file"):
        load_calibration(tmp_path)


def test_a_changed_number_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.h5"
    save_calibration(path, everything(RING28))
    sound = path.read_bytes()

    def change(place: str, value: object) -> None:
        path.write_bytes(sound)
        with h5py.File(path, "r+") as file:
            units = file[f"content/{place}"].attrs["units"]
            del file[f"content/{place}"]
            file[f"content/{place}"] = value
            file[f"content/{place}"].attrs["units"] = units

    change("noise/thermal", 1.0)
    with pytest.raises(StoreError, match="changed after it was written"):
        load_calibration(path)
    change("tables/coupling/offset", np.full((3, 15), np.nan))
    with pytest.raises(StoreError, match="offset nan at bias 0, code -7; measure it again"):
        load_calibration(path)
    change("tables/coupling/offset", np.zeros((3, 4)))
    with pytest.raises(StoreError, match="holds offset of shape"):
        load_calibration(path)
    change("steady/frequency_Hz", "fast")
    with pytest.raises(StoreError, match="cannot be read"):
        load_calibration(path)
    with h5py.File(path, "r+") as file:
        del file["content/noise/thermal"]
    with pytest.raises(StoreError, match=r"cannot be read|is missing"):
        load_calibration(path)


def test_another_format_names_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "c.h5"
    save_calibration(path, tables_only(RING28))
    for version in (VERSION + 1, 0):
        with h5py.File(path, "r+") as file:
            assert file.attrs["format"] == FORMAT
            file.attrs["version"] = version
        with pytest.raises(StoreError, match=f"of format {version}, this aishw reads {VERSION}; make it again"):
            load_calibration(path)


def test_the_shipped_file_can_be_read_from_elsewhere(tmp_path: Path) -> None:
    shutil.copy(library.find("calibration", "ring28"), tmp_path / "mine.h5")
    assert load_calibration(tmp_path / "mine.h5").steady.target == "ring28"
