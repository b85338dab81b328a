"""The netlist at full array size, run by ngspice: engine `spice-behavioural`.

ngspice integrates to second order, so a run with equal steps h is wrong by a h^2. Every image is run with h and with
h/2, and (4 s(h/2) - s(h)) / 3 is free of that (Richardson); a third of the difference is the finer run's own error.
What stays is of third order, from the growing steps behind every edge. On the shipped digits the extrapolated end
states are 100 times closer than the finer run's (4e-5 to 9e-5 rad against 1e-2), at 1.5 times its cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event

import numpy as np
from numpy.typing import NDArray

from aishw.engines.base import Job, Progress, Trace
from aishw.engines.deck_behavioural import BehaviouralSolver, Clock, behavioural_deck, clock
from aishw.engines.ngspice import Result, Simulator, find_simulator, run_deck
from aishw.engines.ode import check_job, samples_of
from aishw.engines.transfer import round_state
from aishw.errors import SimulatorError
from aishw.lower.design import Design

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SpiceBehavioural:
    """Engine `spice-behavioural`: the whole array as phase integrators, one ngspice process at a time.

    solver: its step is the coarser one of the two. refine: False runs the coarser step alone, at its own error.
    simulator: the ngspice to use (default: the one that is found). keep: a folder for decks, logs and raw files.
    """

    solver: BehaviouralSolver = field(default_factory=BehaviouralSolver)
    refine: bool = True
    simulator: Simulator | None = None
    time_limit_s: float = 3600.0
    keep: Path | None = None
    name: str = "spice-behavioural"

    def run(
        self,
        design: Design,
        job: Job,
        progress: Progress | None = None,
        cancel: Event | None = None,
        images: Sequence[int] | None = None,
    ) -> Trace:
        """Phases (B, T, N) at the job's sample times. images: rows of x0 to run (default: all), one after another.

        A strategy that digitises states runs every chunk as a deck of its own, the state rounded in between. Raises
        DeckError for a family other than kurashil, ModelError for start states and samples that do not fit,
        SimulatorError for a job with noise and if ngspice fails.
        """
        system = design.system
        check_job(system, job)
        if job.noise:
            raise SimulatorError("spice-behavioural has no noise; run the job without it, or on an ode engine")
        simulator = self.simulator or find_simulator()
        rows = np.arange(job.x0.shape[0]) if images is None else np.asarray(images, dtype=np.int64)
        bits = design.timeline.state_bits
        everything = list(range(system.segments))
        parts = [[k] for k in everything] if bits else [everything]
        state = np.empty((rows.size, job.samples_tau.size, system.sites))
        cpu_s, error_rad, done = 0.0, 0.0, 0
        for b, row in enumerate(rows):
            at = job.x0[row]
            state[b, job.samples_tau == 0] = at
            for part in parts:
                share = None if progress is None else _share(progress, done, rows.size * len(parts))
                keep = None if self.keep is None else self.keep / f"image{row}" / f"chunk{part[0]}"
                leg = _Leg(design, at, part, job.samples_tau, simulator, self.time_limit_s, cancel)
                seen, at, error, spent = leg.solve(self.solver, self.refine, share, keep)
                state[b, seen[0]] = seen[1]
                if part[-1] + 1 < system.segments:
                    at = round_state(at, bits)
                cpu_s, error_rad, done = cpu_s + spent, max(error_rad, error), done + 1
        settings: dict[str, str | float | int] = {
            "method": self.solver.method, "reltol": self.solver.reltol, "step_tau": self.solver.step_tau,
            "extrapolated": "from steps h and h/2" if self.refine else "no",
        }  # fmt: skip
        if self.refine:
            settings["finer_run_error_rad"] = error_rad
        if bits:
            settings["state_bits"] = bits
        return Trace(
            self.name, f"ngspice {simulator.version}", design.id, job.id, job.samples_tau, state,
            np.arange(system.sites), rows, settings, None, cpu_s,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Leg:
    """One image through the chunks of one deck."""

    design: Design
    x0: Floats
    chunks: list[int]
    samples_tau: Floats
    simulator: Simulator
    time_limit_s: float
    cancel: Event | None

    def solve(
        self, solver: BehaviouralSolver, refine: bool, progress: Progress | None, keep: Path | None
    ) -> tuple[tuple[NDArray[np.int64], Floats], Floats, float, float]:
        """((which samples, their states (T, N)), the end state (N,), the finer run's error in rad, CPU seconds)."""
        first = progress if not refine or progress is None else _share(progress, 0, 3)
        picked, coarse, spent = self._run(solver, first, keep and keep / "coarse")
        if not refine:
            return (picked, coarse[:-1]), coarse[-1], 0.0, spent
        half = replace(solver, step_tau=solver.step_tau / 2)
        last = None if progress is None else _share(progress, 0.5, 1.5)
        _, fine, more = self._run(half, last, keep and keep / "fine")
        best = (4 * fine - coarse) / 3
        return (picked, best[:-1]), best[-1], float(np.abs(fine - coarse).max() / 3), spent + more

    def _run(
        self, solver: BehaviouralSolver, progress: Progress | None, keep: Path | None
    ) -> tuple[NDArray[np.int64], Floats, float]:
        deck = behavioural_deck(
            self.design, self.x0, segments=self.chunks, solver=solver, options="klu" if self.simulator.klu else ""
        )
        result = run_deck(
            deck,
            simulator=self.simulator,
            time_limit_s=self.time_limit_s,
            cancel=self.cancel,
            progress=progress,
            keep=keep,
        )
        picked, states = self._sample(result)
        return picked, states, result.cpu_s

    def _sample(self, result: Result) -> tuple[NDArray[np.int64], Floats]:
        """Which samples these chunks hold, and the states there and at the end, by a spline in each chunk.

        Steps end on the corners of every edge, so a chunk's own points lie between the start of its first edge and the
        end of its last.
        """
        from scipy.interpolate import CubicSpline

        time, system = clock(self.design, self.chunks), self.design.system
        seconds = result.raw.time_s
        _check_corners(time, seconds)
        columns = result.raw.columns([f"v(s{i})" for i in range(system.sites)])
        picks, states = [], []
        for number, k in enumerate(self.chunks):
            picked, inside = samples_of(system.boundaries_tau, k, self.samples_tau)
            at_s = time.at(number, inside * self.design.seconds_per_tau[k])
            margin = 1e-6 * (time.end_s[number] - time.begin_s[number])
            own = (seconds >= time.rise_s[number] - margin) & (seconds <= time.fall_s[number] + margin)
            own &= np.concatenate([[True], np.diff(seconds) > 0])
            spline = CubicSpline(seconds[own], result.raw.values[own][:, columns])
            picks.append(picked)
            states.append(spline(at_s))
        states.append(result.raw.values[-1:, columns])
        return np.concatenate(picks), np.concatenate(states)


def _check_corners(time: Clock, seconds: Floats) -> None:
    """Raises SimulatorError unless a step ends on every corner of every edge; a step across one is silently wrong."""
    corners = time.corners_s
    after = np.clip(np.searchsorted(seconds, corners), 1, seconds.size - 1)
    miss = np.minimum(np.abs(seconds[after] - corners), np.abs(seconds[after - 1] - corners))
    miss[0, 0] = 0.0  # the start, which a raw file leaves out
    width = (corners[:, 1] - corners[:, 0])[:, None]
    if (miss > 1e-3 * width).any():
        chunk = int(np.argwhere(miss > 1e-3 * width)[0, 0])
        raise SimulatorError(
            f"ngspice stepped over an edge of chunk {chunk} at {corners[chunk, 0]:.6g} s; choose another step_tau"
        )


def _share(progress: Progress, done: float, parts: float) -> Progress:
    return lambda fraction: progress((done + fraction) / parts)
