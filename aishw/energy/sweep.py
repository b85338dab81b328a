"""The sweep behind the power model: its points are run one by one and kept beside the file, so that a killed sweep goes
on. A kept point depends on what measures it, and not on which others are planned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from aishw.calibrate.match import circuit_id
from aishw.calibrate.metered import mean_between
from aishw.calibrate.parts import Parts, code_id, content_id
from aishw.calibrate.state import state_under
from aishw.energy.bench import Point, Split, measure_point
from aishw.energy.closed import ClosedFinding, measure_closed
from aishw.energy.conditions import run_one
from aishw.energy.readout import DetectorFinding, low_pass_s, measure_detector
from aishw.energy.sweep_plan import FINER, plan
from aishw.engines.executor import run_all
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target

Floats = NDArray[np.float64]
FIELDS = ("frequency_Hz", "ring_W", "taps_W", "couplers_W", "driven_W", "source_W", "whole_W", "cycles")


@dataclass(frozen=True, eq=False)
class Sweep:
    """Runs by X. What each was made with (`bench.Point`), what it gave (`bench.Split`), its condition, and use: 0 a
    point that a fit sees, 1 one that it does not see, 2 a point again with half the step, 3 one far outside the fit.

    target, circuit, supply_V, simulator: what was measured. rate: (P,) rad per cycle of the strongest code by bias,
    strongest first. detector, closed: of the readout and of whole arrays.
    """

    target: str
    circuit: str
    supply_V: float
    simulator: str
    rate: Floats
    fan_in: int
    couplings: NDArray[np.int64]
    bits: NDArray[np.int64]
    level: Floats
    bias: NDArray[np.int64]
    slower: Floats
    size: Floats
    corner: tuple[str, ...]
    temperature_C: Floats
    use: NDArray[np.int64]
    frequency_Hz: Floats
    ring_W: Floats
    taps_W: Floats
    couplers_W: Floats
    driven_W: Floats
    source_W: Floats
    whole_W: Floats
    cycles: NDArray[np.int64]
    detector: DetectorFinding | None = None
    closed_seed: NDArray[np.int64] | None = None
    closed_W: Floats | None = None
    closed_Hz: Floats | None = None

    def points(self) -> list[Point]:
        """(X,) what each run was made with."""
        columns = (self.couplings, self.bits, self.level, self.bias, self.slower, self.size)
        return [Point(*(value.item() for value in row)) for row in zip(*columns)]

    @property
    def nominal(self) -> NDArray[np.bool_]:
        """(X,) runs at the condition of the first one."""
        same = np.array([corner == self.corner[0] for corner in self.corner])
        return same & (self.temperature_C == self.temperature_C[0])


def sweep(
    target: Target, steady: SteadyState, parts: Parts, *, quick: bool = False, seeds: tuple[int, ...] = (0,),
    workers: int = 1, tell: Callable[[float], None] | None = None, say: Callable[[str], None] = lambda line: None,
) -> Sweep:  # fmt: skip
    """Runs what `parts` does not hold yet. seeds: of closed arrays. tell: the fraction done; say: a line a run."""
    depends = (content_id(steady), code_id(measure_point), code_id(mean_between), code_id(state_under))
    kept = parts.remember("point", *depends)(run_one)
    runs, done = plan(target, quick), 0
    seeds = () if quick else seeds
    total = len(runs) + len(seeds) + 1

    def told(line: str) -> None:
        nonlocal done
        done += 1
        say(line)
        if tell:
            tell(done / total)

    def one(run: tuple[Point, str, float, int]) -> Split:
        point, corner, celsius, use = run
        found = kept(target, steady, corner, celsius, use == FINER, *_plain(point))
        total_W = (found.ring_W + found.taps_W + found.couplers_W) * 1e6
        told(f"{_words(point, corner, celsius)}: {total_W:.2f} uW at {found.frequency_Hz / 1e6:.2f} MHz")
        return found

    splits = run_all([partial(one, run) for run in runs], workers)
    detector = parts.stage(
        "detector", DetectorFinding, lambda: measure_detector(target, steady), *depends, code_id(low_pass_s)
    )
    told(f"phase detector: {detector.watts * 1e6:.3f} uW")
    closed = []
    for seed in seeds:
        measure = partial(measure_closed, target, steady, seed)
        closed.append(parts.stage(f"closed-{seed}", ClosedFinding, measure, *depends, code_id(measure_closed)))
        told(f"closed array, seed {seed}: {closed[-1].supply_W * 1e6:.2f} uW")
    columns = np.array([_plain(point) for point, *_ in runs], dtype=np.float64).T
    whole = [columns[k].astype(np.int64) for k in (0, 1, 3)]
    made = {name: np.array([getattr(split, name) for split in splits]) for name in FIELDS}
    rates = target.injections["coupling"].rate[::-1].copy()
    return Sweep(
        target.name, circuit_id(target, steady.solver, steady.fan_in), target.technology.supply_V, steady.simulator,
        rates, target.fan_in, whole[0], whole[1], columns[2], whole[2], columns[4], columns[5],
        tuple(corner for _, corner, _, _ in runs), np.array([celsius for _, _, celsius, _ in runs]),
        np.array([use for *_, use in runs]), **made, detector=detector,
        closed_seed=np.array(seeds, dtype=np.int64), closed_W=np.array([each.supply_W for each in closed]),
        closed_Hz=np.array([each.frequency_Hz for each in closed]),
    )  # fmt: skip


def _plain(point: Point) -> tuple[int, int, float, int, float, float]:
    return point.couplings, point.bits, point.level, point.bias, point.slower, point.size


def _words(point: Point, corner: str, celsius: float) -> str:
    said = f"{point.couplings} couplings, {point.bits} bits"
    said += f", code {point.code:+d}" * bool(point.code) + f", bias {point.bias}" * bool(point.bias)
    said += f", capacitors x {1 + point.slower:g}" * bool(point.slower)
    return said + f", size {point.size:.3g}" * (point.size != 1) + f", {corner} {celsius:g} C"
