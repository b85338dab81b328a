"""The protocol behind which every fidelity stands: Engine.run(design, job) -> Trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aishw.ais.system import System
from aishw.errors import ModelError
from aishw.identity import fingerprint
from aishw.lower.design import Design

Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Job:
    """What to run: x0 (B, N) start states, samples_tau (T,) rising times at which the state is asked for, a seed for
    noise, and whether noise is on. Raises ModelError for shapes that do not fit."""

    x0: NDArray[np.float64]
    samples_tau: NDArray[np.float64]
    seed: int = 0
    noise: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "x0", np.array(self.x0, dtype=np.float64))
        object.__setattr__(self, "samples_tau", np.array(self.samples_tau, dtype=np.float64).reshape(-1))
        if self.x0.ndim != 2 or self.x0.shape[0] < 1:
            raise ModelError(f"start states are {self.x0.shape}, expected (images, sites)")
        if not np.isfinite(self.x0).all():
            raise ModelError("start states hold NaN or infinite values")
        if self.samples_tau.size < 1 or (np.diff(self.samples_tau) <= 0).any() or self.samples_tau[0] < 0:
            raise ModelError("sample times must rise and not be negative")

    @cached_property
    def id(self) -> str:
        return fingerprint(self.x0, self.samples_tau, self.seed, self.noise)


def sample_times(system: System, per_segment: int = 20) -> NDArray[np.float64]:
    """(1 + S * per_segment,) times in tau: the start, then even steps that end on every segment boundary."""
    edges = system.boundaries_tau
    steps = [np.linspace(a, b, per_segment + 1)[1:] for a, b in pairwise(edges)]
    return np.concatenate([[0.0], *steps])


@dataclass(frozen=True, eq=False)
class Trace:
    """What an engine saw.

    engine: its name on the ladder; version: of the solver or simulator behind it.
    design_id, job_id: hashes of what was run. times_tau: (T,). state: (B, T, M) rad, unwrapped, at `sites` (M,).
    images: (B,) which rows of the job's x0 were run. supply_J: (B,) or None. settings: solver options, by name.
    cpu_s: processor seconds.
    """

    engine: str
    version: str
    design_id: str
    job_id: str
    times_tau: NDArray[np.float64]
    state: NDArray[np.float64]
    sites: NDArray[np.int64]
    images: NDArray[np.int64]
    settings: Mapping[str, str | float | int] = field(default_factory=dict)
    supply_J: NDArray[np.float64] | None = None
    cpu_s: float = 0.0

    def __post_init__(self) -> None:
        want = (self.images.size, self.times_tau.size, self.sites.size)
        if self.state.shape != want:
            raise ModelError(f"a trace's state is {self.state.shape}, expected (images, times, sites) = {want}")


class Engine(Protocol):
    """One rung of the ladder."""

    name: str

    def run(self, design: Design, job: Job, progress: Progress | None = None) -> Trace:
        """The job's start states carried through the design; raises SimulatorError if the simulator fails."""
        ...
