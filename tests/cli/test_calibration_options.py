"""`--calibration` of lower, run, compare and verify; `inspect` of one calibration, and of two side by side."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from calibration_problems import GAIN, everything, steady_of_card, tables_only
from problems import tiny_kurashil

from aishw import store
from aishw.ais import checkpoint
from aishw.calibrate.calibration_file import save_calibration
from aishw.hardware.cards import load_target

RING28 = load_target("ring28")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a tiny checkpoint, a calibration that fits it, and some that do not."""
    monkeypatch.chdir(tmp_path)
    checkpoint.save(tiny_kurashil(4, 4), "tiny.pt", "test")
    fitting = tables_only(RING28, fan_in=4)
    save_calibration(Path("fits.h5"), fitting)
    table = fitting.tables["coupling"]
    other = replace(fitting, tables={**fitting.tables, "coupling": replace(table, offset=1.2 * table.offset)})
    save_calibration(Path("other.h5"), other)
    save_calibration(Path("fan24.h5"), tables_only(RING28))
    hot = replace(fitting, steady=steady_of_card(load_target("ring28", temperature_C=85), 4))
    save_calibration(Path("hot.h5"), hot)
    return tmp_path


@pytest.fixture
def lowered(here, aishw):
    answer = aishw("lower", "./tiny.pt", "--target", "ring28", "--calibration", "fits.h5", "-o", "run.h5")
    assert answer.code == 0, answer
    return answer


def test_lower_takes_its_scale_from_the_calibration(here, aishw):
    asked = ["lower", "./tiny.pt", "--target", "ring28", "--json"]
    plain = json.loads(aishw(*asked, "-o", "plain.h5").out)
    answer = json.loads(aishw(*asked, "--calibration", "fits.h5", "-o", "run.h5").out)
    nominal = RING28.injections["coupling"].rate_limit
    design = store.load_design("run.h5")
    assert plain["reference_shift"] == 0 != answer["reference_shift"] == design.reference_shift
    assert answer["cycles_per_image"] == pytest.approx(plain["cycles_per_image"] * nominal / (7 * GAIN))
    assert answer["seconds_per_tau"] == pytest.approx((design.cycles_per_tau / 9.9e7).tolist())
    assert answer["valid_range"]["highest"] == pytest.approx(7 * GAIN)
    assert design.target.injections["coupling"].rate_limit == pytest.approx(7 * GAIN)


def test_lower_prints_the_scale_and_the_valid_range(here, lowered, aishw):
    assert "calibrated: 99.0000 MHz" in lowered.out and "ns a tau" in lowered.out
    assert "coupling valid from" in lowered.out and "outside" not in lowered.out
    slow = ["lower", "./tiny.pt", "--target", "ring28", "--calibration", "fits.h5", "--stretch", "20", "-o", "slow.h5"]
    assert "outside the valid range: " in aishw(*slow).out


def test_a_calibration_of_something_else_is_refused_everywhere(here, lowered, aishw):
    before = Path("run.h5").read_bytes()
    lower = ["lower", "./tiny.pt", "--target", "ring28", "-o", "new.h5", "--calibration"]
    verify = ["verify", "./tiny.pt", "--target", "ring28", "-o", "report", "--no-window", "--calibration"]
    run = ["run", "run.h5", "--engine", "macromodel", "--calibration"]
    compare = ["compare", "run.h5", "ode", "macromodel", "--calibration"]
    for words in (lower, verify, run, compare):
        aishw(*words, "fan24.h5").one_line("made for fan-in 24, the design has 4", "--fan-in 4")
        aishw(*words, "hot.h5").one_line("made for temperature 85 C, the design has 27 C")
        aishw(*words, "none.h5").one_line("unknown calibration 'none.h5'", "ring28")
        aishw(*words, "./none.h5").one_line("no calibration at none.h5", "aishw calibrate")
        aishw(*words, "run.h5").one_line("run.h5 is a run file, but no calibration")
        aishw(*words, "tiny.pt").one_line("tiny.pt")
    aishw(*lower, "fits.h5", "--bits", "3").one_line("codes up to 7, the design has 3 bits", "--bits 4")
    aishw(*lower, "fits.h5", "--corner", "ff").one_line("made for corner tt, the design has ff")
    assert Path("run.h5").read_bytes() == before and not Path("new.h5").exists() and not Path("report").exists()


