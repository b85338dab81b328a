"""The fit behind a Company: courses of transistors beside the tables.

At the phases that the transistors had, the drift that the tables foretell is taken off, and the rest is fitted by least
squares with what each number adds to the macromodel's own drift. Phases enter as increments over a cycle, the model as
its integral, so that no phase is differentiated. A run is left out in turn: its error then is what the model makes of a
run that it has not seen, and the spread of the numbers is their standard error (jackknife over runs). What counts of
an error is its mean over a chunk, which adds up. Ripples (`RIPPLE`) are fitted beside and taken off the phases, until
none are left in what is fitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import cumulative_trapezoid

from aishw.calibrate.company import ARRAY, ONE_PE, PULLS, RIPPLE, Company
from aishw.calibrate.courses import FINE, Course
from aishw.calibrate.match import tables_id
from aishw.hardware.calibration import Calibration
from aishw.hardware.together import Together
from aishw.lower.circuit import Injected, injected
from aishw.lower.design import Design
from aishw.lower.switching import rippled
from aishw.lower.together import together_of

PASSES = 2

Floats = NDArray[np.float64]


def fit_company(
    groups: Sequence[Sequence[Course]], calibration: Calibration, names: Sequence[str] = ONE_PE, made_by: str = ""
) -> Company:
    """The numbers `names` behind courses, run by run."""
    bare, ripple = _made({}).applied(calibration), dict.fromkeys(RIPPLE, 0.0)
    for _ in range(PASSES):
        told = replace(bare, together=_made(ripple).applied(calibration).together)
        found = _fitted([[drifting(course, told) for course in group] for group in groups], calibration, names, made_by)
        ripple = {name: ripple[name] + found.values[name] for name in RIPPLE}
    return replace(found, values=found.values | ripple)


def drifting(course: Course, calibration: Calibration) -> Course:
    """A course with the phases that drift in place of those that crossings tell."""
    phase, together = course.phase_rad.copy(), together_of(calibration)
    own = rippled(course.design, together, course.segment, np.nan_to_num(phase), -1.0)[:, course.sites]
    phase[:, course.sites] = own
    return replace(course, phase_rad=phase)


def _fitted(
    groups: Sequence[Sequence[Course]], calibration: Calibration, names: Sequence[str], made_by: str
) -> Company:
    bare, names = _made({}).applied(calibration), (*names, *RIPPLE)
    parts = [[_rows(course, bare, calibration, names) for course in group] for group in groups]
    sites = [[course.sites.size for course in group] for group in groups]
    matrices, seen = ([np.concatenate([part[k] for part in group]) for group in parts] for k in (0, 1))
    scale = np.sqrt(np.mean(np.concatenate(matrices) ** 2, axis=0))
    scale[scale == 0] = 1.0
    squares = [(a / scale).T @ (a / scale) for a in matrices]
    sides = [(a / scale).T @ y for a, y in zip(matrices, seen)]
    whole = damped(sum(squares), sum(sides))
    left_out = np.stack([damped(sum(squares) - a, sum(sides) - b) for a, b in zip(squares, sides)])
    unseen = [[y - a @ (x / scale) for a, y, _ in group] for group, x in zip(parts, left_out)]
    count = len(groups)
    errors = np.sqrt((count - 1) / count * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0)) / scale
    before = _mean_error([[y for _, y, _ in group] for group in parts], sites)
    strongest = max(part[2] for group in parts for part in group)
    return Company(
        dict(zip(names, (whole / scale).tolist())), dict(zip(names, errors.tolist())), before,
        _mean_error(unseen, sites), count, strongest, tables_id(calibration), made_by,
        rates={kind: table.rate.tolist() for kind, table in calibration.tables.items()},
    )  # fmt: skip


def _mean_error(rest: Sequence[Sequence[Floats]], sites: Sequence[Sequence[int]]) -> float:
    """rms of the mean over a chunk at a site, of increments (sites x cycles,) of every course."""
    means = [y.reshape(m, -1).mean(axis=1) for group, count in zip(rest, sites) for y, m in zip(group, count)]
    return float(np.sqrt(np.mean(np.concatenate(means) ** 2)))


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
        if name in RIPPLE:  # all that a phase told elsewhere moves: itself, and the drift that it is thought to cause
            step = 1e-2
            told = drifting(course, replace(calibration, together=_made({name: step}).applied(tables).together))
            moved = (course.phase_rad - told.phase_rad)[:, course.sites] / step
            columns.append(increments(moved - integral((plain - _drift(told, calibration)) / step)))
            continue
        if replayed and name in ARRAY and name not in PULLS:  # the load of taps is no window's
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


def circuit_of(design: Design, calibration: Calibration, segment: int, sites: NDArray[np.int64]) -> Injected:
    """One segment where only `sites` are PEs: replayed neighbours are where they are said to be."""
    circuit = injected(design, calibration, segment)
    if circuit.pull is None or sites.size in (1, design.system.sites):
        return circuit if sites.size > 1 else replace(circuit, pull=None)
    own = np.isin(np.arange(design.system.sites), sites)
    moved, pair = circuit.pull, circuit.pull.pair * own[design.system.topology.edges[0], None]
    closed = replace(moved, constant=moved.constant * own, pair=pair, own=moved.own * own[:, None],
                     shil=moved.shil * own[:, None])  # fmt: skip
    return replace(circuit, pull=closed)


def _drift(course: Course, calibration: Calibration) -> Floats:
    drift = circuit_of(course.design, calibration, course.segment, course.sites).drifts(course.design.system.topology)
    return drift(np.nan_to_num(course.phase_rad))[:, course.sites]


def damped(square: Floats, side: Floats) -> Floats:
    """x of square x = side, (P, P) and (P,)."""
    # A number that the runs hardly move stays near 0: 1e-5 of a column's square, per number.
    return np.asarray(np.linalg.solve(square + 1e-5 * np.trace(square) / len(square) * np.eye(len(square)), side))
