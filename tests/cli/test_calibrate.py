"""`aishw calibrate` with the measurements replaced: stages, resume, files beside, exit codes, refusals."""

import json
import sys
import types

import numpy as np
import pytest
from calibration_problems import everything, steady_of_card

from aishw.calibrate.calibration_file import has_tables, load_calibration
from aishw.calibrate.plan import STAGES
from aishw.calibrate.steady_file import load_steady
from aishw.errors import SimulatorError
from aishw.hardware.cards import load_target
from aishw.hardware.findings import (
    CornerFinding,
    MismatchFinding,
    NoiseFinding,
    PhaseResponse,
    PowerFinding,
    SolverFinding,
)

RING28 = load_target("ring28")
WHOLE = everything(RING28)


@pytest.fixture
def measured(monkeypatch):
    """The calls of the measuring functions, in order; `fail` names one that the simulator spoils."""
    calls, fail = [], set()

    def stage(name, result):
        calls.append(name)
        if name in fail:
            raise SimulatorError("the phase difference covered 0.31 rad, less than a turn: the PE locks")
        return result

    def table(target, steady, kind, coupling=None, *, workers, on_point=None, remember=None):
        on_point(f"{kind} measured")
        return stage(kind, WHOLE.tables[kind])

    def predict(target, steady, response, kind, *, workers=2):
        return stage(f"predicted-{kind}", WHOLE.predicted[kind])

    def mismatch(target, steady, response, *, chips, seed, workers):
        return stage(f"mismatch {chips} {seed}", WHOLE.mismatch)

    replaced = {
        "circuit.circuit_steady": lambda target, fan_in: stage("steady", steady_of_card(target, fan_in)),
        "coupling.measure_table": table,
        "projection.predict_table": predict,
        "response.measure_response": lambda target, steady, *, workers: stage("response", WHOLE.response),
        "noise.measure_noise": lambda target, steady, response, *, seed, quick, workers: stage("noise", WHOLE.noise),
        "mismatch.measure_mismatch": mismatch,
        "corners.measure_corners": lambda target, solver, *, quick, workers: stage("corners", WHOLE.corners),
        "power.measure_power": lambda target, steady, *, workers: stage("power", WHOLE.power),
        "solver_error.measure_solver": lambda target, steady, *, workers: stage("solver", WHOLE.solver),
    }
    for name, function in replaced.items():
        module, attribute = name.split(".")
        stand_in = types.ModuleType(f"aishw.calibrate.{module}")
        setattr(stand_in, attribute, function)
        monkeypatch.setitem(sys.modules, f"aishw.calibrate.{module}", stand_in)
    monkeypatch.setattr("aishw.engines.ngspice.find_simulator", lambda: types.SimpleNamespace(version=39))
    calls_and = types.SimpleNamespace(calls=calls, fail=fail)
    return calls_and


def test_every_stage_goes_into_the_file(measured, tmp_path, aishw):
    answer = aishw("calibrate", "ring28", "--seed", "3", "-o", tmp_path / "c.h5")
    assert answer.code == 0, answer
    assert measured.calls == ["steady", "solver", "response", "coupling", "shil", "predicted-coupling",
                              "predicted-shil", "noise", "mismatch 64 3", "corners", "power"]  # fmt: skip
    written = load_calibration(tmp_path / "c.h5")
    assert written.seed == 3 and not written.quick and len(written.checks) == 10
    assert written.made_by == "aishw calibrate ring28 --corner tt --temperature 27 --fan-in 24 --seed 3"
    assert np.array_equal(written.mismatch.gain, WHOLE.mismatch.gain)
    assert "coupling measured" in answer.err and "10 checks held" in answer.out
    beside = {path.name for path in tmp_path.iterdir()}
    assert beside == {"c.h5", "c.html", "c.txt", "c_figures"}
    pictures = {path.name for path in (tmp_path / "c_figures").iterdir()}
    assert pictures == {"coupling.png", "coupling_gain.png", "shil.png", "shil_gain.png", "alpha.png", "response.png",
                        "noise.png", "mismatch.png", "corners.png", "power.png"}  # fmt: skip
    text = (tmp_path / "c.txt").read_text()
    assert all(name in text for name in STAGES if name != "predicted") and "aishw calibrate ring28 --seed 3" in text
    page = (tmp_path / "c.html").read_text()
    assert (
        page.count("data:image/png;base64,") == 10 and "<script" not in page and "http" not in page.split("</head>")[1]
    )


def test_place_and_workers_leave_the_bytes_alone(measured, tmp_path, aishw):
    (tmp_path / "other").mkdir()
    assert aishw("calibrate", "ring28", "-o", tmp_path / "c.h5", "--workers", "1").code == 0
    assert aishw("calibrate", "ring28", "-o", tmp_path / "other" / "d.h5", "--workers", "3").code == 0
    assert (tmp_path / "c.h5").read_bytes() == (tmp_path / "other" / "d.h5").read_bytes()


def test_a_killed_command_goes_on_where_it_stopped(measured, tmp_path, aishw):
    out = tmp_path / "c.h5"
    measured.fail.add("shil")
    answer = aishw("calibrate", "ring28", "-o", out)
    assert answer.code == 2 and "stage shil of target 'ring28': the phase difference covered 0.31 rad" in answer.err
    assert not out.exists() and (tmp_path / "c.h5.parts").is_dir() and "c.h5.parts" in answer.err
    measured.fail.clear(), measured.calls.clear()
    assert aishw("calibrate", "ring28", "-o", out).code == 0
    assert measured.calls[:3] == ["shil", "predicted-coupling", "predicted-shil"]
    assert not (tmp_path / "c.h5.parts").exists()
    fresh = tmp_path / "d.h5"
    assert aishw("calibrate", "ring28", "-o", fresh).code == 0
    assert out.read_bytes() == fresh.read_bytes()


