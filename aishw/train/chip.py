"""Chips: the spread that a trained array meets on silicon, drawn by seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aishw.ais.topology import Topology
from aishw.errors import TrainError
from aishw.hardware.calibration import Calibration
from aishw.units import TWO_PI

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Chip:
    """One chip. detuning: (N,) rad per cycle, what each PE's frequency is off after trim. gain_error: (E,) relative, of
    what each coupler's code does. seed: it was drawn with.
    """

    detuning: Floats
    gain_error: Floats
    seed: int = 0


@dataclass(frozen=True)
class Spread:
    """How chips differ, and how one chip differs from image to image; all rms.

    detuning: rad per cycle after trim. gain: relative, of a coupler. wander: rad per cycle, flicker's detuning of one
    image. diffusion: rad^2 per cycle, thermal.
    """

    detuning: float = 0.0
    gain: float = 0.0
    wander: float = 0.0
    diffusion: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value < np.inf:
                raise TrainError(f"a chip's {name} is {value}, allowed is 0 and above")


def spread_of(calibration: Calibration, trim_residual: float | None = None, gain: float | None = None) -> Spread:
    """A calibration's own spread, or another trim residual (relative frequency, rms) and gain (relative, rms).

    The gain's is that of the strongest code. Raises TrainError if the calibration lacks a figure that is asked of it.
    """
    if calibration.noise is None:
        raise TrainError(f"the calibration of {calibration.steady.target!r} has no noise; calibrate the target in full")
    found, noise = calibration.mismatch, calibration.noise
    if found is None and (trim_residual is None or gain is None):
        raise TrainError(f"the calibration of {calibration.steady.target!r} has no mismatch; give both figures")
    if trim_residual is None and found is not None:
        trim_residual = float(np.sqrt(np.mean(found.trim_residual**2)))
    if gain is None and found is not None:
        gain = float(found.gain[:, -1].std(ddof=1))
    assert trim_residual is not None and gain is not None
    wander = 0.0 if noise.image_cycles is None else float(np.sqrt(noise.flicker / noise.image_cycles))
    return Spread(TWO_PI * trim_residual, gain, wander, noise.thermal)


def draw_chip(topology: Topology, spread: Spread, seed: int) -> Chip:
    """The chip of a seed: normal in both, independent from site to site and coupler to coupler.

    Detunings keep a mean of zero over the array, which is the reference frequency's to follow.
    """
    draw = np.random.default_rng(seed)
    off: Floats = draw.standard_normal((topology.sites,))
    gain: Floats = draw.standard_normal((topology.edges.shape[1],))
    return Chip(spread.detuning * (off - off.mean()), spread.gain * gain, seed)
