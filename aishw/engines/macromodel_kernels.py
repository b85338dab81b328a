"""Numba kernels of the calibrated drift and its adjoint. Arithmetic on numpy arrays, one thread.

A sum of six harmonics of an angle D is, in u = cos D and v = sin D, a pair of polynomials:

    a0 + sum_k Re z_k exp(ikD) = p_0 + p_1 u + .. + p_6 u^6 + v (p_7 + p_8 u + .. + p_12 u^5)

so an edge costs four products of its ends' sines and cosines and two Horner schemes, whatever the tables hold.
(Neighbour sums per harmonic, as exp(ik(s_i - s_j)) would split, touch a row of the neighbour's for every sum: forward
and backward they lose from four sums on, and the tables need twelve.)

What injections do together (`hardware.together`) is a quadratic form v Q v at every site, in the six sums

    v = sum [w cos D, w sin D, w cos 3D, w sin 3D, r cos 2D, r sin 2D],    adjoint: 2 Q v dv

over its couplers and the reference, and Re[c (v_0^2 + v_1^2) (v_0 + i v_1)] besides (cubic in the drive). As sums of
w u, w u^3, u^2 and their like they cost nine products an edge (r is
one number for all couplers of a site). The adjoint needs 2 Q v, and the cubic's slopes with it, at a site's
first edge. Forward keeps it, at six times
the memory of the state.

Arrays hold sites first, and LANES starts: with a fixed number of them the compiler knows that the rows of `here`, all
that belongs to one site, do not overlap, and an edge is one run of vector instructions (twice as fast as rows of any
length). Edges come as compressed rows, as in `ais.coupling_kernels`. `pair`, `own` and `shil` are tables (X, 3, 15) per
tau of the rate, its slope in D and its slope in the code: each the 13 coefficients, then w and r. `pair_row` (E,),
`own_row` and `shil_row` (N,) say which of the X an injection follows; `form` (7, 6) is Q, tau per rad, and a row of
Re c and Im c; `push` (N, 6 LANES) is 2 Q v and the cubic's slopes. `wave`, `waves` (N, 2 LANES): sines and cosines of
the phases and of those that neighbours see, one array where these are the same.
"""

from __future__ import annotations

from aishw.ais.coupling_kernels import SUMS, kernel, row_products, weighted_rows

LANES = 64

# Where `here` (ROOM,) holds what: rows of one site, and its six sums or the adjoints' coefficients.
SINE, COSINE, TOTAL, SUM0, SUM1, SUM2, SUM3, SUM4, SUM5 = (row * LANES for row in range(9))
GRAD, MINE, A1, E1, E3, F1, F3, C2, D2 = (row * LANES for row in range(2, 11))
ROOM = 11 * LANES


@kernel(SUMS)
def series(p, u, v):  # type: ignore[no-untyped-def]
    """The polynomials p (13,) at one angle."""
    even = p[0] + u * (p[1] + u * (p[2] + u * (p[3] + u * (p[4] + u * (p[5] + u * p[6])))))
    return even + v * (p[7] + u * (p[8] + u * (p[9] + u * (p[10] + u * (p[11] + u * p[12])))))


