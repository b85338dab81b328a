"""Rows of a calibration's tables as polynomials in the cosine and sine of an angle, for the macromodel's kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from aishw.errors import CardError
from aishw.hardware.calibration import HARMONICS, Table
from aishw.hardware.together import Together
from aishw.lower.together import Complex, alone

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of tables, rad per cycle. z: (X, 7) offset against code 0 and harmonics; weight (X,): r code / top; bias
    (X,): r. by_code, weight_by_code: derivatives with respect to the code.
    """

    z: Complex
    by_code: Complex
    weight: Floats
    weight_by_code: Floats
    bias: Floats

    @staticmethod
    def of(parts: Sequence[Rows]) -> Rows:
        return Rows(*(np.concatenate(each) for each in zip(*(vars(part).values() for part in parts))))

    def each(self, place: NDArray[np.int64], idle: NDArray[np.int64], gain_error: Floats | float) -> Rows:
        """A row of its own for every injection, with all that its code does times 1 + gain_error. idle: the rows of the
        same injections at code 0."""
        own, still, factor = self._at(place), self._at(idle), 1 + np.zeros(place.size) + gain_error
        return Rows(
            still.z + (own.z - still.z) * factor[:, None], own.by_code * factor[:, None], own.weight * factor,
            own.weight_by_code * factor, own.bias,
        )  # fmt: skip

    def turned(self, skew: Complex) -> Rows:
        """With a first harmonic of bias * skew (X,) besides."""
        z = self.z.copy()
        z[:, 1] += self.bias * skew
        return replace(self, z=z)

    def without(self, together: Together) -> Rows:
        """Less what each does alone of what they do together."""
        h = 1e-3  # of a code: third order in the weight, so this derivative is off by 1e-6
        ahead, back = (alone(together, self.weight + by * self.weight_by_code, self.bias) for by in (h, -h))
        z = self.z - alone(together, self.weight, self.bias)
        return replace(self, z=z, by_code=self.by_code - (ahead - back) / (2 * h))

    def polynomials(self, cycles: float) -> Floats:
        """(X, 3, 15) per tau of `cycles`: the rate, its slope in the angle and its slope in the code. Of each 13
        coefficients of the polynomials of `macromodel_kernels`, then w and r (of the code's slope: dw/dcode and 0)."""
        turned = 1j * np.arange(HARMONICS + 1) * self.z
        found = np.stack([_polynomial(each) for each in (self.z, turned, self.by_code)], axis=1)
        sums = np.zeros((len(found), 3, 2))
        sums[:, 0], sums[:, 2, 0] = np.stack([self.weight, self.bias], axis=1), self.weight_by_code
        return cycles * np.concatenate([found, sums], axis=2)

    def _at(self, place: NDArray[np.int64]) -> Rows:
        return Rows(*(each[place] for each in vars(self).values()))


def code_rows(table: Table, rate: float) -> Rows:
    """Every code of a table at one bias. Offsets count against code 0. Raises CardError for a table of more than 6
    harmonics.
    """
    offset, harmonics = table.at(rate)
    count = harmonics.shape[1]
    if count > HARMONICS:
        raise CardError(f"a table of {count} harmonics is more than the macromodel's {HARMONICS}")
    z = np.zeros((table.codes.size, HARMONICS + 1), dtype=complex)
    z[:, 0], z[:, 1 : count + 1] = offset - offset[table.codes == 0], harmonics
    in_code = np.asarray(np.gradient(z, table.codes, axis=0, edge_order=2 if len(z) > 2 else 1))
    step, one = rate / float(table.codes[-1]), np.ones(table.codes.size)
    return Rows(z, in_code, step * table.codes.astype(np.float64), step * one, rate * one)


def _polynomial(z: NDArray[np.complexfloating[Any, Any]]) -> Floats:
    """(X, 7) to (X, 13): the coefficients in u and v."""
    even, odd = _powers()
    return np.concatenate([z.real @ even, -z.imag @ odd], axis=1)


@lru_cache
def _powers() -> tuple[Floats, Floats]:
    """(7, 7) and (7, 6): cos kD = T_k(u) and sin kD / v = T_k'(u) / k as powers of u, with Chebyshev's T_k."""
    even, odd = np.zeros((HARMONICS + 1, HARMONICS + 1)), np.zeros((HARMONICS + 1, HARMONICS))
    for k in range(HARMONICS + 1):
        power = chebyshev.cheb2poly([0] * k + [1])
        even[k, : k + 1] = power
        if k:
            odd[k, :k] = power[1:] * np.arange(1, k + 1) / k
    return even, odd
