"""train: the same trajectory twice, after a kill too; what it writes is what it judged."""

from dataclasses import replace

import numpy as np
import pytest

from aishw.ais import checkpoint
from aishw.errors import AishwError, TrainError
from aishw.hardware.cards import load_target
from aishw.lower import lower
from aishw.train import Settings, judge, objectives, settings_from, train
from aishw.train.__main__ import main

SMALL = Settings(
    name="small", height=8, width=8, neighbourhood="king8", segments=2, duration_tau=0.5, step_tau=0.25, steps=6,
    batch=8, critic_width=16, critic_steps=2, save_every=2, target="ring28",
)  # fmt: skip


@pytest.fixture(autouse=True)
def few_images(monkeypatch):
    monkeypatch.setattr(judge, "JUDGED", 80)


class Killed(Exception):
    pass


def killed_after(step):
    def progress(at):
        if at.step == step:
            raise Killed

    return progress


def test_trained_twice_is_the_same_and_another_seed_is_not(tmp_path):
    one, two = train(SMALL, tmp_path / "one.pt"), train(SMALL, tmp_path / "two.pt")
    assert one.system.id == two.system.id and one.score == two.score
    assert train(replace(SMALL, seed=1), tmp_path / "three.pt").system.id != one.system.id


def test_a_killed_run_goes_on_to_the_same_end(tmp_path):
    whole = train(SMALL, tmp_path / "whole.pt")
    out = tmp_path / "killed.pt"
    for step in (3, 5):
        with pytest.raises(Killed):
            train(SMALL, out, killed_after(step))
    assert not out.exists()
    seen = []
    assert train(SMALL, out, lambda at: seen.append(at.step)).system.id == whole.system.id
    assert seen == [5, 6]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed.pt", "whole.pt"]


def test_an_unfinished_run_of_another_recipe_is_refused(tmp_path):
    with pytest.raises(Killed):
        train(SMALL, tmp_path / "out.pt", killed_after(3))
    with pytest.raises(TrainError, match="unfinished run of another recipe"):
        train(replace(SMALL, rate=1e-4), tmp_path / "out.pt")


@pytest.mark.parametrize("keep", [0, 100, -50], ids=["empty", "head", "most"])
def test_a_damaged_unfinished_run_is_refused(tmp_path, keep):
    with pytest.raises(Killed):
        train(SMALL, tmp_path / "out.pt", killed_after(3))
    path = tmp_path / "out.pt.unfinished"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(TrainError, match=r"is damaged .* remove it to start again"):
        train(SMALL, tmp_path / "out.pt")


def test_the_checkpoint_is_the_system_that_was_judged(tmp_path):
    trained = train(SMALL, tmp_path / "out.pt", command="aishw train small.toml")
    read = checkpoint.load(tmp_path / "out.pt")
    assert read.id == trained.system.id
    assert (read.start.mean, read.start.deviation, read.readout, read.name) == (-0.5, 0.5, "sin", "small")
    stated = checkpoint.made_by(tmp_path / "out.pt")
    assert stated["command"] == "aishw train small.toml" and settings_from(stated["recipe"]) == SMALL
    assert stated["score"]["distance"] == trained.score.distance and stated["cpu_s"] > 0
    assert trained.score.images == 80 and trained.score.distance > trained.score.floor


def test_an_existing_output_stays(tmp_path):
    (tmp_path / "out.pt").write_text("mine")
    with pytest.raises(AishwError, match="exists"):
        train(SMALL, tmp_path / "out.pt")
    assert (tmp_path / "out.pt").read_text() == "mine"


@pytest.mark.parametrize("policy", ["array", "chunk"])
def test_quantised_weights_lower_to_themselves(tmp_path, policy):
    settings = replace(SMALL, bits=4, policy=policy, first_deviation=0.3, average=0.0)
    system = train(settings, tmp_path / "out.pt").system
    design = lower(system, load_target("ring28"), bits=4, policy=policy)
    assert np.array_equal(design.realised.coupling, system.coupling)
    for name, value in system.terms.items():
        assert np.array_equal(design.realised.terms[name], value)
    assert np.unique(np.abs(design.codes["coupling"])).size == 8


def test_limits_hold(tmp_path):
    settings = replace(SMALL, first_deviation=0.3, average=0.0, limit={"coupling": 0.2, "shil": 0.001})
    system = train(settings, tmp_path / "out.pt").system
    assert np.abs(system.coupling).max() <= 0.2 + 1e-6
    assert np.abs(system.terms["shil"]).max() <= 0.001 + 1e-6 < np.abs(system.terms["reference"]).max()


def test_symmetric_couplings_stay_symmetric(tmp_path):
    settings = replace(SMALL, symmetric=True, bits=4)
    assert train(settings, tmp_path / "out.pt").system.topology.symmetric  # a System checks C_ij = C_ji


