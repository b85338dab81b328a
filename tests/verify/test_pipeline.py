"""The ladder from end to end on a tiny array: what is in the folder, what is computed, what is gone on with."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from problems import tiny_kurashil

from aishw import library, store
from aishw.calibrate.steady_file import load_steady
from aishw.engines.base import Job, Trace
from aishw.engines.window import Window
from aishw.errors import CompareError, GridError, SimulatorError, StoreError
from aishw.hardware.calibration import Calibration, Table
from aishw.hardware.cards import load_target
from aishw.lower import lower
from aishw.lower.design import level_table
from aishw.verify import pipeline, runner
from aishw.verify.pipeline import Plan, compare_traces, verify
from aishw.verify.record import record
from aishw.verify.runner import Runner

ODE = Plan(images=3, behavioural_images=0, windows=())


@pytest.fixture
def design():
    return lower(tiny_kurashil(4, 4), load_target("ring28"), bits=3)


@pytest.fixture
def devices(monkeypatch):
    """Transistors that follow the recorded run with 0.25 rad of error, without a simulator; notes their windows."""
    seen = []
    real = Runner._spice

    def spice(self, engine, windows, outside):
        if engine == "spice-behavioural":
            return real(self, engine, windows, outside)
        seen.append(tuple(windows))
        recorded, sites = self._recorded(outside), self._sites(windows)

        def one(rows, tell, cancel):
            state = recorded.state[np.ix_(rows, range(recorded.times_tau.size), sites)] + 0.25
            tell(1.0)
            return Trace(engine, "fake", self.design.id, self.job.id, recorded.times_tau, state, sites, np.array(rows))

        return one

    monkeypatch.setattr(Runner, "_spice", spice)
    return seen


@pytest.fixture
def no_pictures(monkeypatch):
    """Reports of report.json and one picture a rung: drawing them takes most of a small run's time."""

    def write(folder, report):
        folder.mkdir()
        (folder / "report.json").write_text(json.dumps(record(report)))
        (folder / "report.html").write_text("page")
        for k in range(len(report.rungs)):
            (folder / f"rung{k}_images.png").write_bytes(b"")
        return folder / "report.html"

    monkeypatch.setattr(pipeline, "write_report", write)


def test_the_whole_ladder_leaves_a_report_and_its_traces(design, devices, tmp_path):
    stages = []
    plan = Plan(images=3, behavioural_images=1)
    done = verify(design, tmp_path / "out", plan, tell=lambda stage, fraction: stages.append((stage, fraction)))
    assert done.page == tmp_path / "out" / "report.html" and done.page.read_text().startswith("<!doctype html>")
    rungs = {rung.name.split(" ")[0]: rung for rung in done.rungs}
    assert list(rungs) == ["equation", "Euler", "codes", "netlist", "window"]
    assert rungs["codes"].above.end_rms_rad > 1e-3  # three bits are not the trained weights
    assert rungs["netlist"].above.reference == "ode" and rungs["netlist"].above.images.tolist() == [0]
    assert rungs["netlist"].above.end_max_rad < 1e-3 and rungs["netlist"].passed is True
    assert rungs["window"].above.end_rms_rad == pytest.approx(0.25) and rungs["window"].passed is None
    engines = [trace.engine for trace in store.load_traces(done.run_file)]
    assert engines == ["ode-float", "ode-euler", "ode", "spice-behavioural", "spice-transistor"]
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    assert content["verdict"]["passed"] is True and len(content["rungs"]) == 5
    assert len(list((tmp_path / "out").glob("*.png"))) >= 10
    finished = list(dict.fromkeys(name for name, fraction in stages if fraction == 1.0))
    assert finished[:4] == ["ode-float", "ode-euler", "ode", "spice-behavioural"] and len(finished) == 5
    assert not [name for name in os.listdir(tmp_path / "out") if name.startswith(".")]


