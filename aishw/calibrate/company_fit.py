"""The fit behind a Company: courses of transistors beside the tables.

At the phases that the transistors had, the drift that the tables foretell is taken off, and the rest is fitted by least
squares with what each number adds to the macromodel's own drift. Phases enter as increments over a cycle, the model as
its integral, so that no phase is differentiated. A run is left out in turn: its error then is what the model makes of a
run that it has not seen, and the spread of the numbers is their standard error (jackknife over runs).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import cumulative_trapezoid

from aishw.calibrate.company import ARRAY, ONE_PE, Company
from aishw.calibrate.courses import FINE, Course
from aishw.calibrate.match import tables_id
from aishw.hardware.calibration import Calibration
from aishw.hardware.together import Together
from aishw.lower.circuit import injected

Floats = NDArray[np.float64]


def fit_company(
    groups: Sequence[Sequence[Course]], calibration: Calibration, names: Sequence[str] = ONE_PE, made_by: str = ""
) -> Company:
    """The numbers `names` behind courses, run by run."""
    bare = _made({}).applied(calibration)
    parts = [[_rows(course, bare, calibration, names) for course in group] for group in groups]
    matrices, seen = ([np.concatenate([part[k] for part in group]) for group in parts] for k in (0, 1))
    scale = np.sqrt(np.mean(np.concatenate(matrices) ** 2, axis=0))
    scale[scale == 0] = 1.0
    squares = [(a / scale).T @ (a / scale) for a in matrices]
    sides = [(a / scale).T @ y for a, y in zip(matrices, seen)]
    whole = damped(sum(squares), sum(sides))
    left_out = np.stack([damped(sum(squares) - a, sum(sides) - b) for a, b in zip(squares, sides)])
    unseen = np.concatenate([y - a @ (x / scale) for a, y, x in zip(matrices, seen, left_out)])
    count = len(groups)
    errors = np.sqrt((count - 1) / count * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0)) / scale
    before = float(np.sqrt(np.mean(np.concatenate(seen) ** 2)))
    strongest = max(part[2] for group in parts for part in group)
    return Company(
        dict(zip(names, (whole / scale).tolist())), dict(zip(names, errors.tolist())), before,
        float(np.sqrt(np.mean(unseen**2))), count, strongest, tables_id(calibration), made_by,
    )  # fmt: skip


def superposed(groups: Sequence[Sequence[Course]], calibration: Calibration) -> tuple[float, float, float]:
    """Does the sum of single injections' tables hold for all at once? What phases moved by in a cycle against that sum:
    slope, rms residual and rms, rad per cycle."""
    alone = replace(calibration, together=Together())
    moved, foretold = [], []
    for course in [course for group in groups for course in group]:
        sums = cumulative_trapezoid(_drift(course, alone), course.cycles, axis=0, initial=0)
        foretold.append(np.diff(sums[::FINE], axis=0).ravel())
        moved.append(np.diff(course.phase_rad[::FINE, course.sites], axis=0).ravel())
    x, y = np.concatenate(foretold), np.concatenate(moved)
    return float(x @ y / (x @ x)), float(np.sqrt(np.mean((y - x) ** 2))), float(np.sqrt(np.mean(y**2)))


def _rows(
    course: Course, calibration: Calibration, tables: Calibration, names: Sequence[str]
) -> tuple[Floats, Floats, float]:
    """(X, P) what each number adds to the phase in a cycle, (X,) the phase's increments less the calibration's, and the
    strongest first-order drive."""
    plain = _drift(course, calibration)

    def increments(each: Floats) -> Floats:
        return np.diff(each[::FINE], axis=0).T.ravel()

    def integral(rate: Floats) -> Floats:
        return np.asarray(cumulative_trapezoid(rate, course.cycles, axis=0, initial=0))

    columns, replayed = [], course.sites.size < course.design.system.sites
    for name in names:
        if replayed and name in ARRAY:  # replayed neighbours are where they are said to be
            columns.append(np.zeros(increments(plain).size))
            continue
        # All but the pulls are linear; a hundredth of a cycle's effect is small enough for those.
        step = 1e-2 if name.startswith(("pull", "delay")) else 1.0
        one = _made({name: step}).applied(tables)
        columns.append(increments(integral((_drift(course, one) - plain) / step)))
    rest = increments(course.phase_rad[:, course.sites] - integral(plain))
    matrix = np.stack(columns, axis=1) if columns else np.zeros((rest.size, 0))
    circuit = injected(course.design, calibration, course.segment)
    driven, driving = course.design.system.topology.edges
    drive = circuit.own[:, 0] * np.exp(1j * course.phase_rad)
    for site in course.sites:
        here = driven == site
        apart = course.phase_rad[:, [site]] - course.phase_rad[:, driving[here]]
        drive[:, site] += (circuit.pair[here, 0] * np.exp(1j * apart)).sum(axis=1)
    return matrix, rest, float(np.abs(drive[:, course.sites]).max())


def _made(values: dict[str, float]) -> Company:
    return Company(values, {}, 0.0, 0.0, 0, 0.0, "", "")


def _drift(course: Course, calibration: Calibration) -> Floats:
    drift = injected(course.design, calibration, course.segment).drifts(course.design.system.topology)
    return drift(course.phase_rad)[:, course.sites]


def damped(square: Floats, side: Floats) -> Floats:
    """x of square x = side, (P, P) and (P,)."""
    # A number that the runs hardly move stays near 0: 1e-5 of a column's square, per number.
    return np.asarray(np.linalg.solve(square + 1e-5 * np.trace(square) / len(square) * np.eye(len(square)), side))
