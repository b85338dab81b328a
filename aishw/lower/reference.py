"""The reference frequency of a design: one number that takes the circuit's common drift out of all phases.

Offsets, coupling phase and even harmonics turn all PEs together against an injection reference at the PE's own
frequency. A reference that turns with them,

    f_reference = f0 (1 + shift / 2 pi),    shift = mean over sites, starts and cycles of (circuit - ideal) drift,

leaves each PE's own difference. Jumps at changes of codes (`lower.switching`) are drift, too, 20 % of the digits' own.
The mean runs along trajectories of the realised equation; along the circuit's own, it differs by 0.6 %, and no image
can tell (digits, 4 bit: Frechet distance of the pixels 2.50 untouched, 1.01 with this shift, 1.01 with the circuit's
own, 0.28 for the equation; n = 1000).

Other numbers were tried on the 4-bit digits and a 4-bit MNIST model (n = 1000 and 500, no jumps). The end pixels' mean
square difference from the equation's is least at 1.0 to 1.1 of the mean. The shift that linear least squares gives each
image alone has its median at 0.85 of it, but explains a third of the digits' difference and a fifth of MNIST's: most of
the drift is not common. A small CNN's features like the images of untouched weights best at 0.75 and 0.5, as a shift
costs contrast; those of weights trained through the circuit at 0.9 to 1, for they learned with the mean. So the mean
stays, and `bench/transfer.py` shows what a scan gives.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from aishw.hardware.calibration import HARMONICS, Calibration
from aishw.lower.circuit import ideal, injected
from aishw.lower.design import Design
from aishw.lower.switching import after_switch
from aishw.lower.together import together_of

_POINTS = 10  # midpoints in a segment; 20 move the shift of the digits checkpoint by 2e-6 rad per cycle


def common_drift(design: Design, calibration: Calibration, x0: NDArray[np.float64]) -> float:
    """The shift in rad per cycle for start states x0 (B, N), whatever shift the design already has."""
    from aishw.ais.rollout import rollout

    bounds, top = design.system.boundaries_tau, design.system.topology
    middle = (np.arange(_POINTS) + 0.5) / _POINTS
    times = bounds[:-1, None] + np.diff(bounds)[:, None] * np.append(middle, 1.0)
    states = rollout(design.realised, x0, "rk4", 0.05, times.ravel()).numpy().reshape(len(x0), *times.shape, top.sites)
    drift = 0.0
    for segment, cycles in enumerate(design.cycles_per_tau * design.system.duration_tau):
        circuit, plain = injected(design, calibration, segment), ideal(design, segment, HARMONICS)
        seen = states[:, segment, :-1].reshape(-1, design.system.sites)
        drift += cycles * (float((circuit.drifts(top)(seen) - plain.drifts(top)(seen)).mean()) + design.reference_shift)
    # When codes change, the reference's own phase counts, so its shift must be known but for the jumps themselves.
    near = replace(design, reference_shift=drift / design.cycles)
    begins = np.concatenate([np.asarray(x0)[:, None], states[:, :-1, -1]], axis=1)
    return (drift + mean_jump_rad(near, calibration, begins)) / design.cycles


def mean_jump_rad(design: Design, calibration: Calibration, begins: NDArray[np.float64]) -> float:
    """How far changes of codes move all phases in an image, rad, mean over sites and starts; begins: the phases
    (B, S, N) as the segments begin."""
    together = together_of(calibration)
    jumps = (after_switch(design, together, k, each) - each for k, each in enumerate(begins.transpose(1, 0, 2)))
    return float(sum(jump.mean() for jump in jumps))