def test_run_and_compare_name_the_calibration(here, lowered, aishw):
    run = ["run", "run.h5", "--images", "1", "--engine"]
    assert aishw(*run, "ode").code == 0
    answer = aishw(*run, "macromodel", "--calibration", "fits.h5", "--json")
    assert answer.code == 0 and len(json.loads(answer.out)[0]["settings"]["calibration"]) == 16
    compare = ["compare", "run.h5", "ode", "macromodel"]
    assert aishw(*compare).code == 0 and aishw(*compare, "--calibration", "fits.h5").code == 0
    aishw(*compare, "--calibration", "other.h5").one_line("was computed with the calibration", "--force")
    aishw(*run, "macromodel", "--calibration", "other.h5").one_line("already holds", "--force")
    assert aishw(*run, "macromodel", "--calibration", "other.h5", "--force").code == 0
    assert aishw(*compare, "--calibration", "other.h5").code == 0


def test_without_tables_the_way_out_is_named(here, lowered, aishw):
    answer = aishw("run", "run.h5", "--images", "1", "--engine", "macromodel")
    answer.one_line("no 4-bit tables of target 'ring28'", "--calibration")


def test_verify_climbs_on_the_given_calibration(here, aishw):
    verify = ["verify", "./tiny.pt", "--target", "ring28", "--no-window", "--images", "2", "--behavioural-images", "0"]
    answer = aishw(*verify, "--calibration", "fits.h5", "-o", "report", "--json")
    names = [rung["name"] for rung in json.loads(answer.out)["rungs"]]
    assert "macromodel" in names
    (trace,) = store.load_traces("report/run.h5", "macromodel")
    assert np.isfinite(trace.state).all() and len(trace.settings["calibration"]) == 16
    assert store.load_design("report/run.h5").reference_shift == trace.settings["reference_shift"] != 0


def test_inspect_a_calibration_and_compare_two(here, aishw):
    save_calibration(Path("whole.h5"), everything(RING28))
    one = aishw("inspect", "fits.h5")
    assert one.code == 0 and "99 ±" in one.out and "not measured: prediction" in one.out
    two = json.loads(aishw("inspect", "fits.h5", "whole.h5", "--json").out)
    assert [each["file"] for each in two] == ["fits.h5", "whole.h5"]
    gains = [next(m for m in each["merits"] if m["name"] == "gain") for each in two]
    assert gains[0]["value"] == pytest.approx(GAIN) and gains[0]["unit"] == "rad/cycle/LSB"
    assert two[0]["checks"] == [] and len(two[1]["checks"]) == 10 and two[1]["not_measured"] == []
    table = aishw("inspect", "fits.h5", "whole.h5").out
    assert "fits.h5" in table and "whole.h5" in table and "uW" in table
    shipped = aishw("inspect", "ring28.h5")
    assert shipped.code == 0 and "rad/cycle/LSB" in shipped.out


def test_inspect_refuses_what_does_not_belong_together(here, lowered, aishw):
    aishw("inspect", "fits.h5", "tiny.pt").one_line("one checkpoint, or one or two calibrations")
    aishw("inspect", "fits.h5", "fits.h5", "fits.h5").one_line("one or two calibrations")
    aishw("inspect", "fits.h5", "--target", "ring28").one_line("--target belongs to a checkpoint")
    aishw("inspect", "run.h5").one_line("run.h5 is a run file, but no calibration")
    aishw("inspect").one_line("aishw inspect --help")
    Path("broken.h5").write_bytes(Path("fits.h5").read_bytes()[:5000])
    aishw("inspect", "broken.h5").one_line("broken.h5 cannot be read as a calibration")


def test_inspect_agree_holds_two_files_against_each_other(here, aishw):
    held = aishw("inspect", "fits.h5", "fits.h5", "--agree")
    assert held.code == 0 and held.out.count("held:") == 5
    short = aishw("inspect", "fits.h5", "other.h5", "--agree", "--json")
    failed = [check["name"] for check in json.loads(short.out) if not check["passed"]]
    assert short.code == 1 and failed == ["coupling offsets of both"]
    aishw("inspect", "fits.h5", "fan24.h5", "--agree").one_line("different circuits", "--agree")
    aishw("inspect", "fits.h5", "--agree").one_line("--agree belongs to two calibrations")
    aishw("inspect", "tiny.pt", "--agree").one_line("--agree belongs to two calibrations")
