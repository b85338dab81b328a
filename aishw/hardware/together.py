"""Together: what a PE's injections do in company, which no table of a single injection can hold.

To second order a phase moves by a quadratic form in everything that drives it. A coupler of code c at a bias of rate r
drives at odd multiples of the frequency in proportion to w = r c / top, and by its conductance, whatever its code, at
the second in proportion to r. With D = s_i - s_j and sums over a PE's couplers, the reference among them,

    T_0 = sum w exp(iD),    T_1 = sum w exp(3iD),    T_2 = sum r exp(2iD)    (rad per cycle),
    ds_i/dcycle += Re sum_{m <= l} [ products_ml T_m T_l + conjugates_ml T_l T_m* ] + Re cubic |T_0|^2 T_0
                   - (the same of each coupler alone).

In an array whose taps are PEs, not ideal sources, a neighbour's phase is seen off by what drives that neighbour,
s_j + Re(pull T_0 + pull_shil S) + delay sum c, with its SHIL drive S. The codes c that it drives load its taps: by
their sum both signals are late and move apart (skew: a first harmonic of r sum c, whatever the code), by the sum of
squares the PE itself drifts (load).

A drive moves a phase by its mean over a cycle, the drift, and by a ripple of zero mean at twice the frequency. Where
codes change, both change at once, and the phase goes on from elsewhere: with the PE's own angle theta at that moment,
an image's start among them (drives rise from none),

    s_i jumps by Re[ switch_0 dT_0 + exp(-2i theta) (switch_1 dT_0 + switch_2 dT_2) + switch_3 dT_1
                     + switch_4 exp(-2i theta) d|S| + switch_5 exp(-i theta) dS ],

with SHIL's strength S = code's strength with its sign times exp(2i s_i). For the same reason the phase that a PE's
crossings tell, and a trace holds, is the one that drifts and jumps plus Re[sum_k ripple_k T_k + ripple_3 S].
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aishw.errors import CardError

ORDERS = (1, 3, 2)  # of the sums T_0, T_1, T_2 in D


def _none() -> NDArray[np.complex128]:
    return np.zeros((3, 3), dtype=complex)


def _closed() -> NDArray[np.complex128]:
    return np.zeros(5, dtype=complex)


def _cubic() -> NDArray[np.complex128]:
    return np.zeros(1, dtype=complex)


def _ripple() -> NDArray[np.complex128]:
    return np.zeros(4, dtype=complex)


def _switch() -> NDArray[np.complex128]:
    return np.zeros(6, dtype=complex)


@dataclass(frozen=True, eq=False)
class Together:
    """products, conjugates: (3, 3) complex, cycles per rad, upper triangles; the entry of T_1 with itself is 0. cubic:
    (1,) complex, cycles^2 per rad^2, how drives at the fundamental weaken or turn each other. closed: (5,) complex, all
    0 where every neighbour is an ideal source: pull and pull_shil (cycles), skew (per code), and, real, load (rad per
    cycle and code squared) and delay (rad per code). switch: (6,), ripple: (4,) complex, cycles.

    drift_error: rad per cycle rms, what a macromodel with these numbers was off by in runs that it had not seen (0: not
    known). Raises CardError for other shapes and for numbers that are not finite.
    """

    products: NDArray[np.complex128] = field(default_factory=_none)
    conjugates: NDArray[np.complex128] = field(default_factory=_none)
    closed: NDArray[np.complex128] = field(default_factory=_closed)
    drift_error: float = 0.0
    switch: NDArray[np.complex128] = field(default_factory=_switch)
    cubic: NDArray[np.complex128] = field(default_factory=_cubic)
    ripple: NDArray[np.complex128] = field(default_factory=_ripple)

    def __post_init__(self) -> None:
        for name in ("products", "conjugates"):
            value = getattr(self, name)
            if np.shape(value) != (3, 3) or np.tril(value, -1).any() or value[1, 1] != 0:
                raise CardError(f"{name} must be the upper triangle of a 3x3 matrix with no entry at 1, 1, got {value}")
        for name, size in (("closed", 5), ("switch", 6), ("cubic", 1), ("ripple", 4)):
            if np.shape(getattr(self, name)) != (size,):
                raise CardError(f"{name} must hold {size} numbers, got shape {np.shape(getattr(self, name))}")
        numbers = (self.products.ravel(), self.conjugates.ravel(), self.closed, self.switch, self.cubic, self.ripple)
        if not np.isfinite(np.concatenate(numbers)).all():
            raise CardError("what injections do together holds a number that is not finite; measure it again")

    @property
    def pull(self) -> tuple[complex, complex]:
        """Of T_0 and of S, on the phase that neighbours see."""
        return complex(self.closed[0]), complex(self.closed[1])

    @property
    def pulls(self) -> bool:
        """Whether a neighbour is seen elsewhere than it is."""
        return bool(self.closed[[0, 1, 4]].any())

    @property
    def skew(self) -> complex:
        return complex(self.closed[2])

    @property
    def load(self) -> float:
        return float(self.closed[3].real)

    @property
    def delay(self) -> float:
        return float(self.closed[4].real)
