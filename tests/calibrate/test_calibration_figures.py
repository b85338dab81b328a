"""Pictures and page of a calibration: whole or partial, with and without dots; no picture depends on the day."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from calibration_problems import coupling_table, everything, tables_only

from aishw import library
from aishw.calibrate.beside import Beside, write_beside
from aishw.calibrate.calibration_file import load_calibration
from aishw.calibrate.figures import fitted
from aishw.calibrate.page import CAPTIONS, draw, page_of
from aishw.calibrate.summary import text_of
from aishw.errors import StoreError
from aishw.hardware.calibration import Calibration
from aishw.hardware.cards import load_target

RING28 = load_target("ring28")
TIMES = {"steady": (100.0, 90.0), "coupling": (300.0, 580.0)}


def test_the_fitted_curve_is_the_tables_own_law() -> None:
    table, d = coupling_table(RING28), np.array([0.0, 0.3, 2.0])
    q = 11
    expected = table.offset[2, q] + sum(
        (table.harmonics[2, q, k] * np.exp(1j * (k + 1) * d)).real for k in range(table.harmonics.shape[2])
    )
    assert np.allclose(fitted(table, 2, q, d), expected)


@pytest.mark.parametrize("which", ["whole", "tables", "thin", "steady", "shipped"])
def test_every_picture_is_drawn_without_a_warning(which: str) -> None:
    part = tables_only(RING28)
    thin = {
        kind: replace(t, curve=None, residual_rad=np.full_like(t.offset, np.nan)) for kind, t in part.tables.items()
    }
    calibration = {
        "whole": lambda: everything(RING28),
        "tables": lambda: part,
        "thin": lambda: replace(part, tables=thin),
        "steady": lambda: Calibration(part.steady, {}),
        "shipped": lambda: load_calibration(library.find("calibration", "ring28")),
    }[which]()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pictures = draw(calibration)
    assert set(pictures) <= set(CAPTIONS)
    assert len(pictures) == {"whole": 10, "steady": 0}.get(which, len(pictures))
    for picture in pictures.values():
        assert picture.startswith(b"\x89PNG") and 300 < int.from_bytes(picture[16:20], "big") < 2000
    assert which != "whole" or draw(calibration) == pictures


def test_the_page_stands_alone_and_escapes_names() -> None:
    whole = everything(RING28)
    nasty = replace(whole, steady=replace(whole.steady, target="<b>ring</b>"), made_by="a & <script>")
    page = page_of("c.h5", nasty, draw(whole), TIMES, "aishw calibrate '<x>' -o c.h5")
    assert "<b>ring" not in page and "<script" not in page and "&lt;x&gt;" in page
    assert page.count("<img ") == 10 and 'src="data:' in page and "http://" not in page
    assert "10 checks held" in page and "400.0" in page and "670.0" in page
    failed = replace(whole, checks=tuple(replace(c, limit=0.0) for c in whole.checks))
    assert "of 10 checks fell short" in page_of("c.h5", failed, {}, TIMES, "x")


def test_the_text_states_time_checks_and_what_is_missing() -> None:
    text = text_of(tables_only(RING28), TIMES, "aishw calibrate ring28 -o c.h5")
    assert text.startswith("aishw calibrate ring28 -o c.h5\n") and "no checks" in text
    assert "not measured: prediction from the PPV, phase response, noise" in text
    assert "steady               100.0     90.0" in text and "all                  400.0    670.0" in text


def test_what_is_there_already_stays(tmp_path: Path) -> None:
    file = tmp_path / "c.h5"
    write_beside(file, tables_only(RING28), TIMES, "x")
    before = Beside.of(file).page.read_bytes()
    with pytest.raises(StoreError, match="exists"):
        write_beside(file, everything(RING28), TIMES, "x")
    assert Beside.of(file).page.read_bytes() == before
    write_beside(file, everything(RING28), TIMES, "x", overwrite=True)
    assert Beside.of(file).page.read_bytes() != before
    (Beside.of(file).figures / "note.txt").write_text("mine")
    write_beside(file, tables_only(RING28), TIMES, "x", overwrite=True)
    left = {path.name for path in Beside.of(file).figures.iterdir()}
    assert "noise.png" not in left and {"coupling.png", "note.txt"} <= left
