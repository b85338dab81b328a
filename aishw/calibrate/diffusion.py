"""Noise currents to phase diffusion, and diffusion to the delta of the model equation. Pure arithmetic.

With the phase response Gamma (rad/C) a current i(t) moves the phase by the integral of Gamma(theta) i dt. White noise
of one-sided density S(theta) A^2/Hz, modulated along the cycle, adds per cycle of period T the variance

    T/2 mean[Gamma^2 S]                                                              (rad^2 per cycle).

Flicker, sqrt(S_1(theta)) x(t) with S_1 at 1 Hz and x of density 1/f, is a slow wander of the frequency instead: with
c_k the Fourier coefficients of Gamma sqrt(S_1), the phase after N cycles, on a chip trimmed t_0 ago, has the variance

    (c_0 N T)^2 (3/2 - 0.5772 - ln(2 pi N T / t_0)) + N sum_k>0 |c_k|^2 T^2 / k     (rad^2),

the first part the same for all images of a chip. `flicker_diffusion` is this over N, for the end of one image.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from aishw.ais.system import Noise
from aishw.errors import ModelError

Floats = NDArray[np.float64]


def white_diffusion(gamma: Floats, density: Floats, frequency_Hz: float) -> Floats:
    """rad^2 per cycle (...) of densities (..., 3, M) A^2/Hz into the nodes whose Gamma (3, M) rad/C is given."""
    return np.asarray((gamma**2 * density).mean(axis=-1).sum(axis=-1) / 2 / frequency_Hz)


def flicker_diffusion(
    gamma: Floats, density_1Hz: Floats, frequency_Hz: float, cycles: float, trimmed_s: float
) -> Floats:
    """rad^2 per cycle (...) at the end of an image of `cycles`, on a chip trimmed `trimmed_s` before.

    density_1Hz: (..., 3, M) A^2/Hz at 1 Hz, falling as 1/f; a transistor's currents into the nodes are one current.
    """
    series = np.fft.rfft((gamma * np.sqrt(density_1Hz)).sum(axis=-2), axis=-1) / gamma.shape[-1]
    image_s = cycles / frequency_Hz
    slow = series[..., 0].real ** 2 * image_s**2 * wander(image_s / trimmed_s) / cycles
    k = np.arange(1, series.shape[-1])
    return np.asarray(slow + (np.abs(series[..., 1:]) ** 2 / k).sum(axis=-1) / frequency_Hz**2)


def wander(x: float) -> float:
    """The integral of sinc(f)^2 / f from x on, which is 3/2 - C - ln(2 pi x) for small x (C: Euler's constant).

    Raises ModelError for x above 0.1: an image cannot last about as long as the time since the trim.
    """
    if not 0 < x <= 0.1:
        raise ModelError(f"an image lasts {x:.3g} of the time since the trim, expected at most 0.1")
    return 1.5 - float(np.euler_gamma) - math.log(2 * math.pi * x)


def noise_of(diffusion: float, cycles_per_tau: float, step_tau: float | None = None) -> Noise:
    """The model's noise that a circuit's diffusion (rad^2 per cycle) stands for, in either reading of the paper.

    step_tau None: ds = f dtau + delta dW, delta^2 = diffusion * cycles_per_tau (rad per root tau). Otherwise the same
    as an addition of delta N(0, 1) at every step, delta^2 = diffusion * cycles_per_tau * step_tau (rad).
    """
    per_tau = diffusion * cycles_per_tau
    return Noise(math.sqrt(per_tau)) if step_tau is None else Noise(math.sqrt(per_tau * step_tau), "per_step")
