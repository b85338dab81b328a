"""How far from the transistors do the models end? The README's accuracy section comes from here.

    python bench/accuracy.py [--seeds 8] [--trained 0] [--windows 16] [--closed 4] [--workers 2] [--target NAME]
                             [--write]

Held-out networks (3x3 torus, real taps, 160 cycles; codes uniform, or as strong as a trained model's) and windows of
the shipped digits checkpoint (24 couplers a PE): one PE and 2x2, and 3x3, where every PE has eight real neighbours.
Every row is kept in bench/results/accuracy_TARGET.json under the calibration it belongs to, so a killed run goes on;
what the transistors of a network did is kept in devices_TARGET.json, for every calibration of the same circuit. --write
puts the tables between the marks in README.md.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from marks import write_between

from aishw.ais.checkpoint import load
from aishw.ais.system import draw_start
from aishw.calibrate.closed import FAN_IN, TRAINED, Closed, measure_closed, network
from aishw.calibrate.company import Company, company_path, load_company
from aishw.calibrate.match import tables_id
from aishw.calibrate.scale import calibrated
from aishw.calibrate.shipped import calibration_of, shipped_path
from aishw.engines.base import Job, Trace, sample_times
from aishw.engines.executor import run_all
from aishw.engines.macromodel import Macromodel, as_neighbours_see
from aishw.engines.ode import OdeEngine
from aishw.engines.spice_transistor import SpiceTransistor
from aishw.engines.window import Window
from aishw.hardware.calibration import Calibration
from aishw.hardware.cards import load_target
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target
from aishw.library import DEFAULT_TARGET, find
from aishw.lower.lower import lower
from aishw.units import wrap
from aishw.verify.heldout import SLIP_RAD, Devices, judge, run_devices
from aishw.verify.slips import forecast_slips

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
CHECKPOINT = "digits16_4bit"
# Real taps have inner edges that no replay has: T/140 ends 0.03 rad from a tight run after 40 cycles, T/280 0.002.
ARRAY_STEPS = 280
COMPANY = ("before", "after", "runs", "jump_before", "jump_after")
Row = dict[str, Any]


def windows_of(side: int, count: int, closed: int, seed: int = 0) -> list[Window]:
    """Three quarters one PE, one quarter 2x2, then `closed` of 3x3, at random places that share no site."""
    draw, taken, found = np.random.default_rng(seed), np.zeros(side * side, dtype=bool), []
    while len(found) < count + closed:
        size = 3 if len(found) >= count else 2 if len(found) % 4 == 3 else 1
        window = Window(int(draw.integers(side)), int(draw.integers(side)), size, size)
        sites = window.sites(side, side)
        if not taken[sites].any():
            taken[sites] = True
            found.append(window)
    return found


def company_of(target: Target, fan_in: int, calibration: Calibration | None) -> Company | None:
    """The numbers that `calibration_of` has applied; None for tables alone."""
    if calibration is None or calibration.together is None:
        return None
    return load_company(company_path(shipped_path(target, fan_in)))


def devices_of(
    target: Target, steady: SteadyState, seeds: list[int], workers: int, trained: bool = False
) -> dict[int, Devices]:
    """What the transistors of every network did, from the file of kept runs as far as it goes."""
    path = RESULTS / f"devices_{target.name}.json"
    kept: Row = json.loads(path.read_text()) if path.exists() else {}
    if kept.get("circuit") != steady.circuit:
        kept = {"circuit": steady.circuit}
    networks = kept.setdefault("trained" if trained else "networks", {})

    def on_result(k: int, found: Devices) -> None:
        networks[str(todo[k])] = {"phase_rad": found.phase_rad.tolist(), "cpu_s": found.cpu_s}
        path.write_text(json.dumps(kept))
        print(f"seed {todo[k]}: {found.cpu_s:.0f} CPU s", flush=True)

    todo = [seed for seed in seeds if str(seed) not in networks]
    run_all(
        [partial(run_devices, steady, *network(target, seed, trained=trained)) for seed in todo],
        workers, on_result=on_result,
    )  # fmt: skip
    found = {seed: networks[str(seed)] for seed in seeds}
    return {seed: Devices(np.array(each["phase_rad"]), each["cpu_s"]) for seed, each in found.items()}


def heldout_row(
    target: Target, calibration: Calibration, drift_error: float, seed: int, devices: Devices, trained: bool = False
) -> Row:
    found = judge(calibration, *network(target, seed, trained=trained), devices, drift_error)
    lists = {name: getattr(found, name).tolist() for name in ("macromodel", "equation", "growth", "foreseen")}
    slips = {"doubtful": list(found.doubtful), "slipped": list(found.slipped)}
    return {"seed": seed, **lists, **slips, "cpu_s": devices.cpu_s}


def window_rows(
    target: Target, calibration: Calibration, windows: list[Window], workers: int, kept: dict[str, Row],
    save: Callable[[], None],
) -> None:
    """Windows of the digits, image by image: window k sees start state k."""
    system = load(find("models", CHECKPOINT))
    target, calibration = calibrated(target, calibration, target.fan_in, 4)
    design = lower(system, target, calibration=calibration)
    count = len(windows)
    job = Job(draw_start(system, count, seed=1), sample_times(system))
    outside = Macromodel(calibration).run(design, job)
    replayed = as_neighbours_see(design, calibration, outside)
    plain = OdeEngine("realised").run(design, job)

    def one(k: int) -> Row:
        window = windows[k]
        name = f"{window.row},{window.column},{window.height},{window.width}"
        sites = window.sites(system.topology.height, system.topology.width)
        doubtful = forecast_slips(design, calibration, job.x0[k], [sites]).flags[sites]
        if name in kept:
            return kept[name] | {"doubtful": sites[doubtful].tolist()}
        seen = SpiceTransistor(calibration.steady, [window], replayed).run(design, job, images=[k])
        row = {
            "window": name, "image": k, "doubtful": sites[doubtful].tolist(), "cpu_s": seen.cpu_s,
            "cycles": design.cycles, **errors(seen, outside, plain, k, sites),
        }  # fmt: skip
        print(row, flush=True)
        return row

    def on_result(_: int, row: Row) -> None:
        kept[row["window"]] = row
        save()

    run_all([partial(one, k) for k in range(count)], workers, on_result=on_result)


def keep(path: Path, results: Row) -> None:
    path.write_text(json.dumps(results, indent=1))


def errors(seen: Trace, outside: Trace, plain: Trace, k: int, sites: np.ndarray) -> Row:
    apart = seen.state[0] - outside.state[k][:, sites]
    return {
        "rms_rad": float(np.sqrt((wrap(apart) ** 2).mean())),
        "end_rad": float(np.abs(wrap(apart[-1])).max()),
        "slipped": sites[np.abs(apart[-1]) > SLIP_RAD].tolist(),
        "equation_rad": float(np.sqrt((wrap(seen.state[0, -1] - plain.state[k, -1][sites]) ** 2).mean())),
    }


def correction(name: str, results: Row) -> str:
    """What came between the tables and the numbers below."""
    if "company" in results:
        four = results["company"]
        return (
            f"Held-out networks of `{name}`: rad rms at the ends of the four chunks. What injections do together was "
            f"fitted to {four['runs']} training runs of other seeds (`aishw company`): the drift's error in runs "
            f"left out fell from {four['before']:.1e} with the tables alone to {four['after']:.1e} rad per cycle, what "
            f"phases jump by where codes change from {four['jump_before']:.4f} to {four['jump_after']:.4f} rad."
        )
    closed = {k: complex(*v) for k, v in results["closed"].items()}
    return (f"Held-out networks of `{name}`: rad rms at the ends of the four chunks. Three training networks of 40 "
            f"cycles, other seeds, corrected the tables for real neighbours: drift {closed['drift'].real:+.5f} rad per "
            f"cycle, coupling x {closed['coupling']:.3f}, SHIL x {closed['shil']:.3f}; the drift's error fell from "
            f"{closed['before'].real:.1e} to {closed['after'].real:.1e} rad per cycle.")  # fmt: skip


def heldout_table(rows: list[Row]) -> list[str]:
    """Lines of the networks' table and its medians."""
    rows, more = sorted(rows, key=lambda row: row["seed"]), "foreseen" in rows[0]
    lines = [
        "| seed | macromodel | plain equation | "
        + more * "foreseen | growth | "
        + "sites predicted doubtful | slipped |",
        "| --- | --- | --- | --- | --- |" + more * " --- | --- |",
    ]
    for row in rows:
        both = [" ".join(f"{value:.3f}" for value in row[key]) for key in ("macromodel", "equation")]
        places = [", ".join(map(str, row[key])) or "none" for key in ("doubtful", "slipped")]
        if more:
            both += [" ".join(f"{v:.3f}" for v in row["foreseen"]), " ".join(f"{v:.1f}" for v in row["growth"])]
        lines.append(f"| {row['seed']} | {' | '.join(both)} | {places[0]} | {places[1]} |")
    medians = [np.median([row[key] for row in rows], axis=0) for key in ("macromodel", "equation")]
    both = [" ".join(f"{value:.3f}" for value in each) for each in medians]
    if more:
        both += [" ".join(f"{v:.3f}" for v in np.median([row["foreseen"] for row in rows], axis=0)), ""]
    return [*lines, f"| **median** | **{both[0]}** | {' | '.join(both[1:])} | | |", ""]