@kernel(SUMS)
def circuit_forward(  # type: ignore[no-untyped-def]
    start, driving, edge, wave, waves, here, constant, pair, pair_row, own, own_row, shil, shil_row, form, push, out,
):  # fmt: skip
    """out (N, LANES) = constant (N,) + reference, SHIL and pair series + v Q v; fills `push`."""
    # Of the phases' own type: a plain 3 would make every product a double.
    zero, three, four = wave.dtype.type(0), wave.dtype.type(3), wave.dtype.type(4)
    for i in range(wave.shape[0]):
        by_own, by_shil = own[own_row[i], 0], shil[shil_row[i], 0]
        w, r_own = by_own[13], by_own[14]
        for b in range(LANES):
            v, u = wave[i, b], wave[i, LANES + b]
            here[SINE + b], here[COSINE + b] = v, u
            here[TOTAL + b] = constant[i] + series(by_own, u, v) + series(by_shil, u * u - v * v, u * v + u * v)
            here[SUM0 + b], here[SUM1 + b] = w * u, w * v
            here[SUM2 + b], here[SUM3 + b] = w * u * u * u, w * v * u * u
            here[SUM4 + b], here[SUM5 + b] = zero, zero
        still = biases = r = zero
        for k in range(start[i], start[i + 1]):
            j, p = driving[k], pair[pair_row[edge[k]], 0]
            # Scalars: inside the loop the compiler could not know that `here` leaves p alone (3 times slower).
            p1, p2, p3, p4, p5, p6, w = p[1], p[2], p[3], p[4], p[5], p[6], p[13]
            p7, p8, p9, p10, p11, p12, r = p[7], p[8], p[9], p[10], p[11], p[12], p[14]
            still += p[0]
            biases += r
            for b in range(LANES):
                u = here[COSINE + b] * waves[j, LANES + b] + here[SINE + b] * waves[j, b]
                v = here[SINE + b] * waves[j, LANES + b] - here[COSINE + b] * waves[j, b]
                even = u * (p1 + u * (p2 + u * (p3 + u * (p4 + u * (p5 + u * p6)))))
                here[TOTAL + b] += even + v * (p7 + u * (p8 + u * (p9 + u * (p10 + u * (p11 + u * p12)))))
                square = u * u
                weighted = w * square
                here[SUM0 + b] += w * u
                here[SUM1 + b] += w * v
                here[SUM2 + b] += weighted * u
                here[SUM3 + b] += weighted * v
                here[SUM4 + b] += square
                here[SUM5 + b] += u * v
        for b in range(LANES):  # cos 3D = 4u^3 - 3u, sin 3D = v (4u^2 - 1), cos 2D = 2u^2 - 1, sin 2D = 2uv
            v, u = here[SINE + b], here[COSINE + b]
            here[SUM2 + b] = four * here[SUM2 + b] - three * here[SUM0 + b]
            here[SUM3 + b] = four * here[SUM3 + b] - here[SUM1 + b]
            here[SUM4 + b] = r * (here[SUM4 + b] + here[SUM4 + b]) - biases + r_own * (u * u - v * v)
            here[SUM5 + b] = r * (here[SUM5 + b] + here[SUM5 + b]) + r_own * (u * v + u * v)
        for m in range(6):
            q0, q1, q2, q3, q4, q5 = form[m, 0], form[m, 1], form[m, 2], form[m, 3], form[m, 4], form[m, 5]
            for b in range(LANES):
                half = q0 * here[SUM0 + b] + q1 * here[SUM1 + b] + q2 * here[SUM2 + b]
                half += q3 * here[SUM3 + b] + q4 * here[SUM4 + b] + q5 * here[SUM5 + b]
                here[TOTAL + b] += here[SUM0 + LANES * m + b] * half
                push[i, LANES * m + b] = half + half
        c, d = form[6, 0], form[6, 1]
        for b in range(LANES):
            v, u = here[SUM1 + b], here[SUM0 + b]
            turned, size = c * u - d * v, u * u + v * v
            here[TOTAL + b] += size * turned
            push[i, b] += (u + u) * turned + c * size
            push[i, LANES + b] += (v + v) * turned - d * size
        for b in range(LANES):
            out[i, b] = here[TOTAL + b] + still


@kernel(SUMS)
def circuit_backward(  # type: ignore[no-untyped-def]
    start, driving, edge, wave, waves, here, pair, pair_row, own, own_row, shil, shil_row, push,
    grad, grad_seen, grad_x, grad_pair, grad_own, grad_shil,
):  # fmt: skip
    """The adjoint of `circuit_forward`: grad_seen and grad_x (N, LANES), one array where `wave` and `waves` are, and
    grad_pair (E,), grad_own, grad_shil (N,) per code. All are added to."""
    zero, half, three, four = wave.dtype.type(0), wave.dtype.type(0.5), wave.dtype.type(3), wave.dtype.type(4)
    for i in range(wave.shape[0]):
        own_slope, own_code = own[own_row[i], 1], own[own_row[i], 2]
        shil_slope, shil_code = shil[shil_row[i], 1], shil[shil_row[i], 2]
        w, r, dw = own[own_row[i], 0, 13], own[own_row[i], 0, 14], own_code[13]
        r4 = four * pair[pair_row[edge[start[i]]], 0, 14] if start[i] < start[i + 1] else zero
        by_own = by_shil = zero
        for b in range(LANES):  # both adjoints as polynomials in u and v
            v, u, g = wave[i, b], wave[i, LANES + b], grad[i, b]
            h0, h1, h2 = g * push[i, b], g * push[i, LANES + b], g * push[i, 2 * LANES + b]
            h3, h4, h5 = g * push[i, 3 * LANES + b], g * push[i, 4 * LANES + b], g * push[i, 5 * LANES + b]
            here[SINE + b], here[COSINE + b], here[GRAD + b] = v, u, g
            here[A1 + b] = h1 - three * (three * h3)
            here[E1 + b], here[E3 + b] = h0 - three * h2, four * h2
            here[F1 + b], here[F3 + b] = h1 - h3, four * h3
            here[C2 + b], here[D2 + b] = r4 * h5, r4 * h4
            u2, v2 = u * u - v * v, u * v + u * v
            u3, v3 = u * u2 - v * v2, u * v2 + v * u2
            turned = series(shil_slope, u2, v2)
            alone = h1 * u - h0 * v + three * (h3 * u3 - h2 * v3)
            twice = h5 * u2 - h4 * v2
            here[MINE + b] = g * (series(own_slope, u, v) + turned + turned) + w * alone + r * (twice + twice)
            by_own += g * series(own_code, u, v) + dw * (h0 * u + h1 * v + h2 * u3 + h3 * v3)
            by_shil += g * series(shil_code, u2, v2)
        grad_own[i] += by_own
        grad_shil[i] += by_shil
        for k in range(start[i], start[i + 1]):
            j, e = driving[k], edge[k]
            p, q, w = pair[pair_row[e], 1], pair[pair_row[e], 2], pair[pair_row[e], 0, 13]
            p0, p1, p2, p3, p4, p5, p6 = p[0], p[1], p[2], p[3], p[4], p[5], p[6]
            p7, p8, p9, p10, p11, p12 = p[7], p[8], p[9], p[10], p[11], p[12]
            q0, q1, q2, q3, q4, q5, q6 = q[0], q[1], q[2], q[3], q[4], q[5], q[6]
            q7, q8, q9, q10, q11, q12, dw = q[7], q[8], q[9], q[10], q[11], q[12], q[13]
            by_code = by_sums = zero
            for b in range(LANES):
                u = here[COSINE + b] * waves[j, LANES + b] + here[SINE + b] * waves[j, b]
                v = here[SINE + b] * waves[j, LANES + b] - here[COSINE + b] * waves[j, b]
                square = u * u
                square3 = three * square
                once = u * (here[A1 + b] + here[F3 + b] * square3) - v * (here[E1 + b] + here[E3 + b] * square3)
                twice = here[C2 + b] * (square - half) - here[D2 + b] * (u * v)
                even = p0 + u * (p1 + u * (p2 + u * (p3 + u * (p4 + u * (p5 + u * p6)))))
                slope = even + v * (p7 + u * (p8 + u * (p9 + u * (p10 + u * (p11 + u * p12)))))
                pushed = twice + w * once + here[GRAD + b] * slope
                here[MINE + b] += pushed
                grad_seen[j, b] -= pushed
                by_sums += u * (here[E1 + b] + here[E3 + b] * square) + v * (here[F1 + b] + here[F3 + b] * square)
                even = q0 + u * (q1 + u * (q2 + u * (q3 + u * (q4 + u * (q5 + u * q6)))))
                by_code += here[GRAD + b] * (even + v * (q7 + u * (q8 + u * (q9 + u * (q10 + u * (q11 + u * q12))))))
            grad_pair[e] += by_code + dw * by_sums
        for b in range(LANES):
            grad_x[i, b] += here[MINE + b]


