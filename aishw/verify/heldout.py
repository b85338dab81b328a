"""Held-out networks: small arrays of transistors that no fit has seen, beside what the models say of them.

A 3x3 torus with real taps (no replayed neighbour), random signed asymmetric codes, SHIL and reference on, four chunks.
The macromodel and the plain equation start where the transistors start; errors are rms over the sites at each chunk's
end. One number is tuned to the array, as a chip's reference is: the common drift that real taps add to replayed ones
(`closed_drift`), from a run with all codes 0. Sites that the macromodel's own ensemble calls doubtful are named before
the transistors run (`slips`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from aishw.ais.system import System
from aishw.ais.topology import grid
from aishw.engines.base import Job, sample_times
from aishw.engines.executor import run_all
from aishw.engines.macromodel import Macromodel
from aishw.engines.ode import OdeEngine
from aishw.engines.spice_transistor import SpiceTransistor
from aishw.hardware.calibration import Calibration
from aishw.hardware.target import KINDS, Target
from aishw.lower.design import Design, Timeline
from aishw.verify.compare import compare

SIDE, CHUNKS, CYCLES = 3, 4, 160.0
NEIGHBOURS = "cross4"
FAN_IN = 4
SLIP_RAD = 1.0


@dataclass(frozen=True, eq=False)
class HeldOut:
    """One network. macromodel, equation: (S,) rad rms at the end of every chunk. doubtful, slipped: sites that were
    predicted to be near a separatrix, and that ended more than SLIP_RAD from the macromodel. cpu_s: of the transistors.
    """

    seed: int
    macromodel: NDArray[np.float64]
    equation: NDArray[np.float64]
    doubtful: tuple[int, ...]
    slipped: tuple[int, ...]
    cpu_s: float


def network(target: Target, seed: int, bits: int = 4, cycles: float = CYCLES) -> tuple[Design, NDArray[np.float64]]:
    """A random design on a 3x3 torus and its start phases (1, 9) rad, uniform over the circle.

    Codes of every kind are uniform over all that `bits` hold; every kind has the strongest bias of its card, SHIL the
    middle one.
    """
    draw = np.random.default_rng(seed)
    topology = grid(SIDE, SIDE, NEIGHBOURS)
    sites, edges, top = topology.sites, topology.edges.shape[1], 2 ** (bits - 1) - 1
    counts = {"coupling": edges, "shil": sites, "reference": sites}
    codes = {kind: draw.integers(-top, top + 1, (CHUNKS, counts[kind])).astype(np.int8) for kind in KINDS}
    each = cycles / CHUNKS
    rates = {kind: target.injections[kind].rate for kind in KINDS}
    used = {"coupling": rates["coupling"][-1], "shil": rates["shil"][rates["shil"].size // 2],
            "reference": rates["reference"][-1]}  # fmt: skip
    scale = {kind: np.full((CHUNKS, sites), used[kind] * each) for kind in KINDS}
    none = {"shil": np.zeros((CHUNKS, sites)), "reference": np.zeros((CHUNKS, sites))}
    run_s = np.full(CHUNKS, each / target.frequency_Hz)
    still = np.zeros(CHUNKS)
    line = Timeline("state_stationary", still, still, run_s, 0, 0, 1, 0, 0)
    empty = System(
        "kurashil", topology, np.zeros((CHUNKS, edges)), none, np.ones(CHUNKS), name=f"held out, seed {seed}"
    )
    bare = Design(empty, target, bits, "array", codes, scale, np.full(CHUNKS, each), line, {})
    system = System(
        "kurashil", topology, bare.values("coupling"), {k: bare.values(k) for k in ("shil", "reference")},
        np.ones(CHUNKS), name=f"held out, seed {seed}",
    )  # fmt: skip
    design = Design(system, target, bits, "array", codes, scale, np.full(CHUNKS, each), line, {})
    return design, draw.uniform(-np.pi, np.pi, (1, sites))


def predict(design: Design, calibration: Calibration, x0: NDArray[np.float64]) -> tuple[int, ...]:
    """The sites that the macromodel calls doubtful before anything else has run. A step is about half a cycle."""
    from aishw.verify.slips import forecast_slips

    forecast = forecast_slips(design, calibration, x0, step_tau=1 / (2 * float(design.cycles_per_tau.max())))
    return tuple(int(site) for site in np.flatnonzero(forecast.flags[0]))


def closed_drift(target: Target, calibration: Calibration, cycles: int = 14, seed: int = 12345) -> float:
    """rad per cycle by which the PEs of an array with real taps run ahead of the macromodel when all codes are 0.

    `ring28` at fan-in 4: -0.0007 (a relative 1e-4, with fine steps too): a tap of finite strength is not a source.
    """
    design, x0 = network(target, seed, cycles=CHUNKS * cycles)
    idle = replace(design, codes={kind: np.zeros_like(codes) for kind, codes in design.codes.items()})
    still = System(idle.system.family, idle.system.topology, 0 * idle.system.coupling[:1],
                   {kind: 0 * value[:1] for kind, value in idle.system.terms.items()}, np.ones(1))  # fmt: skip
    first = {kind: codes[:1] for kind, codes in idle.codes.items()}
    scale = {kind: value[:1] for kind, value in idle.full_scale.items()}
    line = replace(
        idle.timeline, **{name: getattr(idle.timeline, name)[:1] for name in ("write_s", "switch_s", "run_s")}
    )
    short = replace(
        idle, system=still, codes=first, full_scale=scale, cycles_per_tau=idle.cycles_per_tau[:1], timeline=line
    )
    job = Job(x0, np.arange(cycles + 1) / cycles)
    apart = (
        SpiceTransistor(calibration.steady).run(short, job).state - Macromodel(calibration).run(short, job).state
    ).mean(axis=(0, 2))
    return float(np.polyfit(np.arange(2, cycles + 1), apart[2:], 1)[0])


def run_heldout(
    target: Target, calibration: Calibration, seed: int, cycles: float = CYCLES, closed: float = 0.0
) -> HeldOut:
    """One network through the macromodel, the equation of its codes and the transistors. closed: `closed_drift`."""
    design, x0 = network(target, seed, cycles=cycles)
    doubtful = predict(design, calibration, x0)
    job = Job(x0, sample_times(design.system))
    macromodel = Macromodel(calibration, np.full(design.system.sites, closed)).run(design, job)
    equation = OdeEngine("realised").run(design, job)
    devices = SpiceTransistor(calibration.steady).run(design, job)
    found = compare(devices, macromodel, design.system)
    plain = compare(devices, equation, design.system)
    apart = np.abs(macromodel.state[0, -1] - devices.state[0, -1])
    slipped = tuple(int(site) for site in np.flatnonzero(apart > SLIP_RAD))
    return HeldOut(seed, found.chunk_rms_rad, plain.chunk_rms_rad, doubtful, slipped, devices.cpu_s)


def run_all_heldout(
    target: Target,
    calibration: Calibration,
    seeds: Sequence[int],
    *,
    workers: int = 2,
    on_result: Callable[[int, HeldOut], None] | None = None,
) -> list[HeldOut]:
    """`run_heldout` of every seed, `workers` side by side."""
    closed = closed_drift(target, calibration)
    calls = [partial(run_heldout, target, calibration, seed, closed=closed) for seed in seeds]
    return run_all(calls, workers, on_result=on_result)