def test_a_failure_at_the_begin_leaves_nothing_behind(measured, tmp_path, aishw):
    measured.fail.add("steady")
    answer = aishw("calibrate", "ring28", "-o", tmp_path / "c.h5")
    assert answer.code == 2 and "kept" not in answer.err and not list(tmp_path.iterdir())


def test_parts_of_other_settings_are_not_mixed_in(measured, tmp_path, aishw):
    out = tmp_path / "c.h5"
    measured.fail.add("shil")
    assert aishw("calibrate", "ring28", "-o", out).code == 2
    measured.fail.clear(), measured.calls.clear()
    assert aishw("calibrate", "ring28", "--quick", "-o", out).code == 0
    assert measured.calls[0] == "steady" and "mismatch 16 0" in measured.calls
    assert load_calibration(out).quick


def test_an_interrupt_says_how_to_go_on(measured, tmp_path, aishw, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["aishw.calibrate.response"], "measure_response", interrupted)
    answer = aishw("calibrate", "ring28", "-o", tmp_path / "c.h5")
    assert answer.code == 130
    assert answer.err.splitlines()[-1].endswith("c.h5.parts; the same command goes on from there")


def test_a_netlist_that_changes_meanwhile_is_refused(measured, tmp_path, aishw, monkeypatch):
    response = sys.modules["aishw.calibrate.response"]

    def edits(target, steady, *, workers):
        monkeypatch.setattr("aishw.calibrate.match.cell_text", lambda *_: "* edited")
        return WHOLE.response

    monkeypatch.setattr(response, "measure_response", edits)
    answer = aishw("calibrate", "ring28", "-o", tmp_path / "c.h5")
    assert answer.code == 2 and "ring28' were changed while it was measured" in answer.err
    assert not (tmp_path / "c.h5").exists() and not (tmp_path / "c.h5.parts" / "response.h5").exists()


def test_a_failed_check_is_written_and_told(measured, tmp_path, aishw, monkeypatch):
    from dataclasses import replace

    loud = replace(WHOLE.noise, ensemble=2 * WHOLE.noise.predicted)
    noise = sys.modules["aishw.calibrate.noise"]
    monkeypatch.setattr(noise, "measure_noise", lambda target, steady, response, *, seed, quick, workers: loud)
    answer = aishw("calibrate", "ring28", "-o", tmp_path / "c.h5", "--json")
    content = json.loads(answer.out)
    failed = [check["name"] for check in content["checks"] if not check["passed"]]
    assert answer.code == 1 and failed == ["noise, ensemble against PPV"]
    assert load_calibration(tmp_path / "c.h5").noise.ensemble == loud.ensemble
    assert "FELL SHORT: noise" in (tmp_path / "c.txt").read_text()


def test_steady_only_and_only(measured, tmp_path, aishw):
    out = tmp_path / "s.h5"
    assert aishw("calibrate", "ring28", "--steady-only", "-o", out).code == 0
    assert measured.calls == ["steady"] and not has_tables(out)
    assert load_steady(out).frequency_Hz > 9e7
    measured.calls.clear()
    assert aishw("calibrate", "ring28", "--only", "noise", "-o", tmp_path / "n.h5").code == 0
    assert measured.calls == ["steady", "response", "noise"]
    answer = aishw("calibrate", "ring28", "--only", "nois", "-o", tmp_path / "m.h5")
    answer.one_line("'nois'", "noise, mismatch")


def test_nothing_is_overwritten_or_begun_in_vain(measured, tmp_path, aishw):
    out = tmp_path / "c.h5"
    (tmp_path / "c.html").write_text("mine")
    aishw("calibrate", "ring28", "-o", out).one_line("c.html exists")
    (tmp_path / "c.html").unlink()
    (tmp_path / "c.h5.parts").mkdir()
    (tmp_path / "c.h5.parts" / "mine").write_text("mine")
    aishw("calibrate", "ring28", "-o", out).one_line("holds something else")
    (tmp_path / "c.h5.parts" / "mine").unlink()
    assert aishw("calibrate", "ring28", "-o", out).code == 0
    before = out.read_bytes()
    aishw("calibrate", "ring28", "-o", out).one_line("c.h5 exists")
    assert out.read_bytes() == before
    assert aishw("calibrate", "ring28", "-o", out, "--force", "--seed", "1").code == 0
    assert out.read_bytes() != before
    measured.calls.clear()
    aishw("calibrate", "ring29", "-o", tmp_path / "x.h5").one_line("unknown target 'ring29'")
    aishw("calibrate", "ring28", "--corner", "xx", "-o", tmp_path / "x.h5").one_line("no corner 'xx'")
    aishw("calibrate", "ring28", "-o", tmp_path / "no" / "x.h5").one_line("there is no folder")
    assert measured.calls == []


def test_findings_are_what_the_stages_say():
    kinds = (SolverFinding, PhaseResponse, NoiseFinding, MismatchFinding, CornerFinding, PowerFinding)
    found = (WHOLE.solver, WHOLE.response, WHOLE.noise, WHOLE.mismatch, WHOLE.corners, WHOLE.power)
    assert all(isinstance(value, kind) for value, kind in zip(found, kinds))
