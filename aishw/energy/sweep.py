"""The sweep behind the power model: which points, at which conditions, and what of them a fit may see.

Points are run one by one and kept beside the file, so that a killed sweep goes on. What the shipped cells cannot vary
is not swept: supply voltage and the taps' drivers belong to the card, and a PE's weight bank is measured by `aishw
calibrate` at the card's number of chunks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from aishw.calibrate.loaded import Load, load_of
from aishw.calibrate.match import KELVIN, circuit_id
from aishw.calibrate.metered import mean_between
from aishw.calibrate.parts import Parts, code_id, content_id
from aishw.calibrate.sources import BENCH
from aishw.calibrate.state import SAMPLES, state_under
from aishw.energy.bench import Point, Split, held_element, measure_point
from aishw.energy.closed import ClosedFinding, measure_closed
from aishw.energy.readout import DetectorFinding, low_pass_s, measure_detector
from aishw.engines.executor import run_all
from aishw.errors import SimulatorError
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target

Floats = NDArray[np.float64]
FINE = Solver(BENCH.method, 2 * BENCH.steps_per_cycle, BENCH.reltol, BENCH.trtol)
FITTED = (
    *(Point(couplings) for couplings in (0, 4, 8, 16, 24)),
    *(Point(24, bits) for bits in (2, 3, 5, 6)),
    *(Point(24, level=level) for level in (-1.0, 1.0)),
    *(Point(24, bias=bias) for bias in (1, 2)),
    *(Point(24, slower=slower) for slower in (-0.4, 0.5, 1.0)),
    Point(0, slower=0.5),
    *(Point(8, bits, size=held_element(bits)) for bits in (2, 3, 5)),
    Point(4, 6, size=held_element(6)),
)
HELD_OUT = (
    Point(12), Point(20), Point(8, 3), Point(16, 5), Point(16, level=0.5), Point(8, bias=1), Point(12, slower=0.25),
    Point(8, 5, slower=-0.2), Point(4, 5, size=held_element(5)),
)  # fmt: skip
LARGE = 24.0  # about the size at which one coupling costs what the published law says
FAR_OUT = (Point(0, size=LARGE), Point(1, size=LARGE))
CONDITIONS = (
    ("tt", 0.0), ("tt", 85.0), ("ff", 27.0), ("ss", 27.0), ("sf", 27.0), ("fs", 27.0), ("ff", 0.0), ("ss", 85.0),
)  # fmt: skip
SQUARE_CYCLES = 12
FIELDS = ("frequency_Hz", "ring_W", "taps_W", "couplers_W", "driven_W", "source_W", "whole_W", "cycles")
NOMINAL, OTHER, FINER, FAR = 0, 1, 2, 3


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


def plan(target: Target, quick: bool = False) -> list[tuple[Point, str, float, int]]:
    """Every run: its point, corner, temperature and use. quick: a tenth of them, to see that it works."""
    technology = target.technology
    here = (technology.corner, technology.temperature_K - KELVIN)
    biases = target.injections["coupling"].rate.size
    runs = [(p, *here, NOMINAL) for p in FITTED] + [(p, *here, OTHER) for p in HELD_OUT]
    runs = [run for run in runs if run[0].couplings <= target.fan_in and run[0].bias < biases]
    full = Point(target.fan_in)
    if quick:
        return [(p, *here, NOMINAL) for p in (Point(0), full)] + [(Point(target.fan_in // 2), *here, OTHER)]
    runs.append((full, *here, FINER))
    runs += [(p, *here, FAR) for p in FAR_OUT]
    return runs + [(full, *there, OTHER) for there in CONDITIONS if there[0] in technology.corners and there != here]


def sweep(
    target: Target, steady: SteadyState, parts: Parts, *, quick: bool = False, seeds: tuple[int, ...] = (0, 1),
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


def run_one(
    target: Target, steady: SteadyState, corner: str, temperature_C: float, fine: bool,
    couplings: int, bits: int, level: float, bias: int, slower: float, size: float,
) -> Split:  # fmt: skip
    """One run; away from the steady state's own condition that of the condition is found first."""
    if (corner, temperature_C + KELVIN) != (steady.corner, steady.temperature_K):
        there = replace(target.technology, corner=corner, temperature_K=temperature_C + KELVIN)
        target = replace(target, technology=there)
        steady = steady_there(target, steady)
    point = Point(couplings, bits, level, bias, slower, size)
    return measure_point(target, steady, point, FINE if fine else BENCH)


def steady_there(target: Target, steady: SteadyState) -> SteadyState:
    """The bench's steady state at another corner or temperature: square taps first, then its own."""
    supply_V = target.technology.supply_V
    square = np.where(np.arange(SAMPLES) < SAMPLES // 2, supply_V, 0.0)
    load = Load({"p": square, "n": supply_V - square}, target.frequency_Hz, steady.fan_in)
    try:
        first, _ = state_under(target, load, cycles=SQUARE_CYCLES)
    except SimulatorError:  # a slow corner may run at a third of the card's frequency
        first, _ = state_under(target, replace(load, frequency_Hz=load.frequency_Hz / 4), cycles=SQUARE_CYCLES)
    found, _ = state_under(target, load_of(first), start=first, cycles=SQUARE_CYCLES)
    return found


def _plain(point: Point) -> tuple[int, int, float, int, float, float]:
    return point.couplings, point.bits, point.level, point.bias, point.slower, point.size


def _words(point: Point, corner: str, celsius: float) -> str:
    said = f"{point.couplings} couplings, {point.bits} bits"
    said += f", code {point.code:+d}" * bool(point.code) + f", bias {point.bias}" * bool(point.bias)
    said += f", capacitors x {1 + point.slower:g}" * bool(point.slower)
    return said + f", size {point.size:.3g}" * (point.size != 1) + f", {corner} {celsius:g} C"