def test_the_one_window_sits_where_the_policy_says(design, no_pictures, devices, tmp_path):
    for name in pipeline.SITES:
        verify(design, tmp_path / name, Plan(images=2, behavioural_images=0, window_site=name))
    (most,), (least,) = devices
    assert (most.height, most.width) == (least.height, least.width) == (1, 1)
    growth = json.loads((tmp_path / "most_sensitive" / "report.json").read_text())["sensitivity"]["site_growth"]
    assert most.row * 4 + most.column == int(np.argmax(growth))
    assert least.row * 4 + least.column == int(np.argmin(growth))


def test_a_window_of_the_users_own_and_its_limit(design, no_pictures, devices, tmp_path):
    plan = Plan(images=2, behavioural_images=0, windows=(Window(1, 2, 2, 1), Window(3, 3, 1, 1)), window_limit_rad=0.2)
    done = verify(design, tmp_path / "out", plan)
    assert devices == [(Window(1, 2, 2, 1),), (Window(3, 3, 1, 1),)]
    assert [rung.passed for rung in done.rungs] == [None, None, None, False, False]
    assert done.verdict.passed is False and len(done.verdict.failed) == 2


def test_with_tables_the_macromodel_is_a_rung_and_drives_the_windows(
    design, no_pictures, devices, tmp_path, monkeypatch
):
    """Tables of an ideal coupler with one flaw, an offset: the macromodel drifts from the codes by it alone."""
    codes, rates, offset = np.arange(-7, 8), np.array([1e-3, 1.0]), 2e-3
    tables = {}
    for kind, sign in (("coupling", 1), ("shil", -1)):
        levels = level_table(design.target, kind, 4)
        harmonics = np.zeros((2, 15, 5), dtype=complex)
        harmonics[:, :, 0] = -1j * sign * rates[:, None] * np.sign(codes) * levels[np.abs(codes)]
        zero = np.zeros((2, 15))
        tables[kind] = Table(rates, codes, zero, harmonics, zero, zero)
    tables["coupling"] = replace(tables["coupling"], offset=np.full((2, 15), offset) * (codes != 0))
    calibration = Calibration(load_steady(library.find("calibration", "ring28")), tables)
    monkeypatch.setattr(runner, "calibration_of_design", lambda *_: calibration)
    done = verify(design, tmp_path / "out", Plan(images=2, behavioural_images=0, windows=(Window(1, 2, 1, 1),)))
    rungs = {rung.name.split()[0]: rung for rung in done.rungs}
    assert list(rungs) == ["equation", "Euler", "codes", "macromodel", "window"]
    assert rungs["macromodel"].above.reference == "ode" and rungs["macromodel"].above.end_rms_rad > 1e-3
    assert rungs["window"].above.reference == "macromodel"
    assert rungs["window"].passed is False  # 0.25 rad of the fake devices, limit 0.1
    assert done.verdict.local_truth.state == "fell short"
    assert done.verdict.this_image.reason.startswith("macromodel ends")
    plain = verify(design, tmp_path / "no", ODE)
    assert [rung.engine for rung in plain.rungs][-1] == "macromodel"


def test_without_tables_a_macromodel_is_refused(design, tmp_path):
    with pytest.raises(CompareError, match="no 3-bit tables of target 'ring28'"):
        Runner(tmp_path / "r.h5", design, Job(np.zeros((1, 16)), np.array([1.0])))._equations("macromodel")


def test_resume_computes_only_what_is_missing(design, no_pictures, devices, tmp_path, monkeypatch):
    out = tmp_path / "out"
    real = Runner._spice

    def breaks(self, *rest):
        raise SimulatorError("ngspice was stopped")

    monkeypatch.setattr(Runner, "_spice", breaks)
    plan = Plan(images=2, behavioural_images=1)
    with pytest.raises(SimulatorError):
        verify(design, out, plan)
    assert [t.engine for t in store.load_traces(out / "run.h5")] == ["ode-float", "ode-euler", "ode"]
    assert not (out / "report.html").exists()
    with pytest.raises(StoreError, match="--resume"):
        verify(design, out, plan)
    monkeypatch.setattr(Runner, "_spice", real)

    def again(self, engine):
        raise AssertionError(f"{engine} was computed twice")

    monkeypatch.setattr(Runner, "_equations", again)
    done = verify(design, out, plan, resume=True)
    assert done.page.exists() and len(store.load_traces(done.run_file)) == 5
    monkeypatch.setattr(Runner, "_spice", breaks)
    verify(design, out, plan, resume=True)


