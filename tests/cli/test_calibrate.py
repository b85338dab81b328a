"""`aishw calibrate` with the measurements replaced: what it writes, and what --steady-only leaves out."""

import numpy as np
import pytest

from aishw import library
from aishw.calibrate.calibration_file import has_tables, load_calibration
from aishw.calibrate.shipped import circuit_id
from aishw.calibrate.steady_file import load_steady
from aishw.cli import entry
from aishw.hardware.cards import load_target


@pytest.fixture
def measured(monkeypatch):
    shipped = load_calibration(library.find("calibration", "ring28"))
    kinds = []

    def table(target, steady, kind, on_point):
        kinds.append(kind)
        on_point(f"{kind} measured")
        return shipped.tables[kind]

    monkeypatch.setattr("aishw.calibrate.nominal.circuit_steady", lambda target, fan_in: shipped.steady)
    monkeypatch.setattr("aishw.calibrate.coupling.measure_table", table)
    monkeypatch.setattr("aishw.engines.ngspice.find_simulator", lambda: None)
    return kinds


def test_writes_steady_state_and_tables(measured, tmp_path, capfd):
    out = tmp_path / "c.h5"
    assert entry.run(["calibrate", "ring28", "-o", str(out)]) == 0
    assert measured == ["coupling", "shil"]
    written = load_calibration(out)
    assert written.steady.circuit == circuit_id(load_target("ring28"), written.steady.solver)
    shipped = load_calibration(library.find("calibration", "ring28"))
    assert np.array_equal(written.tables["shil"].harmonics, shipped.tables["shil"].harmonics)
    assert "98.77" in capfd.readouterr().out
    before = out.read_bytes()
    assert entry.run(["calibrate", "ring28", "-o", str(out)]) == 2  # exists
    assert out.read_bytes() == before and "exists" in capfd.readouterr().err


def test_steady_only(measured, tmp_path):
    out = tmp_path / "s.h5"
    assert entry.run(["calibrate", "ring28", "--steady-only", "-o", str(out)]) == 0
    assert measured == [] and not has_tables(out)
    assert load_steady(out).frequency_Hz > 9e7
