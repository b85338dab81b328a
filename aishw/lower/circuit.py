"""What a calibration says about a design: the constants and complex harmonics of one segment, for every injection.

    ds_i/dcycle = constant_i + Re sum_k [ sum_e pair_ek exp(ik(s_i - p_j)) + own_ik exp(ik s_i) + shil_ik exp(2ik s_i) ]
                  + form(T_i) + Re cubic |T_i0|^2 T_i0 - sum_e (the same of T_ie)

with what injections do together in the second line, a quadratic form in sums over the couplers and the reference
(`hardware.together`); p_j = s_j unless a calibration knows how a neighbour's own drive moves its taps. `constant` holds
the offsets against code 0, what the couplers' bias does to the ring, detuning, and minus the reference's shift: phases
are counted against the reference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aishw.ais.topology import Topology
from aishw.errors import ModelError
from aishw.hardware.calibration import HARMONICS, Calibration, Table
from aishw.hardware.together import ORDERS, Together
from aishw.lower.design import Design
from aishw.lower.switching import rippled
from aishw.lower.together import alone, quadratic, together_of

Floats = NDArray[np.float64]
Complex = NDArray[np.complex128]


@dataclass(frozen=True, eq=False)
class Injected:
    """One segment, rad per cycle: constant (N,), and complex pair (E, K), own (N, K), shil (N, K).

    weight (E,), own_weight (N,): r code / top of every coupler and reference; bias (N,), own_bias (N,): their r.
    pull: what moves the phases that neighbours see (None: nothing does).
    """

    constant: Floats
    pair: Complex
    own: Complex
    shil: Complex
    weight: Floats
    own_weight: Floats
    bias: Floats
    own_bias: Floats
    together: Together = field(default_factory=Together)
    pull: Injected | None = None

    def drifts(self, topology: Topology) -> Callable[[Floats], Floats]:
        """A function of phases (B, N) that returns their drift (B, N), rad per cycle: one sparse product per harmonic,
        as exp(ik(s_i - s_j)) splits into a factor of i and a factor of j.
        """
        from scipy.sparse import csr_matrix

        edges, n = topology.edges, topology.sites

        def sums(each: NDArray[Any]) -> Any:
            return csr_matrix((each, tuple(edges)), shape=(n, n))

        single = alone(self.together, self.weight, self.bias[edges[0]])
        own_single = alone(self.together, self.own_weight, self.own_bias)
        constant = self.constant - np.bincount(edges[0], single[:, 0].real, minlength=n) - own_single[:, 0].real
        pair, own = [sums(each) for each in (self.pair - single[:, 1:]).T], self.own - own_single[:, 1:]
        weights = [sums(self.weight), sums(self.weight), sums(self.bias[edges[0]])]
        own_weights, form = (self.own_weight, self.own_weight, self.own_bias), quadratic(self.together)
        cubic = complex(self.together.cubic[0])
        pulled = None if self.pull is None else self.pull.drifts(topology)

        def drift(state: Floats) -> Floats:
            turn, seen = np.exp(1j * state), np.exp(-1j * (state if pulled is None else state + pulled(state)))
            total = np.broadcast_to(constant, state.shape).astype(complex)
            for k, matrix in enumerate(pair, start=1):
                total += turn**k * ((matrix @ (seen**k).T).T + own[:, k - 1]) + turn ** (2 * k) * self.shil[:, k - 1]
            if form.any() or cubic:
                found = [turn**k * ((w @ (seen**k).T).T + v) for k, w, v in zip(ORDERS, weights, own_weights)]
                v = np.stack([part for each in found for part in (each.real, each.imag)])
                total += np.einsum("abn,ac,cbn->bn", v, form, v, optimize=True)
                total += cubic * np.abs(found[0]) ** 2 * found[0]
            return np.asarray(total.real)

        return drift


def injected(
    design: Design,
    calibration: Calibration,
    segment: int,
    detuning: Floats | None = None,
    gain_error: Floats | None = None,
) -> Injected:
    """One segment on the calibrated circuit. detuning: (N,) rad per cycle, each PE's own. gain_error: (E,) relative, of
    all that a coupler's code does (its part at code 0 stays). Raises ModelError for other shapes.
    """
    sites, edges = design.system.sites, design.system.topology.edges
    _check("detuning", detuning, sites, "sites")
    _check("gain error", gain_error, edges.shape[1], "edges")
    rate = {kind: values[segment] for kind, values in design.rate.items()}
    table = calibration.table("coupling")
    offset, pair = look_up(table, rate["coupling"][edges[0]], design.codes["coupling"][segment])
    if gain_error is not None:
        idle = look_up(table, rate["coupling"][edges[0]], np.zeros(edges.shape[1], dtype=np.int8))[1]
        offset, pair = offset * (1 + gain_error), idle + (pair - idle) * (1 + gain_error)[:, None]
    own_offset, own = look_up(calibration.table("reference"), rate["reference"], design.codes["reference"][segment])
    shil_offset, shil = look_up(calibration.table("shil"), rate["shil"], design.codes["shil"][segment])
    own_rate, top = rate["reference"], design.code_limit
    weight = rate["coupling"][edges[0]] * design.codes["coupling"][segment] / top
    weight = weight if gain_error is None else weight * (1 + gain_error)
    own_weight, together = own_rate * design.codes["reference"][segment] / top, together_of(calibration)
    driven = driven_codes(design, segment)
    pair[:, 0] += together.skew * rate["coupling"][edges[0]] * driven[0][edges[1]]
    constant = np.bincount(edges[0], offset, minlength=sites) + own_offset + shil_offset
    constant += idle_drift(calibration, rate["coupling"], rate["reference"]) + together.load * driven[1]
    constant += (0.0 if detuning is None else detuning) - design.reference_shift
    weights = (weight, own_weight, rate["coupling"], own_rate)
    pull = _pull(together, driven[0], weight, own_weight, shil) if together.pulls else None
    return Injected(constant, pair, own, shil, *weights, together, pull)


def seen_by_neighbours(
    design: Design, calibration: Calibration, times_tau: Floats, state: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(B, T, N): phases at `times_tau` as the taps of PEs show them to neighbours; replayed neighbours go like this. A
    sample at a segment's end is under that segment's codes, one at the start under none."""
    if not together_of(calibration).pulls:
        return state
    found, bounds = state.copy(), design.system.boundaries_tau
    for k in range(design.system.segments):
        at = (times_tau > bounds[k]) & (times_tau <= bounds[k + 1] + 1e-12)
        pull = injected(design, calibration, k).pull
        assert pull is not None
        here = found[:, at] = rippled(design, together_of(calibration), k, state[:, at], -1.0)
        found[:, at] += pull.drifts(design.system.topology)(here.reshape(-1, here.shape[-1])).reshape(here.shape)
    return found