def tables(name: str, results: Row) -> str:
    """The tables as Markdown."""
    lines = []
    rows = list(results["heldout"].values())
    if rows:
        lines += [correction(name, results), "", *heldout_table(rows)]
        if "foreseen" in rows[0]:
            lines += [
                "Foreseen: the macromodel's error at the chunk ends if every PE were off by a constant drift of its "
                "own, as large (rms) as the training runs left; growth: how many times further apart two of the "
                "macromodel's own runs are than at their starts.",
                "",
            ]
    rows = list(results.get("trained", {}).values())
    if rows:
        spread = ", ".join(f"{kind} {value:.2f}" for kind, value in TRAINED.items())
        lines += [
            f"The same with codes as strong as a trained model's: Gaussian, rounded and clipped, standard deviations "
            f"of the shipped digits ({spread} of the strongest code; uniform codes have 0.62).",
            "",
            *heldout_table(rows),
        ]
    rows = list(results["windows"].values())
    if rows:
        closed = [row for row in rows if row["window"].endswith(",3,3")]
        few = [row for row in rows if row not in closed]
        rms, slipped = [row["rms_rad"] for row in few], sum(bool(row["slipped"]) for row in few)
        more = f" 3x3 windows, whose PEs have eight real neighbours: {_list(closed, 'rms_rad')} rad." if closed else ""
        lines += [
            f"Windows of the shipped digits ({CHECKPOINT}, 24 couplers a PE, {rows[0]['cycles']:.0f} cycles, "
            f"{len(few)} windows, one image each): rms over the run, median {np.median(rms):.3f} rad, 90th percentile "
            f"{np.quantile(rms, 0.9):.3f} rad; {slipped} slipped. The equation of the codes ends "
            f"{np.median([row['equation_rad'] for row in rows]):.2f} rad away (median).{more}", "",
            "| window | rms over the run | end | equation, end | doubtful | slipped |",
            "| --- | --- | --- | --- | --- | --- |",
        ]  # fmt: skip
        for row in rows:
            places = [", ".join(map(str, row[key])) or "none" for key in ("doubtful", "slipped")]
            numbers = f"{row['rms_rad']:.3f} | {row['end_rad']:.3f} | {row['equation_rad']:.2f}"
            lines.append(f"| {row['window']} | {numbers} | {places[0]} | {places[1]} |")
    return "\n".join(lines)


