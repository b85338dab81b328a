"""Numba kernels of the pair sums and phase drifts, and their adjoints. Arithmetic on numpy arrays, one thread.

sin(s_i - s_j) = sin s_i cos s_j - cos s_i sin s_j, so a site needs one sine and one cosine, and its pair sum is a
weighted sum of its neighbours' rows of `wave` = [sin s | cos s]. Arrays hold sites first, (N, B): the inner loops run
over starts and fill the vector unit. Edges come as compressed rows (`wiring.Wiring`).
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from math import factorial
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

# Sums may be taken in any order; NaN and infinities stay themselves.
SUMS = {"reassoc", "contract", "nsz", "arcp"}


def kernel(fastmath: set[str]) -> Callable[..., Any]:
    """njit, cached on disk where a folder is writable, compiled anew in every process where none is."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            return numba.njit(function, fastmath=fastmath, nogil=True, cache=True)
        except RuntimeError:  # numba: "no locator available"
            return numba.njit(function, fastmath=fastmath, nogil=True)

    return decorate


@lru_cache
def trig_table(dtype: str) -> NDArray[np.floating[Any]]:
    """(3, K): Taylor coefficients of sin r / r and cos r in r^2, highest first; then the constants of the reduction.

    |r| <= pi/2, where the first term left out is below the dtype's rounding (1e-9 and 4e-20). pi comes in three
    parts, the first short enough that a whole number of them is exact.
    """
    terms, bits = (7, 8) if dtype == "float32" else (12, 30)
    pi = Fraction("3.14159265358979323846264338327950288")
    first = Fraction(int(pi * 2**bits), 2**bits)
    second = Fraction(float(np.dtype(dtype).type(float(pi - first))))
    table = np.zeros((3, terms), dtype)
    table[0] = [(-1) ** k / factorial(2 * k + 1) for k in reversed(range(terms))]
    table[1] = [(-1) ** k / factorial(2 * k) for k in reversed(range(terms))]
    table[2, :7] = [float(1 / pi), float(first), float(second), float(pi - first - second), 0.5, 1.0, 2.0]
    return table


@kernel({"contract"})
def fill_wave(x, table, wave):  # type: ignore[no-untyped-def]
    """wave (N, 2B) = [sin x | cos x]: x = k pi + r, then both Taylor series in r^2, times (-1)^k."""
    sites, starts = x.shape
    per_pi, pi_1, pi_2, pi_3, half, one, two = table[2, :7]
    r, square, sign = np.empty(starts, x.dtype), np.empty(starts, x.dtype), np.empty(starts, x.dtype)
    for i in range(sites):
        for b in range(starts):
            k = np.floor(x[i, b] * per_pi + half)
            r[b] = ((x[i, b] - k * pi_1) - k * pi_2) - k * pi_3
            square[b] = r[b] * r[b]
            sign[b] = one - two * (k - two * np.floor(k * half))
        sine, cosine = wave[i, :starts], wave[i, starts:]
        sine[:] = table[0, 0]
        cosine[:] = table[1, 0]
        for term in range(1, table.shape[1]):
            a, c = table[0, term], table[1, term]
            for b in range(starts):
                sine[b] = sine[b] * square[b] + a
            for b in range(starts):
                cosine[b] = cosine[b] * square[b] + c
        for b in range(starts):
            sine[b] *= sign[b] * r[b]
        for b in range(starts):
            cosine[b] *= sign[b]


@kernel(SUMS)
def weighted_rows(first, last, site, edge, coupling, rows, out):  # type: ignore[no-untyped-def]
    """out = sum over k in first..last of coupling[edge[k]] rows[site[k]]; eight at once, so that `out` is touched
    three times instead of 24 (0.37 ms instead of 0.8 ms at 3,136 sites, 24 neighbours, 64 starts)."""
    width = rows.shape[1]
    out[:] = 0
    k = first
    while k + 8 <= last:
        j0, j1, j2, j3 = site[k], site[k + 1], site[k + 2], site[k + 3]
        j4, j5, j6, j7 = site[k + 4], site[k + 5], site[k + 6], site[k + 7]
        c0, c1, c2, c3 = coupling[edge[k]], coupling[edge[k + 1]], coupling[edge[k + 2]], coupling[edge[k + 3]]
        c4, c5, c6, c7 = coupling[edge[k + 4]], coupling[edge[k + 5]], coupling[edge[k + 6]], coupling[edge[k + 7]]
        for b in range(width):
            out[b] += (
                c0 * rows[j0, b] + c1 * rows[j1, b] + c2 * rows[j2, b] + c3 * rows[j3, b]
                + c4 * rows[j4, b] + c5 * rows[j5, b] + c6 * rows[j6, b] + c7 * rows[j7, b]
            )
        k += 8
    while k < last:
        j0, c0 = site[k], coupling[edge[k]]
        for b in range(width):
            out[b] += c0 * rows[j0, b]
        k += 1


