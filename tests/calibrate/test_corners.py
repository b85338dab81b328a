"""Which conditions are measured, and one of them end to end."""

from __future__ import annotations

import numpy as np
import pytest

from aishw.calibrate import corners
from aishw.hardware.cards import load_target

TARGET = load_target("ring28")


def test_the_conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows stay in the order of the conditions, whoever finishes first."""

    def stand_in(target, corner, celsius, solver):  # type: ignore[no-untyped-def]
        return celsius * 1e6, 0.05, 0.1, 0.03, len(corner) * 1e-6

    monkeypatch.setattr(corners, "measure_condition", stand_in)
    seen: list[str] = []
    found = corners.measure_corners(TARGET, workers=3, on_point=seen.append)
    assert len(found.corner) == 15 == len(seen)
    assert set(zip(found.corner, found.temperature_C)) == {
        (c, t) for c in TARGET.technology.corners for t in (0, 27, 85)
    }
    assert np.array_equal(found.frequency_Hz, found.temperature_C * 1e6)
    assert (found.shil == 0.03).all() and (found.power_W == 2e-6).all()
    quick = corners.measure_corners(TARGET, quick=True, workers=1)
    assert quick.corner == ("tt", "ff", "ss") and (quick.temperature_C == 27).all()


@pytest.mark.slow
def test_slow_and_fast_silicon() -> None:
    """Half a minute each: the fast corner runs faster and couples more than the slow one, at the card's own order."""
    slow, fast = (corners.measure_condition(TARGET, corner, 27.0) for corner in ("ss", "ff"))
    assert slow[0] < 0.95 * TARGET.frequency_Hz < 1.05 * TARGET.frequency_Hz < fast[0]
    assert slow[1] < TARGET.injections["coupling"].rate_limit < fast[1]
    assert slow[4] < fast[4]
