"""Calibration: what a target's injections do to a phase, measured. Tables by kind, bias and code.

A coupler driven by site j, or the reference (s_j = 0), moves its PE by

    ds_i/dcycle = offset + sum_k Re[z_k exp(i k D)],   D = s_i - s_j,

the SHIL unit by the same with D = 2 s_i. An ideal coupler is offset = 0, z_1 = -i rate code/7, all other z_k = 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aishw.errors import CardError
from aishw.hardware.findings import (
    Check,
    CornerFinding,
    MismatchFinding,
    NoiseFinding,
    PhaseResponse,
    PowerFinding,
    SolverFinding,
)
from aishw.hardware.steady import SteadyState

HARMONICS = 5


@dataclass(frozen=True, eq=False)
class Table:
    """One kind. rate: (P,) rad per cycle of the strongest code, rising with the bias. codes: (Q,) rising.

    offset: (P, Q) rad per cycle; harmonics: (P, Q, K) complex, rad per cycle. offset_error, harmonics_error: their
    standard errors from the fits. residual_rad: (P, Q) rms of each fit; NaN where a point was not measured but follows
    from the fit over codes.
    """

    rate: NDArray[np.float64]
    codes: NDArray[np.int64]
    offset: NDArray[np.float64]
    harmonics: NDArray[np.complex128]
    error: NDArray[np.float64]
    residual_rad: NDArray[np.float64]

    def __post_init__(self) -> None:
        points = (self.rate.size, self.codes.size)
        if self.offset.shape != points or self.harmonics.shape[:2] != points:
            raise CardError(
                f"a calibration table of {points} points holds {self.offset.shape} and {self.harmonics.shape}"
            )

    def at(self, rate: float) -> tuple[NDArray[np.float64], NDArray[np.complex128]]:
        """(Q,) offsets and (Q, K) harmonics at a rate, linear in its logarithm between biases.

        Below the weakest bias everything shrinks in proportion. Raises CardError above the strongest.
        """
        if rate > self.rate[-1] * 1.02:
            raise CardError(f"{rate:.4g} rad per cycle is above the strongest calibrated bias ({self.rate[-1]:.4g})")
        if rate <= self.rate[0]:
            return self.offset[0] * rate / self.rate[0], self.harmonics[0] * rate / self.rate[0]
        place = np.interp(np.log(rate), np.log(self.rate), np.arange(self.rate.size))
        low = min(int(place), self.rate.size - 2)
        part = place - low
        # Shapes are interpolated per rate, so that a straight-line strength comes out exactly.
        shape = [(self.offset[p] / self.rate[p], self.harmonics[p] / self.rate[p]) for p in (low, low + 1)]
        offset = (1 - part) * shape[0][0] + part * shape[1][0]
        harmonics = (1 - part) * shape[0][1] + part * shape[1][1]
        return offset * rate, harmonics * rate


@dataclass(frozen=True, eq=False)
class Calibration:
    """A steady state and the tables measured around it: "coupling" (also for the reference) and "shil".

    made_by: the command. seed: of the drawn chips and noise. quick: fewer points and draws. The findings that a partial
    calibration lacks are None. predicted: tables like `tables`, from the PPV and the injections' currents.
    """

    steady: SteadyState
    tables: Mapping[str, Table]
    made_by: str = ""
    seed: int = 0
    quick: bool = False
    predicted: Mapping[str, Table] | None = None
    checks: tuple[Check, ...] = ()
    response: PhaseResponse | None = None
    noise: NoiseFinding | None = None
    mismatch: MismatchFinding | None = None
    corners: CornerFinding | None = None
    power: PowerFinding | None = None
    solver: SolverFinding | None = None

    def table(self, kind: str) -> Table:
        return self.tables["coupling" if kind == "reference" else kind]
