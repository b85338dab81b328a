"""The devices: windows of transistor PEs inside a recorded run, or a small array as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import numpy as np
from numpy.typing import NDArray

from aishw.engines.base import Job, Progress, Trace
from aishw.engines.phase import crossing_phase
from aishw.engines.window import Window, WindowRun, run_window
from aishw.errors import CompareError, GridError
from aishw.hardware.steady import SteadyState
from aishw.lower.design import Design

LARGEST_ARRAY = 64


@dataclass(frozen=True, eq=False)
class SpiceTransistor:
    """Engine `spice-transistor`. Every window is a rectangle of transistor PEs; sites outside it replay `outside`.

    steady: the PE's periodic steady state on this target, corner, temperature and solver. windows: rectangles; None
    runs
    the whole array, up to 64 sites. outside: a trace of a lower rung over all sites (not needed for a whole array).
    """

    steady: SteadyState
    windows: Sequence[Window] | None = None
    outside: Trace | None = None
    time_limit_s: float = 3600.0
    keep: Path | None = None
    name: str = "spice-transistor"

    def run(
        self,
        design: Design,
        job: Job,
        progress: Progress | None = None,
        cancel: Event | None = None,
        images: Sequence[int] | None = None,
    ) -> Trace:
        """The windows' phases (B, T, M) at the job's sample times, windows one after another.

        images: rows of the job's x0 to run (default: all). Raises CompareError if the steady state belongs to another
        target or corner, GridError for a window off the grid, SimulatorError if ngspice fails.
        """
        check_steady(self.steady, design)
        top = design.system.topology
        if self.windows is None and top.sites > LARGEST_ARRAY:
            raise GridError(
                f"an array of {top.sites} transistor PEs is too large (limit {LARGEST_ARRAY}); name a window R,C,H,W"
            )
        windows = self.windows or [Window(0, 0, top.height, top.width)]
        groups = [w.sites(top.height, top.width) for w in windows]
        sites = np.concatenate(groups)
        if np.unique(sites).size != sites.size:
            raise GridError("two windows share a site; run them as separate jobs")
        rows = np.arange(job.x0.shape[0]) if images is None else np.asarray(images, dtype=np.int64)
        state = np.empty((rows.size, job.samples_tau.size, sites.size))
        cpu_s, energy, residual, version, done = 0.0, np.zeros(rows.size), 0.0, "", 0
        for b, row in enumerate(rows):
            recorded, times = self._recorded(design, job, int(row))
            at = 0
            for group in groups:
                share = None if progress is None else _part(progress, done, rows.size * len(groups))
                run = run_window(
                    design,
                    group,
                    self.steady,
                    times,
                    recorded,
                    time_limit_s=self.time_limit_s,
                    cancel=cancel,
                    progress=share,
                    keep=self.keep,
                )
                state[b, :, at : at + group.size] = window_phase(
                    design, self.steady, run, group, job.samples_tau, recorded[0, group]
                )
                at, done = at + group.size, done + 1
                cpu_s, version = cpu_s + run.cpu_s, run.simulator
                energy[b] += run.energy_J
                residual = max(residual, run.residual_rad)
        settings: dict[str, str | float | int] = {
            "solver": self.steady.solver.label,
            "cells": "merged",
            "outside": self.outside.engine if self.outside else "none",
            "outside_fit_rad": residual,
            "reference_Hz": design.reference_Hz(self.steady.frequency_Hz),
            "supply_of": f"{sites.size} PEs",
            "windows": "; ".join(f"{w.row},{w.column},{w.height},{w.width}" for w in windows),
        }
        return Trace(
            self.name, version, design.id, job.id, job.samples_tau, state, sites, rows, settings, energy, cpu_s
        )

    def _recorded(self, design: Design, job: Job, row: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if self.outside is None:
            if self.windows is not None:
                raise CompareError(
                    "a window needs the recorded trace of a lower rung for the sites outside it; run one first"
                )
            times = job.samples_tau
            return np.repeat(job.x0[row][None], times.size, axis=0), times
        trace = self.outside
        if trace.sites.size != design.system.sites or not (trace.images == row).any():
            raise CompareError(
                f"the outside trace {trace.engine!r} does not hold image {row} on all {design.system.sites} sites"
            )
        if trace.job_id != job.id or trace.design_id != design.id:
            raise CompareError(f"the outside trace {trace.engine!r} belongs to another design or job")
        order = np.argsort(trace.sites)
        return trace.state[int(np.flatnonzero(trace.images == row)[0])][:, order], trace.times_tau


def window_phase(
    design: Design,
    steady: SteadyState,
    run: WindowRun,
    sites: NDArray[np.int64],
    samples_tau: NDArray[np.float64],
    start_rad: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(T, M) unwrapped phases of a window's PEs at `samples_tau`, from the crossings of their r0 nodes, against the
    design's reference.
    """
    at_s = seconds_at(design, samples_tau, steady.frequency_Hz)
    half, reference_Hz = design.target.technology.supply_V / 2, design.reference_Hz(steady.frequency_Hz)
    mark_rad = steady.marks_rad[steady.read]
    return crossing_phase(run.time_s, run.wave_V, half, reference_Hz, at_s, mark_rad, near_rad=start_rad)


def seconds_at(design: Design, tau: NDArray[np.float64], frequency_Hz: float) -> NDArray[np.float64]:
    """Seconds of circuit time at model times `tau`: every chunk has its own cycles per tau."""
    bounds = design.system.boundaries_tau
    ends = np.concatenate([[0.0], np.cumsum(design.cycles_per_tau * design.system.duration_tau)]) / frequency_Hz
    return np.interp(tau, bounds, ends)


def check_steady(steady: SteadyState, design: Design) -> None:
    """Raises CompareError unless the steady state was measured on the design's target, corner and temperature."""
    technology = design.target.technology
    for what, have, want in (
        ("target", steady.target, design.target.name),
        ("corner", steady.corner, technology.corner),
        ("temperature_K", steady.temperature_K, technology.temperature_K),
        ("fan-in", steady.fan_in, design.system.topology.fan_in),
    ):
        if have != want:
            raise CompareError(
                f"the steady state was measured for {what} {have}, the design has {want}; measure it again for that"
            )


def _part(progress: Progress, done: int, parts: int) -> Progress:
    return lambda fraction: progress((done + fraction) / parts)
