"""Held-out networks: small arrays of transistors that no fit has seen, beside what the models say of them.

A 3x3 torus with real taps (no replayed neighbour), random signed asymmetric codes, SHIL and reference on, four chunks.
The macromodel and the plain equation start where the transistors start; errors are rms over the sites at each chunk's
end. The calibration may be one that training networks of other seeds have corrected (`calibrate.closed`). Sites that
the macromodel's own ensemble calls doubtful are named before the transistors run (`slips`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from aishw.calibrate.closed import CYCLES, network
from aishw.engines.base import Job, sample_times
from aishw.engines.executor import run_all
from aishw.engines.macromodel import Macromodel
from aishw.engines.ode import OdeEngine
from aishw.engines.spice_transistor import SpiceTransistor
from aishw.hardware.calibration import Calibration
from aishw.hardware.target import Target
from aishw.verify.compare import compare

SLIP_RAD = 1.0
DRIFT_ERROR = 1e-3  # rad per cycle, what a corrected calibration left on `ring28`


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


def predict(
    target: Target, calibration: Calibration, seed: int, cycles: float = CYCLES, drift_error: float = DRIFT_ERROR
) -> tuple[int, ...]:
    """The sites that the macromodel calls doubtful before anything else has run. drift_error: rad per cycle rms, what
    the calibration is known to leave (`calibrate.closed.Closed.after`). A step is half a cycle."""
    from aishw.verify.slips import forecast_slips

    design, x0 = network(target, seed, cycles=cycles)
    step_tau = 1 / (2 * float(design.cycles_per_tau.max()))
    forecast = forecast_slips(design, calibration, x0[0], step_tau=step_tau, drift_error=drift_error)
    return tuple(int(site) for site in np.flatnonzero(forecast.flags))


def run_heldout(
    target: Target, calibration: Calibration, seed: int, cycles: float = CYCLES, drift_error: float = DRIFT_ERROR
) -> HeldOut:
    """One network through the macromodel, the equation of its codes and the transistors."""
    design, x0 = network(target, seed, cycles=cycles)
    doubtful = predict(target, calibration, seed, cycles, drift_error)
    job = Job(x0, sample_times(design.system))
    macromodel = Macromodel(calibration).run(design, job)
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
    return run_all([partial(run_heldout, target, calibration, seed) for seed in seeds], workers, on_result=on_result)
