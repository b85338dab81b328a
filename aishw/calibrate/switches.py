"""How far a change of codes moves phases: read from courses on either side of it, fitted to what drives (`SWITCH`).

At the phases that the transistors had, the drift that a calibration foretells is taken off; what is left is nearly a
straight line in every chunk. Carried to the boundary from both sides the two lines do not meet: their gap is the jump.
The first chunk's other side is the start phase.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.polynomial import polynomial
from numpy.typing import NDArray
from scipy.integrate import cumulative_simpson

from aishw.calibrate.company import SWITCH, Company
from aishw.calibrate.company_fit import circuit_of, damped, drifting
from aishw.calibrate.courses import SETTLED, Course, Run
from aishw.hardware.calibration import Calibration
from aishw.lower.switching import terms

NEAR = 8  # cycles of a chunk behind each line

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Switch:
    """jump_rad: (M,) of a run's sites; rows: (M, 12) what each number of SWITCH adds to it."""

    jump_rad: Floats
    rows: Floats


def switches_of(run: Run, courses: Sequence[Course], calibration: Calibration) -> list[Switch]:
    """The start of a run and every boundary between its whole chunks."""
    design, sites, found = run.design, run.sites, []
    before = run.phase_rad[0, sites]
    for k, course in enumerate(drifting(each, calibration) for each in courses):
        cycles = course.cycles - course.cycles[0]
        drifts = circuit_of(design, calibration, k, sites).drifts(design.system.topology)
        drift = drifts(np.nan_to_num(course.phase_rad))[:, sites]
        foretold = cumulative_simpson(drift, x=cycles, axis=0, initial=0)
        rest = course.phase_rad[:, sites] - foretold
        first = (cycles >= SETTLED) & (cycles <= SETTLED + NEAR)
        last = (cycles >= SETTLED) & (cycles >= cycles[-1] - NEAR)
        jump = polynomial.polyfit(cycles[first], rest[first], 1)[0] - before
        jump -= 2 * np.pi * np.round(jump / (2 * np.pi))
        state = course.phase_rad[0].copy()
        state[sites] = before
        each = terms(design, k, np.nan_to_num(state)[None])[:, 0]
        rows = np.stack([part for z in each for part in (z.real, -z.imag)], axis=1)
        found.append(Switch(jump, rows[sites]))
        before = polynomial.polyfit(cycles[last] - cycles[-1], rest[last], 1)[0] + foretold[-1]
    return found


def with_switches(company: Company, groups: Sequence[Sequence[Switch]], count: int = len(SWITCH)) -> Company:
    """`company` with the first `count` numbers of SWITCH behind jumps, run by run, each run left out in turn for their
    errors."""
    rows = [np.concatenate([each.rows for each in group])[:, :count] for group in groups]
    jumps = [np.concatenate([each.jump_rad for each in group]) for group in groups]
    squares, sides = [a.T @ a for a in rows], [a.T @ y for a, y in zip(rows, jumps)]
    whole = damped(sum(squares), sum(sides))
    left_out = np.stack([damped(sum(squares) - a, sum(sides) - b) for a, b in zip(squares, sides)])
    unseen = np.concatenate([y - a @ x for a, y, x in zip(rows, jumps, left_out)])
    errors = np.sqrt((len(rows) - 1) / len(rows) * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))
    return replace(
        company,
        values=company.values | dict(zip(SWITCH, whole.tolist())),
        errors=company.errors | dict(zip(SWITCH, errors.tolist())),
        jump_before=float(np.sqrt(np.mean(np.concatenate(jumps) ** 2))),
        jump_after=float(np.sqrt(np.mean(unseen**2))),
    )
