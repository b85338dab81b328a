"""Engines by name, and their traces kept in a run file as they come: what is there already is not computed again."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from threading import Event

import numpy as np
from numpy.typing import NDArray

from aishw import store
from aishw.calibrate.match import calibration_for, tables_id
from aishw.calibrate.shipped import calibration_of_design, steady_of
from aishw.engines.base import Job, Trace
from aishw.engines.executor import run_all
from aishw.engines.window import Window
from aishw.errors import CompareError, StoreError
from aishw.hardware.calibration import Calibration
from aishw.lower.design import Design

Tell = Callable[[float], None]
One = Callable[[list[int], Tell, Event], Trace]

ODE = ("ode-float", "ode-euler", "ode")
SPICE = ("spice-behavioural", "spice-transistor")
ENGINES = (*ODE, "macromodel", *SPICE)
EXACT_STEP_TAU = 0.02  # RK4; at most 1.1e-4 rad from dop853 on the shipped digits, alike in both runs of a sensitivity


@dataclass(frozen=True, eq=False)
class Runner:
    """Runs engines on one design and job and adds their traces to `run_file`.

    overwrite: compute again what the file holds. workers: ngspice processes side by side. calibration: for
    the macromodel and transistor runs, instead of the shipped one; it must belong to the design.
    """

    run_file: Path
    design: Design
    job: Job
    overwrite: bool = False
    workers: int = max(1, min(4, os.cpu_count() or 1))
    calibration: Calibration | None = None

    @cached_property
    def tables(self) -> Calibration | None:
        """The calibration of the macromodel, under the rates of the design's target; None without one.

        Raises CardError for a given one that belongs to another design.
        """
        if self.calibration is not None:
            return calibration_for(self.calibration, self.design)
        return calibration_of_design(self.design)

    def run(
        self,
        engine: str,
        rows: Sequence[int],
        windows: Sequence[Window] = (),
        outside: str = "ode",
        tell: Tell | None = None,
    ) -> list[Trace]:
        """The traces of `rows` (images of the job), from the file or computed and stored.

        An equation runs all rows at once, a SPICE engine row by row. windows: for `spice-transistor`, driven by the
        trace of `outside`; none is the whole array. Raises CompareError for an unknown engine or a missing outside.
        """  # fmt: skip
        if engine not in ENGINES:
            raise CompareError(f"unknown engine {engine!r}; known: {', '.join(ENGINES)}")
        tell = tell or (lambda fraction: None)
        sites = self._sites(windows)
        found = [] if self.overwrite else self.stored(engine, rows, sites)
        missing = sorted(set(rows) - {int(row) for trace in found for row in trace.images})
        if not missing:
            tell(1.0)
            return found
        at_once = engine in (*ODE, "macromodel")
        one = self._equations(engine) if at_once else self._spice(engine, windows, outside)
        parts = [missing] if at_once else [[row] for row in missing]
        return found + self._all(one, parts, tell)

    def check_new(self, engine: str, rows: Sequence[int], windows: Sequence[Window] = ()) -> None:
        """Raises StoreError if the file already holds all of this (unless `overwrite`)."""
        found = self.stored(engine, rows, self._sites(windows))
        held = {int(row) for trace in found for row in trace.images}
        if not self.overwrite and held >= set(rows):
            raise StoreError(f"{self.run_file} already holds {engine} for these images; --force computes it again")

    def stored(self, engine: str, rows: Sequence[int], sites: NDArray[np.int64]) -> list[Trace]:
        """What the file holds of `rows` on just these sites."""
        traces = [
            trace
            for trace in store.load_traces(self.run_file, engine)
            if trace.job_id == self.job.id and np.array_equal(trace.sites, sites)
        ]
        if engine == "macromodel" and self.tables is not None:
            traces = [trace for trace in traces if trace.settings.get("calibration") == tables_id(self.tables)]
        return [_images(trace, rows) for trace in traces if np.isin(trace.images, rows).any()]

    def exact(self, x0: NDArray[np.float64]) -> NDArray[np.float64]:
        """(B, T, N): the trained equation from start states x0 (B, N) at the job's sample times."""
        from aishw.ais.rollout import rollout

        return rollout(self.design.system, x0, "rk4", EXACT_STEP_TAU, self.job.samples_tau).numpy()

    def _sites(self, windows: Sequence[Window]) -> NDArray[np.int64]:
        top = self.design.system.topology
        groups = [window.sites(top.height, top.width) for window in windows]
        return np.concatenate(groups) if groups else np.arange(top.sites)

    def _all(self, one: One, parts: list[list[int]], tell: Tell) -> list[Trace]:
        cancel, done = Event(), [0.0] * len(parts)

        def part(k: int) -> Trace:
            def share(fraction: float) -> None:
                done[k] = fraction
                tell(sum(done) / len(done))

            return one(parts[k], share, cancel)

        def keep(k: int, trace: Trace) -> None:
            store.add_trace(self.run_file, trace, self.job, overwrite=self.overwrite)

        calls = [partial(part, k) for k in range(len(parts))]
        traces = run_all(calls, min(self.workers, len(parts)), on_result=keep, cancel=cancel)
        tell(1.0)
        return traces

    def _equations(self, engine: str) -> One:
        if engine == "macromodel":
            from aishw.engines.macromodel import Macromodel

            tables = self.tables
            if tables is None:
                technology = self.design.target.technology
                raise CompareError(
                    f"no {self.design.bits}-bit tables of target {self.design.target.name!r} at corner "
                    f"{technology.corner}, {technology.temperature_K - 273.15:g} C are shipped, so it has no "
                    "macromodel there; `aishw calibrate` makes them, --calibration takes them"
                )
            model, named = Macromodel(tables), {"calibration": tables_id(tables)}

            def macromodel(rows: list[int], tell: Tell, cancel: Event) -> Trace:
                trace = model.run(self.design, self.job, tell, rows)
                return replace(trace, settings={**trace.settings, **named})

            return macromodel
        from aishw.engines.ode import OdeEngine

        weights, method = "realised" if engine == "ode" else "float", "euler" if engine == "ode-euler" else "dop853"
        ode = OdeEngine(weights, method)
        return lambda rows, tell, cancel: ode.run(self.design, self.job, tell, cancel, rows)

    def _spice(self, engine: str, windows: Sequence[Window], outside: str) -> One:
        if engine == "spice-behavioural":
            from aishw.engines.spice_behavioural import SpiceBehavioural

            whole = SpiceBehavioural()
            return lambda rows, tell, cancel: whole.run(self.design, self.job, tell, cancel, rows)
        from aishw.engines.spice_transistor import SpiceTransistor

        recorded = self._recorded(outside) if windows else None
        given = None if self.calibration is None else self.tables
        steady = given.steady if given else steady_of(self.design.target, self.design.system.topology.fan_in)
        devices = SpiceTransistor(steady, windows=list(windows) or None, outside=recorded)
        return lambda rows, tell, cancel: devices.run(self.design, self.job, tell, cancel, rows)

    def _recorded(self, engine: str) -> Trace:
        everywhere = np.arange(self.design.system.sites)
        found = self.stored(engine, range(self.job.x0.shape[0]), everywhere)
        if not found:
            raise StoreError(
                f"{self.run_file} holds no {engine} trace of this job for the sites outside the window; "
                f"`aishw run {self.run_file} --engine {engine}` with the same --images and --seed makes one"
            )
        trace = join_images(found)
        if engine != "macromodel" or self.tables is None:
            return trace
        from aishw.engines.macromodel import as_neighbours_see

        return as_neighbours_see(self.design, self.tables, trace)


