"""Numba kernels of the calibrated drift and its adjoint. Arithmetic on numpy arrays, one thread.

A sum of five harmonics of an angle D is, in u = cos D and v = sin D, a pair of polynomials:

    a0 + sum_k Re z_k exp(ikD) = p_0 + p_1 u + .. + p_5 u^5 + v (p_6 + p_7 u + .. + p_10 u^4)

so an edge costs four products of its ends' sines and cosines and two Horner schemes, whatever the tables hold.
(Neighbour sums per harmonic, as exp(ik(s_i - s_j)) would split, touch a row of the neighbour's for every sum: forward
and backward they lose from four sums on, and the tables need ten.)

To second order in the drives (`lower.circuit`), a site adds Re b F_i^2 of its summed first harmonics

    F_i = own_1 exp(i s_i) + sum_e pair_1 exp(i(s_i - s_j)),    adjoint: Re 2b F_i dF_i

The adjoint needs F_i at a site's first edge. Forward keeps it, at twice the memory of the state: summed again it costs
backward another pass over the edges (1.0 ms beside 5.6 ms; 3,136 sites, 24 neighbours, 64 starts, float32).

Arrays hold sites first, (N, B), and edges come as compressed rows, as in `ais.coupling_kernels`. `pair`, `own` and
`shil` are tables (X, 3, 13) per tau of the rate, its slope in D and its slope in the code: each the 11 coefficients,
then Re z_1 and Im z_1. `pair_row` (E,), `own_row` and `shil_row` (N,) say which of the X an injection follows;
`together` (2,) is Re b and Im b, tau per rad; `drive` (N, 2B) = [Re F | Im F].
"""

from __future__ import annotations

import numpy as np

from aishw.ais.coupling_kernels import SUMS, fill_wave, kernel


@kernel(SUMS)
def series(p, u, v):  # type: ignore[no-untyped-def]
    """The polynomials p (11,) at one angle."""
    even = p[0] + u * (p[1] + u * (p[2] + u * (p[3] + u * (p[4] + u * p[5]))))
    return even + v * (p[6] + u * (p[7] + u * (p[8] + u * (p[9] + u * p[10]))))


@kernel(SUMS)
def circuit_forward(  # type: ignore[no-untyped-def]
    start, driving, edge, x, trig, constant, pair, pair_row, own, own_row, shil, shil_row, together, drive, out
):
    """out (N, B) = constant (N,) + reference, SHIL and pair series + Re b F^2; fills `drive`."""
    sites, starts = x.shape
    wave = np.empty((sites, 2 * starts), x.dtype)
    fill_wave(x, trig, wave)
    fx, fy = np.empty(starts, x.dtype), np.empty(starts, x.dtype)
    for i in range(sites):
        sine, cosine, total = wave[i, :starts], wave[i, starts:], out[i]
        by_own, by_shil = own[own_row[i], 0], shil[shil_row[i], 0]
        for b in range(starts):
            u, v = cosine[b], sine[b]
            fx[b], fy[b] = by_own[11] * u - by_own[12] * v, by_own[11] * v + by_own[12] * u
            total[b] = constant[i] + series(by_own, u, v) + series(by_shil, u * u - v * v, u * v + u * v)
        for k in range(start[i], start[i + 1]):
            j, p = driving[k], pair[pair_row[edge[k]], 0]
            # Scalars: inside the loop the compiler could not know that `total` leaves p alone (3 times slower).
            p0, p1, p2, p3, p4, p5 = p[0], p[1], p[2], p[3], p[4], p[5]
            p6, p7, p8, p9, p10, real, imag = p[6], p[7], p[8], p[9], p[10], p[11], p[12]
            for b in range(starts):
                u = cosine[b] * wave[j, starts + b] + sine[b] * wave[j, b]
                v = sine[b] * wave[j, starts + b] - cosine[b] * wave[j, b]
                even = p0 + u * (p1 + u * (p2 + u * (p3 + u * (p4 + u * p5))))
                total[b] += even + v * (p6 + u * (p7 + u * (p8 + u * (p9 + u * p10))))
                fx[b] += real * u - imag * v
                fy[b] += real * v + imag * u
        drive[i, :starts], drive[i, starts:] = fx, fy
        for b in range(starts):
            xy = fx[b] * fy[b]
            total[b] += together[0] * (fx[b] * fx[b] - fy[b] * fy[b]) - together[1] * (xy + xy)


