"""Calibrations with one non-ideality alone: which one costs a trained array its images?

`ideal_tables` is the circuit that realises the equation exactly: z_1 = -i rate level (the SHIL: +i), nothing else. Each
function below puts one thing back: as it was measured, or as large as told. Shares are of the strongest code's rate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from aishw.errors import TrainError
from aishw.hardware.calibration import Calibration, Table
from aishw.hardware.target import Target
from aishw.hardware.together import Together
from aishw.lower.design import level_table

Complex = NDArray[np.complex128]


def ideal_tables(calibration: Calibration, target: Target) -> Calibration:
    """The same biases and codes with the card's own levels, no offset, no angle, no second harmonic."""
    tables = {}
    for kind, table in calibration.tables.items():
        harmonics = np.zeros_like(table.harmonics)
        factor = 1j if kind == "shil" else -1j
        harmonics[..., 0] = factor * table.rate[:, None] * strength(target, kind, table)
        tables[kind] = replace(table, offset=np.zeros_like(table.offset), harmonics=harmonics)
    return replace(calibration, tables=tables, together=Together())


def strength(target: Target, kind: str, table: Table) -> NDArray[np.float64]:
    """(Q,) -1 .. 1: what each code stands for. Raises TrainError for codes that are not -top .. top."""
    top = int(table.codes[-1])
    if not np.array_equal(table.codes, np.arange(-top, top + 1)):
        raise TrainError(f"the {kind} table has codes {table.codes.tolist()}, expected all of -{top} .. {top}")
    levels = level_table(target, kind, (top + 1).bit_length())
    return np.sign(table.codes) * levels[np.abs(table.codes)]


def with_angle(calibration: Calibration, angle_rad: float) -> Calibration:
    """Every coupler's z_1 turned by exp(i angle)."""

    def turned(table: Table) -> Table:
        harmonics = table.harmonics.copy()
        harmonics[..., 0] *= np.exp(1j * angle_rad)
        return replace(table, harmonics=harmonics)

    return _couplers(calibration, turned)


def with_offset(calibration: Calibration, share: float, target: Target) -> Calibration:
    """A constant push of share |level| rate per coupler."""

    def pushed(table: Table) -> Table:
        own = np.abs(strength(target, "coupling", table))
        return replace(table, offset=table.offset + share * table.rate[:, None] * own)

    return _couplers(calibration, pushed)


def with_harmonic(
    calibration: Calibration, k: int, share: float, phase_rad: float, target: Target, constant: bool = False
) -> Calibration:
    """z_k = share rate exp(i phase) times the code's level with its sign, or the same for every code (`constant`)."""

    def shaped(table: Table) -> Table:
        own = np.ones(table.codes.size) if constant else strength(target, "coupling", table)
        harmonics = table.harmonics.copy()
        harmonics[..., k - 1] += share * np.exp(1j * phase_rad) * table.rate[:, None] * own
        return replace(table, harmonics=harmonics)

    return _couplers(calibration, shaped)


def measured_couplers(
    calibration: Calibration, measured: Calibration, harmonics: tuple[int, ...] = (), offset: bool = False
) -> Calibration:
    """The couplers' measured harmonics (1: strength and angle) and offsets, put back."""
    tables = dict(calibration.tables)
    for kind in _COUPLERS & set(tables):
        found = tables[kind].harmonics.copy()
        for k in harmonics:
            found[..., k - 1] = measured.tables[kind].harmonics[..., k - 1]
        pushed = measured.tables[kind].offset if offset else tables[kind].offset
        tables[kind] = replace(tables[kind], harmonics=found, offset=pushed)
    return replace(calibration, tables=tables)


def measured_shil(calibration: Calibration, measured: Calibration) -> Calibration:
    """The SHIL unit's measured table, put back whole."""
    return replace(calibration, tables={**calibration.tables, "shil": measured.tables["shil"]})


def constant_second(measured: Calibration) -> tuple[float, float]:
    """The part of the couplers' second harmonic that every code has: its share of the strongest code's rate and its
    phase, at the strongest bias."""
    table = measured.table("coupling")
    idle = complex(table.harmonics[-1, table.codes == 0, 1][0])
    return abs(idle) / float(table.rate[-1]), float(np.angle(idle))


_COUPLERS = {"coupling", "reference"}


def _couplers(calibration: Calibration, change: Callable[[Table], Table]) -> Calibration:
    tables = {kind: change(table) if kind in _COUPLERS else table for kind, table in calibration.tables.items()}
    return replace(calibration, tables=tables)
