"""Each command with sound input, and with all the input that a new user gets wrong."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from problems import random_system, tiny_kurashil

from aishw import store
from aishw.ais import checkpoint


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of our own with a tiny checkpoint in it."""
    monkeypatch.chdir(tmp_path)
    checkpoint.save(tiny_kurashil(4, 4), "tiny.pt", "test")
    return tmp_path


@pytest.fixture
def run_file(here, aishw):
    assert aishw("lower", "./tiny.pt", "--target", "ring28", "-o", "run.h5").code == 0
    return here / "run.h5"


# ---------------------------------------------------------------- with sound input


def test_inspect_counts_what_table_2_counts(here, aishw):
    system = random_system(16, 16, "kurashil", "box5", 4)
    checkpoint.save(system, "big.pt", "test")
    answer = aishw("inspect", "./big.pt", "--json")
    content = json.loads(answer.out)
    assert answer.code == 0 and content["couplings"] == 256 * 24
    assert content["parameters"] == 4 * (256 * 24 + 2 * 256) == system.parameters
    assert content["targets"]["ring28"]["fits"] is True
    assert content["weights"]["coupling"][1]["max"] == system.coupling[1].max()
    text = aishw("inspect", "./big.pt").out
    assert "26,624" in text and "box5" in text and "ring28: fits" in text


def test_inspect_says_why_a_target_does_not_hold_it(here, aishw):
    checkpoint.save(random_system(4, 5, "tanhnet"), "tanh.pt", "test")
    answer = aishw("inspect", "./tanh.pt", "--json")
    target = json.loads(answer.out)["targets"]["ring28"]
    assert answer.code == 0 and not target["fits"] and "tanhnet" in target["objections"][0]
    assert "tanhnet" in aishw("inspect", "./tanh.pt").out


def test_a_shipped_checkpoint_is_found_by_name_from_anywhere(here, aishw):
    answer = aishw("inspect", "digits16_4bit", "--json")
    assert answer.code == 0 and json.loads(answer.out)["image"] == [8, 8]


def test_lower_writes_the_design_of_the_checkpoint(here, aishw):
    answer = aishw("lower", "./tiny.pt", "--target", "ring28", "--bits", "3", "-o", "run.h5", "--json")
    design = store.load_design("run.h5")
    assert answer.code == 0 and design.bits == 3 and json.loads(answer.out)["design_id"] == design.id
    assert design.system.id == checkpoint.load("tiny.pt").id
    assert max(np.abs(codes).max() for codes in design.codes.values()) == 3


def test_sample_draws_the_images(here, aishw):
    from PIL import Image

    sample = ["sample", "./tiny.pt", "--images", "6", "--columns", "3", "--upscale", "2"]
    assert aishw(*sample, "-o", "a.png").code == 0 and aishw(*sample, "-o", "b.png").code == 0
    assert Image.open("a.png").size[0] > Image.open("a.png").size[1]
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    assert aishw(*sample, "--seed", "1", "-o", "b.png", "--force").code == 0
    assert Path("a.png").read_bytes() != Path("b.png").read_bytes()


def test_import_reads_a_foreign_state_dict(here, aishw):
    import torch

    torch.save({"K": torch.eye(4).flip(0), "b": torch.zeros(4)}, "foreign.pt")
    Path("map.toml").write_text(
        'family = "kurashil"\nduration_tau = [1.0]\n[topology]\nheight = 2\nwidth = 2\ncomplete = true\n'
        '[coupling]\nkey = "K"\naxes = "NM"\nsign = "repulsive"\n[terms.shil]\nkey = "b"\naxes = "N"\n'
        "[terms.reference]\nvalue = 0.0\n"
    )
    answer = aishw("import", "foreign.pt", "--map", "map.toml", "-o", "mine.pt")
    assert answer.code == 0, answer
    system = checkpoint.load("mine.pt")
    assert system.sites == 4 and system.coupling.sum() == 4


# ---------------------------------------------------------------- with input that is wrong


