"""Which sites will slip: told before a transistor run, from the macromodel alone.

A site near a separatrix decides on less than a calibration knows. So the macromodel runs as an ensemble, each member
with a drift error of its own per site and a start a little off, both as large as the calibration's own uncertainty.
Where the members end apart, no run of the circuit is predicted, and none is to be judged by its distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aishw.errors import CompareError
from aishw.hardware.calibration import Calibration
from aishw.lower.design import Design

# Where a calibration does not know its own: 0.05 rad after 160 cycles, the upper end of what first windows were off by.
DRIFT_ERROR = 3e-4
START_ERROR_RAD = 1e-3
MEMBERS = 63  # with the run itself as many as the kernels take at once; of 16 none was apart where a network slipped
LIMIT_RAD = 0.5


@dataclass(frozen=True, eq=False)
class SlipForecast:
    """spread_rad: (N,) or (B, N), largest gap between two members at the end of the run; NaN at sites in no window.

    flags: of the same shape, where it is above limit_rad. drift_error: rad per cycle rms of each site.
    """

    spread_rad: NDArray[np.float64]
    limit_rad: float
    drift_error: float
    start_error_rad: float
    members: int
    seed: int

    @property
    def flags(self) -> NDArray[np.bool_]:
        return self.spread_rad > self.limit_rad


def forecast_slips(
    design: Design,
    calibration: Calibration,
    x0: NDArray[np.float64],
    windows: Sequence[NDArray[np.int64]] | None = None,
    *,
    members: int = MEMBERS,
    drift_error: float | None = None,
    start_error_rad: float = START_ERROR_RAD,
    limit_rad: float = LIMIT_RAD,
    step_tau: float | None = None,
    seed: int = 0,
) -> SlipForecast:
    """The forecast for start states x0 (N,) or (B, N), by RK4 steps of at most `step_tau` (default: half a cycle).

    windows: groups of sites; in each only its own sites are uncertain, and all others replay the unperturbed run, as
    they do around a window of transistors. None: the whole array runs on its own. Members differ by `seed` only.
    drift_error: rad per cycle rms of every site; None for what the calibration itself is known to leave.
    Raises CompareError for fewer than 2 members, errors that are negative or both 0, and windows that share a site.
    """
    import torch

    from aishw.ais.rollout import rk4
    from aishw.engines.macromodel_drift import segment_circuit
    from aishw.engines.macromodel_rollout import carriers, detuned_drift
    from aishw.engines.macromodel_switch import switched

    known = calibration.together.drift_error if calibration.together else 0.0
    drift_error = (known or DRIFT_ERROR) if drift_error is None else drift_error
    start = np.atleast_2d(np.asarray(x0, dtype=np.float64))
    groups = [np.arange(design.system.sites)] if windows is None else [np.asarray(each) for each in windows]
    _check(design, start, groups, members, drift_error, start_error_rad)
    images, sites = start.shape
    # Columns: the plain run of every image, then image by image, group by group, its members.
    plain = np.repeat(np.arange(images), len(groups) * members)
    inside = np.zeros((len(groups), sites), dtype=bool)
    for row, group in zip(inside, groups):
        row[group] = True
    free = np.tile(np.repeat(inside, members, axis=0), (images, 1))
    draw = np.random.default_rng(seed)
    off = np.where(free, draw.normal(0, drift_error, free.shape), 0.0)
    moved = start[plain] + np.where(free, draw.normal(0, start_error_rad, free.shape), 0.0)

    state = torch.from_numpy(np.concatenate([start, moved]).T.copy())
    detuning = torch.from_numpy(np.concatenate([np.zeros_like(start), off]).T.copy())
    own, of = torch.from_numpy(free.T.copy()), torch.from_numpy(plain)
    codes = carriers(design, None, state)
    for segment, (cycles, duration) in enumerate(zip(design.cycles_per_tau, design.system.duration_tau)):
        state = switched(design, calibration, segment, state)(state)
        if windows is not None:
            state[:, images:] = torch.where(own, state[:, images:], state[:, of])
        circuit = segment_circuit(design, calibration, segment, state)
        drift = circuit.drift("auto", (codes["coupling"][segment], codes["reference"][segment], codes["shil"][segment]))
        detuned = detuned_drift(drift, float(cycles) * detuning)
        steps = int(np.ceil(duration / (step_tau or 0.5 / cycles) - 1e-6))
        for _ in range(steps):
            state = rk4(detuned, state, float(duration) / steps)
            if windows is not None:
                state[:, images:] = torch.where(own, state[:, images:], state[:, of])
    ends = state[:, images:].numpy().T.reshape(images, len(groups), members, sites)
    gaps = np.where(inside, ends.max(axis=2) - ends.min(axis=2), -np.inf).max(axis=1)
    spread = np.where(inside.any(axis=0), gaps, np.nan)
    return SlipForecast(spread.reshape(np.shape(x0)), limit_rad, drift_error, start_error_rad, members, seed)


def _check(
    design: Design,
    x0: NDArray[np.float64],
    groups: Sequence[NDArray[np.int64]],
    members: int,
    drift: float,
    start: float,
) -> None:
    sites = design.system.sites
    if x0.ndim != 2 or x0.shape[1] != sites or not np.isfinite(x0).all():
        raise CompareError(f"start states are {x0.shape}, expected finite numbers, (images, {sites} sites)")
    if members < 2:
        raise CompareError(f"an ensemble needs 2 members or more, got {members}")
    if not (0 <= drift < np.inf and 0 <= start < np.inf and drift + start > 0):
        raise CompareError(f"drift and start error must not be negative, and one above 0, got {drift} and {start}")
    named = np.concatenate(groups) if groups else np.empty(0, dtype=np.int64)
    if not named.size or named.min() < 0 or named.max() >= sites or np.unique(named).size != named.size:
        raise CompareError(f"windows must hold sites 0..{sites - 1}, each in one window only")
