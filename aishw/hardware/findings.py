"""What a calibration finds beside the tables: phase response, noise, mismatch, corners, power, the solver's own error.

Letters as everywhere: Q codes, K harmonics; M phases, C conditions, D chips drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Check:
    """One number found two ways. value: from the sweeps (or the ensemble); expected: from the other way.

    error: standard error of the difference; limit: largest difference that is accepted, in the same unit.
    """

    name: str
    value: float
    expected: float
    error: float
    limit: float
    unit: str

    @property
    def passed(self) -> bool:
        return abs(self.value - self.expected) <= self.limit


@dataclass(frozen=True, eq=False)
class PhaseResponse:
    """Perturbation projection vector (PPV) of the loaded PE, by charge pulses.

    charge_C: of one pulse. phase_rad: (M,) the PE's phase at the pulse, even steps from 0. r0, r1: (M,) rad per C, the
    lasting phase change of a positive charge put on that node. error: standard error of one value.
    """

    charge_C: float
    phase_rad: Floats
    r0: Floats
    r1: Floats
    error: float


@dataclass(frozen=True, eq=False)
class NoiseFinding:
    """Phase diffusion. thermal, flicker: rad^2 per cycle from the devices' noise currents through the PPV (flicker over
    one image, see `calibrate.noise`). by_device: rad^2 per cycle by device name, thermal.

    The check: currents of a known white density at the ring nodes, as an ensemble of transients and through the PPV.
    """

    thermal: float
    flicker: float
    by_device: dict[str, float]
    test_A2_per_Hz: float
    ensemble: float
    ensemble_error: float
    predicted: float


@dataclass(frozen=True, eq=False)
class MismatchFinding:
    """Monte Carlo over the card's mismatch. frequency: (D,) relative to nominal. codes: (Q,). gain: (D, Q) relative to
    nominal, alpha_rad: (D, Q) angle against nominal. offset: (D, Q) rad per cycle against the chip's own code 0.

    trim_step: (T,) relative frequency per trim code; trim_residual: (D,) relative error after the best trim code.
    """

    seed: int
    frequency: Floats
    codes: NDArray[np.int64]
    gain: Floats
    alpha_rad: Floats
    offset: Floats
    trim_step: Floats
    trim_residual: Floats


@dataclass(frozen=True, eq=False)
class CornerFinding:
    """One row per condition: corner, temperature_C (C,), frequency_Hz (C,); coupling (C,) rad per cycle of the strongest
    code and alpha_rad (C,), shil (C,) rad per cycle, power_W (C,) of the PE with its couplers."""

    corner: tuple[str, ...]
    temperature_C: Floats
    frequency_Hz: Floats
    coupling: Floats
    alpha_rad: Floats
    shil: Floats
    power_W: Floats


@dataclass(frozen=True, eq=False)
class PowerFinding:
    """Mean supply power, W: ring and taps of one PE, one coupler by code (Q,), SHIL by code (Q,), reference; and the
    energy of switching one weight bit from chunk to chunk, J. leakage_W: one stored weight bit."""

    codes: NDArray[np.int64]
    ring_W: float
    taps_W: float
    coupler_W: Floats
    shil_W: Floats
    reference_W: float
    bit_switch_J: float
    bit_leakage_W: float


@dataclass(frozen=True, eq=False)
class SolverFinding:
    """The simulator's own error against a tight run of the same window. frequency: relative shift. rms_rad, max_rad: of
    the phase over `cycles` cycles with the shift taken out. cpu_s: of the run in use; tight: the options of the other.
    """

    tight: str
    cycles: float
    frequency: float
    rms_rad: float
    max_rad: float
