"""Courses: transistor runs whose phases tell what injections do in company.

A table's run moves one injection and holds the others still. Here all of them count at once: one PE whose neighbours
are replayed (`adrift`, `slipping`: each at a rate of its own; `along`: as the tables alone foretell
them), or a small array whose neighbours are PEs. Of every run the times of the ring's rising crossings are kept,
and each chunk by itself becomes a Course: between chunks the phase has a kink that a spline would ring at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from aishw.engines.base import Job, sample_times
from aishw.engines.macromodel import Macromodel
from aishw.engines.phase import rising_crossings
from aishw.engines.window import outside_sites, phase_polynomials, run_window, samples_of
from aishw.hardware.calibration import Calibration
from aishw.hardware.steady import SteadyState
from aishw.lower.design import Design
from aishw.units import TWO_PI

FINE = 4  # points a cycle
SETTLED = 2  # cycles of every chunk that are left out: codes have changed
FASTER_RATE, RATE, HELD_RATE = 0.1, 0.08, 0.02  # rad per cycle rms, how fast neighbours slip
HELD_RAD, GATHERED_RAD = 0.5, 0.35

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Run:
    """What a run needs: sites (M,) of transistors, and phases (T, N) at times_tau (T,) that the other sites replay."""

    design: Design
    sites: NDArray[np.int64]
    times_tau: Floats
    phase_rad: Floats


@dataclass(frozen=True, eq=False)
class Course:
    """One chunk of a run. cycles: (T,) even; phase_rad: (T, N), NaN at sites that neither ran nor drove one."""

    design: Design
    segment: int
    sites: NDArray[np.int64]
    cycles: Floats
    phase_rad: Floats


def array(design: Design, start_rad: Floats) -> Run:
    """All sites as transistors, from start phases (N,)."""
    times = sample_times(design.system)
    return Run(design, np.arange(design.system.sites), times, np.repeat(start_rad[None], times.size, axis=0))


def adrift(design: Design, start_rad: Floats, seed: int) -> Run:
    """One PE at a random site whose neighbours slip from start phases (N,), each at a rate of its own."""
    draw, times = np.random.default_rng(seed), sample_times(design.system)
    rate = draw.normal(0, FASTER_RATE, design.system.sites)
    site = int(draw.integers(design.system.sites))
    return Run(design, np.array([site]), times, start_rad + np.outer(_cycles(design, times), rate))


def slipping(design: Design, seed: int) -> Run:
    """The same from random phases; in two runs of three a share of the neighbours stays near one of two opposite
    phases, by the sign of what they drive, as in a trained array."""
    draw, sites = np.random.default_rng(seed), design.system.sites
    driven, driving = design.system.topology.edges
    site = int(draw.integers(sites))
    here, start = driven == site, draw.uniform(-np.pi, np.pi, sites)
    held = draw.random(sites) < draw.choice([0.0, 0.4, 0.8])
    sign = np.bincount(driving[here], design.codes["coupling"][:, here].sum(axis=0), minlength=sites)
    near = draw.uniform(-np.pi, np.pi) + np.pi * (sign[held] < 0)
    start[held] = near + draw.normal(0, HELD_RAD, int(held.sum()))
    slow, fast = draw.normal(0, HELD_RATE, sites), draw.normal(0, RATE, sites)
    times = sample_times(design.system)
    return Run(design, np.array([site]), times, start + np.outer(_cycles(design, times), np.where(held, slow, fast)))


def gathered(design: Design, seed: int) -> Run:
    """The same with all neighbours near two opposite phases, three of four by the sign of what they drive: drives as
    strong, and twice the phases as much alike, as in a trained array that has decided."""
    draw, sites = np.random.default_rng(seed), design.system.sites
    driven, driving = design.system.topology.edges
    site = int(draw.integers(sites))
    here = driven == site
    sign = np.bincount(driving[here], design.codes["coupling"][:, here].sum(axis=0), minlength=sites) < 0
    side = np.where(draw.random(sites) < 0.75, sign, draw.random(sites) < 0.5)
    start = draw.uniform(-np.pi, np.pi) + np.pi * side + draw.normal(0, GATHERED_RAD, sites)
    times = sample_times(design.system)
    rate = np.outer(_cycles(design, times), draw.normal(0, HELD_RATE, sites))
    return Run(design, np.array([site]), times, start + rate)


def along(design: Design, calibration: Calibration, start_rad: Floats, sites: NDArray[np.int64]) -> Run:
    """PEs at `sites` (M,) whose neighbours go as the tables alone foretell it from start phases (N,)."""
    job = Job(start_rad[None], sample_times(design.system))
    return Run(design, np.asarray(sites), job.samples_tau, Macromodel(calibration).run(design, job).state[0])


def crossings_of(run: Run, steady: SteadyState) -> list[Floats]:
    """Times (s) of the ring's rising crossings at each of the run's sites."""
    done = run_window(run.design, run.sites, steady, run.times_tau, run.phase_rad)
    return rising_crossings(done.time_s, done.wave_V, run.design.target.technology.supply_V / 2)


def courses_of(run: Run, crossings: Sequence[Floats], steady: SteadyState, whole: bool = False) -> list[Course]:
    """Every chunk of a run without its first SETTLED cycles, on an even grid of FINE points a cycle. whole: from one
    boundary to the next, by splines that go on beyond the outer crossings."""
    design, f = run.design, steady.frequency_Hz
    reference_Hz, bounds = design.reference_Hz(f), design.system.boundaries_tau
    outside, begin_s, found = outside_sites(design, run.sites), 0.0, []
    for segment, length in enumerate(design.cycles_per_tau * design.system.duration_tau):
        stop_s = float(length / f)
        inside = [(each > begin_s) & (each < begin_s + stop_s) for each in crossings]
        late = max(max(each[k][0] for each, k in zip(crossings, inside)), begin_s + SETTLED / f)
        last = min(each[k][-1] for each, k in zip(crossings, inside))
        time = late + np.arange(int((last - late) * f * FINE) + 1) / FINE / f
        if whole:
            time = np.linspace(begin_s, begin_s + stop_s, int(np.ceil(stop_s * f * FINE)) + 1)
        phase = np.full((time.size, design.system.sites), np.nan)
        for site, each, k in zip(run.sites, crossings, inside):
            turns = TWO_PI * (np.flatnonzero(k) - reference_Hz * each[k])
            phase[:, site] = steady.marks_rad[steady.read] + CubicSpline(each[k], turns)(time)
        if outside.size:
            at = samples_of(run.times_tau, bounds, segment)
            local_s = (run.times_tau[at] - bounds[segment]) * design.cycles_per_tau[segment] / f
            power, _ = phase_polynomials(local_s, run.phase_rad[at][:, outside], stop_s)
            phase[:, outside] = np.polynomial.polynomial.polyval(2 * (time - begin_s) / stop_s - 1, power).T
        found.append(Course(design, segment, run.sites, time * f, phase))
        begin_s += stop_s
    return found


def _cycles(design: Design, times_tau: Floats) -> Floats:
    done = np.append(0, np.cumsum(design.cycles_per_tau * design.system.duration_tau))
    return np.interp(times_tau, design.system.boundaries_tau, done)
