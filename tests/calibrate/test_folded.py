"""Waves folded over one period, from a wave that is known at every phase."""

from __future__ import annotations

import numpy as np
import pytest

from aishw.calibrate.steady import SAMPLES, folded
from aishw.engines.deck_replay import steepness
from aishw.errors import SimulatorError

EDGE = 30.0  # swings a period


def tap(turns: np.ndarray) -> np.ndarray:
    """Rises through half its swing at phase 0, falls half a period later, its edges a period / EDGE long."""
    bow = np.abs((turns + 0.25) % 1.0 - 0.5) - 0.25
    return np.clip(0.5 - bow * EDGE, 0.0, 1.0)


@pytest.mark.parametrize("off", [0.0, 0.31, 0.77])
@pytest.mark.parametrize("steps", [1119.7, 1120.0, 1120.4])
def test_an_edge_keeps_its_slope_and_its_place_wherever_the_steps_lie(steps: float, off: float) -> None:
    turns = (np.arange(8.2 * steps) + off) / steps + 3.4
    wave = folded([(turns, tap(turns))])
    assert wave.shape == (SAMPLES,)
    assert steepness(wave) == pytest.approx(EDGE, rel=1e-6)
    assert np.abs(wave - tap(np.arange(SAMPLES) / SAMPLES)).max() < 0.5 * EDGE / steps


def test_runs_are_averaged_each_over_its_own_whole_periods() -> None:
    early, late = np.linspace(0.9, 4.5, 5000), np.linspace(-2.3, 0.1, 4000)
    wave = folded([(early, np.full(5000, 1.0)), (late, np.full(4000, 6.0))])
    assert wave == pytest.approx(np.full(SAMPLES, (3 * 1.0 + 2 * 6.0) / 5))


def test_less_than_a_period_is_refused() -> None:
    turns = np.linspace(0.1, 1.05, 900)
    with pytest.raises(SimulatorError, match="no whole period"):
        folded([(turns, tap(turns))])
