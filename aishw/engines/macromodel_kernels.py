"""Numba kernels of the calibrated drift and its adjoint. Arithmetic on numpy arrays, one thread.

A sum of five harmonics of an angle D is, in u = cos D and v = sin D, a pair of polynomials:

    a0 + sum_k Re z_k exp(ikD) = p_0 + p_1 u + .. + p_5 u^5 + v (p_6 + p_7 u + .. + p_10 u^4)

so an edge costs four products of its ends' sines and cosines and two Horner schemes, whatever the tables hold.
(Neighbour sums per harmonic, as exp(ik(s_i - s_j)) would split, touch a row of the neighbour's for every sum: forward
and backward they lose from four sums on, and the tables need ten.)

What injections do together (`hardware.together`) is a quadratic form v Q v at every site, in the six sums

    v = sum [w cos D, w sin D, w cos 3D, w sin 3D, r cos 2D, r sin 2D],    adjoint: 2 Q v dv

over its couplers and the reference; as sums of w u, w u^3, r u^2 and their like they cost ten products an edge. The
adjoint needs 2 Q v at a site's first edge. Forward keeps it, at six times the memory of the state.

Arrays hold sites first, (N, B), and edges come as compressed rows, as in `ais.coupling_kernels`. `pair`, `own` and
`shil` are tables (X, 3, 13) per tau of the rate, its slope in D and its slope in the code: each the 11 coefficients,
then w and r. `pair_row` (E,), `own_row` and `shil_row` (N,) say which of the X an injection follows; `form` (6, 6) is
Q, tau per rad; `push` (N, 6B) is 2 Q v. `seen` (N, B): the phases that neighbours see, where `apart` they are not x.
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
    start, driving, edge, x, seen, apart, trig, constant, pair, pair_row, own, own_row, shil, shil_row, form, push, out
):
    """out (N, B) = constant (N,) + reference, SHIL and pair series + v Q v; fills `push`."""
    sites, starts = x.shape
    wave = np.empty((sites, 2 * starts), x.dtype)
    fill_wave(x, trig, wave)
    waves = wave
    if apart:
        waves = np.empty((sites, 2 * starts), x.dtype)
        fill_wave(seen, trig, waves)
    # Of x's own type: a plain 3 would make every product a double.
    three, four = x.dtype.type(3), x.dtype.type(4)
    sums = np.empty((6, starts), x.dtype)
    s0, s1, s2, s3, s4, s5 = sums[0], sums[1], sums[2], sums[3], sums[4], sums[5]
    for i in range(sites):
        sine, cosine, total = wave[i, :starts], wave[i, starts:], out[i]
        by_own, by_shil = own[own_row[i], 0], shil[shil_row[i], 0]
        w, r, biases = by_own[11], by_own[12], by_own[12]
        for b in range(starts):
            u, v = cosine[b], sine[b]
            s0[b], s1[b], s2[b], s3[b] = w * u, w * v, w * u * u * u, w * v * u * u
            s4[b], s5[b] = r * u * u, r * u * v
            total[b] = constant[i] + series(by_own, u, v) + series(by_shil, u * u - v * v, u * v + u * v)
        for k in range(start[i], start[i + 1]):
            j, p = driving[k], pair[pair_row[edge[k]], 0]
            # Scalars: inside the loop the compiler could not know that `total` leaves p alone (3 times slower).
            p0, p1, p2, p3, p4, p5 = p[0], p[1], p[2], p[3], p[4], p[5]
            p6, p7, p8, p9, p10, w, r = p[6], p[7], p[8], p[9], p[10], p[11], p[12]
            biases += r
            for b in range(starts):
                u = cosine[b] * waves[j, starts + b] + sine[b] * waves[j, b]
                v = sine[b] * waves[j, starts + b] - cosine[b] * waves[j, b]
                even = p0 + u * (p1 + u * (p2 + u * (p3 + u * (p4 + u * p5))))
                total[b] += even + v * (p6 + u * (p7 + u * (p8 + u * (p9 + u * p10))))
                square = u * u
                weighted = w * square
                s0[b] += w * u
                s1[b] += w * v
                s2[b] += weighted * u
                s3[b] += weighted * v
                s4[b] += r * square
                s5[b] += (r * u) * v
        for b in range(starts):  # cos 3D = 4u^3 - 3u, sin 3D = v (4u^2 - 1), cos 2D = 2u^2 - 1, sin 2D = 2uv
            s2[b], s3[b] = four * s2[b] - three * s0[b], four * s3[b] - s1[b]
            s4[b], s5[b] = s4[b] + s4[b] - biases, s5[b] + s5[b]
        for m in range(6):
            kept = push[i, m * starts : (m + 1) * starts]
            q0, q1, q2, q3, q4, q5 = form[m, 0], form[m, 1], form[m, 2], form[m, 3], form[m, 4], form[m, 5]
            for b in range(starts):
                half = q0 * s0[b] + q1 * s1[b] + q2 * s2[b] + q3 * s3[b] + q4 * s4[b] + q5 * s5[b]
                total[b] += sums[m, b] * half
                kept[b] = half + half


@kernel(SUMS)
def circuit_backward(  # type: ignore[no-untyped-def]
    start, driving, edge, x, seen, apart, trig, pair, pair_row, own, own_row, shil, shil_row, push,
    grad, grad_seen, grad_x, grad_pair, grad_own, grad_shil,
):  # fmt: skip
    """The adjoint of `circuit_forward`: grad_seen and grad_x (N, B), one array unless `apart`, and grad_pair (E,),
    grad_own, grad_shil (N,) per code. All start from zero."""
    sites, starts = x.shape
    wave = np.empty((sites, 2 * starts), x.dtype)
    fill_wave(x, trig, wave)
    waves = wave
    if apart:
        waves = np.empty((sites, 2 * starts), x.dtype)
        fill_wave(seen, trig, waves)
    half, three, four, nine = x.dtype.type(0.5), x.dtype.type(3), x.dtype.type(4), x.dtype.type(9)
    mine, h, poly = np.empty(starts, x.dtype), np.empty((6, starts), x.dtype), np.empty((11, starts), x.dtype)
    h0, h1, h2, h3, h4, h5 = h[0], h[1], h[2], h[3], h[4], h[5]
    a1, a3, b1, b3, c0, c2 = poly[0], poly[1], poly[2], poly[3], poly[4], poly[5]
    d2, e1, e3, f1, f3 = poly[6], poly[7], poly[8], poly[9], poly[10]
    for i in range(sites):
        sine, cosine, g = wave[i, :starts], wave[i, starts:], grad[i]
        own_slope, own_code = own[own_row[i], 1], own[own_row[i], 2]
        shil_slope, shil_code = shil[shil_row[i], 1], shil[shil_row[i], 2]
        by_own, by_shil, w, r, dw = (
            grad_own[i],
            grad_shil[i],
            own[own_row[i], 0, 11],
            own[own_row[i], 0, 12],
            own_code[11],
        )
        for m in range(6):
            for b in range(starts):
                h[m, b] = g[b] * push[i, m * starts + b]
        for b in range(starts):  # both adjoints as polynomials in u and v
            e1[b], e3[b], f1[b], f3[b] = h0[b] - three * h2[b], four * h2[b], h1[b] - h3[b], four * h3[b]
            a1[b], a3[b], b1[b], b3[b] = h1[b] - nine * h3[b], three * f3[b], -e1[b], -three * e3[b]
            c2[b], d2[b] = four * h5[b], -four * h4[b]
            c0[b] = -half * c2[b]
        for b in range(starts):
            u, v = cosine[b], sine[b]
            u2, v2 = u * u - v * v, u * v + u * v
            u3, v3 = u * u2 - v * v2, u * v2 + v * u2
            turned = series(shil_slope, u2, v2)
            alone = h1[b] * u - h0[b] * v + three * (h3[b] * u3 - h2[b] * v3)
            twice = h5[b] * u2 - h4[b] * v2
            mine[b] = g[b] * (series(own_slope, u, v) + turned + turned) + w * alone + r * (twice + twice)
            by_own += g[b] * series(own_code, u, v) + dw * (h0[b] * u + h1[b] * v + h2[b] * u3 + h3[b] * v3)
            by_shil += g[b] * series(shil_code, u2, v2)
        grad_own[i], grad_shil[i] = by_own, by_shil
        for k in range(start[i], start[i + 1]):
            j, e = driving[k], edge[k]
            p, q = pair[pair_row[e], 1], pair[pair_row[e], 2]
            p0, p1, p2, p3, p4, p5 = p[0], p[1], p[2], p[3], p[4], p[5]
            p6, p7, p8, p9, p10 = p[6], p[7], p[8], p[9], p[10]
            q0, q1, q2, q3, q4, q5 = q[0], q[1], q[2], q[3], q[4], q[5]
            q6, q7, q8, q9, q10 = q[6], q[7], q[8], q[9], q[10]
            w, r, dw = pair[pair_row[e], 0, 11], pair[pair_row[e], 0, 12], q[11]
            theirs, by_code = grad_seen[j], grad_pair[e]
            for b in range(starts):
                u = cosine[b] * waves[j, starts + b] + sine[b] * waves[j, b]
                v = sine[b] * waves[j, starts + b] - cosine[b] * waves[j, b]
                even = p0 + u * (p1 + u * (p2 + u * (p3 + u * (p4 + u * p5))))
                push_b = g[b] * (even + v * (p6 + u * (p7 + u * (p8 + u * (p9 + u * p10)))))
                mine[b] += push_b
                theirs[b] -= push_b
                even = q0 + u * (q1 + u * (q2 + u * (q3 + u * (q4 + u * q5))))
                by_code += g[b] * (even + v * (q6 + u * (q7 + u * (q8 + u * (q9 + u * q10)))))
            # A loop of its own: one with all of it is slower.
            sum_code = by_code * 0
            for b in range(starts):
                u = cosine[b] * waves[j, starts + b] + sine[b] * waves[j, b]
                v = sine[b] * waves[j, starts + b] - cosine[b] * waves[j, b]
                square = u * u
                once = u * (a1[b] + a3[b] * square) + v * (b1[b] + b3[b] * square)
                push_b = w * once + r * (c0[b] + c2[b] * square + (d2[b] * u) * v)
                mine[b] += push_b
                theirs[b] -= push_b
                sum_code += u * (e1[b] + e3[b] * square) + v * (f1[b] + f3[b] * square)
            by_code += dw * sum_code
            grad_pair[e] = by_code
        for b in range(starts):
            grad_x[i, b] += mine[b]