def test_resume_with_another_design_is_refused_and_keeps_the_old_one(design, no_pictures, tmp_path):
    verify(design, tmp_path / "out", ODE)
    before = (tmp_path / "out" / "run.h5").read_bytes()
    with pytest.raises(StoreError, match="another design"):
        verify(lower(design.system, design.target, bits=4), tmp_path / "out", ODE, resume=True)
    assert (tmp_path / "out" / "run.h5").read_bytes() == before


def test_force_starts_afresh_and_leaves_no_picture_of_the_old_report(design, no_pictures, devices, tmp_path):
    out = tmp_path / "out"
    verify(design, out, Plan(images=2, behavioural_images=0))
    assert (out / "rung3_images.png").exists()
    verify(design, out, ODE, overwrite=True)
    assert not (out / "rung3_images.png").exists() and len(store.load_traces(out / "run.h5")) == 3


def test_a_folder_that_is_not_ours_is_left_alone_even_with_force(design, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    for overwrite, resume in ((False, False), (True, False), (False, True), (True, True)):
        with pytest.raises(StoreError):
            verify(design, tmp_path / "mine", ODE, overwrite=overwrite, resume=resume)
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="is a file"):
        verify(design, tmp_path / "file", ODE, overwrite=True)
    with pytest.raises(StoreError, match="cannot make the folder"):
        verify(design, tmp_path / "file" / "out", ODE)
    assert os.listdir(tmp_path / "mine") == ["thesis.tex"]


def test_what_cannot_be_is_refused_before_the_folder_is_made(design, no_pictures, tmp_path, monkeypatch):
    with pytest.raises(GridError):
        verify(design, tmp_path / "out", Plan(images=2, windows=(Window(4, 0, 1, 1),)))
    monkeypatch.setenv("AISHW_NGSPICE", str(tmp_path / "nosuch"))
    with pytest.raises(SimulatorError):
        verify(design, tmp_path / "out", Plan(images=2))
    assert not (tmp_path / "out").exists()
    verify(design, tmp_path / "out", ODE)  # needs no simulator


@pytest.mark.parametrize("wrong", [
    {"images": 0}, {"behavioural_images": 17}, {"behavioural_images": -1}, {"window_site": "nosuch"},
])  # fmt: skip
def test_a_plan_that_cannot_be_is_refused(wrong):
    with pytest.raises(CompareError):
        Plan(**wrong)


def test_traces_are_compared_job_by_job_and_window_by_window(design):
    times = np.array([0.0, 1.0])

    def trace(engine, job, sites, images, value):
        sites, images = np.array(sites), np.array(images)
        state = np.full((images.size, 2, sites.size), value)
        return Trace(engine, "1", design.id, job, times, state, sites, images)

    everywhere = range(16)
    traces = [
        trace("a", "j", everywhere, [0, 1], 0.0),
        trace("b", "j", everywhere, [0], 0.1), trace("b", "j", everywhere, [1], 0.1),
        trace("c", "j", [3], [0], 0.2), trace("c", "j", [5, 6], [0], 0.3), trace("d", "other", everywhere, [0], 0.0),
    ]  # fmt: skip
    (whole,) = compare_traces(design.system, traces, "a", "b", 0.2)
    assert whole.images.tolist() == [0, 1] and whole.passed
    windows = compare_traces(design.system, traces, "a", "c")
    assert [w.sites.tolist() for w in windows] == [[3], [5, 6]]
    with pytest.raises(CompareError, match="no job in common"):
        compare_traces(design.system, traces, "a", "d")
    with pytest.raises(CompareError, match="it has a, b, c, d"):
        compare_traces(design.system, traces, "a", "nosuch")