@kernel(SUMS)
def row_products(first, last, site, edge, row, rows, out):  # type: ignore[no-untyped-def]
    """out[edge[k]] += row . rows[site[k]] for k in first..last."""
    for k in range(first, last):
        j = site[k]
        total = out[edge[k]]
        for b in range(row.size):
            total += row[b] * rows[j, b]
        out[edge[k]] = total


@kernel(SUMS)
def phase_forward(start, driving, edge, x, coupling, sign, detuning, shil, reference, table, out):  # type: ignore[no-untyped-def]
    """out = detuning - shil sin 2x + reference sin x + sign sum_e C_e sin(x_i - x_j)."""
    sites, starts = x.shape
    wave = np.empty((sites, 2 * starts), x.dtype)
    fill_wave(x, table, wave)
    near = np.empty(2 * starts, x.dtype)
    for i in range(sites):
        weighted_rows(start[i], start[i + 1], driving, edge, coupling, wave, near)
        shil2 = shil[i] + shil[i]
        for b in range(starts):
            sine, cosine = wave[i, b], wave[i, starts + b]
            pair = sine * near[starts + b] - cosine * near[b]
            out[i, b] = detuning[i] + sine * (reference[i] - shil2 * cosine) + sign * pair


@kernel(SUMS)
def phase_backward(  # type: ignore[no-untyped-def]
    start, driving, edge, back_start, back_driven, back_edge, x, coupling, sign, shil, reference, table,
    grad, grad_x, grad_coupling, grad_terms,
):  # fmt: skip
    """The adjoint of `phase_forward`; grad_terms is (3, N): detuning, shil, reference. Gradients start from zero."""
    sites, starts = x.shape
    wave, push = np.empty((sites, 2 * starts), x.dtype), np.empty((sites, 2 * starts), x.dtype)
    fill_wave(x, table, wave)
    for i in range(sites):
        for b in range(starts):
            push[i, b] = -sign * grad[i, b] * wave[i, starts + b]
        for b in range(starts):
            push[i, starts + b] = sign * grad[i, b] * wave[i, b]
    near, far = np.empty(2 * starts, x.dtype), np.empty(2 * starts, x.dtype)
    for i in range(sites):
        weighted_rows(start[i], start[i + 1], driving, edge, coupling, wave, near)
        weighted_rows(back_start[i], back_start[i + 1], back_driven, back_edge, coupling, push, far)
        row_products(start[i], start[i + 1], driving, edge, push[i], wave, grad_coupling)
        shil2 = shil[i] + shil[i]
        shil4 = shil2 + shil2
        by_detuning, by_shil, by_reference = grad_terms[0, i], grad_terms[1, i], grad_terms[2, i]
        for b in range(starts):
            g, sine, cosine = grad[i, b], wave[i, b], wave[i, starts + b]
            by_detuning += g
            by_reference += g * sine
            by_shil -= g * sine * cosine
            own = reference[i] * cosine + shil2 - shil4 * cosine * cosine
            pair = sign * (cosine * near[starts + b] + sine * near[b])
            grad_x[i, b] = g * (own + pair) + cosine * far[b] - sine * far[starts + b]
        grad_terms[0, i], grad_terms[1, i], grad_terms[2, i] = by_detuning, by_shil + by_shil, by_reference


@kernel(SUMS)
def linear_forward(start, driving, edge, x, coupling, out):  # type: ignore[no-untyped-def]
    """out_i = sum_e J_e x_j."""
    for i in range(x.shape[0]):
        weighted_rows(start[i], start[i + 1], driving, edge, coupling, x, out[i])


@kernel(SUMS)
def linear_backward(  # type: ignore[no-untyped-def]
    start, driving, edge, back_start, back_driven, back_edge, x, coupling, grad, grad_x, grad_coupling
):
    """The adjoint of `linear_forward`."""
    for i in range(x.shape[0]):
        weighted_rows(back_start[i], back_start[i + 1], back_driven, back_edge, coupling, grad, grad_x[i])
        row_products(start[i], start[i + 1], driving, edge, grad[i], x, grad_coupling)
