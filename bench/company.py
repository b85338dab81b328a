"""What do injections do together? Measured on the transistors, for both shipped calibrations of a target.

    python bench/company.py [--target NAME] [--fan-in 4|24] [--workers 2] [--keep FOLDER]

At fan-in 4: one PE of a random design with slipping neighbours, and 3x3 arrays of PEs (seeds that no test has). At 24:
one PE with the codes of the shipped digits, shuffled over edges and sites, its neighbours slipping, gathered near two
phases, or going as the tables alone foretell, and 3x3 PEs among such neighbours, for what a PE's drive does to its
taps. Writes calibration/TARGET_company.json or TARGET_fan4_company.json,
which `calibration_of` applies from then on. --keep: a folder for the crossings of finished runs, so that a killed
measurement goes on.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from accuracy import ARRAY, CHECKPOINT

from aishw.ais.checkpoint import load
from aishw.ais.system import System, draw_start
from aishw.calibrate import company
from aishw.calibrate.closed import FAN_IN, network
from aishw.calibrate.company_fit import fit_company, superposed
from aishw.calibrate.courses import Run, adrift, along, array, courses_of, crossings_of, gathered, slipping
from aishw.calibrate.scale import calibrated
from aishw.calibrate.shipped import company_path, shipped_path, tables_of
from aishw.calibrate.switches import switches_of, with_switches
from aishw.engines.executor import run_all
from aishw.engines.window import Window
from aishw.hardware.calibration import Calibration
from aishw.hardware.cards import load_target
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target
from aishw.library import DEFAULT_TARGET, find
from aishw.lower.lower import lower

CYCLES = 60.0
ADRIFT, SLIPPING, GATHERED, ALONG, CLOSED = range(28), range(16), range(11), range(24), range(8)
ARRAYS = range(1001, 1017)
FIRST = 6  # of the numbers of jumps; the other six take a third off what is left at fan-in 4, a tenth at 24


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
        corner = draw.integers(top.height - 2), draw.integers(top.width - 2)
        sites = Window(int(corner[0]), int(corner[1]), 3, 3).sites(top.height, top.width)
        runs[f"closed{k}"] = along(designs[2], calibration, starts[k], sites)
    return runs


def shuffled(system: System, seed: int) -> System:
    """Every segment's weights of each kind in a random order."""
    draw = np.random.default_rng(seed)
    coupling = np.stack([draw.permutation(row) for row in system.coupling])
    terms = {name: np.stack([draw.permutation(row) for row in value]) for name, value in system.terms.items()}
    return replace(system, coupling=coupling, terms=terms, name=f"{system.name}, shuffled")


def crossings(name: str, run: Run, steady: SteadyState, folder: Path | None) -> list[np.ndarray]:
    kept = None if folder is None else folder / f"{name}.npz"
    if kept is not None and kept.exists():
        with np.load(kept) as file:
            return [file[f"site{k}"] for k in range(run.sites.size)]
    found = crossings_of(run, steady)
    if kept is not None:
        np.savez(kept, **{f"site{k}": each for k, each in enumerate(found)})
    print(f"{name}: {found[0].size} cycles", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", default=DEFAULT_TARGET)
    parser.add_argument("--fan-in", type=int, default=FAN_IN)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path)
    args = parser.parse_args()
    target = load_target(args.target)
    four = args.fan_in == FAN_IN != target.fan_in
    calibration = tables_of(target, args.fan_in, ARRAY if four else None)
    if calibration is None:
        sys.exit(f"{shipped_path(target, args.fan_in)} is missing, or of another circuit")
    if four:
        runs, names = small(target), company.NUMBERS
    else:
        target, calibration = calibrated(target, calibration, target.fan_in, 4)
        runs, names = trained(target, calibration), company.ONE_PE + company.PULLS
    if args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
    steady = calibration.steady
    calls = [partial(crossings, name, run, steady, args.keep) for name, run in runs.items()]
    found = run_all(calls, args.workers)
    groups = [courses_of(run, each, steady) for run, each in zip(runs.values(), found)]
    slope, residual, moved = superposed(groups, calibration)
    print(f"against the sum of tables: slope {slope:.4f}, residual {residual:.1e} of {moved:.1e} rad per cycle")
    made_by = f"python bench/company.py --target {args.target} --fan-in {args.fan_in}"
    fitted = fit_company(groups, calibration, names, made_by)
    made, whole = fitted.applied(calibration), partial(courses_of, steady=steady, whole=True)
    fitted = with_switches(
        fitted,
        [switches_of(run, whole(run, each), made) for run, each in zip(runs.values(), found)],
        len(company.SWITCH) if four else FIRST,
    )
    for name in fitted.values:
        print(f"{name:16} {fitted.values[name]:+.5f} +- {fitted.errors[name]:.5f}")
    print(f"drift error {fitted.before:.2e} rad per cycle; {fitted.after:.2e} in runs left out; {fitted.runs} runs")
    print(f"jumps where codes change {fitted.jump_before:.4f} rad; {fitted.jump_after:.4f} in runs left out")
    company.save_company(company_path(shipped_path(load_target(args.target), args.fan_in)), fitted)


if __name__ == "__main__":
    main()
