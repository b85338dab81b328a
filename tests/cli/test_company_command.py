"""`aishw company`: bad input in one line, and a file that every command applies from then on."""

import json
from pathlib import Path

import pytest
from calibration_problems import tables_only

from aishw.calibrate import company_runs
from aishw.calibrate.calibration_file import load_calibration, save_calibration
from aishw.calibrate.company import Company
from aishw.calibrate.match import tables_id
from aishw.cli.common import given_calibration
from aishw.engines import ngspice
from aishw.errors import SimulatorError
from aishw.hardware.cards import load_target


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_calibration(Path("mine.h5"), tables_only(load_target("ring28"), fan_in=4))
    monkeypatch.setattr(ngspice, "find_simulator", lambda: None)
    return tmp_path


def measured(target, calibration, folder, *, workers, made_by, tell):
    assert folder.is_dir() and workers == 1
    values = {"drift": 1e-3, "pull_re": 0.1}
    return Company(values, dict.fromkeys(values, 1e-4), 2e-3, 1e-3, 3, 0.1, tables_id(calibration), made_by), "adds up"


def test_its_numbers_lie_beside_the_calibration_and_are_applied(here, aishw, monkeypatch):
    monkeypatch.setattr(company_runs, "measure_company", measured)
    answer = aishw("company", "mine.h5", "--workers", 1)
    assert answer.code == 0 and "adds up" in answer.out and "pull_re" in answer.out, answer
    assert json.loads(Path("mine_company.json").read_text())["made_by"] == "aishw company mine.h5 --workers 1"
    assert not Path("mine_company.parts").exists()
    applied, bare = given_calibration("./mine.h5"), load_calibration(Path("mine.h5"))
    assert applied.together.pull[0] == 0.1 and bare.together is None
    zero = bare.tables["coupling"].codes == 0
    assert applied.tables["coupling"].offset[:, zero] == pytest.approx(bare.tables["coupling"].offset[:, zero] + 1e-3)
    aishw("company", "mine.h5", "--workers", 1).one_line("mine_company.json", "--force")
    assert aishw("company", "mine.h5", "--workers", 1, "--force", "--json").code == 0


def test_what_was_run_stays_when_a_run_fails(here, aishw, monkeypatch):
    def fails(target, calibration, folder, **_):
        (folder / "array1.npz").write_bytes(b"kept")
        raise SimulatorError("ngspice stopped; its deck is kept")

    monkeypatch.setattr(company_runs, "measure_company", fails)
    answer = aishw("company", "mine.h5")
    assert answer.code == 2 and "ngspice stopped" in answer.err and not Path("mine_company.json").exists()
    assert Path("mine_company.parts/array1.npz").read_bytes() == b"kept"


def test_bad_input_is_one_line(here, aishw):
    aishw("company", "nowhere.h5").one_line("nowhere.h5")
    Path("empty.h5").touch()
    aishw("company", "empty.h5").one_line("empty.h5")
    save_calibration(Path("eight.h5"), tables_only(load_target("ring28"), fan_in=8))
    aishw("company", "eight.h5").one_line("4 and 24 couplers", "8")
    Path("mine_company.parts").mkdir()
    Path("mine_company.parts/other").touch()
    aishw("company", "mine.h5").one_line("mine_company.parts", "something else")
