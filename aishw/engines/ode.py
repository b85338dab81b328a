"""The equation itself, solved: engines `ode-float` (the trained weights), `ode-euler` (with the trained steps), `ode`
(what the codes stand for).

`dop853` is the reference that the other engines are held against: scipy's Dormand-Prince 8(5,3), segment by segment,
rtol = atol = 1e-10. The right-hand side of phases is a product with a sparse matrix of couplings,
sum_j C_ij sin(s_i - s_j) = sin s_i (C cos s)_i - cos s_i (C sin s)_i. Fixed steps and noise are `ais.rollout`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Event
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aishw.ais.families import FAMILIES
from aishw.ais.system import System
from aishw.engines.base import Job, Progress, Trace
from aishw.engines.transfer import round_state
from aishw.errors import ModelError, SimulatorError
from aishw.lower.design import Design

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float64]
METHODS = ("dop853", "rk4", "heun", "euler")
TOLERANCE = 1e-10
_TOGETHER = 200_000  # states solved in one go: more images share a call, but not without bound


@dataclass(frozen=True)
class OdeEngine:
    """Engine `ode-float`, `ode-euler` or `ode`.

    which: "float" runs the system as trained, "realised" what the design's codes stand for. method: "dop853" (exact),
    or fixed steps of `step_tau` (default: the step the system was trained with). A job with noise needs fixed steps,
    and is run with Euler's (Euler-Maruyama) where the method is dop853; the trace's settings say so.
    """

    which: str = "float"
    method: str = "dop853"
    step_tau: float | None = None

    def __post_init__(self) -> None:
        if self.which not in ("float", "realised"):
            raise ModelError(f"an ode engine runs 'float' or 'realised' weights, got {self.which!r}")
        if self.method not in METHODS:
            raise ModelError(f"unknown method {self.method!r}; known: {', '.join(METHODS)}")
        if self.step_tau is not None and not 0 < self.step_tau < float("inf"):
            raise ModelError(f"step_tau must be positive, got {self.step_tau}")

    @property
    def name(self) -> str:
        if self.which == "realised":
            return "ode"
        return "ode-euler" if self.method == "euler" else "ode-float"

    def run(
        self,
        design: Design,
        job: Job,
        progress: Progress | None = None,
        cancel: Event | None = None,
        images: Sequence[int] | None = None,
    ) -> Trace:
        """States (B, T, N) at the job's sample times. images: rows of x0 to run (default: all).

        Realised weights under a strategy that moves states are rounded to `state_bits` at every inner boundary.
        Raises ModelError for start states and sample times that do not fit, SimulatorError when it is cancelled.
        """
        system = design.system if self.which == "float" else design.realised
        rows = np.arange(job.x0.shape[0]) if images is None else np.asarray(images, dtype=np.int64)
        check_job(system, job)
        begun = time.process_time()
        bits = design.timeline.state_bits if self.which == "realised" else 0
        if bits and not FAMILIES[system.family].angular:
            raise ModelError(f"a {system.family} state has no phase to digitise; use the strategy state_stationary")
        method = "euler" if job.noise and self.method == "dop853" else self.method
        step_tau = self.step_tau or system.step_tau
        generator = _generator(job.seed) if job.noise else None
        bounds = system.boundaries_tau
        state = np.empty((rows.size, job.samples_tau.size, system.sites))
        at = job.x0[rows]
        state[:, job.samples_tau == 0] = at[:, None]
        for k in range(system.segments):
            own = segment(system, k)
            picked, inside = samples_of(bounds, k, job.samples_tau)
            tell = _teller(progress, cancel, bounds, k)
            if method == "dop853":
                seen, at = _exact(own, at, inside, tell)
            else:
                seen, at = _stepped(own, at, inside, method, step_tau, generator, tell)
            state[:, picked] = seen
            if k + 1 < system.segments:
                at = round_state(at, bits)
        settings: dict[str, str | float | int] = {"weights": self.which, "method": method}
        settings |= {"tolerance": TOLERANCE} if method == "dop853" else {"step_tau": float(step_tau)}
        if bits:
            settings["state_bits"] = bits
        if job.noise:
            settings |= {"noise": system.noise.convention, "noise_delta": system.noise.delta}
        return Trace(
            self.name, _version(), design.id, job.id, job.samples_tau, state, np.arange(system.sites), rows, settings,
            None, time.process_time() - begun,
        )  # fmt: skip


def check_job(system: System, job: Job) -> None:
    """Raises ModelError for start states of another width and for samples after the end."""
    if job.x0.shape[1] != system.sites:
        raise ModelError(f"start states are {job.x0.shape}, expected (images, {system.sites} sites)")
    end = float(system.boundaries_tau[-1])
    if job.samples_tau[-1] > end * (1 + 1e-9):
        raise ModelError(f"a sample at {job.samples_tau[-1]:g} tau lies behind the end of the run at {end:g} tau")


def segment(system: System, k: int) -> System:
    """One segment as a system of its own."""
    part = slice(k, k + 1)
    terms = {name: value[part] for name, value in system.terms.items()}
    return replace(system, coupling=system.coupling[part], terms=terms, duration_tau=system.duration_tau[part])


def samples_of(bounds_tau: Floats, k: int, samples_tau: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Which samples lie in segment k, its end included, and their times since its start."""
    slack = 1e-9 * bounds_tau[-1]
    first = -np.inf if k == 0 else bounds_tau[k] + slack
    last = np.inf if k == bounds_tau.size - 2 else bounds_tau[k + 1] + slack
    picked = np.flatnonzero((samples_tau > max(first, 0)) & (samples_tau <= last))
    return picked, np.clip(samples_tau[picked] - bounds_tau[k], 0, bounds_tau[k + 1] - bounds_tau[k])


