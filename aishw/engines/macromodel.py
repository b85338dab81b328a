"""The calibrated equation: measured coupling shapes, offsets and pulling in place of the sine.

    ds_i/dtau = cycles_per_tau ds_i/dcycle [+ sqrt(cycles_per_tau D) dW],    ds_i/dcycle as in `lower.circuit`

with the tables of a Calibration at each site's own bias, and D the measured thermal phase diffusion; phases jump where
codes change (`lower.switching`); a sample on such a boundary is from before it, and samples are what crossings tell.
Without noise
DOP853 solves it; with noise RK4 takes fixed steps of at most 0.02 tau, each followed by its kick (the noise is
additive, so this is of strong order 1 in the step). Flicker noise hardly changes during an image: it is one detuning
per site and image, of sqrt(flicker / image_cycles) rad per cycle.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from aishw.engines.base import Job, Progress, Trace
from aishw.errors import ModelError
from aishw.hardware.calibration import HARMONICS, Calibration
from aishw.lower.circuit import injected, seen_by_neighbours
from aishw.lower.design import Design
from aishw.lower.switching import after_switch, rippled
from aishw.lower.together import together_of

TOLERANCE = 1e-8
NOISE_STEP_TAU = 0.02

Floats = NDArray[np.float64]
Slope = Callable[[float, Floats], Floats]


@dataclass(frozen=True, eq=False)
class Macromodel:
    """Engine `macromodel`.

    detuning: (N,) rad per cycle, each PE's frequency error after trim (default: none). gain_error: (E,) relative, each
    coupler's (default: none). diffusion: rad^2 per cycle, used if the job asks for noise (default: the calibration's
    thermal noise, with its flicker as detuning).
    """

    calibration: Calibration
    detuning: Floats | None = None
    gain_error: Floats | None = None
    diffusion: float | None = None
    name: str = "macromodel"

    def run(
        self, design: Design, job: Job, progress: Progress | None = None, images: Sequence[int] | None = None
    ) -> Trace:
        """The phases (B, T, N) of all sites: DOP853 at rtol = atol = 1e-8, or fixed steps with noise.

        Noise is drawn from the job's seed, image by image, so that an image sees the same noise alone and among others.
        Raises ModelError for noise without a diffusion, and for a detuning or gain error of another size.
        """
        rows = np.arange(job.x0.shape[0]) if images is None else np.asarray(images, dtype=np.int64)
        begin, system = time.process_time(), design.system
        diffusion, wander = self._noise() if job.noise else (0.0, 0.0)
        draws = [np.random.default_rng((job.seed, int(row))) for row in rows]
        slow = np.stack(
            [wander * draw.standard_normal(system.sites) if wander else np.zeros(system.sites) for draw in draws]
        )
        state = np.empty((rows.size, job.samples_tau.size, system.sites))
        now, bounds = job.x0[rows].copy(), system.boundaries_tau
        for k in range(system.segments):
            a, b = bounds[k], bounds[k + 1]
            at = (job.samples_tau >= a if k == 0 else job.samples_tau > a) & (job.samples_tau <= b + 1e-12)
            grid = np.unique(np.append(np.minimum(job.samples_tau[at], b), b))
            now = after_switch(design, together_of(self.calibration), k, now)
            slope = self.slope(design, k, rows.size)
            if job.noise:
                cycles = float(design.cycles_per_tau[k])
                steps = _walk(_pushed(slope, cycles * slow.ravel()), now, a, grid, diffusion * cycles, draws)
            else:
                steps = _solve(slope, now, a, grid)
            told = rippled(design, together_of(self.calibration), k, steps[: int(at.sum())])
            state[:, at] = told.transpose(1, 0, 2)
            now = steps[-1]
            if k == 0 and at.any() and job.samples_tau[0] == 0:
                state[:, 0] = job.x0[rows]  # a sample on a boundary is from before its codes
            if progress:
                progress((k + 1) / system.segments)
        settings: dict[str, str | float | int] = {
            "harmonics": HARMONICS, "calibrated_on": self.calibration.steady.simulator,
            "reference_shift": design.reference_shift,
        }  # fmt: skip
        if job.noise:
            settings |= {
                "method": "RK4 and a kick",
                "step_tau": NOISE_STEP_TAU,
                "diffusion": diffusion,
                "wander": wander,
            }
        else:
            settings |= {"method": "DOP853", "rtol": TOLERANCE, "atol": TOLERANCE}
        sites, cpu_s = np.arange(system.sites), time.process_time() - begin
        solver = f"scipy {version('scipy')}"
        return Trace(self.name, solver, design.id, job.id, job.samples_tau, state, sites, rows, settings, None, cpu_s)

    def slope(self, design: Design, segment: int, batch: int) -> Slope:
        """ds/dtau of one segment as a function of (tau, raveled state (B N,)), without noise."""
        circuit = injected(design, self.calibration, segment, self.detuning, self.gain_error)
        drift, n, cycles = circuit.drifts(design.system.topology), design.system.sites, design.cycles_per_tau[segment]
        return lambda _, flat: (cycles * drift(flat.reshape(batch, n))).ravel()

    def _noise(self) -> tuple[float, float]:
        """Diffusion (rad^2 per cycle) and the deviation of the slow detuning (rad per cycle)."""
        found = self.calibration.noise
        if self.diffusion is not None:
            if not 0 <= self.diffusion < np.inf:
                raise ModelError(f"a diffusion must be 0 or more rad^2 per cycle, got {self.diffusion}")
            return self.diffusion, 0.0
        if found is None:
            raise ModelError(
                f"the calibration of {self.calibration.steady.target!r} has no noise figures; run without noise, or "
                "calibrate the target in full"
            )
        if found.image_cycles is None:
            return found.thermal + found.flicker, 0.0
        return found.thermal, float(np.sqrt(found.flicker / found.image_cycles))


def as_neighbours_see(design: Design, calibration: Calibration, trace: Trace) -> Trace:
    """A macromodel's trace of all sites with the phases that a window's outside replays: where taps are PEs', a
    neighbour is seen off by what drives it (`hardware.together`)."""
    return replace(trace, state=seen_by_neighbours(design, calibration, trace.times_tau, trace.state))


def _pushed(slope: Slope, push: Floats) -> Slope:
    return lambda tau, flat: slope(tau, flat) + push


def _solve(slope: Slope, now: Floats, begin_tau: float, grid: Floats) -> Floats:
    """(T, B, N) at the times of `grid`, from `now` (B, N)."""
    from scipy.integrate import solve_ivp

    span = (begin_tau, grid[-1])
    found = solve_ivp(slope, span, now.ravel(), "DOP853", t_eval=grid, rtol=TOLERANCE, atol=TOLERANCE)
    return found.y.T.reshape(grid.size, *now.shape)


def _walk(
    slope: Slope, now: Floats, begin_tau: float, grid: Floats, diffusion: float, draws: Sequence[np.random.Generator]
) -> Floats:
    """The same with noise of `diffusion` rad^2 per tau; one generator per image."""
    state, at, out = now.ravel(), begin_tau, []
    for stop in grid:
        steps = int(np.ceil((stop - at) / NOISE_STEP_TAU - 1e-9))
        for _ in range(steps):
            h = (stop - at) / steps
            k1 = slope(0.0, state)
            k2 = slope(0.0, state + h / 2 * k1)
            k3 = slope(0.0, state + h / 2 * k2)
            k4 = slope(0.0, state + h * k3)
            kick = np.stack([draw.standard_normal(now.shape[1]) for draw in draws])
            state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4) + np.sqrt(diffusion * h) * kick.ravel()
        out.append(state.reshape(now.shape))
        at = stop
    return np.stack(out)
