"""A report's ledger: lines that sum to the image, figures beside it, or the reason why there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest
import verify_problems as problems
from calibration_problems import everything, tables_only
from problems import random_system

from aishw.hardware.cards import load_target
from aishw.lower.lower import lower
from aishw.verify.energy import energy_of
from aishw.verify.record import record
from aishw.verify.report import render

TARGET = load_target("ring28")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)
PICTURES = dict.fromkeys((*(f"rung{k}_{what}.png" for k in range(5) for what in ("images", "sites")), "codes.png"), PNG)
PICTURES["rms.png"] = PNG
DESIGN = lower(random_system(6, 7, neighbourhood="box5"), TARGET)


@pytest.mark.parametrize("calibration", [None, everything(TARGET), tables_only(TARGET)], ids=["shipped", "own", "bare"])
def test_lines_sum_to_the_image(calibration) -> None:
    told = energy_of(DESIGN, calibration)
    *lines, whole = told["energy"]
    assert whole.name == "an image" and sum(line.energy_J for line in lines) == pytest.approx(whole.energy_J)
    assert {line.name.split(":")[0] for line in lines} == {"program", "switch", "run", "read"}
    assert any("the law" in line.name for line in told["energy_beside"])


def test_without_supply_figures_the_reason_stands_there() -> None:
    other = replace(DESIGN, target=replace(TARGET, name="another"))
    told = energy_of(other, None)
    assert "energy" not in told and "no supply data" in told["energy_left_out"][0]
    page = render(record(replace(problems.report(), energy=(), **told)), PICTURES)
    assert "No ledger" in page and "no supply data" in page


def test_the_page_shows_lines_and_what_is_left_out() -> None:
    page = render(record(replace(problems.report(), **energy_of(DESIGN, None))), PICTURES)
    assert "run: couplers" in page and "digital generators" in page and "Left out of the sum" in page
