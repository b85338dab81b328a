"""The power model: what a PE of any couplings, width, size, bias and frequency takes, fitted to the sweep's runs.

    ring       a0 + a1 f
    taps       f [ b0 + b1 L (q + 1) + b2 L u ]
    couplers   (L + 1) [ (c_bias + c3 level) u + f ( c4 (q + 1) + c5 u ) ]

f over the first run's frequency; q + 1 multiplexers of a coupler hang on both taps; u is its drive over that of the
card's coupler at 4 bits: 2^q unit(q) / 16 times its size. One coupler more is the reference's. Every part is a linear
least-squares fit of its own, each run weighted by the inverse of the PE's power.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aishw.errors import EnergyError
from aishw.hardware.cells import unit

if TYPE_CHECKING:
    from aishw.energy.bench import Point
    from aishw.energy.sweep import Sweep

Floats = NDArray[np.float64]
PARTS = ("ring_W", "taps_W", "couplers_W")
Z95 = 1.959964


@dataclass(frozen=True, eq=False)
class Fit:
    """Coefficients (C,) of one part, W, their covariance (C, C), and the degrees of freedom behind them."""

    coefficients: Floats
    covariance: Floats
    freedom: int

    def interval(self, direction: Floats) -> tuple[float, float]:
        """Value along `direction` (C,) and the half width of its 95 % confidence interval."""
        value = float(direction @ self.coefficients)
        return value, quantile95(self.freedom) * float(np.sqrt(direction @ self.covariance @ direction))


@dataclass(frozen=True, eq=False)
class PowerModel:
    """Fits by part. first_Hz: the frequency that f counts. biases: how many there are."""

    fits: dict[str, Fit]
    first_Hz: float
    biases: int

    def parts(self, point: Point, frequency_Hz: float) -> dict[str, tuple[float, float]]:
        """Each part's power and the half width of its 95 % interval, W."""
        row = rows([point], np.array([frequency_Hz / self.first_Hz]), self.biases)
        return {part: self.fits[part].interval(row[part][0]) for part in PARTS}

    def watts(self, point: Point, frequency_Hz: float) -> float:
        """Of the whole PE with its couplers, the reference's among them."""
        return sum(value for value, _ in self.parts(point, frequency_Hz).values())

    def coupler(self, bits: int, size: float, f: float = 1.0) -> tuple[float, float]:
        """What one coupling more costs at the strongest bias: its own supply and its load on a tap pair, W and half
        width.
        """
        u = drive(bits, size)
        own = np.zeros(self.biases + 3)
        own[0], own[-2], own[-1] = u, f * (bits + 1), f * u
        load = np.array([0.0, f * (bits + 1), f * u])
        (a, da), (b, db) = self.fits["couplers_W"].interval(own), self.fits["taps_W"].interval(load)
        return a + b, float(np.hypot(da, db))

    def size_of(self, watts: float, bits: int = 4) -> float:
        """The size at which one coupling more would cost `watts`, along the model far beyond its runs."""
        at, unit_cost = self.coupler(bits, 0.0)[0], self.coupler(bits, 1.0)[0] - self.coupler(bits, 0.0)[0]
        return (watts - at) / unit_cost


@dataclass(frozen=True)
class HeldOut:
    """A run that the fit did not see: measured and predicted power of the PE, W."""

    point: Point
    measured_W: float
    predicted_W: float

    @property
    def error(self) -> float:
        return self.predicted_W / self.measured_W - 1


def drive(bits: int, size: float) -> float:
    """u: half-LSB units of a coupler over the 16 of the card's at 4 bits."""
    return size * 2**bits * unit(bits) / 16


def rows(points: list[Point], f: Floats, biases: int) -> dict[str, Floats]:
    """The design matrices (X, C) by part."""
    couplings = np.array([p.couplings for p in points], dtype=np.float64)
    muxes = np.array([p.bits + 1.0 for p in points])
    u = np.array([drive(p.bits, p.size) for p in points])
    level = np.array([p.level for p in points])
    at = np.array([[float(p.bias == k) for k in range(biases)] for p in points])
    own = np.column_stack([at * u[:, None], level * u, f * muxes, f * u])
    return {
        "ring_W": np.column_stack([np.ones_like(f), f]),
        "taps_W": np.column_stack([f, f * couplings * muxes, f * couplings * u]),
        "couplers_W": (couplings + 1)[:, None] * own,
    }


def fit_model(sweep: Sweep) -> PowerModel:
    """Fits the runs that a fit may see. Raises EnergyError if they are too few to tell the coefficients apart."""
    use = np.flatnonzero(sweep.nominal & (sweep.use == 0))
    points = [sweep.points()[k] for k in use]
    biases = int(sweep.rate.size)
    first_Hz = float(sweep.frequency_Hz[0])
    matrices = rows(points, sweep.frequency_Hz[use] / first_Hz, biases)
    weight = 1 / sum(getattr(sweep, part)[use] for part in PARTS)
    fits = {}
    for part, matrix in matrices.items():
        freedom = len(use) - matrix.shape[1]
        weighted = matrix * weight[:, None]
        if freedom < 1 or np.linalg.matrix_rank(weighted) < matrix.shape[1]:
            raise EnergyError(
                f"{len(use)} runs do not fit the {matrix.shape[1]} coefficients of {part.removesuffix('_W')}; make the "
                "whole sweep (without --quick)"
            )
        solved = np.linalg.lstsq(weighted, getattr(sweep, part)[use] * weight, rcond=None)[0]
        left = getattr(sweep, part)[use] * weight - weighted @ solved
        covariance = np.linalg.inv(weighted.T @ weighted) * float(left @ left) / freedom
        fits[part] = Fit(solved, covariance, freedom)
    return PowerModel(fits, first_Hz, biases)


def held_out(sweep: Sweep, model: PowerModel) -> list[HeldOut]:
    """Every run of the sweep's own condition that the fit did not see, predicted at the frequency it ran at."""
    points = sweep.points()
    found = []
    for k in np.flatnonzero(sweep.nominal & (sweep.use == 1)):
        measured = float(sum(getattr(sweep, part)[k] for part in PARTS))
        found.append(HeldOut(points[k], measured, model.watts(points[k], float(sweep.frequency_Hz[k]))))
    return found


def quantile95(freedom: int) -> float:
    """Student's t at 97.5 % (Abramowitz and Stegun 26.7.5, good to 1 % from 3 degrees of freedom on)."""
    z, n = Z95, float(freedom)
    g1 = (z**3 + z) / 4
    g2 = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    g3 = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + g1 / n + g2 / n**2 + g3 / n**3


@dataclass(frozen=True, eq=False)
class Line:
    """A straight line through points: value at 0 and slope, each with the half width of its 95 % interval."""

    at_zero: float
    at_zero_off: float
    slope: float
    slope_off: float


def straight(x: Floats, y: Floats) -> Line:
    """Least squares with even weights."""
    matrix = np.column_stack([np.ones_like(x), x])
    solved = np.linalg.lstsq(matrix, y, rcond=None)[0]
    left = y - matrix @ solved
    freedom = max(x.size - 2, 1)
    off = quantile95(freedom) * np.sqrt(np.diag(np.linalg.inv(matrix.T @ matrix)) * float(left @ left) / freedom)
    return Line(float(solved[0]), float(off[0]), float(solved[1]), float(off[1]))
