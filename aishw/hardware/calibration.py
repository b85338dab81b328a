"""Calibration: what a target's injections do to a phase, measured. Tables by kind, bias and code.

A coupler driven by site j, or the reference (s_j = 0), moves its PE by

    ds_i/dcycle = offset + sum_k Re[z_k exp(i k D)],   D = s_i - s_j,

the SHIL unit by the same with D = 2 s_i. An ideal coupler is offset = 0, z_1 = -i rate code/7, all other z_k = 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

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
from aishw.hardware.target import KINDS, Target
from aishw.hardware.together import Together

MEASURED = 5  # harmonics of a sweep's fit
HARMONICS = 6  # of what every path of the macromodel takes: company adds one
_DEEP = ("harmonics", "harmonics_error", "curve")
_FINITE = ("offset", "harmonics")


@dataclass(frozen=True, eq=False)
class Table:
    """One kind. rate: (P,) rad per cycle of the strongest code at each of the card's biases, rising, as the target that
    was measured calls it. codes: (Q,) rising, with 0 among them.

    offset: (P, Q) rad per cycle; harmonics: (P, Q, K) complex, rad per cycle. error, harmonics_error: the standard
    errors (P, Q), (P, Q, K) of offset and harmonics. residual_rad, condition: (P, Q) rms and condition number of each
    fit; fit_range_rad: (P, Q) rad of phase difference that the runs covered. NaN where a point was not measured but
    follows from the fit over codes.
    curve: (P, Q, M) rad per cycle, the measured rate averaged in M even bins of the phase difference (bin m is centred
    on 2 pi (m + 1/2) / M); NaN where nothing fell. An optional field is None where it was not measured.
    Raises CardError for shapes that do not agree and for a rate, offset or harmonic that is not finite.
    """

    rate: NDArray[np.float64]
    codes: NDArray[np.int64]
    offset: NDArray[np.float64]
    harmonics: NDArray[np.complex128]
    error: NDArray[np.float64]
    residual_rad: NDArray[np.float64]
    condition: NDArray[np.float64] | None = None
    harmonics_error: NDArray[np.float64] | None = None
    fit_range_rad: NDArray[np.float64] | None = None
    curve: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        points = (self.rate.size, self.codes.size)
        for name in ("offset", "harmonics", "error", "residual_rad", "condition", "harmonics_error", "fit_range_rad",
                     "curve"):  # fmt: skip
            value = getattr(self, name)
            if value is not None and (value.shape[:2] != points or value.ndim != 2 + (name in _DEEP)):
                raise CardError(f"a calibration table of {points} points holds {name} of shape {value.shape}")
            if value is not None and name in _FINITE and not np.isfinite(value).all():
                p, q = (int(k) for k in np.argwhere(~np.isfinite(value))[0][:2])
                found = f"{name} {value[p, q]} at bias {p}, code {self.codes[q]}"
                raise CardError(f"a calibration table holds {found}; measure it again")
        if not ((np.diff(self.rate) > 0).all() and self.rate.min(initial=1) > 0 and np.isfinite(self.rate).all()):
            raise CardError(f"the rates of a calibration table must be above 0 and rise, got {self.rate.tolist()}")
        if not ((np.diff(self.codes) > 0).all() and 0 in self.codes):
            raise CardError(f"the codes of a calibration table must rise and hold 0, got {self.codes.tolist()}")

    def at(self, rate: float) -> tuple[NDArray[np.float64], NDArray[np.complex128]]:
        """(Q,) offsets and (Q, K) harmonics at a rate, linear in its logarithm between biases.

        Below the weakest bias everything shrinks in proportion. Raises CardError more than 2 % above the strongest.
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
    calibration lacks are None. predicted: tables like `tables`, from the PPV and the injections' currents. together:
    what injections do in company, a result with a file of its own (`calibrate.company`).
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
    together: Together | None = None

    def __post_init__(self) -> None:
        unknown = sorted({*self.tables, *(self.predicted or {})} - set(KINDS))
        if unknown:
            raise CardError(f"a calibration holds a table {unknown[0]!r}; known: {', '.join(KINDS)}")

    def table(self, kind: str) -> Table:
        """The table of a kind of injection; the reference is a coupler too. Raises CardError without one."""
        for name in (kind, "coupling") if kind == "reference" else (kind,):
            if name in self.tables:
                return self.tables[name]
        raise CardError(f"the calibration of {self.steady.target!r} holds no {kind} table; `aishw calibrate` makes one")

    def labelled(self, target: Target) -> Calibration:
        """The same tables under the rates that `target` gives its biases.

        A row of a table belongs to a bias voltage. What the card calls that bias in rad per cycle differs between the
        nominal card and one that a calibration has set (`calibrate.scale.target_of`); a design's rates are its card's.
        Raises CardError if the card has another number of biases.
        """
        named = target.injections
        both = {"reference": self.table("reference")} if "coupling" in self.tables else {}
        if both and not np.array_equal(named["reference"].bias_V, named["coupling"].bias_V):
            both = {}  # biases of its own: the coupling's rates stand
        relabelled = {}
        for kind, table in (both | dict(self.tables)).items():
            if named[kind].rate.size != table.rate.size:
                raise CardError(
                    f"the {kind} table has {table.rate.size} biases, target {target.name!r} has "
                    f"{named[kind].rate.size}; calibrate the target again"
                )
            relabelled[kind] = replace(table, rate=named[kind].rate)
        return replace(self, tables=relabelled)
