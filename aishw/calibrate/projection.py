"""Tables predicted from the phase response: no slipping, no locking, every code.

An injection that pushes the current I(theta; D) into a node moves the PE's phase by

    H(D) = integral over a period of Gamma(theta) I(theta; D) dt     (rad per cycle),

to first order in the injection: the node keeps its steady wave. What the drift runs show beyond it is of second order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from aishw.calibrate.forced import coupler_lines, forced_currents, shil_lines
from aishw.engines.deck_replay import REPLAY_STEPS
from aishw.engines.executor import run_all
from aishw.errors import CardError
from aishw.hardware.calibration import HARMONICS, Table
from aishw.hardware.findings import PhaseResponse
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target
from aishw.units import TWO_PI

DIFFERENCES = 16  # values of D: twice HARMONICS and more, so that what folds back lies above the tenth harmonic
TOP = 7
# Currents of merged cells on a held node are linear in their units, so codes between these follow exactly.
MERGED = {"coupling": (-7, -1, 0, 7), "shil": (-7, 7)}
FINE = Solver("trap", 800, 1e-3, 50.0)  # resolves the taps' edges: T/1600 moves no angle by more than 0.2 degree


def predict_table(
    target: Target,
    steady: SteadyState,
    response: PhaseResponse,
    kind: str,
    *,
    workers: int = 2,
    cells: str = "merged",
    rates: Sequence[float] | None = None,
) -> Table:
    """The table of `kind` ("coupling" or "shil") for codes -7..7 at every bias of its card, or at `rates`.

    The offset is against code 0 (for SHIL: no unit). error: from the response's standard error. cells: "merged", as in
    windows, or "full" with its multiplexers (coupling only).
    """
    if kind not in ("coupling", "shil"):
        raise CardError(f"no table of kind {kind!r} is predicted; known: coupling, shil")
    biases = np.array(target.injections[kind].rate if rates is None else rates, dtype=np.float64)
    codes = np.arange(-TOP, TOP + 1)
    d = TWO_PI * np.arange(DIFFERENCES) / DIFFERENCES
    held = list(MERGED[kind] if cells == "merged" else codes)
    lines = shil_lines(held, d.size) if kind == "shil" else coupler_lines(target.encoding, held, d.size, cells)
    run = partial(forced_currents, target, steady, kind, d, lines, edge_steps=REPLAY_STEPS, solver=FINE)
    gamma = response.r1 if kind == "shil" else response.r0
    shape = (biases.size, codes.size)
    offset, error = np.zeros(shape), np.zeros(shape)
    harmonics = np.zeros((*shape, HARMONICS), dtype=np.complex128)
    for p, found in enumerate(run_all([partial(run, rate=float(rate)) for rate in biases], workers)):
        current = found.reshape(len(held), d.size, -1)
        if kind == "shil":  # code 0 is no unit at all
            current = np.stack([current[0], 0 * current[0], current[1]])
        current = between(np.array([-TOP, 0, TOP] if kind == "shil" else held), current, codes)
        offset[p], harmonics[p] = series(project(gamma, current, steady.frequency_Hz))
        error[p] = current_error(current, response.error, response.phase_rad.size, steady.frequency_Hz)
    if kind == "coupling":
        offset -= offset[:, codes == 0]
    return Table(biases, codes, offset, harmonics, error, np.full(shape, np.nan))


def between(held: NDArray[np.int64], current: NDArray[np.float64], codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """(Q, ...) currents at every code from those held (H, ...), on straight lines between them."""
    low = np.clip(np.searchsorted(held, codes, side="right") - 1, 0, held.size - 2)
    part = ((codes - held[low]) / (held[low + 1] - held[low])).reshape(-1, *[1] * (current.ndim - 1))
    return np.asarray((1 - part) * current[low] + part * current[low + 1])


def project(gamma: NDArray[np.float64], current: NDArray[np.float64], frequency_Hz: float) -> NDArray[np.float64]:
    """rad per cycle (...) of currents (..., M) A over a period, with Gamma (P,) rad per C at even phases from 0."""
    return np.asarray((current @ resampled(gamma, current.shape[-1])) / current.shape[-1] / frequency_Hz)


def resampled(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """A period on `count` even phases, by its Fourier series."""
    spectrum = np.fft.rfft(values)
    if values.size % 2 == 0:
        spectrum[-1] = 0.0  # the sine at half the sampling rate is not seen, so its cosine is no use either
    return np.fft.irfft(spectrum[: count // 2 + 1], count) * count / values.size


def series(rate: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.complex128]]:
    """Offset (...) and harmonics (..., K) of H (..., D) on even differences from 0: H = offset + sum Re[z_k exp(ikD)]."""
    spectrum = np.fft.rfft(rate, axis=-1) / rate.shape[-1]
    return spectrum[..., 0].real, 2 * spectrum[..., 1 : HARMONICS + 1]


def current_error(
    current: NDArray[np.float64], error: float, phases: int, frequency_Hz: float
) -> NDArray[np.float64]:
    """(Q,) standard error in rad per cycle of a harmonic behind currents (Q, D, M), each of `phases` values of Gamma
    being off by `error` on its own: what does not change with D is no part of a harmonic.
    """
    moving = current - current.mean(axis=1, keepdims=True)
    strength = np.sqrt((moving**2).mean(axis=(1, 2)))
    return np.asarray(error * strength * np.sqrt(2 / phases) / frequency_Hz)
