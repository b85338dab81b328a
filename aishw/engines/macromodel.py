"""The calibrated equation: measured coupling shapes, offsets and pulling in place of the sine.

    ds_i/dtau = cycles_per_tau [ base_i + sum_e (offset(C_e) + sum_k Re z_k(C_e) exp(i k (s_i - s_j)))
                                 + reference: the same with s_j = 0 + SHIL: the same with 2 s_i ]

with the tables of a Calibration at each site's own bias. A pair sum costs one complex sparse product per harmonic, as
exp(ik(s_i - s_j)) splits into a factor of i and a factor of j.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from aishw.engines.base import Job, Progress, Trace
from aishw.hardware.calibration import HARMONICS, Calibration, Table
from aishw.lower.design import Design

TOLERANCE = 1e-8


@dataclass(frozen=True, eq=False)
class Macromodel:
    """Engine `macromodel`. detuning: (N,) rad per cycle, each PE's frequency error after trim (default: none)."""

    calibration: Calibration
    detuning: NDArray[np.float64] | None = None
    name: str = "macromodel"

    def run(
        self, design: Design, job: Job, progress: Progress | None = None, images: Sequence[int] | None = None
    ) -> Trace:
        """The phases (B, T, N) of all sites, solved by DOP853 at rtol = atol = 1e-8."""
        from scipy.integrate import solve_ivp

        rows = np.arange(job.x0.shape[0]) if images is None else np.asarray(images, dtype=np.int64)
        begin, system = time.process_time(), design.system
        state = np.empty((rows.size, job.samples_tau.size, system.sites))
        now, bounds = job.x0[rows].copy(), system.boundaries_tau
        for k in range(system.segments):
            a, b = bounds[k], bounds[k + 1]
            at = (job.samples_tau >= a if k == 0 else job.samples_tau > a) & (job.samples_tau <= b + 1e-12)
            grid = np.unique(np.append(np.minimum(job.samples_tau[at], b), b))
            slope = self.slope(design, k, rows.size)
            found = solve_ivp(slope, (a, b), now.ravel(), "DOP853", t_eval=grid, rtol=TOLERANCE, atol=TOLERANCE)
            steps = found.y.T.reshape(grid.size, rows.size, system.sites)
            state[:, at] = steps[: int(at.sum())].transpose(1, 0, 2)
            now = steps[-1]
            if progress:
                progress((k + 1) / system.segments)
        settings: dict[str, str | float | int] = {
            "method": "DOP853", "rtol": TOLERANCE, "harmonics": HARMONICS,
            "calibrated_on": self.calibration.steady.simulator,
        }  # fmt: skip
        sites, cpu_s = np.arange(system.sites), time.process_time() - begin
        solver = f"scipy {version('scipy')}"
        return Trace(self.name, solver, design.id, job.id, job.samples_tau, state, sites, rows, settings, None, cpu_s)

    def slope(
        self, design: Design, segment: int, batch: int
    ) -> Callable[[float, NDArray[np.float64]], NDArray[np.float64]]:
        """ds/dtau of one segment as a function of (tau, raveled state (B N,))."""
        from scipy.sparse import csr_matrix

        n, cal = design.system.sites, self.calibration
        driven, driving = design.system.topology.edges
        rate = {kind: values[segment] for kind, values in design.rate.items()}
        pair_offset, pair = look_up(cal.table("coupling"), rate["coupling"][driven], design.codes["coupling"][segment])
        own_offset, own = look_up(cal.table("reference"), rate["reference"], design.codes["reference"][segment])
        shil_offset, shil = look_up(cal.table("shil"), rate["shil"], design.codes["shil"][segment])
        constant = np.bincount(driven, pair_offset, minlength=n) + own_offset + shil_offset
        constant += base(cal.table("coupling"), rate["coupling"])
        if self.detuning is not None:
            constant = constant + self.detuning
        matrices = [csr_matrix((pair[:, k], (driven, driving)), shape=(n, n)) for k in range(pair.shape[1])]
        cycles = design.cycles_per_tau[segment]

        def slope(_: float, flat: NDArray[np.float64]) -> NDArray[np.float64]:
            turn = np.exp(1j * flat.reshape(batch, n))
            total = np.broadcast_to(constant, (batch, n)).astype(complex)
            power, square = np.ones_like(turn), turn * turn
            double = np.ones_like(turn)
            for k, matrix in enumerate(matrices):
                power, double = power * turn, double * square
                total = total + power * (matrix @ power.conj().T).T + power * own[:, k] + double * shil[:, k]
            return (cycles * total.real).ravel()

        return slope


def look_up(
    table: Table, rate: NDArray[np.float64], codes: NDArray[np.int8]
) -> tuple[NDArray[np.float64], NDArray[np.complex128]]:
    """(X,) offsets against code 0 and (X, K) harmonics for X injections at their own rates."""
    offset = np.zeros(codes.size)
    harmonics = np.zeros((codes.size, table.harmonics.shape[2]), dtype=complex)
    zero = int(np.flatnonzero(table.codes == 0)[0])
    for value in np.unique(rate):
        here = rate == value
        offsets, shapes = table.at(float(value))
        place = codes[here].astype(int) - int(table.codes[0])
        offset[here] = offsets[place] - offsets[zero]
        harmonics[here] = shapes[place]
    return offset, harmonics


def base(table: Table, rate: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) rad per cycle that the PEs run faster than the steady state because all their couplers have this bias."""
    zero = int(np.flatnonzero(table.codes == 0)[0])
    measured = table.offset[:, zero] - table.offset[-1, zero]
    inside = np.interp(np.log(rate), np.log(table.rate), measured)
    return np.asarray(inside, dtype=np.float64)
