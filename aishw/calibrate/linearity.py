"""What a weight DAC designer asks of a coupling table: gain, integral and differential nonlinearity, angle per code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aishw.errors import CardError
from aishw.hardware.calibration import Table
from aishw.units import wrap


@dataclass(frozen=True, eq=False)
class Linearity:
    """codes: (Q,). strength: (Q,) rad per cycle along the axis of the two outermost codes; lsb: its mean step.

    inl: (Q,) LSB off the line through the outermost codes, 0 at both. dnl: (Q - 1,) LSB, step from code q to q + 1.
    axis_rad: angle of the line. alpha_rad: (Q,) of each code's own fundamental, sign taken out; NaN at code 0. An ideal
    coupler has axis and alpha 0: it moves its PE by +lsb * code * sin(D).
    """

    codes: NDArray[np.int64]
    strength: NDArray[np.float64]
    lsb: float
    inl: NDArray[np.float64]
    dnl: NDArray[np.float64]
    axis_rad: float
    alpha_rad: NDArray[np.float64]


def linearity(table: Table, bias: int = -1) -> Linearity:
    """Of one bias of a table whose codes rise in steps of one. Raises CardError for others."""
    if table.codes.size < 2 or (np.diff(table.codes) != 1).any():
        raise CardError(f"INL and DNL need every code between the outermost two, got {table.codes.tolist()}")
    fundamental = 1j * table.harmonics[bias, :, 0]  # z_1 = -i rate for an ideal coupler
    span = fundamental[-1] - fundamental[0]
    axis = float(np.angle(span))
    strength = (fundamental * np.exp(-1j * axis)).real
    steps = int(table.codes[-1] - table.codes[0])
    lsb = abs(span) / steps
    inl = (strength - strength[0]) / lsb - (table.codes - table.codes[0])
    alpha = np.where(table.codes == 0, np.nan, wrap(np.angle(fundamental * np.sign(table.codes))))
    return Linearity(table.codes, strength, float(lsb), inl, np.diff(strength) / lsb - 1, axis, alpha)


def parabola(table: Table, bias: int = -1) -> tuple[float, float]:
    """The code-dependent offset as a parabola: rad per cycle and code (the linear part), and per code squared."""
    fit = np.polynomial.polynomial.polyfit(table.codes, table.offset[bias], 2)
    return float(fit[1]), float(fit[2])