def driven_codes(design: Design, segment: int) -> Floats:
    """(2, N): the sum and the sum of squares of the codes of the couplers that each PE drives."""
    codes, driving = design.codes["coupling"][segment].astype(np.float64), design.system.topology.edges[1]
    return np.stack([np.bincount(driving, codes**p, minlength=design.system.sites) for p in (1, 2)])


def _pull(together: Together, driven: Floats, weight: Floats, own_weight: Floats, shil: Complex) -> Injected:
    """What moves the phase that neighbours see, in rad: a circuit of first harmonics, in place of a drift."""
    none = np.zeros(own_weight.size)
    pair, own, by_shil = (np.zeros((each.size, shil.shape[1]), dtype=complex) for each in (weight, none, none))
    pair[:, 0], own[:, 0] = together.pull[0] * weight, together.pull[0] * own_weight
    by_shil[:, 0] = together.pull[1] * shil[:, 0]
    return Injected(together.delay * driven, pair, own, by_shil, 0 * weight, none, none, none)


def ideal(design: Design, segment: int, harmonics: int) -> Injected:
    """The same segment of the realised KuraSHIL equation: z_1 = -i C, -i reference and +i shil, nothing else."""
    system, cycles = design.realised, design.cycles_per_tau[segment]

    def first(weights: Floats, factor: complex) -> Complex:
        out = np.zeros((weights.size, harmonics), dtype=complex)
        out[:, 0] = factor * weights / cycles
        return out

    own, shil = first(system.terms["reference"][segment], -1j), first(system.terms["shil"][segment], 1j)
    none, pair = np.zeros(system.sites), first(system.coupling[segment], -1j)
    return Injected(none, pair, own, shil, np.zeros(len(pair)), none, none, none)


def look_up(table: Table, rate: Floats, codes: NDArray[np.int8]) -> tuple[Floats, Complex]:
    """(X,) offsets against code 0 and (X, HARMONICS) harmonics for X injections at their own rates (X,)."""
    offset = np.zeros(codes.size)
    harmonics = np.zeros((codes.size, HARMONICS), dtype=complex)
    zero = int(np.flatnonzero(table.codes == 0)[0])
    for value in np.unique(rate):
        here = rate == value
        offsets, shapes = table.at(float(value))
        place = codes[here].astype(int) - int(table.codes[0])
        offset[here] = offsets[place] - offsets[zero]
        harmonics[here, : shapes.shape[1]] = shapes[place]
    return offset, harmonics


def idle_drift(calibration: Calibration, coupling: Floats, reference: Floats) -> Floats:
    """(N,) rad per cycle of PEs whose couplers all hold code 0, against the steady state's frequency; coupling,
    reference: (N,) rates of their biases.

    Measured with the reference's coupler at its strongest bias; at another one it counts as one coupler of the fan-in.
    """
    own, drift = calibration.table("reference"), base(calibration.table("coupling"), coupling)
    return drift + (base(own, reference) - base(own, own.rate[-1:])) / calibration.steady.fan_in


def base(table: Table, rate: Floats) -> Floats:
    """The offset at code 0 at rates of any shape, linear in the logarithm between biases and constant below them."""
    zero = int(np.flatnonzero(table.codes == 0)[0])
    inside = np.interp(np.log(np.maximum(rate, table.rate[0])), np.log(table.rate), table.offset[:, zero])
    return np.asarray(inside, dtype=np.float64)


def _check(what: str, value: Floats | None, count: int, of: str) -> None:
    if value is not None and (np.shape(value) != (count,) or not np.isfinite(value).all()):
        raise ModelError(f"{what} is {np.shape(value)}, expected one finite number for each of {count} {of}")
