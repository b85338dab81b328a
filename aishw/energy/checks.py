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
    for seed, watts, foretold in closed_runs(sweep, model):
        found.append(
            SweepCheck(f"closed array, seed {seed}, against the sum of its parts", watts / foretold - 1, WHOLE)
        )
    runs = held_out(sweep, model)
    if runs:
        worst_run = max(runs, key=lambda run: abs(run.error))
        found.append(SweepCheck(f"worst of {len(runs)} runs held out", worst_run.error, FORETOLD))
    return found


def closed_runs(sweep: Sweep, model: PowerModel) -> list[tuple[int, float, float]]:
    """(seed, W, W): closed arrays' supply, and the sum of their parts: PEs by the model, and the capacitors that stand
    in for missing couplers on both taps. Second harmonic and codes, which hardly move the supply's own current, are not
    in the sum.
    """
    if sweep.closed_seed is None or sweep.closed_W is None or sweep.closed_Hz is None:
        return []
    from aishw.ais.topology import NEIGHBOURHOODS
    from aishw.energy.bench import Point
    from aishw.energy.closed import NEIGHBOURS, SIDE
    from aishw.hardware.cards import load_target

    couplings, sites = len(NEIGHBOURHOODS[NEIGHBOURS]), SIDE**2
    missing_F = 2 * (sweep.fan_in - couplings) * load_target(sweep.target).circuit["tap_load_F"]
    found = []
    for seed, watts, f in zip(sweep.closed_seed.tolist(), sweep.closed_W.tolist(), sweep.closed_Hz.tolist()):
        each = model.watts(Point(couplings), f) + missing_F * sweep.supply_V**2 * f
        found.append((seed, watts, sites * each))
    return found
