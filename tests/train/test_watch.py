"""Watching changes nothing; trouble on the way loses nothing: NaN, a full disk, a second run, another recipe."""

import builtins
import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_loop import SMALL, Killed, killed_after

from aishw.ais.checkpoint import load
from aishw.errors import StoreError, TrainError
from aishw.library import find
from aishw.train import Watch, judge, loop, train, unfinished

OUT = "out.pt"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.setattr(judge, "JUDGED", 40)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_watched_run_gives_the_same_numbers_and_shows_its_images(here):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    plain = train(SMALL, "plain.pt").system.id
    watch = Watch(here / "pictures", here / "events", 3)
    with pytest.raises(Killed):
        train(SMALL, OUT, killed_after(5), watch=watch)
    assert train(SMALL, OUT, watch=watch).system.id == plain
    assert sorted(path.name for path in (here / "pictures").iterdir()) == ["step_3.png", "step_6.png"]
    events = EventAccumulator(str(here / "events"), {"images": 0}).Reload()
    assert [each.step for each in events.Scalars("distance")] == [1, 2, 3, 4, 5, 6]
    assert {each.step for each in events.Images("images")} == {3, 6} and "largest/shil" in events.Tags()["scalars"]


def test_a_second_run_into_the_same_folder_is_refused(here):
    (here / "pictures").mkdir()
    (here / "pictures" / "mine.png").write_text("mine")
    with pytest.raises(StoreError, match="not empty"):
        train(SMALL, OUT, watch=Watch(here / "pictures"))
    assert [path.name for path in here.iterdir()] == ["pictures"]


def test_events_without_tensorboard_are_refused_before_training(here, monkeypatch):
    real = builtins.__import__

    def missing(name, *others):
        if "tensorboard" in name:
            raise ImportError(name)
        return real(name, *others)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(TrainError, match=r"pip install 'aishw\[events\]'"):
        train(SMALL, OUT, watch=Watch(events=here / "events"))


@pytest.mark.parametrize("bad", ["figure", "weights"])
def test_a_run_that_diverges_keeps_the_last_good_state(here, monkeypatch, bad):
    one_step = loop._one_step

    def poisoned(run, step):
        figure = one_step(run, step)
        if step == 4:
            if bad == "figure":
                return np.inf
            with torch.no_grad():
                run.weights["shil"][1, 7] = np.nan
        return figure

    monkeypatch.setattr(loop, "_one_step", poisoned)
    with pytest.raises(TrainError, match=r"step 5 gave NaN .* out.pt.unfinished still holds step 4: lower rate"):
        train(replace(SMALL, save_every=1), OUT)
    assert os.listdir() == ["out.pt.unfinished"]
    held = unfinished.averaged(here / "out.pt.unfinished")
    assert all(value.isfinite().all() for value in held.values())
    monkeypatch.undo()
    monkeypatch.setattr(judge, "JUDGED", 40)
    os.chdir(here)
    assert train(replace(SMALL, rate=1e-4, start_from="out.pt.unfinished"), "on.pt").system.coupling.any()


def test_a_full_disk_stops_with_one_line_and_loses_nothing(here, monkeypatch):
    write, times = unfinished.write_whole, []

    def full(path, content, overwrite=False):
        times.append(path)
        if len(times) == 2:
            raise StoreError(f"cannot write {path}: no space left on device; nothing was changed")
        write(path, content, overwrite)

    whole = train(SMALL, "whole.pt").system.id
    monkeypatch.setattr(unfinished, "write_whole", full)
    with pytest.raises(StoreError, match=r"step 4: .* no space left .* goes on from step 2"):
        train(SMALL, OUT)
    assert train(SMALL, OUT).system.id == whole and not (here / "out.pt.unfinished").exists()


def test_two_trainings_of_one_output_do_not_meet(here):
    def again(at):
        with pytest.raises(StoreError, match=r"another training is writing out.pt"):
            train(SMALL, OUT)

    train(replace(SMALL, steps=1), OUT, again)
    assert os.listdir() == [OUT]


def test_force_begins_again_over_another_recipes_unfinished_run(here):
    with pytest.raises(Killed):
        train(SMALL, OUT, killed_after(3))
    seen = []
    train(replace(SMALL, rate=1e-4), OUT, lambda at: seen.append(at.step), overwrite=True)
    assert seen == [1, 2, 3, 4, 5, 6]


def test_minutes_save_too_and_change_no_number(here):
    settings = replace(SMALL, save_every=1000, save_minutes=1e-9)
    with pytest.raises(Killed):
        train(settings, OUT, killed_after(3))
    seen = []
    train(SMALL, OUT, lambda at: seen.append(at.step))  # how often it is saved is no part of a recipe's identity
    assert seen == [4, 5, 6]


def test_the_best_weights_are_kept(here, monkeypatch):
    looks = []
    real_score = judge.score

    def first_is_best(images, real):
        looks.append(len(images))
        return replace(real_score(images, real), distance=0.5 if len(looks) == 1 else 10.0 + len(looks))

    monkeypatch.setattr(judge, "score", first_is_best)
    monkeypatch.setattr(judge, "GLANCED", 30)
    settings = replace(SMALL, judge_every=3, average=0.5)
    with pytest.raises(Killed):
        train(settings, OUT, killed_after(5))
    kept = torch.load("out.pt.unfinished", weights_only=True)["best"]
    assert (kept["distance"], kept["step"], looks) == (0.5, 3, [30])
    monkeypatch.setattr(judge, "score", lambda images, real: replace(real_score(images, real), distance=1.0))
    run = []
    judged = judge.judge
    monkeypatch.setattr(loop, "judge", lambda each, cpu_s: run.append(each) or judged(each, cpu_s))
    train(settings, OUT)
    assert run[0].best.step == 3 and torch.equal(run[0].best.weights["shil"], kept["weights"]["shil"])
    assert not torch.equal(run[0].best.weights["shil"], run[0].average["shil"])


def test_a_fine_tune_never_ships_worse_weights_than_it_began_with(here):
    """Steps of 1 tear trained weights apart; without looks at the score that is what is shipped."""
    shape = {"height": 16, "width": 16, "neighbourhood": "box5", "segments": 4, "duration_tau": 1.0}
    ruin = replace(SMALL, **shape, start_from="digits16_4bit", bits=4, steps=2, rate=1.0, average=0.0)
    found, origin = train(replace(ruin, judge_every=1), OUT), load(find("models", "digits16_4bit"))
    assert found.weights == "initial" and np.allclose(found.system.coupling, origin.coupling, atol=1e-6)
    worse = train(ruin, "worse.pt")
    assert worse.weights != "initial" and worse.score.distance > found.score.distance


def test_a_fine_tunes_look_at_its_first_weights_moves_no_number(here):
    train(SMALL, "origin.pt")
    seen = []
    for judge_every in (0, 100):
        settings = replace(SMALL, start_from="origin.pt", steps=2, judge_every=judge_every)
        train(settings, OUT, lambda at: seen.append(at.distance), overwrite=True)
    assert len(seen) == 4 and seen[:2] == seen[2:]
