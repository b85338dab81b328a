"""Calibration files: bit for bit, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aishw.calibrate.calibration_file import load_calibration, save_calibration
from aishw.calibrate.steady_file import load_steady, save_steady
from aishw.errors import StoreError
from aishw.hardware.calibration import Calibration, Table
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState

WAVE = np.sin(np.arange(64) / 10).astype(np.float32).astype(np.float64)
STEADY = SteadyState("ring28", "ff", 310.0, "merged", Solver("trap", 150), 9.9e7, 3.0, {"p": WAVE}, {"r0": 1.25}, -1.0,
                     "ngspice 39", 12.5, 8, 9.8e7, "abc")  # fmt: skip


def table(seed: int) -> Table:
    rng = np.random.default_rng(seed)
    shape = (2, 15)
    harmonics = rng.normal(size=(*shape, 5)) + 1j * rng.normal(size=(*shape, 5))
    return Table(np.array([0.01, 0.05]), np.arange(-7, 8), rng.normal(size=shape), harmonics, rng.normal(size=shape),
                 np.full(shape, np.nan))  # fmt: skip


def test_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "c.h5"
    before = Calibration(STEADY, {"coupling": table(0), "shil": table(1)}, "a command")
    save_calibration(path, before)
    after = load_calibration(path)
    assert after.made_by == "a command"
    for name, value in vars(STEADY).items():
        if name != "waves":
            assert getattr(after.steady, name) == value, name
    assert np.array_equal(after.steady.waves["p"], WAVE)
    for kind in before.tables:
        for field, value in vars(before.tables[kind]).items():
            assert np.array_equal(getattr(after.tables[kind], field), value, equal_nan=True), (kind, field)
    assert after.table("reference") is after.tables["coupling"]


def test_refusals(tmp_path: Path) -> None:
    path = tmp_path / "s.h5"
    with pytest.raises(StoreError, match="no calibration at"):
        load_steady(path)
    save_steady(path, STEADY, "x")
    with pytest.raises(StoreError, match="no tables"):
        load_calibration(path)
    half = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(half)
    with pytest.raises(StoreError, match="cannot be read"):
        load_steady(path)
    path.write_bytes(b"")
    with pytest.raises(StoreError):
        load_steady(path)
