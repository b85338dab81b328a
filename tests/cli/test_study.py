"""`aishw study` from end to end on a tiny study, and what it refuses."""

import json

from aishw.ais import checkpoint

TINY = ["--quick", "--steps", "10", "--pairs", "1g-moons", "--families", "kurashil", "--objectives", "swd"]


def test_a_tiny_study_writes_numbers_pictures_and_readable_checkpoints(tmp_path, aishw):
    out = tmp_path / "planar"
    answer = aishw("study", "planar", *TINY, "-o", out, "--json")
    assert answer.code == 0, answer
    content = json.loads(answer.out)
    assert [(c["segments"], c["hidden"]) for c in content["cells"]] == [(4, 0), (4, 4)]
    assert all(cell["w2_squared"] > 0 for cell in content["cells"]) and content["floors"]["1g-moons"][0] > 0
    for name in ("study.json", "table.md", "families.png", "kurashil.png", "samples.png"):
        assert (out / name).stat().st_size > 100, name
    (first, second) = sorted((out / "checkpoints").iterdir())
    assert checkpoint.load(first).sites == 2 and checkpoint.load(second).sites == 6
    shown = aishw("inspect", first, "--json")
    assert shown.code == 0 and json.loads(shown.out)["family"] == "kurashil"
    aishw("study", "planar", *TINY, "-o", out).one_line("--resume")
    aishw("study", "planar", *TINY, "--seed", "1", "-o", out, "--resume").one_line("other settings")
    again = aishw("study", "planar", *TINY, "-o", out, "--resume")
    assert again.code == 0 and "| kurashil | 4 | 4 |" in again.out


def test_bad_input_is_one_line(tmp_path, aishw):
    out = tmp_path / "planar"
    aishw("study", "spatial", "-o", out).one_line("planar")
    aishw("study", "planar", "--pairs", "1g-9g", "-o", out).one_line("1g-9g", "moons-8g")
    aishw("study", "planar", "--families", "kurashil,,", "-o", out).one_line("--families")
    aishw("study", "planar", "--objectives", "wgan", "-o", out).one_line("otcfm")
    aishw("study", "planar", "--steps", "0", "-o", out).one_line("--steps")
    (tmp_path / "file").write_text("x")
    aishw("study", "planar", "-o", tmp_path / "file").one_line("file")
    assert not out.exists()