def test_a_run_may_begin_with_a_checkpoint_of_the_same_shape(tmp_path):
    first = train(SMALL, tmp_path / "first.pt")
    again = replace(SMALL, start_from=str(tmp_path / "first.pt"), steps=1, rate=1e-9)
    assert np.allclose(train(again, tmp_path / "again.pt").system.coupling, first.system.coupling, atol=1e-7)
    tight = replace(again, limit={"coupling": 0.05})  # holds for the averaged weights from the first step on
    assert np.abs(train(tight, tmp_path / "tight.pt").system.coupling).max() == pytest.approx(0.05, abs=1e-8)
    with pytest.raises(TrainError, match="another family, grid or segments"):
        train(replace(again, segments=3), tmp_path / "other.pt")


def test_a_width_that_the_target_lacks_is_refused(tmp_path):
    with pytest.raises(TrainError, match="bits = 8: target 'ring28' has"):
        train(replace(SMALL, bits=8), tmp_path / "out.pt")


def test_a_run_that_diverges_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(objectives, "critic_loss", lambda critic, real, *others: critic(real).mean() * np.nan)
    with pytest.raises(TrainError, match=r"step 1 gave NaN .*; lower rate or critic_rate"):
        train(SMALL, tmp_path / "out.pt")
    assert not list(tmp_path.iterdir())


FREE = replace(SMALL, noise=0.0, limit={})
KINDS = {
    "kuramoto": replace(SMALL, family="kuramoto", symmetric=True),
    "polynet": replace(SMALL, family="polynet", segments=1),
    "tanhnet": replace(SMALL, family="tanhnet", height=16, width=16, segments=4, duration_tau=0.25),
    "selunet": replace(SMALL, family="selunet", detuning_error=0.1, weight_error=0.1),
    "mlp": replace(SMALL, family="mlp", layers=2, layer_width=8, schedule="cosine"),
    "per step": replace(SMALL, noise_convention="per_step", critic="dcgan", critic_width=4, penalty_every=2),
    "swd": replace(SMALL, objective="swd", projections=16),
    "otcfm": replace(FREE, objective="otcfm", judge_every=3),
    "otcfm mlp": replace(FREE, objective="otcfm", family="mlp", layers=2, layer_width=8),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_family_and_objective_trains_and_goes_on_after_a_kill(tmp_path, kind):
    settings = replace(KINDS[kind], steps=4)
    whole = train(settings, tmp_path / "whole.pt").system
    with pytest.raises(Killed):
        train(settings, tmp_path / "killed.pt", killed_after(3))
    system = train(settings, tmp_path / "killed.pt").system
    assert system.id == whole.id == checkpoint.load(tmp_path / "killed.pt").id
    assert (system.family, system.readout) == (settings.family, settings.readout)
    assert all(np.ptp(value) > 0 for value in (system.coupling, *system.terms.values()) if value.size)


def test_flow_matching_needs_a_grid_without_hidden_sites(tmp_path):
    with pytest.raises(TrainError, match="192 of 256 sites are hidden; make the grid as large as the image"):
        train(replace(FREE, objective="otcfm", height=16, width=16), tmp_path / "out.pt")


def test_flow_matching_and_the_sliced_distance_come_down(tmp_path):
    for settings in (replace(FREE, objective="otcfm", family="mlp"), replace(FREE, objective="swd", batch=64)):
        figures = []
        train(replace(settings, steps=60, rate=1e-2), tmp_path / "out.pt", lambda at: figures.append(at.distance),  # noqa: B023
              overwrite=True)  # fmt: skip
        assert np.mean(figures[-10:]) < 0.8 * np.mean(figures[:5])


def test_an_unfinished_run_may_be_where_another_begins(tmp_path):
    with pytest.raises(Killed):
        train(SMALL, tmp_path / "out.pt", killed_after(3))
    begun = replace(SMALL, start_from=str(tmp_path / "out.pt.unfinished"), steps=1, rate=1e-9)
    assert train(begun, tmp_path / "on.pt").system.coupling.size
    with pytest.raises(TrainError, match="another family, grid or segments"):
        train(replace(begun, segments=3), tmp_path / "other.pt")
    with pytest.raises(TrainError, match="is no file"):
        train(replace(begun, start_from="none.unfinished"), tmp_path / "other.pt")


def test_bits_need_a_family_that_the_target_realises(tmp_path):
    with pytest.raises(TrainError, match="target 'ring28' realises kurashil, not tanhnet"):
        train(replace(SMALL, family="tanhnet", bits=4), tmp_path / "out.pt")


@pytest.mark.slow
def test_a_minute_of_training_makes_structure(tmp_path):
    trained = train(Settings(steps=600), tmp_path / "out.pt")
    assert trained.score.distance < 0.1 * trained.score.noise


def test_the_module_runs_a_recipe_and_refuses_in_one_line(tmp_path, capsys):
    recipe = tmp_path / "small.toml"
    recipe.write_text('steps = 2\nheight = 8\nwidth = 8\nneighbourhood = "king8"\nsegments = 1\nbatch = 4\n')
    assert main([str(recipe), str(tmp_path / "out.pt")]) == 0
    assert "FD(" in capsys.readouterr().out and (tmp_path / "out.pt").exists()
    assert main([str(recipe), str(tmp_path / "out.pt"), "--force"]) == 0
    capsys.readouterr()
    for arguments in ([str(recipe), str(tmp_path / "out.pt")], [str(tmp_path / "none.toml"), "x.pt"], []):
        assert main(arguments) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1