def _list(rows: list[Row], key: str) -> str:
    return ", ".join(f"{row[key]:.3f}" for row in rows)


def corrected_for_arrays(target: Target, four: Calibration, results: Row, workers: int) -> tuple[Calibration, float]:
    """The calibration for held-out networks and the drift error that it is known to leave, noted in `results`."""
    company = company_of(target, FAN_IN, four)
    if company:
        results["company"] = {name: getattr(company, name) for name in COMPANY}
        return four, company.after
    if "closed" not in results:
        found = measure_closed(target, four, workers=workers)
        results["closed"] = {k: [v.real, v.imag] for k, v in vars(found).items()}
    closed = Closed(*(complex(*v) if k in ("coupling", "shil") else v[0] for k, v in results["closed"].items()))
    return closed.applied(four), closed.after


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", default=DEFAULT_TARGET)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--trained", type=int, default=0)
    parser.add_argument("--windows", type=int, default=16)
    parser.add_argument("--closed", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    target = load_target(args.target)
    arrays = replace(target.solver, steps_per_cycle=ARRAY_STEPS)
    four, full = calibration_of(target, FAN_IN, arrays), calibration_of(target)
    if (args.seeds and four is None) or (args.windows and full is None):
        sys.exit(
            f"calibration/ lacks {args.target}.h5 or one for arrays: `aishw calibrate {args.target} --fan-in {FAN_IN} "
            f"--steps 280 --only coupling,shil -o calibration/{args.target}_fan{FAN_IN}.h5`"
        )
    path = RESULTS / f"accuracy_{args.target}.json"
    RESULTS.mkdir(exist_ok=True)
    key = {"four": tables_id(four) if four else "", "full": tables_id(full) if full else ""}
    results: Row = json.loads(path.read_text()) if path.exists() else {}
    if results.get("key") != key:
        results = {"key": key, "heldout": {}, "windows": {}}

    if four is not None:
        four, after = corrected_for_arrays(target, four, results, args.workers)
        for name, seeds in (("heldout", range(args.seeds)), ("trained", range(100, 100 + args.trained))):
            rows, trained = results.setdefault(name, {}), name == "trained"
            todo = [seed for seed in seeds if str(seed) not in rows]
            for seed, devices in devices_of(target, four.steady, todo, args.workers, trained).items():
                rows[str(seed)] = heldout_row(target, four, after, seed, devices, trained)
        keep(path, results)
    if args.windows and full is not None:
        window_rows(
            target, full, windows_of(16, args.windows, args.closed), args.workers, results["windows"],
            lambda: keep(path, results),
        )  # fmt: skip
    text = tables(args.target, results)
    print(text)
    if args.write:
        write_between(f"<!-- accuracy {args.target} -->", text)


if __name__ == "__main__":
    main()
