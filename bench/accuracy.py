"""How far from the transistors do the models end? The README's accuracy section comes from here.

    python bench/accuracy.py [--seeds 8] [--windows 16] [--workers 2] [--target ring28] [--write]

Held-out networks (3x3 torus, real taps, 160 cycles) and windows of the shipped digits checkpoint (24 couplers a PE).
Every row is kept in bench/results/accuracy_TARGET.json under the calibration it belongs to, so a killed run goes on.
--write puts the tables between the marks in README.md.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from aishw.ais.checkpoint import load
from aishw.ais.system import draw_start
from aishw.calibrate.closed import FAN_IN, Closed, measure_closed
from aishw.calibrate.match import tables_id
from aishw.calibrate.scale import calibrated
from aishw.calibrate.shipped import calibration_of
from aishw.engines.base import Job, Trace, sample_times
from aishw.engines.executor import run_all
from aishw.engines.macromodel import Macromodel
from aishw.engines.ode import OdeEngine
from aishw.engines.spice_transistor import SpiceTransistor
from aishw.engines.window import Window
from aishw.hardware.calibration import Calibration
from aishw.hardware.cards import load_target
from aishw.hardware.solver import Solver
from aishw.hardware.target import Target
from aishw.library import find
from aishw.lower.lower import lower
from aishw.units import wrap
from aishw.verify.heldout import SLIP_RAD, run_heldout
from aishw.verify.slips import forecast_slips

ROOT = Path(__file__).resolve().parent.parent
CHECKPOINT = "digits16_4bit"
# Real taps have inner edges that no replay has: T/140 ends 0.03 rad from a tight run after 40 cycles, T/280 0.002.
ARRAY = Solver(steps_per_cycle=280)
Row = dict[str, Any]


def windows_of(side: int, count: int, seed: int = 0) -> list[Window]:
    """Three quarters one PE, one quarter 2x2, at random places that do not touch."""
    draw, taken, found = np.random.default_rng(seed), np.zeros(side * side, dtype=bool), []
    while len(found) < count:
        size = 2 if len(found) % 4 == 3 else 1
        window = Window(int(draw.integers(side)), int(draw.integers(side)), size, size)
        sites = window.sites(side, side)
        if not taken[sites].any():
            taken[sites] = True
            found.append(window)
    return found


def heldout_row(target: Target, calibration: Calibration, drift_error: float, seed: int) -> Row:
    found = run_heldout(target, calibration, seed, drift_error=drift_error)
    return {
        "seed": seed, "macromodel": found.macromodel.tolist(), "equation": found.equation.tolist(),
        "doubtful": list(found.doubtful), "slipped": list(found.slipped), "cpu_s": found.cpu_s,
    }  # fmt: skip


def window_rows(target: Target, calibration: Calibration, count: int, workers: int, kept: dict[str, Row]) -> list[Row]:
    """Windows of the digits, image by image: window k sees start state k."""
    system = load(find("models", CHECKPOINT))
    target, calibration = calibrated(target, calibration, target.fan_in, 4)
    design = lower(system, target, calibration=calibration)
    job = Job(draw_start(system, count, seed=1), sample_times(system))
    outside = Macromodel(calibration).run(design, job)
    plain = OdeEngine("realised").run(design, job)
    windows = windows_of(system.topology.width, count)

    def one(k: int) -> Row:
        window = windows[k]
        name = f"{window.row},{window.column},{window.height},{window.width}"
        if name in kept:
            return kept[name]
        sites = window.sites(system.topology.height, system.topology.width)
        doubtful = forecast_slips(design, calibration, job.x0[k], [sites]).flags[sites]
        seen = SpiceTransistor(calibration.steady, [window], outside).run(design, job, images=[k])
        row = {
            "window": name, "image": k, "doubtful": sites[doubtful].tolist(), "cpu_s": seen.cpu_s,
            "cycles": design.cycles, **errors(seen, outside, plain, k, sites),
        }  # fmt: skip
        print(row, flush=True)
        return row

    return run_all(
        [partial(one, k) for k in range(count)], workers, on_result=lambda k, row: kept.update({row["window"]: row})
    )


def errors(seen: Trace, outside: Trace, plain: Trace, k: int, sites: np.ndarray) -> Row:
    apart = seen.state[0] - outside.state[k][:, sites]
    return {
        "rms_rad": float(np.sqrt((wrap(apart) ** 2).mean())),
        "end_rad": float(np.abs(wrap(apart[-1])).max()),
        "slipped": sites[np.abs(apart[-1]) > SLIP_RAD].tolist(),
        "equation_rad": float(np.sqrt((wrap(seen.state[0, -1] - plain.state[k, -1][sites]) ** 2).mean())),
    }


def tables(name: str, results: Row) -> str:
    """The two tables as Markdown."""
    lines = []
    rows = sorted(results["heldout"].values(), key=lambda row: row["seed"])
    if rows:
        closed = {k: complex(*v) for k, v in results["closed"].items()}
        lines += [f"Held-out networks of `{name}`: rad rms at the ends of the four chunks. Three training networks of "
                  "40 cycles, other seeds, corrected the tables for real neighbours: drift "
                  f"{closed['drift'].real:+.5f} rad per cycle, coupling x {closed['coupling']:.3f}, SHIL x "
                  f"{closed['shil']:.3f}; the drift's error fell from {closed['before'].real:.1e} to "
                  f"{closed['after'].real:.1e} rad per cycle.", "",
                  "| seed | macromodel | plain equation | sites predicted doubtful | slipped |",
                  "| --- | --- | --- | --- | --- |"]  # fmt: skip
        for row in rows:
            both = [" ".join(f"{value:.3f}" for value in row[key]) for key in ("macromodel", "equation")]
            places = [", ".join(map(str, row[key])) or "none" for key in ("doubtful", "slipped")]
            lines.append(f"| {row['seed']} | {both[0]} | {both[1]} | {places[0]} | {places[1]} |")
        medians = [np.median([row[key] for row in rows], axis=0) for key in ("macromodel", "equation")]
        both = [" ".join(f"{value:.3f}" for value in each) for each in medians]
        lines += [f"| **median** | **{both[0]}** | {both[1]} | | |", ""]
    rows = list(results["windows"].values())
    if rows:
        rms, slipped = [row["rms_rad"] for row in rows], sum(bool(row["slipped"]) for row in rows)
        lines += [
            f"Windows of the shipped digits ({CHECKPOINT}, 24 couplers a PE, {rows[0]['cycles']:.0f} cycles, "
            f"{len(rows)} windows, one image each): rms over the run, median {np.median(rms):.3f} rad, 90th percentile "
            f"{np.quantile(rms, 0.9):.3f} rad; {slipped} slipped. The equation of the codes ends "
            f"{np.median([row['equation_rad'] for row in rows]):.2f} rad away (median).", "",
            "| window | rms over the run | end | equation, end | doubtful | slipped |",
            "| --- | --- | --- | --- | --- | --- |",
        ]  # fmt: skip
        for row in rows:
            places = [", ".join(map(str, row[key])) or "none" for key in ("doubtful", "slipped")]
            numbers = f"{row['rms_rad']:.3f} | {row['end_rad']:.3f} | {row['equation_rad']:.2f}"
            lines.append(f"| {row['window']} | {numbers} | {places[0]} | {places[1]} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", default="ring28")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--windows", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    target = load_target(args.target)
    four, full = calibration_of(target, FAN_IN, ARRAY), calibration_of(target)
    if (args.seeds and four is None) or (args.windows and full is None):
        sys.exit(
            f"calibration/ lacks {args.target}.h5 or one for arrays: `aishw calibrate {args.target} --fan-in {FAN_IN} "
            f"--steps 280 --only coupling,shil -o calibration/{args.target}_fan{FAN_IN}.h5`"
        )
    path = ROOT / "bench" / "results" / f"accuracy_{args.target}.json"
    path.parent.mkdir(exist_ok=True)
    key = {"four": tables_id(four) if four else "", "full": tables_id(full) if full else ""}
    results: Row = json.loads(path.read_text()) if path.exists() else {}
    if results.get("key") != key:
        results = {"key": key, "heldout": {}, "windows": {}}

    def keep(_: int, row: Row) -> None:
        results["heldout"][str(row["seed"])] = row
        path.write_text(json.dumps(results, indent=1))
        print(row, flush=True)

    todo = [seed for seed in range(args.seeds) if str(seed) not in results["heldout"]]
    if todo and four is not None:
        if "closed" not in results:
            found = measure_closed(target, four, workers=args.workers)
            results["closed"] = {k: [v.real, v.imag] for k, v in vars(found).items()}
            path.write_text(json.dumps(results, indent=1))
        closed = Closed(*(complex(*v) if k in ("coupling", "shil") else v[0] for k, v in results["closed"].items()))
        print(closed, flush=True)
        calls = [partial(heldout_row, target, closed.applied(four), closed.after, seed) for seed in todo]
    else:
        calls = []
    run_all(calls, args.workers, on_result=keep)
    if args.windows and full is not None:
        try:
            window_rows(target, full, args.windows, args.workers, results["windows"])
        finally:
            path.write_text(json.dumps(results, indent=1))
    text = tables(args.target, results)
    print(text)
    if args.write:
        readme = ROOT / "README.md"
        mark = f"<!-- accuracy {args.target} -->"
        old = readme.read_text()
        if old.count(mark) != 2:
            sys.exit(f"README.md lacks the two marks {mark}")
        readme.write_text(re.sub(f"{mark}.*{mark}", lambda _: f"{mark}\n{text}\n{mark}", old, flags=re.DOTALL))


if __name__ == "__main__":
    main()
