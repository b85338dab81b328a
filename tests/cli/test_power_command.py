"""`aishw power`: the law's digits, a ledger with provenance, clear refusals, and nothing heavy loaded on the way."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from problems import random_system

from aishw import library, store
from aishw.energy.ledger import GROUPS, PROVENANCE
from aishw.hardware.cards import load_target
from aishw.lower.lower import lower


@pytest.fixture(scope="module")
def run_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("power") / "run.h5"
    store.save_design(path, lower(random_system(6, 7, neighbourhood="box5"), load_target("ring28")))
    return path


def test_the_law_to_the_printed_digits(aishw):
    answer = aishw("power", "--sites", 3136, "--couplings", 24, "--json")
    found = json.loads(answer.out)["law"]["variants"]["paper"]
    assert found["node_W"] * 1e6 == pytest.approx(721, abs=0.51) and f"{found['array_W']:.1f}" == "2.3"
    assert f"{found['image_J'] * 1e6:.0f}" == "23"
    everyone = aishw("power", "--sites", 3136, "--couplings", 3135)
    assert everyone.code == 0 and "2.491 mJ" in everyone.out
    assert f"target '{library.DEFAULT_TARGET}' holds 24 couplings a PE" in everyone.out
    assert "361.5 uJ" in aishw("power", "--sites", 3136, "--couplings", 24, "--bits", 8).out


def test_a_run_file_has_a_ledger(run_file, aishw):
    answer = aishw("power", run_file, "--json")
    assert answer.code == 0, answer
    found = json.loads(answer.out)
    book = found["ledger"]
    assert {line["provenance"] for line in book["lines"]} <= set(PROVENANCE)
    assert {line["group"] for line in book["lines"]} == set(GROUPS)
    assert sum(line["energy_J"] for line in book["lines"]) == pytest.approx(book["image_J"])
    assert book["cycles"] == pytest.approx(store.load_design(run_file).cycles) and "derived" in book["cycles_from"]
    assert set(found["strategies"]) == {"state_stationary", "save_and_reprogram", "weight_stationary"}
    assert {node["provenance"] for node in found["nodes"]} >= {"measured silicon", "simulated"}
    text = aishw("power", run_file).out
    assert "provenance" in text and "Left out of the sum:" in text and "digital generators" in text
    other = json.loads(aishw("power", run_file, "--json", "--strategy", "save_and_reprogram").out)["ledger"]
    assert other["strategy"] == "save_and_reprogram" and other["image_J"] > book["image_J"]


def test_a_target_without_supply_data_is_sent_to_calibrate(aishw, tmp_path):
    card = tmp_path / "mine.toml"
    card.write_text(library.find("models/targets", "ring28").read_text().replace('name = "ring28"', 'name = "mine"'))
    answer = aishw("power", "--sites", 100, "--couplings", 4, "--target", card)
    assert answer.code == 2 and answer.err.count("\n") == 1
    assert "no supply data of target 'mine'" in answer.err and f"aishw calibrate {card} --only power" in answer.err


@pytest.mark.parametrize(
    "words, said",
    [
        (("--sites", 0, "--couplings", 4), ("0 sites",)),
        (("--sites", -5, "--couplings", 4), ("-5 sites", "give 1 to")),
        (("--sites", 100, "--couplings", -1), ("-1 couplings", "0 to 99")),
        (("--sites", 100, "--couplings", 100), ("100 couplings", "0 to 99")),
        (("--sites", 100, "--couplings", 24, "--bits", 0), ("0 bits", "1 to 16")),
        (("--sites", 100, "--couplings", 24, "--cycles", 40.5), ("40.5 cycles", "give 40 or 41")),
        (("--sites", 100, "--couplings", 24, "--cycles", 0), ("0 cycles",)),
        (("--sites", 100, "--couplings", 24, "--cycles", "nan"), ("nan cycles",)),
        (("--sites", 100, "--couplings", 24, "--frequency", -1), ("frequency of -1 Hz",)),
        (("--sites", 100, "--couplings", 24, "--chunks", 0), ("1 to 8 chunks", "0 were asked")),
        (("--sites", 100, "--couplings", 24, "--chunks", 9), ("1 to 8 chunks", "another strategy")),
        (("--sites", 100, "--couplings", 24, "--strategy", "lazy"), ("'lazy' is unknown", "state_stationary")),
        (("--sites", 100, "--couplings", 24, "--images", 0), ("0 images",)),
        (("--sites", 100, "--couplings", 25, "--target", "ring28"), ("holds 24 couplings", "25 were asked")),
        (("--sites", 100, "--couplings", 4, "--target", "ring29"), ("unknown target 'ring29'",)),
        (("--sites", 100), ("--couplings is missing",)),
        ((), ("give a run file, or --sites and --couplings",)),
        (("--sweep", "--target", "ring28"), ("--sweep takes",)),
        (("none.h5",), ("no run file none.h5",)),
    ],
)
def test_bad_input_is_one_line(words, said, aishw):
    aishw("power", *words).one_line(*said)


def test_a_run_files_own_sizes_stay(run_file, aishw):
    aishw("power", run_file, "--bits", 4).one_line("--bits is the run file's own")
    aishw("power", run_file, "--strategy", "lazy").one_line("'lazy' is unknown")


def test_a_target_without_the_strategy(tmp_path, aishw):
    from dataclasses import replace

    narrow = replace(load_target("ring28"), strategies=("state_stationary",))
    store.save_design(tmp_path / "run.h5", lower(random_system(6, 7, neighbourhood="box5"), narrow))
    refused = aishw("power", tmp_path / "run.h5", "--strategy", "weight_stationary")
    refused.one_line("cannot hold the strategy 'weight_stationary'", "it holds state_stationary")
    assert set(json.loads(aishw("power", tmp_path / "run.h5", "--json").out)["strategies"]) == {"state_stationary"}


def test_figures_are_written_and_not_overwritten(run_file, tmp_path, aishw):
    answer = aishw("power", run_file, "--figures", tmp_path / "figures")
    assert answer.code == 0, answer
    written = {path.name: path.read_bytes()[:8] for path in (tmp_path / "figures").iterdir()}
    assert {"image_lines.png", "image_couplings.png"} <= set(written)
    assert all(head == b"\x89PNG\r\n\x1a\n" for head in written.values())
    aishw("power", run_file, "--figures", tmp_path / "figures").one_line("is not empty")


def test_stored_results_need_nothing_heavy(run_file):
    probe = (
        "import sys; from aishw.cli.entry import run\n"
        f"codes = run(['power', {str(run_file)!r}]), run(['power', '--sites', '3136', '--couplings', '8'])\n"
        "print(codes, *{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    said = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stderr
    assert "(0, 0)" in said
    assert not set(said.split()) & {"torch", "matplotlib", "scipy", "numba", "sklearn", "PySpice", "networkx"}
