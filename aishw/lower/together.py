"""What injections do together (`hardware.together`), in the forms that the macromodel's paths need."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aishw.hardware.calibration import HARMONICS, Calibration, Table
from aishw.hardware.together import ORDERS, Together

Floats = NDArray[np.float64]
Complex = NDArray[np.complex128]


def together_of(calibration: Calibration) -> Together:
    """What was measured, else what the coupling's own table says of two drives at the fundamental."""
    return calibration.together or from_table(calibration.table("coupling"))


def from_table(table: Table) -> Together:
    """A product of first harmonics alone, from one coupler's table at the strongest bias and codes: the part of its
    second harmonic that is even in the code, over w^2. On `ring28` half of what several couplers do.
    """
    zero = int(np.flatnonzero(table.codes == 0)[0])
    second = table.harmonics[-1, [0, -1], 1].mean() - table.harmonics[-1, zero, 1]
    products = np.zeros((3, 3), dtype=complex)
    products[0, 0] = second / table.rate[-1] ** 2
    return Together(products)


def alone(together: Together, weight: Floats, bias: Floats) -> Complex:
    """(X, 7): constant and harmonics that form and cubic give single couplers of weights w and biases r (X,).

    Tables hold this part already.
    """
    found = np.zeros((weight.size, HARMONICS + 1), dtype=complex)
    found[:, 1] = together.cubic[0] * weight**3
    size = (weight, weight, bias)
    for m, k in enumerate(ORDERS):
        for n in range(m, 3):
            both, order = size[m] * size[n], ORDERS[n]
            if together.products[m, n]:
                found[:, k + order] += together.products[m, n] * both
            factor = together.conjugates[m, n]  # times exp(i (order - k) D)
            found[:, abs(order - k)] += both * (factor.real if order == k else factor if order > k else factor.conj())
    return found


def quadratic(together: Together) -> Floats:
    """(6, 6) symmetric Q with the form as v Q v, v = [Re T_0, Im T_0, Re T_1, Im T_1, Re T_2, Im T_2]."""
    form = np.zeros((6, 6))
    for m in range(3):
        for n in range(m, 3):
            b, c = together.products[m, n], together.conjugates[m, n]
            # Re b (x + iy)(u + iv) + Re c (u + iv)(x - iy) as a block of x u, x v, y u, y v.
            block = np.array([[b.real + c.real, -b.imag - c.imag], [-b.imag + c.imag, -b.real + c.real]])
            form[2 * m : 2 * m + 2, 2 * n : 2 * n + 2] += block
    return np.asarray((form + form.T) / 2)
