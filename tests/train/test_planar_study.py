"""Training learns, the search keeps pairs apart, and a stopped study goes on."""

import json

import pytest

from aishw.ais import checkpoint
from aishw.errors import StoreError, TrainError
from aishw.train.planar.bank import Shape
from aishw.train.planar.pages import write_pages
from aishw.train.planar.pairs import PAIRS
from aishw.train.planar.search import Tuning, train_cells
from aishw.train.planar.study import FILE, Job, load_study, open_study, plan, run_study
from aishw.train.planar.transport import floor, judge

TINY = Tuning(steps=12, rates=(0.03,), magnitudes=(0.3, 1.0), draws=1, batch=32, coupled=4)


def test_a_short_training_already_moves_points_to_the_target():
    found = train_cells(Shape("kurashil", 2), "swd", ["1g-moons"], Tuning(steps=100, rates=(0.1,), draws=1))["1g-moons"]
    still = judge(PAIRS["1g-moons"], lambda x0, generator: x0)
    assert floor("1g-moons").mean / 2 < found.distance.mean < 0.6 * still.mean
    assert found.solver_error < 0.01 and found.system.parameters == 2 * (2 + 2 + 2)


def test_the_same_seed_gives_the_same_numbers():
    shape = Shape("polynet", 1, 1)
    first, second = (train_cells(shape, "otcfm", ["1g-s"], TINY)["1g-s"] for _ in range(2))
    assert first.distance == second.distance and first.system.id == second.system.id


def test_every_job_is_planned_once_and_the_targets_come_first():
    jobs = plan(("kurashil", "mlp"), ("swd", "otcfm"))
    assert len(set(jobs)) == len(jobs) == 15 + 5 + 5 + 5
    assert jobs[:2] == (Job("swd", Shape("kurashil", 4, 0)), Job("swd", Shape("kurashil", 4, 4)))
    with pytest.raises(TrainError, match="unknown family"):
        plan(("nosuch",), ("swd",))


def test_a_stopped_study_goes_on_where_it_was(tmp_path):
    jobs = (Job("swd", Shape("tanhnet", 1)), Job("otcfm", Shape("mlp", 1)))
    folder, told = tmp_path / "study", []

    def stop(stage, fraction):
        told.append((stage, fraction))
        if stage == "mlp, otcfm":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(folder, open_study(folder, TINY, False), jobs, ["1g-s"], stop)
    assert ("tanhnet, swd", 1.0) in told
    with pytest.raises(TrainError, match="--resume"):
        open_study(folder, TINY, False)
    with pytest.raises(TrainError, match="other settings"):
        open_study(folder, Tuning(), True)
    before = open_study(folder, TINY, True)
    assert [cell.family for cell in before.cells] == ["tanhnet"]
    after = run_study(folder, before, jobs, ["1g-s"])
    assert after.cells[0] == before.cells[0] and [cell.family for cell in after.cells] == ["tanhnet", "mlp"]
    assert load_study(folder / FILE) == after
    system = checkpoint.load(folder / after.cells[0].file)
    assert system.family == "tanhnet" and system.topology.visible.tolist() == [0, 1]
    assert checkpoint.made_by(folder / after.cells[0].file)["study"]["w2_squared"] == after.cells[0].w2_squared
    write_pages(folder, after)
    text = (folder / "table.md").read_text()
    value, (low, _) = after.value("swd", "tanhnet", 1, 0, "1g-s"), after.floors["1g-s"]
    assert f"{value:.4f}".lstrip("0") in text and f"/ {low:.4f}".replace("0.", ".") in text
    assert {file.name for file in folder.glob("*.png")} == {"families.png", "samples.png"}


def test_a_foreign_folder_and_a_damaged_study_are_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match="not empty"):
        open_study(tmp_path, TINY, True)
    for text in ("{", "[]", json.dumps({"format": "aishw planar study", "version": 1}), json.dumps({"format": 1})):
        (tmp_path / FILE).write_text(text)
        with pytest.raises(TrainError, match=r"study.json"):
            open_study(tmp_path, TINY, True)
