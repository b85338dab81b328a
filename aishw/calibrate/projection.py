"""Tables predicted from the phase response: no slipping, no locking, every code.

An injection that pushes the current I(theta; D) into a node moves the PE's phase by

    H(D) = integral over a period of Gamma(theta) I(theta; D) dt     (rad per cycle),

to first order about the PE's state: the node keeps its wave. That state depends on the bias of all couplers (worth 5 %
of the gain at the weakest bias of `ring28`) and on what a SHIL unit does on average (a quarter of its strength at code
7), so each has a state and a response of its own; what is left out is of second order about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from aishw.calibrate.forced import coupler_lines, forced_currents, shil_lines
from aishw.calibrate.loaded import load_of
from aishw.calibrate.response import node_response
from aishw.calibrate.sources import BENCH
from aishw.calibrate.state import state_under
from aishw.engines.executor import run_all
from aishw.errors import CardError
from aishw.hardware.calibration import MEASURED, Table
from aishw.hardware.findings import PhaseResponse
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target
from aishw.units import TWO_PI

# Values of D: twice MEASURED and more, so that what folds back lies above the tenth harmonic. All codes of full cells
# are thousands of transistors: fewer values, and the bench's coarser steps.
DIFFERENCES, FULL_DIFFERENCES = 16, 12
TOP = 7
# Currents of merged cells on a held node are linear in their units, so codes between these follow exactly.
MERGED_CODES = np.array([-7, -1, 0, 7])
SHIL_CODES = (2, 4, 7)
OWN_PHASES = 24  # of the response in a state of its own
FINE = Solver("trap", 600, 1e-4, 50.0)


def predict_table(
    target: Target,
    steady: SteadyState,
    response: PhaseResponse,
    kind: str,
    *,
    workers: int = 2,
    cells: str = "merged",
    rates: Sequence[float] | None = None,
    quick: bool = False,
) -> Table:
    """The table of `kind` ("coupling" or "shil") for codes -7..7 at every bias of its card, or at `rates`.

    The offset is against code 0 (for SHIL: no unit). error: from the scatter of Gamma. cells: "merged", as in windows,
    or "full" with its multiplexers (coupling only). quick: everything is taken about `steady` (a tenth of the time, and
    what the module's docstring says is off).
    """
    if kind not in ("coupling", "shil"):
        raise CardError(f"no table of kind {kind!r} is predicted; known: coupling, shil")
    biases = np.array(target.injections[kind].rate if rates is None else rates, dtype=np.float64)
    codes = np.arange(-TOP, TOP + 1)
    top = target.injections[kind].rate_limit
    if kind == "shil":
        plan = [(p, code) for p in range(biases.size) for code in (SHIL_CODES[-1:] if quick else SHIL_CODES)]
        free_Hz = 0.0 if quick else state_under(target, load_of(steady), start=steady)[0].frequency_Hz
        calls = [partial(_shil_point, target, steady, response, float(biases[p]), c, free_Hz) for p, c in plan]
    else:
        plan = [(p, 0) for p in range(biases.size)]
        own = [not quick and abs(rate / top - 1) > 1e-6 for rate in biases]
        calls = [
            partial(_coupling_points, target, steady, response, float(rate), codes, cells, alone)
            for rate, alone in zip(biases, own)
        ]
    shape = (biases.size, codes.size)
    offset, error = np.zeros(shape), np.zeros(shape)
    harmonics = np.zeros((*shape, MEASURED), dtype=np.complex128)
    found = dict(zip(plan, run_all(calls, workers)))
    for p in range(biases.size):
        points = [found[at] for at in plan if at[0] == p]
        if kind == "shil":
            measured = np.array([code for q, code in plan if q == p])
            offset[p], harmonics[p], error[p] = all_shil_codes(measured, points, codes)
        else:
            offset[p], harmonics[p], error[p] = points[0]
    each = np.repeat(error[..., None], MEASURED, axis=-1)
    return Table(biases, codes, offset, harmonics, error, np.full(shape, np.nan), harmonics_error=each)


Points = tuple[NDArray[np.float64], NDArray[np.complex128], NDArray[np.float64]]  # offset (Q,), harmonics (Q, K), error


def _coupling_points(
    target: Target,
    steady: SteadyState,
    response: PhaseResponse,
    rate: float,
    codes: NDArray[np.int64],
    cells: str,
    own_state: bool,
) -> Points:
    """All codes at one bias; own_state: with all couplers at that bias."""
    gamma, gamma_error = response.r0, response.error
    if own_state:
        load = replace(load_of(steady), rate=rate)
        state, _ = state_under(target, load, start=steady, mark_rad=steady.marks_rad[steady.read])
        gamma, gamma_error = node_response(target, state, load, "r0", charge_C=response.charge_C, phases=OWN_PHASES)
        steady = replace(steady, waves={**steady.waves, "r0": state.waves["r0"]})  # the taps hardly change
    merged = cells == "merged"
    held = MERGED_CODES if merged else codes
    d = even(DIFFERENCES if merged else FULL_DIFFERENCES)
    lines = coupler_lines(target.encoding, held.tolist(), d.size, cells)
    solver = FINE if merged else BENCH
    current = forced_currents(target, steady, "coupling", d, lines, rate=rate, solver=solver)
    current = current.reshape(held.size, d.size, -1)
    current = between(held, current, codes)
    offset, harmonics = series(project(gamma, current, steady.frequency_Hz))
    error = current_error(current, gamma_error, gamma.size, steady.frequency_Hz)
    return offset - offset[codes == 0], harmonics, error


def _shil_point(
    target: Target, steady: SteadyState, response: PhaseResponse, rate: float, code: int, free_Hz: float
) -> Points:
    """One positive code at one bias, about the state that the unit makes on average; free_Hz 0: about `steady`."""
    gamma, gamma_error = response.r1, response.error
    if free_Hz:
        load = replace(load_of(steady), shil_code=code, shil_rate=rate)
        state, _ = state_under(target, load, start=steady, mark_rad=steady.marks_rad[steady.read])
        gamma, gamma_error = node_response(target, state, load, "r1", charge_C=response.charge_C, phases=OWN_PHASES)
        steady = replace(steady, waves={**steady.waves, "r1": state.waves["r1"]})
    d = even(DIFFERENCES)
    lines = shil_lines([code], d.size)
    current = forced_currents(target, steady, "shil", d, lines, rate=rate, solver=FINE)[None]
    offset, harmonics = series(project(gamma, current, steady.frequency_Hz))
    if free_Hz:
        offset = np.array([TWO_PI * (state.frequency_Hz / free_Hz - 1)])
    return offset, harmonics, current_error(current, gamma_error, gamma.size, steady.frequency_Hz)


def all_shil_codes(measured: NDArray[np.int64], points: Sequence[Points], codes: NDArray[np.int64]) -> Points:
    """Every code from positive ones: on straight lines between them and none at 0; a negative code is the clock half
    its period later, so that z_k changes sign with odd k.
    """
    known = np.concatenate([[0], measured])
    offset, error = (np.concatenate([[0.0], *(point[k] for point in points)]) for k in (0, 2))
    harmonics = np.concatenate([np.zeros((1, MEASURED)), *(point[1] for point in points)])
    size = np.abs(codes)
    z = np.stack([np.interp(size, known, h.real) + 1j * np.interp(size, known, h.imag) for h in harmonics.T], axis=1)
    flip = np.where(codes[:, None] < 0, (-1.0) ** np.arange(1, MEASURED + 1), 1.0)
    return np.interp(size, known, offset), z * flip, np.interp(size, known, error)


def even(count: int) -> NDArray[np.float64]:
    """`count` even phases from 0."""
    return TWO_PI * np.arange(count) / count


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
    """Offset (...) and harmonics (..., K) of H (..., D), H = offset + sum Re[z_k exp(ikD)], on even D from 0."""
    spectrum = np.fft.rfft(rate, axis=-1) / rate.shape[-1]
    return spectrum[..., 0].real, 2 * spectrum[..., 1 : MEASURED + 1]


def current_error(current: NDArray[np.float64], error: float, phases: int, frequency_Hz: float) -> NDArray[np.float64]:
    """(Q,) standard error in rad per cycle of a harmonic behind currents (Q, D, M), each of `phases` values of Gamma
    being off by `error` on its own: what does not change with D is no part of a harmonic.
    """
    moving = current - current.mean(axis=1, keepdims=True)
    strength = np.sqrt((moving**2).mean(axis=(1, 2)))
    return np.asarray(error * strength * np.sqrt(2 / phases) / frequency_Hz)
