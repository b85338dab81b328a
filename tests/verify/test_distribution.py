"""The verdict's second part: which distances hold, and that the report shows them."""

import json
from dataclasses import replace

import numpy as np
import pytest
import verify_problems as problems

from aishw.errors import CompareError
from aishw.verify.distribution import Distribution, Line, not_judged
from aishw.verify.record import record
from aishw.verify.report import render


def scored(circuit, **fields):
    lines = (Line("the equation", (2.0, 2.4)), Line("3 chips", circuit, judged=True))
    strips = {line.name: np.zeros((3, 4, 4)) for line in lines}
    given = {"images": 100, "real": 1797, "dataset": "digits", "extractor": "cnn digits", "floor": 1.0, "noise": 90.0}
    return Distribution(lines, strips=strips, **(given | fields))


def test_the_limit_is_the_ratio_times_the_equations_plus_the_floor():
    assert scored((1.0,)).limit == pytest.approx(1.5 * 2.2 + 1.0)
    assert scored((4.2, 4.3)).part.state == "held" and scored((4.2, 4.5)).part.state == "fell short"
    assert scored((4.2, 4.5), ratio=2.0).part.state == "held"


def test_weights_trained_through_the_circuit_are_held_to_what_training_ended_at():
    found = scored((3.0, 3.1), ended=1.2)
    assert found.limit == pytest.approx(1.5 * 1.2 + 1.0) and found.part.state == "fell short"
    assert "1.5 times the 1.2 that training ended at" in found.part.reason
    assert scored((3.0, 3.1), ended=9.0).limit == scored((3.0, 3.1)).limit


def test_the_reason_brings_every_yardstick():
    reason = scored((4.2, 4.5)).part.reason
    for words in ("1,797 real images of digits", "n = 100", "cnn digits", "4.35 (4.2 to 4.5)", "2.2 (2 to 2.4)",
                  "Limit 4.3: 1.5 times", "floor of 1", "90"):  # fmt: skip
        assert words in reason, words
    assert not_judged("no data").state == "not judged"


@pytest.mark.parametrize("wrong", [
    lambda: Line("x", ()), lambda: Line("x", (np.nan,)), lambda: Distribution((), 1, 1, "", "", 1, 1),
    lambda: Distribution((Line("a", (1.0,)), Line("b", (1.0,))), 1, 1, "", "", 1, 1),
])  # fmt: skip
def test_what_says_nothing_is_refused(wrong):
    with pytest.raises(CompareError):
        wrong()


def test_the_report_shows_it_and_is_silent_without(monkeypatch):
    plain = problems.report()
    content = record(replace(plain, distribution=scored((4.2, 4.5), ended=2.0)))
    assert content["distribution"]["lines"][1] == {
        "name": "3 chips", "distances": [4.2, 4.5], "judged": True, "mean": pytest.approx(4.35)
    }  # fmt: skip
    assert content["distribution"]["passed"] is False and json.dumps(content, allow_nan=False)
    pictures = dict.fromkeys(_names(plain), _DOT)
    page = render(content, pictures | {"distribution0.png": _DOT, "distribution1.png": _DOT})
    assert "1.50 times what training ended at" in page
    assert "Images through the circuit" in page and "3 chips (judged)" in page and page.count("images, 3 chips") == 1
    silent = record(plain)
    assert silent["distribution"] is None and "Images through the circuit" not in render(silent, pictures)


_DOT = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (6).to_bytes(4, "big") + (6).to_bytes(4, "big")
)  # as much of a picture as a page reads


def _names(report):
    rungs = [f"rung{k}_{what}.png" for k in range(len(report.rungs)) for what in ("end", "images", "sites")]
    return [*rungs, "rms.png", "codes.png"]


def test_only_a_score_on_the_same_features_and_images_is_what_training_ended_at():
    from types import SimpleNamespace

    from aishw.cli.verify import _ended

    rod = SimpleNamespace(measure=SimpleNamespace(name="cnn digits"), floor=1.76)
    said = {"distance": 1.9, "floor": 1.76, "extractor": "cnn digits"}
    assert _ended(said, rod) == 1.9
    for other in (None, "1.9", {}, said | {"extractor": "pixel"}, said | {"floor": 1.5}, said | {"distance": np.nan}):
        assert _ended(other, rod) is None