def _images(trace: Trace, rows: Sequence[int]) -> Trace:
    kept = np.isin(trace.images, rows)
    supply_J = None if trace.supply_J is None else trace.supply_J[kept]
    return replace(trace, state=trace.state[kept], images=trace.images[kept], supply_J=supply_J)


def join_images(traces: Sequence[Trace]) -> Trace:
    """Traces of one engine, job and set of sites as one, images in order; the later one wins where two hold the same.

    Raises CompareError for none, and for traces that do not belong together.
    """
    if not traces:
        raise CompareError("no traces to put together")
    first = traces[0]
    for other in traces[1:]:
        if (other.engine, other.job_id, other.design_id) != (first.engine, first.job_id, first.design_id) or not (
            np.array_equal(other.sites, first.sites) and np.array_equal(other.times_tau, first.times_tau)
        ):
            raise CompareError(f"traces of {first.engine} and {other.engine} do not belong together")
    if len(traces) == 1:
        return first
    images = np.concatenate([trace.images for trace in traces])
    # np.unique takes the first of equals, so the newest goes first.
    kept, at = np.unique(images[::-1], return_index=True)
    order = images.size - 1 - at
    energy = [trace.supply_J for trace in traces]
    supply_J = (
        None if any(each is None for each in energy) else np.concatenate([e for e in energy if e is not None])[order]
    )
    state = np.concatenate([trace.state for trace in traces])[order]
    cpu_s = sum(trace.cpu_s for trace in traces)
    return replace(first, state=state, images=kept, supply_J=supply_J, cpu_s=cpu_s)
