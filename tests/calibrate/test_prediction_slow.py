"""Two ways to one number: a coupler that slips past the PE, and its current through the PE's phase response."""

from __future__ import annotations

import numpy as np
import pytest

from aishw.calibrate.drift import Sweep, fit_drift
from aishw.calibrate.loaded import Load, load_of, loaded_deck, run_loaded
from aishw.calibrate.projection import predict_table
from aishw.calibrate.response import measure_response
from aishw.calibrate.shape import shape_of
from aishw.calibrate.state import state_under
from aishw.engines import deck_replay
from aishw.engines.deck_transistor import fixed_coupler
from aishw.hardware.cards import load_target
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState

TARGET = load_target("ring28")
FINE = Solver("trap", 400, 1e-3, 50.0)
DRIFT, CYCLES = 0.04, 46


@pytest.fixture(scope="module")
def steady() -> SteadyState:
    square = np.where(np.arange(1024) < 512, 0.9, 0.0)
    first, _ = state_under(TARGET, Load({"p": square, "n": 0.9 - square}, TARGET.frequency_Hz), cycles=10)
    return state_under(TARGET, load_of(first), start=first)[0]


def slipping(steady: SteadyState, code: int, drift: float) -> np.ndarray:
    """Harmonics of one coupler beside the load, its source running faster by the fraction `drift`."""
    f, lines = steady.frequency_Hz, []
    for tap in "pn":
        table = deck_replay.wave_table(deck_replay.smoothed(steady.waves[tap]))
        lines.append(deck_replay.replay_line(f"{tap}_z", f"{tap}_z", table, f, f"({drift * f!r}*time)"))
    lines += fixed_coupler(TARGET.encoding, 4)("cz", "z", "r0_0", "bn bp", code)
    deck = loaded_deck(TARGET, Load(steady.waves, f, 23), FINE, CYCLES, start=steady, extra=lines)
    times = run_loaded(deck, TARGET)[1]
    phase = steady.marks_rad["r0"] + 2 * np.pi * (np.arange(times.size) - f * times)
    late = times > 4 / f
    slip = 2 * np.pi * f * drift
    return fit_drift(Sweep(times[late], phase[late], f), lambda t, s: (s - slip * t)[None]).harmonics


@pytest.mark.slow
def test_the_prediction_is_what_a_slipping_coupler_does(steady: SteadyState) -> None:
    """About a minute. Gain within 3 %, angle within 2 degrees, and the second harmonic within 0.02 of the gain."""
    response = measure_response(TARGET, steady)
    table = predict_table(TARGET, steady, response, "coupling", rates=[TARGET.injections["coupling"].rate_limit])
    for code in (-7, 7):
        seen = np.mean([slipping(steady, code, drift) for drift in (DRIFT, -DRIFT)], axis=0)
        ratio = table.harmonics[0, code + 7, 0] / seen[0]
        assert abs(ratio) == pytest.approx(1, abs=0.03)
        assert abs(np.degrees(np.angle(ratio))) < 2
        assert abs(table.harmonics[0, code + 7, 1] - seen[1]) < 0.02 * abs(seen[0])
    shape = shape_of(table, "coupling")
    assert shape.gain * 7 == pytest.approx(TARGET.injections["coupling"].rate_limit, rel=0.05)
    assert np.abs(shape.inl).max() < 1e-3  # merged fingers on a held node add up
