"""What a sweep must hold: parts that sum to the supply's own current, steps that do not matter, runs foretold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aishw.energy.model import PARTS, PowerModel, held_out

if TYPE_CHECKING:
    from aishw.energy.sweep import Sweep

WHOLE, STEPS, FORETOLD = 0.01, 0.01, 0.05


@dataclass(frozen=True)
class SweepCheck:
    """A relative difference and the largest that is accepted."""

    name: str
    found: float
    limit: float

    @property
    def passed(self) -> bool:
        return abs(self.found) <= self.limit


def checks_of(sweep: Sweep, model: PowerModel) -> list[SweepCheck]:
    """Of every run that the sweep holds."""
    total = sum(getattr(sweep, part) for part in PARTS)
    worst = int(np.abs(total / sweep.whole_W - 1).argmax())
    found = [
        SweepCheck("parts against the supply's own current", float(total[worst] / sweep.whole_W[worst] - 1), WHOLE)
    ]
    points = sweep.points()
    for k in np.flatnonzero(sweep.use == 2):
        same = [j for j in np.flatnonzero(sweep.nominal & (sweep.use != 2)) if points[j] == points[k]]
        for part in (*PARTS, "whole_W") if same else ():
            values = getattr(sweep, part)
            name = f"half the step, {'all' if part == 'whole_W' else part.removesuffix('_W')}"
            found.append(SweepCheck(name, float(values[k] / values[same[0]] - 1), STEPS))
    runs = held_out(sweep, model)
    if runs:
        worst_run = max(runs, key=lambda run: abs(run.error))
        found.append(SweepCheck(f"worst of {len(runs)} runs held out", worst_run.error, FORETOLD))
    return found
