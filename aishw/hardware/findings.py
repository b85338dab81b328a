"""What a calibration finds beside the tables: phase response, noise, mismatch, corners, power, the solver's own error.

Letters as everywhere: Q codes, K harmonics; M phases, C conditions, D chips drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aishw.errors import CardError

Floats = NDArray[np.float64]


def _check_shapes(finding: object, **letters: str) -> None:
    """Raises CardError unless arrays that share a letter share a length, e.g. gain="DQ", codes="Q"."""
    lengths: dict[str, tuple[str, int]] = {}
    for name, axes in letters.items():
        shape = np.shape(getattr(finding, name))
        if len(shape) != len(axes):
            raise CardError(f"{type(finding).__name__}: {name} has {len(shape)} axes, expected {len(axes)}")
        for letter, length in zip(axes, shape):
            first, expected = lengths.setdefault(letter, (name, length))
            if length != expected:
                kind = type(finding).__name__
                raise CardError(f"{kind}: {name} is {shape}, but {first} has {expected} of its {letter}")


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

    def __post_init__(self) -> None:
        _check_shapes(self, phase_rad="M", r0="M", r1="M")


@dataclass(frozen=True, eq=False)
class NoiseFinding:
    """Phase diffusion. thermal, flicker: rad^2 per cycle from the devices' noise currents through the PPV. Flicker is a
    slow wander of the frequency: this is the phase variance at the end of one image of image_cycles, over these cycles,
    on a chip trimmed trimmed_s ago (`calibrate.diffusion` has the law), so that nearly all of it is one detuning of
    sqrt(flicker / image_cycles) rad per cycle. by_device: rad^2 per cycle by device name, thermal.

    The check: currents of a known white density at the ring nodes, as an ensemble of transients and through the PPV.
    """

    thermal: float
    flicker: float
    by_device: dict[str, float]
    test_A2_per_Hz: float
    ensemble: float
    ensemble_error: float
    predicted: float
    image_cycles: float | None = None
    trimmed_s: float | None = None


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

    def __post_init__(self) -> None:
        _check_shapes(self, codes="Q", gain="DQ", alpha_rad="DQ", offset="DQ", frequency="F", trim_residual="F",
                      trim_step="T")  # fmt: skip


@dataclass(frozen=True, eq=False)
class CornerFinding:
    """One row per condition: corner, temperature_C (C,), frequency_Hz (C,); coupling (C,) rad per cycle of the
    strongest code and alpha_rad (C,), shil (C,) rad per cycle, power_W (C,) of the PE with its couplers."""

    corner: tuple[str, ...]
    temperature_C: Floats
    frequency_Hz: Floats
    coupling: Floats
    alpha_rad: Floats
    shil: Floats
    power_W: Floats

    def __post_init__(self) -> None:
        _check_shapes(self, corner="C", temperature_C="C", frequency_Hz="C", coupling="C", alpha_rad="C", shil="C",
                      power_W="C")  # fmt: skip


@dataclass(frozen=True, eq=False)
class PowerFinding:
    """Mean supply power, W, at the strongest bias: ring and taps of one PE, one coupler by code (Q,), SHIL by code
    (Q,) with its clock and low rail, reference with its tap drivers; and the energy of switching one weight bit from
    chunk to chunk, J.

    bit_switch_J: of a bit that changes, bit_stay_J: of one that keeps its value, both with the select lines.
    bit_leakage_W: one stored weight bit. coupler_by_bias_W: (P, Q) a coupler at each of the card's biases.
    """

    codes: NDArray[np.int64]
    ring_W: float
    taps_W: float
    coupler_W: Floats
    shil_W: Floats
    reference_W: float
    bit_switch_J: float
    bit_leakage_W: float
    bit_stay_J: float | None = None
    coupler_by_bias_W: Floats | None = None

    def __post_init__(self) -> None:
        _check_shapes(self, codes="Q", coupler_W="Q", shil_W="Q")


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