@kernel(SUMS)
def pull_forward(start, driving, edge, x, wave, delay, weight, own, shil, factor, near, out):  # type: ignore[no-untyped-def]
    """out (N, LANES): x as neighbours see it, x + delay + Re[factor T_0 + shil exp(2ix)], T_0 with weight (E,) and own
    (N,); shil (2, N) and factor (2,) real and imaginary. Fills near (N, 2 LANES), the sums over neighbours."""
    p, q = factor[0], factor[1]
    for i in range(wave.shape[0]):
        weighted_rows(start[i], start[i + 1], driving, edge, weight, wave, near[i])
        c, d, mine, late = shil[0, i], shil[1, i], own[i], delay[i]
        for k in range(LANES):  # T_0 = exp(ix) (a - ib)
            v, u, b, a = wave[i, k], wave[i, LANES + k], near[i, k], near[i, LANES + k] + mine
            moved = u * (p * a + q * b) + v * (p * b - q * a) + c * (u * u - v * v) - d * (u * v + u * v)
            out[i, k] = x[i, k] + (late + moved)


@kernel(SUMS)
def pull_backward(  # type: ignore[no-untyped-def]
    start, driving, edge, back_start, back_driven, back_edge, wave, near, weight, own, shil, factor, push, far, grad,
    grad_x, grad_weight, grad_own, grad_shil,
):  # fmt: skip
    """The adjoint of `pull_forward` for grad (N, LANES); it is added to grad_x (N, LANES), grad_weight (E,),
    grad_own (N,) and grad_shil (2, N). push (N, 2 LANES), far (2 LANES,): room."""
    p, q = factor[0], factor[1]
    for i in range(wave.shape[0]):
        c, d, mine = shil[0, i], shil[1, i], own[i]
        by_own, by_c, by_d = grad_own[i], grad_shil[0, i], grad_shil[1, i]
        for k in range(LANES):
            g, v, u, b, a = grad[i, k], wave[i, k], wave[i, LANES + k], near[i, k], near[i, LANES + k] + mine
            push[i, k], push[i, LANES + k] = g * (q * u + p * v), g * (p * u - q * v)
            by_own += g * (p * u - q * v)
            by_c += g * (u * u - v * v)
            by_d -= g * (u * v + u * v)
            half_u, half_v = c * u - d * v, c * v + d * u
            in_u, in_v = p * a + q * b + (half_u + half_u), p * b - q * a - (half_v + half_v)
            grad_x[i, k] += g + g * (in_v * u - in_u * v)
        grad_own[i], grad_shil[0, i], grad_shil[1, i] = by_own, by_c, by_d
    for i in range(wave.shape[0]):
        weighted_rows(back_start[i], back_start[i + 1], back_driven, back_edge, weight, push, far)
        row_products(start[i], start[i + 1], driving, edge, push[i], wave, grad_weight)
        for k in range(LANES):
            grad_x[i, k] += far[k] * wave[i, LANES + k] - far[LANES + k] * wave[i, k]