def bad_checkpoints(folder):
    """(name, words in the answer)"""
    import torch

    sound = (folder / "tiny.pt").read_bytes()
    (folder / "empty.pt").write_bytes(b"")
    (folder / "cut.pt").write_bytes(sound[: len(sound) // 2])
    (folder / "text.pt").write_text("hello")
    (folder / "folder.pt").mkdir()
    (folder / "no_suffix").write_bytes(sound)
    (folder / "wrong.safetensors").write_bytes(sound)
    torch.save({"weight": torch.zeros(3)}, folder / "foreign.pt")
    torch.save({"run": os.system}, folder / "code.pt")
    torch.save([1, 2], folder / "list.pt")
    tree = torch.load(folder / "tiny.pt", weights_only=True)
    tree["arrays"]["coupling"] = torch.full_like(torch.as_tensor(tree["arrays"]["coupling"]), float("nan"))
    torch.save(tree, folder / "nan.pt")
    names = ["empty.pt", "cut.pt", "text.pt", "folder.pt", "no_suffix", "wrong.safetensors", "foreign.pt", "code.pt",
             "list.pt", "nan.pt", "missing.pt", "no/such.pt", "tiny.pt/x.pt"]  # fmt: skip
    return [f"./{name}" for name in names] + ["nosuchname", "", "x" * 300, "a\nb", "..", "/dev/null"]


COMMANDS = {
    "inspect": ["inspect", "{}"],
    "lower": ["lower", "{}", "--target", "ring28", "-o", "out.h5"],
    "sample": ["sample", "{}", "-o", "out.png"],
    "verify": ["verify", "{}", "--target", "ring28", "-o", "out"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_bad_checkpoint_is_one_line_and_nothing_is_written(here, aishw, command):
    for name in bad_checkpoints(here):
        before = sorted(os.listdir(here))
        aishw(*(part.format(name) for part in COMMANDS[command])).one_line()
        assert sorted(os.listdir(here)) == before


def test_an_import_that_cannot_be_is_one_line(here, aishw):
    import torch

    torch.save({"K": torch.zeros(3, 3)}, "foreign.pt")
    Path("empty.toml").write_text("")
    Path("bad.toml").write_text("= 3")
    for foreign, mapping in (
        ("missing.pt", "empty.toml"), ("foreign.pt", "missing.toml"), ("foreign.pt", "empty.toml"), (".", "empty.toml"),
        ("foreign.pt", "bad.toml"), ("foreign.pt", "."), ("foreign.pt", "foreign.pt"),
    ):  # fmt: skip
        aishw("import", foreign, "--map", mapping, "-o", "out.pt").one_line()
    aishw("import", "foreign.pt", "--map", "empty.toml", "-o", "out.txt").one_line()
    assert not Path("out.pt").exists()


@pytest.mark.parametrize("command", ["lower", "verify"])
@pytest.mark.parametrize("options, word", [
    (["--target", "nosuch"], "nosuch"),
    (["--target", "./missing.toml"], "missing.toml"),
    (["--target", "./bad.toml"], "bad.toml"),
    (["--target", "./empty.toml"], "empty.toml"),
    (["--target", "."], "."),
    (["--target", "ring28", "--corner", "nosuch"], "nosuch"),
    (["--target", "ring28", "--temperature", "900"], "temperature"),
    (["--target", "ring28", "--temperature", "nan"], "temperature"),
    (["--target", "ring28", "--bits", "16"], "16-bit"),
    (["--target", "ring28", "--policy", "nosuch"], "nosuch"),
    (["--target", "ring28", "--strategy", "nosuch"], "nosuch"),
    (["--target", "ring28", "--clip", "nosuch"], "nosuch"),
    (["--target", "ring28", "--stretch", "0.5"], "stretch"),
    (["--target", "ring28", "--stretch", "nan"], "stretch"),
])  # fmt: skip
def test_a_target_or_wish_that_is_not_there_is_one_line(here, aishw, command, options, word):
    Path("bad.toml").write_text("name = ")
    Path("empty.toml").write_text("")
    aishw(command, "./tiny.pt", *options, "-o", "out.h5").one_line(word)
    assert not Path("out.h5").exists()


def test_a_system_that_a_target_cannot_hold_is_one_line(here, aishw):
    checkpoint.save(random_system(4, 60, "kurashil", "cross4"), "wide.pt", "test")
    aishw("lower", "./wide.pt", "--target", "ring28", "-o", "out.h5").one_line("240", "ring28", "larger target")


@pytest.mark.parametrize("command", [
    ["lower", "./tiny.pt", "--target", "ring28", "-o"],
    ["sample", "./tiny.pt", "-o"],
    ["netlist", "run.h5", "--level", "behavioural", "-o"],
    ["train", "digits", "-o"],
    ["calibrate", "ring28", "-o"],
])  # fmt: skip
def test_outputs_are_refused_before_any_work(run_file, aishw, command, monkeypatch):
    def too_far(*arguments, **named):
        raise AssertionError("work was begun")

    for place in ("cli.common.load_system", "cli.common.load_target", "train.train", "store.load_design"):
        monkeypatch.setattr(f"aishw.{place}", too_far)
    Path("there.h5").write_text("mine")
    aishw(*command, "there.h5").one_line("there.h5", "exists")
    assert Path("there.h5").read_text() == "mine"
    aishw(*command, "no/such/folder.h5").one_line("no folder")
    aishw(*command, ".").one_line("folder")
    aishw(*command, "there.h5/x.h5").one_line("no folder")
    aishw(*command, "y" * 300).one_line("too long")


@pytest.mark.parametrize("command", [
    ["netlist", "{}", "--level", "behavioural", "-o", "out.cir"],
    ["run", "{}", "--engine", "ode"],
    ["compare", "{}", "ode", "ode"],
])  # fmt: skip
def test_a_bad_run_file_is_one_line(run_file, aishw, command):
    sound = run_file.read_bytes()
    Path("empty.h5").write_bytes(b"")
    Path("cut.h5").write_bytes(sound[: len(sound) // 2])
    Path("text.h5").write_text("hello")
    for name in ("missing.h5", "empty.h5", "cut.h5", "text.h5", "tiny.pt", ".", "run.h5/x", "", "x" * 300):
        aishw(*(part.format(name) for part in command)).one_line()
    assert not Path("out.cir").exists() and run_file.read_bytes() == sound


@pytest.mark.parametrize("options, words", [
    (["--engine", "nosuch"], ("nosuch", "ode-float")),
    (["--engine", "ode", "--window", "0,0,1,1"], ("--window",)),
    (["--engine", "spice-transistor", "--window", "9,9,1,1"], ("9,9,1,1", "4x4")),
    (["--engine", "spice-transistor", "--window", "0,0,5,1"], ("0,0,5,1",)),
    (["--engine", "spice-transistor", "--window", "a"], ("R,C,H,W",)),
    (["--engine", "spice-transistor", "--window", "0,0,1"], ("R,C,H,W",)),
    (["--engine", "spice-transistor", "--window", "0,0,1,1"], ("no ode trace",)),
    (["--engine", "ode", "--images", "2", "--only", "2"], ("--only",)),
    (["--engine", "ode", "--images", "2", "--only", "0,0"], ("--only",)),
    (["--engine", "ode", "--images", "2", "--only", "x"], ("--only",)),
])  # fmt: skip
def test_a_run_that_cannot_be_is_one_line(run_file, aishw, options, words):
    before = run_file.read_bytes()
    aishw("run", "run.h5", *options).one_line(*words)
    assert run_file.read_bytes() == before


def test_comparing_what_was_not_run_says_what_was(run_file, aishw):
    aishw("compare", "run.h5", "ode", "ode-float").one_line("ode", "no traces")


def test_a_netlist_window_needs_a_trace_and_a_place_on_the_grid(run_file, aishw):
    start = ["netlist", "run.h5", "--level", "transistor", "-o", "out.cir", "--window"]
    aishw(*start, "0,0,1,1").one_line("holds no ode trace")
    aishw(*start, "4,0,1,1").one_line("4x4")
    aishw("netlist", "run.h5", "--level", "behavioural", "-o", "out.cir", "--chip").one_line("--level transistor")
    assert not Path("out.cir").exists()


@pytest.mark.parametrize("options, words", [
    (["nosuch"], ("nosuch", "digits")),
    (["digits", "--family", "nosuch"], ("nosuch",)),
    (["digits", "--steps", "0"], ("steps",)),
    (["digits", "--set", "nosuch=1"], ("nosuch",)),
    (["digits", "--set", "rate"], ("--set",)),
    (["digits", "--set", "rate=fast"], ("rate",)),
    (["digits", "--recipe", "missing.toml"], ("missing.toml",)),
    (["digits", "--set", 'neighbourhood="nosuch"'], ("nosuch",)),
    (["digits", "--bits", "4", "--set", 'target="nosuch"'], ("nosuch",)),
])  # fmt: skip
def test_a_training_that_cannot_be_is_one_line(here, aishw, options, words):
    aishw("train", *options, "-o", "out.pt").one_line(*words)
    assert not Path("out.pt").exists()


def test_a_calibration_of_nothing_is_one_line(here, aishw):
    aishw("calibrate", "nosuch", "-o", "out.h5").one_line("nosuch", "ring28")
    aishw("calibrate", "ring28", "--corner", "nosuch", "-o", "out.h5").one_line("nosuch")
    aishw("calibrate", "ring28", "--fan-in", "99", "-o", "out.h5").one_line("--fan-in")
    assert not Path("out.h5").exists()


def test_a_checkpoint_of_no_known_kind_is_refused_before_training(here, aishw):
    aishw("train", "digits", "-o", "out.txt").one_line(".safetensors")
