"""Company, measured: the transistor runs in which everything moves, and the fit behind them (`company_fit`).

At fan-in 4: one PE of a random design with slipping neighbours, and 3x3 arrays of PEs (seeds that no test has). At 24:
one PE with the codes of the shipped digits, shuffled over edges and sites, its neighbours slipping, gathered near two
phases, or going as the tables alone foretell; and 3x3 PEs among such neighbours, for what a PE's drive does to its
taps. A run's crossings are kept, so that a killed measurement goes on.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from aishw.ais.checkpoint import load
from aishw.ais.system import System, draw_start
from aishw.atomic import write_whole
from aishw.calibrate import company
from aishw.calibrate.closed import FAN_IN, network
from aishw.calibrate.company import Company
from aishw.calibrate.company_fit import fit_company, superposed
from aishw.calibrate.courses import Run, adrift, along, array, courses_of, crossings_of, gathered, slipping
from aishw.calibrate.match import check_target, tables_id
from aishw.calibrate.scale import calibrated
from aishw.calibrate.switches import switches_of, with_switches
from aishw.engines.executor import run_all
from aishw.engines.window import Window
from aishw.errors import CardError
from aishw.hardware.calibration import Calibration
from aishw.hardware.target import Target
from aishw.identity import fingerprint
from aishw.library import find
from aishw.lower.lower import lower

CHECKPOINT, BITS, WIDE = "digits16_4bit", 4, 24
COVERED = (FAN_IN, WIDE)
CYCLES = 60.0
ADRIFT, ARRAYS = range(28), range(1001, 1017)
SLIPPING, GATHERED, ALONG, CLOSED = range(16), range(11), range(24), range(8)
FIRST = 6  # of the numbers of jumps; the other six take a third off what is left at fan-in 4, a tenth at 24

Floats = NDArray[np.float64]
Tell = Callable[[str, float], None]


def measure_company(
    target: Target, calibration: Calibration, folder: Path, *, workers: int = 2, made_by: str = "",
    tell: Tell | None = None,
) -> tuple[Company, str]:  # fmt: skip
    """What a calibration's injections do together, and a line on how well single ones add up.

    folder: where finished runs are kept. Raises CardError for a calibration of another target, of another width than 4
    bits, or of another fan-in than 4 and 24; SimulatorError if ngspice fails.
    """
    fan_in = calibration.steady.fan_in
    if fan_in not in COVERED:
        raise CardError(f"runs are planned for {FAN_IN} and {WIDE} couplers, the calibration is for {fan_in}")
    if fan_in == FAN_IN:
        check_target(calibration.steady, target, fan_in, calibration.steady.solver)
        calibration = calibration.labelled(target)
        runs, names, count = small(target), company.NUMBERS, len(company.SWITCH)
    else:
        target, calibration = calibrated(target, calibration, fan_in, BITS, calibration.steady.solver)
        runs, names, count = trained(target, calibration), company.ONE_PE + company.PULLS, FIRST
    steady, told = calibration.steady, tell or (lambda stage, fraction: None)
    calls = [partial(kept_crossings, run, calibration, folder / f"{name}.npz") for name, run in runs.items()]
    found = run_all(calls, workers, lambda fraction: told("transistor runs", fraction))
    groups = [courses_of(run, each, steady) for run, each in zip(runs.values(), found)]
    slope, residual, moved = superposed(groups, calibration)
    fitted = fit_company(groups, calibration, names, made_by)
    made, whole = fitted.applied(calibration), partial(courses_of, steady=steady, whole=True)
    switches = [switches_of(run, whole(run, each), made) for run, each in zip(runs.values(), found)]
    told("fit", 1.0)
    line = f"against the sum of tables: slope {slope:.4f}, residual {residual:.1e} of {moved:.1e} rad per cycle"
    return with_switches(fitted, switches, count), line


def small(target: Target) -> dict[str, Run]:
    """Fan-in 4: 3x3 tori, as one PE among replayed ones and as a whole."""
    runs = {}
    for k in ADRIFT:
        design, start = network(target, 3000 + k, cycles=CYCLES)
        runs[f"adrift{k}"] = adrift(design, start[0], 8000 + k)
    for seed in ARRAYS:
        design, start = network(target, seed, cycles=CYCLES, chunks=3)
        runs[f"array{seed}"] = array(design, start[0])
    return runs


def trained(target: Target, calibration: Calibration) -> dict[str, Run]:
    """Fan-in 24: codes as a trained checkpoint has them, in another order."""
    system = load(find("models", CHECKPOINT))
    designs = [lower(shuffled(system, seed), target, calibration=calibration) for seed in (9000, 9001, 9002)]
    starts, draw = draw_start(system, 64, seed=77), np.random.default_rng(5)
    runs = {f"slipping{k}": slipping(designs[1], 7000 + k) for k in SLIPPING}
    runs |= {f"gathered{k}": gathered(designs[1], 6000 + k) for k in GATHERED}
    places, top = draw.permutation(system.sites), system.topology
    runs |= {f"along{k}": along(designs[0], calibration, starts[k], places[[k]]) for k in ALONG}
    starts, draw = draw_start(system, 64, seed=78), np.random.default_rng(6)
    for k in CLOSED:
        row, column = int(draw.integers(top.height - 2)), int(draw.integers(top.width - 2))
        sites = Window(row, column, 3, 3).sites(top.height, top.width)
        runs[f"closed{k}"] = along(designs[2], calibration, starts[k], sites)
    return runs


def shuffled(system: System, seed: int) -> System:
    """Every segment's weights of each kind in a random order."""
    draw = np.random.default_rng(seed)
    coupling = np.stack([draw.permutation(row) for row in system.coupling])
    terms = {name: np.stack([draw.permutation(row) for row in value]) for name, value in system.terms.items()}
    return replace(system, coupling=coupling, terms=terms, name=f"{system.name}, shuffled")


def kept_crossings(run: Run, calibration: Calibration, file: Path) -> list[Floats]:
    """Times (s) of the rising crossings at each of a run's sites: from its file, if that is of this very run."""
    key = fingerprint(tables_id(calibration), run.design.id, run.sites, run.times_tau, run.phase_rad)
    if file.exists():
        try:
            with np.load(file) as held:
                if str(held["key"]) == key:
                    return [held[f"site{k}"] for k in range(run.sites.size)]
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            pass  # cut short: run again
    found = crossings_of(run, calibration.steady)
    buffer, sites = io.BytesIO(), {f"site{k}": each for k, each in enumerate(found)}
    np.savez(buffer, key=np.array(key), **sites)  # type: ignore[arg-type]
    write_whole(file, buffer.getvalue(), True)
    return found

