"""Binary lock: where a SHIL code holds a PE, how hard, and how far off its own frequency it still does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aishw.hardware.calibration import Table
from aishw.units import TWO_PI

GRID = 7200


@dataclass(frozen=True)
class Lock:
    """phase_rad: where a PE at its own frequency is held, in -pi/2..pi/2, and half a turn on; None if it is not held at
    two phases. rate: rad per cycle that it comes back by for each rad off. slower, faster: the fractions of the
    frequency that the PE itself may be below and above and be held; a negative one: it must be off the other way.
    """

    phase_rad: float | None
    rate: float
    slower: float
    faster: float


def lock_of(table: Table, code: int) -> Lock:
    """Of SHIL's `code` at its strongest bias, by its table: offset against code 0, and all harmonics."""
    place, zero = (int(np.flatnonzero(table.codes == each)[0]) for each in (code, 0))
    angle = np.linspace(-np.pi, np.pi, GRID, endpoint=False)  # of 2s
    harmonics = table.harmonics[-1, place]
    turned = np.exp(1j * np.outer(angle, np.arange(1, harmonics.size + 1)))
    drift = table.offset[-1, place] - table.offset[-1, zero] + (turned @ harmonics).real
    following = np.roll(drift, -1)
    held = np.flatnonzero((drift > 0) & (following <= 0))
    slower, faster = float(drift.max()) / TWO_PI, float(-drift.min()) / TWO_PI
    if held.size != 1:
        return Lock(None, 0.0, slower, faster)
    k, step = int(held[0]), TWO_PI / GRID
    fall = float(drift[k] - following[k])
    return Lock(float(angle[k] + step * drift[k] / fall) / 2, 2 * fall / step, slower, faster)
