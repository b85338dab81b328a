"""What is refused as no oscillator, and how the SHIL clock is timed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from calibration_problems import steady_of_card

from aishw.calibrate.circuit import check_steady, circuit_steady
from aishw.calibrate.match import circuit_id
from aishw.errors import SimulatorError
from aishw.hardware.cards import load_target
from aishw.hardware.solver import Solver

RING28 = load_target("ring28")
SOUND = steady_of_card(RING28)


def test_a_sound_steady_state_passes() -> None:
    check_steady(RING28, SOUND)


def test_a_pe_that_does_not_swing() -> None:
    flat = replace(SOUND, waves={**SOUND.waves, "r0": 0.45 + 0.1 * np.sin(np.arange(64) / 10)})
    with pytest.raises(SimulatorError, match=r"does not oscillate: node r0 swings 0\.2 V, .* at least 0\.45 V"):
        check_steady(RING28, flat)


@pytest.mark.parametrize("error_Hz", [9.9e3, np.nan, np.inf])
def test_a_pe_that_never_settles(error_Hz: float) -> None:
    with pytest.raises(SimulatorError, match="never reaches a steady state"):
        check_steady(RING28, replace(SOUND, frequency_error_Hz=error_Hz))


@pytest.mark.parametrize("times", [0.5, 2.0])
def test_a_pe_far_from_its_card(times: float) -> None:
    with pytest.raises(SimulatorError, match=f"its card says {RING28.frequency_Hz / 1e6:.4g}; correct"):
        check_steady(RING28, replace(SOUND, frequency_Hz=times * RING28.frequency_Hz))


def test_a_flat_wave_is_told_from_a_failed_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Path("kept")

    def raising(error: SimulatorError) -> Callable[..., None]:
        def steady_state(*_: object, **__: object) -> None:
            raise error

        return steady_state

    flat = SimulatorError("signal 0 stays on one side of its threshold")
    monkeypatch.setattr("aishw.calibrate.steady.steady_state", raising(flat))
    with pytest.raises(SimulatorError, match=r"does not oscillate: signal 0 .*; change the ring .* netlist 'ring28'"):
        circuit_steady(RING28)
    crashed = SimulatorError("ngspice crashed", kept, "last lines")
    monkeypatch.setattr("aishw.calibrate.steady.steady_state", raising(crashed))
    with pytest.raises(SimulatorError, match=r"^ngspice crashed$") as refused:
        circuit_steady(RING28)
    assert refused.value.kept == kept and refused.value.tail == "last lines"


@pytest.mark.parametrize("clock_rad", [-2.0, 0.0, 1.0])
def test_the_shil_clock_is_timed(monkeypatch: pytest.MonkeyPatch, clock_rad: float) -> None:
    """Where z_1 stands at pi/2 + x with the clock as measured, the clock moves by x."""
    measured = []

    def both_ways(target, steady, kind, rate, code, workers):  # type: ignore[no-untyped-def]
        measured.append((kind, rate, code))
        return SimpleNamespace(harmonics=np.array([0.03 * np.exp(1j * (np.pi / 2 + 0.4))]))

    start = replace(SOUND, shil_phase_rad=clock_rad, circuit="")
    monkeypatch.setattr("aishw.calibrate.coupling.both_ways", both_ways)
    monkeypatch.setattr("aishw.calibrate.steady.steady_state", lambda target, solver, fan_in, quick: start)
    monkeypatch.setattr("aishw.calibrate.steady.full_cell_frequency", lambda target, steady, cycles: 9.8e7)
    timed = circuit_steady(RING28, fan_in=24)
    assert timed.shil_phase_rad == pytest.approx(clock_rad + 0.4)
    assert timed.full_frequency_Hz == 9.8e7 and timed.circuit == circuit_id(RING28, Solver(), 24)
    (kind, rate, code), biases = measured[0], RING28.injections["shil"].rate
    assert kind == "shil" and code == 7 and biases[0] < rate < biases[-1]