def right_hand_side(system: System) -> Callable[[Floats], Floats]:
    """dx/dtau of a one-segment system, (N, B) to (N, B)."""
    from scipy.sparse import csr_array

    family, sites = FAMILIES[system.family], system.sites
    edges = tuple(system.topology.edges)
    matrix = csr_array((system.coupling[0], edges), shape=(sites, sites)) if family.coupled else None
    terms = {name: value[0][:, None] if value.ndim == 2 else value[0] for name, value in system.terms.items()}

    def phases(x: Floats) -> Floats:
        sine, cosine = np.sin(x), np.cos(x)
        near = matrix @ np.concatenate([sine, cosine], axis=1)
        pair = sine * near[:, x.shape[1] :] - cosine * near[:, : x.shape[1]]
        if system.family == "kuramoto":
            return np.asarray(terms["detuning"] - pair)
        return np.asarray(sine * (terms["reference"] - 2 * terms["shil"] * cosine) + pair)

    if family.pairing == "sine":
        return phases
    import torch

    tensors = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in terms.items()}

    def others(x: Floats) -> Floats:
        pair = None if matrix is None else torch.from_numpy(matrix @ x)
        return np.asarray(family.drift(torch.from_numpy(np.ascontiguousarray(x)), None, pair, tensors).numpy())

    return others


def _exact(own: System, x0: Floats, inside: Floats, tell: Progress) -> tuple[Floats, Floats]:
    """(B, T, N) at the times `inside` and (B, N) at the end."""
    from scipy.integrate import solve_ivp

    duration = float(own.duration_tau[0])
    slope = right_hand_side(own)
    times, where = np.unique(np.append(np.minimum(inside, duration), duration), return_inverse=True)
    together = max(1, _TOGETHER // own.sites)
    seen, ends = [], []
    for first in range(0, x0.shape[0], together):
        part = x0[first : first + together]

        def flat(t: float, x: Floats, first: int = first, images: int = part.shape[0]) -> Floats:
            tell((first + images * t / duration) / x0.shape[0])
            return slope(x.reshape(own.sites, images)).reshape(-1)

        solved = solve_ivp(flat, (0, duration), part.T.reshape(-1), "DOP853", times, rtol=TOLERANCE, atol=TOLERANCE)
        if not solved.success or not np.isfinite(solved.y[:, -1]).all():
            raise SimulatorError(f"the ode solver stopped at {solved.t[-1]:g} of {duration:g} tau: {solved.message}")
        states = solved.y.T[where].reshape(where.size, own.sites, part.shape[0]).transpose(2, 0, 1)
        seen.append(states[:, :-1])
        ends.append(states[:, -1])
    return np.concatenate(seen), np.concatenate(ends)


def _stepped(
    own: System,
    x0: Floats,
    inside: Floats,
    method: str,
    step_tau: float,
    generator: torch.Generator | None,
    tell: Progress,
) -> tuple[Floats, Floats]:
    """The same by fixed steps that start with the segment, as in training; between them the state is a straight line
    (for Euler that is the step itself), so asking for more samples never changes a result."""
    from aishw.ais.rollout import rollout

    tell(0.0)
    duration = float(own.duration_tau[0])
    steps = int(np.ceil(duration / step_tau - 1e-6))
    grid = np.linspace(0, duration, steps + 1)
    noise = own.noise if generator is not None else None
    path = rollout(own, x0, method, 2 * duration / steps, grid, noise, generator).numpy()
    left = np.clip(np.searchsorted(grid, inside, side="right") - 1, 0, steps - 1)
    share = ((inside - grid[left]) * steps / duration)[None, :, None]
    tell(1.0)
    return (1 - share) * path[:, left] + share * path[:, left + 1], path[:, -1]


def _teller(progress: Progress | None, cancel: Event | None, bounds: Floats, k: int) -> Progress:
    share, before = (bounds[k + 1] - bounds[k]) / bounds[-1], bounds[k] / bounds[-1]
    told = [0.0]

    def tell(fraction: float) -> None:
        if cancel is not None and cancel.is_set():
            raise SimulatorError("the ode engine was cancelled")
        done = float(before + share * fraction)
        if progress is not None and (done >= told[0] + 0.01 or fraction == 1.0):
            told[0] = done
            progress(done)

    return tell


def _generator(seed: int) -> torch.Generator:
    import torch

    return torch.Generator().manual_seed(seed)


def _version() -> str:
    from importlib.metadata import version

    return f"scipy {version('scipy')}"
