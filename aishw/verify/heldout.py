"""Held-out networks: small arrays of transistors that no fit has seen, beside what the models say of them.

A 3x3 torus with real taps (no replayed neighbour), random signed asymmetric codes, SHIL and reference on, four chunks.
The macromodel and the plain equation start where the transistors start; errors are rms over the sites at each chunk's
end. What the transistors did (`Devices`) is judged apart from running them, so that another model needs no other run.

Two figures say what could be expected at best. `growth`: how many times as far apart the macromodel's own phases are at
each chunk's end as at the start. `foreseen`: its rms error if every site were off by a drift of its own as large as the
calibration's known error. Sites that its ensemble calls doubtful are named before the transistors run (`slips`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aishw.engines.base import Job
from aishw.engines.macromodel import Macromodel
from aishw.engines.ode import OdeEngine
from aishw.engines.spice_transistor import SpiceTransistor
from aishw.hardware.calibration import Calibration
from aishw.hardware.steady import SteadyState
from aishw.lower.design import Design
from aishw.units import wrap

SLIP_RAD = 1.0
DRIFT_ERROR = 1e-3  # rad per cycle, about what a calibration with its company leaves on `ring28`
MEMBERS, APART_RAD = 8, 1e-4

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Devices:
    """What the transistors did. phase_rad: (S + 1, N) at the start and every chunk's end; cpu_s: what it took."""

    phase_rad: Floats
    cpu_s: float


@dataclass(frozen=True, eq=False)
class HeldOut:
    """One network. macromodel, equation, foreseen: (S,) rad rms at the end of every chunk; growth: (S,) times.
    doubtful, slipped: sites that were predicted to be near a separatrix, and that ended more than SLIP_RAD from the
    macromodel.
    """

    macromodel: Floats
    equation: Floats
    growth: Floats
    foreseen: Floats
    doubtful: tuple[int, ...]
    slipped: tuple[int, ...]


def run_devices(steady: SteadyState, design: Design, x0: Floats) -> Devices:
    """One network (`calibrate.closed.network`) on the transistors, from start phases x0 (1, N) rad."""
    trace = SpiceTransistor(steady).run(design, _job(design, x0))
    return Devices(trace.state[0], trace.cpu_s)


def predict(calibration: Calibration, design: Design, x0: Floats, drift_error: float = DRIFT_ERROR) -> tuple[int, ...]:
    """The sites that the macromodel calls doubtful before anything else has run. drift_error: rad per cycle rms, what
    the calibration is known to leave (`calibrate.company.Company.after`). A step is half a cycle."""
    from aishw.verify.slips import forecast_slips

    step_tau = 1 / (2 * float(design.cycles_per_tau.max()))
    forecast = forecast_slips(design, calibration, x0[0], step_tau=step_tau, drift_error=drift_error)
    return tuple(int(site) for site in np.flatnonzero(forecast.flags))


def judge(
    calibration: Calibration, design: Design, x0: Floats, devices: Devices, drift_error: float = DRIFT_ERROR
) -> HeldOut:
    """One network through the macromodel and the equation of its codes, beside what the transistors did."""
    job = _job(design, x0)
    found = Macromodel(calibration).run(design, job).state[0]
    plain = OdeEngine("realised").run(design, job).state[0]
    slipped = np.flatnonzero(np.abs(found[-1] - devices.phase_rad[-1]) > SLIP_RAD)
    draw = np.random.default_rng(0)
    near = Macromodel(calibration).run(
        design, Job(x0 + draw.normal(0, APART_RAD, (MEMBERS, x0.shape[1])), job.samples_tau)
    )
    growth = np.sqrt(((near.state - found) ** 2).mean(axis=(0, 2)))
    drifts = draw.normal(0, drift_error, (MEMBERS, x0.shape[1]))
    off = [Macromodel(calibration, detuning=each).run(design, job).state[0] for each in drifts]
    return HeldOut(
        _rms(devices.phase_rad, found), _rms(devices.phase_rad, plain), growth[1:] / growth[0],
        np.median([_rms(each, found) for each in off], axis=0),
        predict(calibration, design, x0, drift_error), tuple(slipped.tolist()),
    )  # fmt: skip


def _rms(one: Floats, other: Floats) -> Floats:
    return np.asarray(np.sqrt((wrap(one - other) ** 2).mean(axis=1))[1:])


def _job(design: Design, x0: Floats) -> Job:
    return Job(x0, design.system.boundaries_tau)
