"""Which conditions are measured, and one of them end to end."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from aishw.calibrate import corners
from aishw.hardware.cards import load_target

TARGET = load_target("ring28")


def test_the_conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows stay in the order of the conditions, whoever finishes first."""

    def stand_in(target, corner, celsius, solver):  # type: ignore[no-untyped-def]
        steady = SimpleNamespace(frequency_Hz=celsius * 1e6)
        return SimpleNamespace(steady=steady, power_W=len(corner) * 1e-6)

    monkeypatch.setattr(corners, "settle", stand_in)
    turned = np.exp(0.1j)
    monkeypatch.setattr(corners, "coupling_of", lambda at, phases: (0.05 + 1e-9 * at.steady.frequency_Hz) * turned)
    monkeypatch.setattr(corners, "shil_of", lambda at, phases: -0.03j)
    seen: list[str] = []
    found = corners.measure_corners(TARGET, workers=3, on_point=seen.append)
    assert len(found.corner) == 15 and len(seen) == 3 * 15
    assert set(zip(found.corner, found.temperature_C)) == {
        (c, t) for c in TARGET.technology.corners for t in (0, 27, 85)
    }
    assert np.array_equal(found.frequency_Hz, found.temperature_C * 1e6)
    assert np.allclose(found.coupling, 0.05 + 1e-3 * found.temperature_C) and np.allclose(found.alpha_rad, 0.1)
    assert (found.shil == 0.03).all() and (found.power_W == 2e-6).all()
    quick = corners.measure_corners(TARGET, quick=True, workers=1)
    assert quick.corner == ("tt", "ff", "ss") and (quick.temperature_C == 27).all()


@pytest.mark.slow
def test_slow_and_fast_silicon() -> None:
    """Half a minute each: the fast corner runs faster and couples more than the slow one, at the card's own order."""
    slow, fast = (corners.settle(TARGET, corner, 27.0) for corner in ("ss", "ff"))
    assert slow.steady.frequency_Hz < 0.95 * TARGET.frequency_Hz < 1.05 * TARGET.frequency_Hz < fast.steady.frequency_Hz
    weak, strong = (abs(corners.coupling_of(at)) for at in (slow, fast))
    assert weak < TARGET.injections["coupling"].rate_limit < strong
    assert slow.power_W < fast.power_W