@kernel(SUMS)
def circuit_backward(  # type: ignore[no-untyped-def]
    start, driving, edge, x, trig, pair, pair_row, own, own_row, shil, shil_row, together, drive,
    grad, grad_x, grad_pair, grad_own, grad_shil,
):  # fmt: skip
    """The adjoint of `circuit_forward`: grad_x (N, B), and grad_pair (E,), grad_own, grad_shil (N,) per code. All start
    from zero."""
    sites, starts = x.shape
    wave = np.empty((sites, 2 * starts), x.dtype)
    fill_wave(x, trig, wave)
    mine, wx, wy = np.empty(starts, x.dtype), np.empty(starts, x.dtype), np.empty(starts, x.dtype)
    real_b, imag_b = together[0] + together[0], together[1] + together[1]
    for i in range(sites):
        sine, cosine, g = wave[i, :starts], wave[i, starts:], grad[i]
        own_slope, own_code = own[own_row[i], 1], own[own_row[i], 2]
        shil_slope, shil_code = shil[shil_row[i], 1], shil[shil_row[i], 2]
        by_own, by_shil = grad_own[i], grad_shil[i]
        for b in range(starts):  # w = 2 b F exp(i s_i), times the gradient
            real, imag = g[b] * drive[i, b], g[b] * drive[i, starts + b]
            real, imag = real_b * real - imag_b * imag, real_b * imag + imag_b * real
            wx[b], wy[b] = real * cosine[b] - imag * sine[b], real * sine[b] + imag * cosine[b]
        slope_x, slope_y, code_x, code_y = own_slope[11], own_slope[12], own_code[11], own_code[12]
        for b in range(starts):
            u, v = cosine[b], sine[b]
            hx, hy = wx[b], wy[b]
            u2, v2 = u * u - v * v, u * v + u * v
            turned = series(shil_slope, u2, v2)
            mine[b] = g[b] * (series(own_slope, u, v) + turned + turned) + slope_x * hx - slope_y * hy
            by_own += g[b] * series(own_code, u, v) + code_x * hx - code_y * hy
            by_shil += g[b] * series(shil_code, u2, v2)
        grad_own[i], grad_shil[i] = by_own, by_shil
        for k in range(start[i], start[i + 1]):
            j, e = driving[k], edge[k]
            p, q = pair[pair_row[e], 1], pair[pair_row[e], 2]
            p0, p1, p2, p3, p4, p5 = p[0], p[1], p[2], p[3], p[4], p[5]
            p6, p7, p8, p9, p10 = p[6], p[7], p[8], p[9], p[10]
            q0, q1, q2, q3, q4, q5 = q[0], q[1], q[2], q[3], q[4], q[5]
            q6, q7, q8, q9, q10 = q[6], q[7], q[8], q[9], q[10]
            slope_x, slope_y, code_x, code_y = p[11], p[12], q[11], q[12]
            theirs, by_code = grad_x[j], grad_pair[e]
            for b in range(starts):
                u = cosine[b] * wave[j, starts + b] + sine[b] * wave[j, b]
                v = sine[b] * wave[j, starts + b] - cosine[b] * wave[j, b]
                even = p0 + u * (p1 + u * (p2 + u * (p3 + u * (p4 + u * p5))))
                push = g[b] * (even + v * (p6 + u * (p7 + u * (p8 + u * (p9 + u * p10)))))
                mine[b] += push
                theirs[b] -= push
                even = q0 + u * (q1 + u * (q2 + u * (q3 + u * (q4 + u * q5))))
                by_code += g[b] * (even + v * (q6 + u * (q7 + u * (q8 + u * (q9 + u * q10)))))
            # A loop of its own: 5.6 ms instead of 7.7 in one (best of 100 on a busy core).
            for b in range(starts):
                hx = wx[b] * wave[j, starts + b] + wy[b] * wave[j, b]
                hy = wy[b] * wave[j, starts + b] - wx[b] * wave[j, b]
                push = slope_x * hx - slope_y * hy
                mine[b] += push
                theirs[b] -= push
                by_code += code_x * hx - code_y * hy
            grad_pair[e] = by_code
        for b in range(starts):
            grad_x[i, b] += mine[b]
