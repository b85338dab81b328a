"""Whether two calibrations of one circuit agree within their own error bars.

A fit's standard error is what the phases scatter around it. Beside it stands the simulator's own error, which scatters
little and is another one wherever steps fall otherwise: two measurements of `ring28` whose cards said 99.10 and 99.14
MHz found frequencies 1.1e-5 apart, offsets 2e-4 rad per cycle and harmonics 1.5e-4. A phase that is off by `rms_rad`
over N cycles hides a drift of sqrt(12) rms_rad / N; no more than that is taken off a difference of rates.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from aishw.errors import CardError
from aishw.hardware.calibration import Calibration, Table
from aishw.hardware.findings import Check
from aishw.units import TWO_PI

LIMIT = 5.0  # standard errors; the largest of a table's 270 numbers is expected at 3
FLOOR = 1e-6  # rad per cycle (and of the frequency), where a fit left less than the simulator's own rounding
UNIT = "standard errors"


def agreement(first: Calibration, second: Calibration) -> tuple[Check, ...]:
    """The largest difference of each thing that both measured, in standard errors of the difference.

    Raises CardError for calibrations of different circuits: those are compared, they need not agree.
    """
    if first.steady.circuit != second.steady.circuit:
        raise CardError(
            f"the calibrations are of different circuits ({first.steady.target} {first.steady.circuit}, "
            f"{second.steady.target} {second.steady.circuit}); without --agree they are shown side by side"
        )
    return (*_steady(first, second), *_tables(first, second), *_findings(first, second))


def hidden(first: Calibration, second: Calibration) -> float:
    """rad per cycle: the drift that the simulator's own errors may hide in a difference of both (0: not measured)."""
    solvers = [each.solver for each in (first, second) if each.solver is not None]
    return float(np.hypot.reduce([np.sqrt(12) * each.rms_rad / each.cycles for each in solvers], initial=0.0))


def _steady(first: Calibration, second: Calibration) -> Iterator[Check]:
    a, b = first.steady, second.steady
    errors = np.hypot(a.frequency_error_Hz, b.frequency_error_Hz)
    known_Hz = hidden(first, second) / TWO_PI * a.frequency_Hz
    yield _largest("frequency", a.frequency_Hz - b.frequency_Hz, errors, FLOOR * a.frequency_Hz, known_Hz)


def _tables(first: Calibration, second: Calibration) -> Iterator[Check]:
    known = hidden(first, second)
    for kind in sorted(set(first.tables) & set(second.tables)):
        a, b = first.tables[kind], second.tables[kind]
        if not (np.array_equal(a.codes, b.codes) and a.rate.size == b.rate.size):
            raise CardError(f"the {kind} tables have other codes or biases: nothing to hold against each other")
        yield _largest(f"{kind} offsets", a.offset - b.offset, np.hypot(a.error, b.error), FLOOR, known)
        errors = np.hypot(_harmonics_error(a), _harmonics_error(b))
        yield _largest(f"{kind} harmonics", np.abs(a.harmonics - b.harmonics), errors, FLOOR, known)


def _findings(first: Calibration, second: Calibration) -> Iterator[Check]:
    if first.response is not None and second.response is not None:
        a, b = first.response, second.response
        if a.phase_rad.shape == b.phase_rad.shape:
            error = float(np.hypot(a.error, b.error))
            apart = np.concatenate([a.r0 - b.r0, a.r1 - b.r1])
            yield _largest("phase response", apart, error, FLOOR * float(np.abs(a.r0).max()))
    if first.noise is not None and second.noise is not None:
        a_noise, b_noise = first.noise, second.noise
        error = float(np.hypot(a_noise.ensemble_error, b_noise.ensemble_error))
        yield _largest("noise ensemble", a_noise.ensemble - b_noise.ensemble, error, FLOOR * a_noise.ensemble)


def _harmonics_error(table: Table) -> NDArray[np.float64]:
    if table.harmonics_error is not None:
        return table.harmonics_error
    return np.broadcast_to(table.error[:, :, None], table.harmonics.shape)


def _largest(
    name: str, apart: NDArray[np.float64] | float, error: NDArray[np.float64] | float, floor: float, known: float = 0.0
) -> Check:
    worst = np.maximum(np.abs(apart) - known, 0.0) / np.maximum(np.nan_to_num(np.asarray(error)), floor)
    return Check(f"{name} of both", float(np.max(worst)), 0.0, 1.0, LIMIT, UNIT)
