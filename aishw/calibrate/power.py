"""Where a PE's supply power goes: ring, taps, couplers and SHIL by code, reference, and the bank of its weight bits.

Ring and taps are ammeters in one run of the loaded PE whose taps drive as many real couplers as drive it. A coupler is
the mean over its phase on a node held at r0's wave, with full cells. What moves a gate is paid by the driver: a
coupler's inputs by the taps, a SHIL unit's and the reference's by clock drivers, whose charge is counted with them.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from aishw.calibrate.loaded import load_of
from aishw.calibrate.metered import split_power
from aishw.calibrate.power_cells import bank_energy, coupler_power
from aishw.calibrate.projection import TOP
from aishw.calibrate.sources import BENCH
from aishw.engines.executor import run_all
from aishw.hardware.findings import PowerFinding
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target

COUPLER_CODES, FEW_COUPLER_CODES = (-7, -4, -1, 0, 1, 4, 7), (-7, 0, 7)  # straight lines between them
SHIL_CODES, FEW_SHIL_CODES = (1, 2, 4, 7), (4, 7)


def measure_power(
    target: Target, steady: SteadyState, *, quick: bool = False, workers: int = 2, solver: Solver = BENCH
) -> PowerFinding:
    """All parts with couplers, SHIL unit and reference at the strongest bias, the coupler at every bias too."""
    codes = np.arange(-TOP, TOP + 1)
    load = load_of(steady)
    held = np.array(FEW_COUPLER_CODES if quick else COUPLER_CODES)
    shil_codes = FEW_SHIL_CODES if quick else SHIL_CODES
    rates = target.injections["coupling"].rate.tolist()
    points = [("coupling", rate) for rate in rates] + [("reference", target.injections["reference"].rate_limit)]
    loads = [replace(load, shil_code=code) for code in (0, *shil_codes)]
    couplers = run_all([partial(coupler_power, target, steady, *point, held, solver) for point in points], workers)
    free, *injected = run_all([partial(split_power, target, steady, each, solver) for each in loads], workers)
    supply_W = np.stack([np.interp(codes, held, watts) for watts, _ in couplers])
    # SHIL moves charge at r1: it costs what the PE draws more, which may be less than nothing, its clock and its rail.
    extra_W = [each.whole_W + each.drive_W - free.whole_W - free.drive_W for each in injected]
    changes_J, stays_J, leakage_W = bank_energy(target)
    return PowerFinding(
        codes,
        free.ring_W,
        free.taps_W,
        supply_W[-2],
        np.interp(np.abs(codes), (0, *shil_codes), (0.0, *extra_W)),
        float(supply_W[-1].mean()) + couplers[-1][1],
        changes_J,
        leakage_W,
        stays_J,
        supply_W[:-1],
    )
