"""aishw train and aishw sample: folders that are refused, recipes that cannot be, and images through codes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aishw.ais import checkpoint
from aishw.train import judge

SMALL = ["train", "digits", "--steps", "4", "--set", "batch=8", "--set", "critic_steps=1", "--set", "segments=1",
         "--set", "height=8", "--set", "width=8", "-o", "out.pt"]  # fmt: skip


@pytest.fixture(autouse=True)
def few_images(tmp_path, monkeypatch):
    monkeypatch.setattr(judge, "JUDGED", 40)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("options, words", [
    (["--family", "mlp", "--bits", "4"], ("ring28", "kurashil", "mlp")),
    (["--objective", "otcfm"], ("noise = 0",)),
    (["--objective", "vae"], ("wgan, swd, otcfm",)),
    (["--picture-every", "0"], ("--picture-every",)),
    (["--pictures", "full"], ("full", "not empty", "--force")),
    (["--events", "out.png"], ("is a file",)),
    (["--set", "through=macromodel"], ("bits",)),
    (["--set", "height=9"], ("8x8", "9x8")),
])  # fmt: skip
def test_refused_in_one_line_before_anything_is_written(aishw, options, words):
    Path("full").mkdir()
    Path("full/mine").write_text("mine")
    Path("out.png").write_text("mine")
    aishw(*SMALL, *options).one_line(*words)
    assert sorted(path.name for path in Path().iterdir()) == ["full", "out.png"]


def test_a_tanhnet_is_trained_with_pictures_and_sampled(aishw):
    answer = aishw(*SMALL, "--family", "tanhnet", "--pictures", "shown", "--picture-every", "3")
    assert answer.code == 0 and "FD(" in answer.out
    assert sorted(path.name for path in Path("shown").iterdir()) == ["step_3.png", "step_4.png"]
    system = checkpoint.load("out.pt")
    assert (system.family, system.readout) == ("tanhnet", "identity") and "self_weight" in system.terms
    assert aishw("sample", "./out.pt", "--images", "4", "-o", "a.png").code == 0
    aishw("sample", "./out.pt", "--target", "ring28", "-o", "b.png").one_line("ring28", "kurashil")


def test_images_through_codes_are_those_of_the_codes(aishw):
    assert aishw(*SMALL, "--set", "first_deviation=0.3").code == 0
    sample = ["sample", "./out.pt", "--images", "4", "--upscale", "1", "-o"]
    for name, options in {"raw": [], "two": ["--target", "ring28", "--bits", "2"],
                          "six": ["--target", "ring28", "--bits", "6"]}.items():  # fmt: skip
        assert aishw(*sample, f"{name}.png", *options).code == 0
    raw, two, six = (np.asarray(Image.open(f"{name}.png"), float) for name in ("raw", "two", "six"))
    assert 0 < np.abs(six - raw).mean() < 0.5 * np.abs(two - raw).mean()


def test_a_log_gets_a_line_a_minute_with_rate_and_time_left(capsys, monkeypatch):
    from aishw.cli import train_progress
    from aishw.train import Step

    now = [0.0]
    monkeypatch.setattr(train_progress.time, "monotonic", lambda: now[0])
    with train_progress.shown("small", 100) as tell:
        for step in range(41, 81):  # resumed after step 40; one step takes 5 s
            tell(Step(step, 100, 0.5, 0.0))
            now[0] += 5.0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "training small: step 54 of 100, 0.2 steps/s, 4 min left, distance 0.5" and len(lines) == 3
