"""What a calibration says about a design: the constants and complex harmonics of one segment, for every injection.

    ds_i/dcycle = constant_i + Re sum_k [ sum_e pair_ek exp(ik(s_i - s_j)) + own_ik exp(ik s_i) + shil_ik exp(2ik s_i) ]
                  + Re b (F_i^2 - sum_e F_ie^2)

with the first-order drives F_ie = pair_e1 exp(i(s_i - s_j)), the reference's among them, and F_i their sum. Tables hold
what one injection does to second order alone; the second line is what injections do together. `constant` holds the
offsets against code 0, what the couplers' bias does to the ring, detuning, and minus the reference's shift: phases are
counted against the reference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aishw.ais.topology import Topology
from aishw.errors import ModelError
from aishw.hardware.calibration import Calibration, Table
from aishw.lower.design import Design

Floats = NDArray[np.float64]
Complex = NDArray[np.complex128]


@dataclass(frozen=True, eq=False)
class Injected:
    """One segment, rad per cycle: constant (N,), and complex pair (E, K), own (N, K), shil (N, K).

    together: b, cycles per rad.
    """

    constant: Floats
    pair: Complex
    own: Complex
    shil: Complex
    together: complex = 0.0

    def drifts(self, topology: Topology) -> Callable[[Floats], Floats]:
        """A function of phases (B, N) that returns their drift (B, N), rad per cycle: one sparse product per harmonic,
        as exp(ik(s_i - s_j)) splits into a factor of i and a factor of j.
        """
        from scipy.sparse import csr_matrix

        n, b = topology.sites, self.together
        # What an injection does alone to second order is in its table: taken off here, it comes back with the whole.
        pair, own = self.pair.copy(), self.own.copy()
        pair[:, 1] -= b * pair[:, 0] ** 2
        own[:, 1] -= b * own[:, 0] ** 2
        matrices = [csr_matrix((each, tuple(topology.edges)), shape=(n, n)) for each in pair.T]

        def drift(state: Floats) -> Floats:
            turn = np.exp(1j * state)
            total = np.broadcast_to(self.constant, state.shape).astype(complex)
            power, double, square = np.ones_like(turn), np.ones_like(turn), turn * turn
            for k, matrix in enumerate(matrices):
                power, double = power * turn, double * square
                driven = power * ((matrix @ power.conj().T).T + own[:, k])
                total += driven + double * self.shil[:, k]
                if k == 0:
                    total += b * driven**2
            return np.asarray(total.real)

        return drift


def second_order(table: Table) -> complex:
    """b (cycles per rad) behind a coupling table, from its strongest bias and codes: the part of the second harmonic
    that is even in the code, over z_1^2.

    To second order in a weak drive F, a phase drifts by Re F + Re b F^2, and b belongs to the PE, not to the number of
    couplers that make up F. Measured with 2 and 4 couplers of code 7 on one PE of `ring28` (F up to 0.19 rad per
    cycle): -0.035 + 0.128i, where one coupler's table says -0.038 + 0.115i. A term a |F|^2 came out at -0.03 cycles per
    rad, not the 0.17 that the offsets of one slipping coupler suggest, and is left with the tables.
    """
    zero = int(np.flatnonzero(table.codes == 0)[0])
    ends = [0, table.codes.size - 1]
    first = table.harmonics[-1, ends, 0] - table.harmonics[-1, zero, 0]
    second = table.harmonics[-1, ends, 1].mean() - table.harmonics[-1, zero, 1]
    scale = (first**2).mean()
    return complex(second / scale) if abs(scale) > 0 else 0.0


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
    constant = np.bincount(edges[0], offset, minlength=sites) + own_offset + shil_offset
    constant += idle_drift(calibration, rate["coupling"], rate["reference"])
    constant += (0.0 if detuning is None else detuning) - design.reference_shift
    return Injected(constant, pair, own, shil, second_order(table))


def ideal(design: Design, segment: int, harmonics: int) -> Injected:
    """The same segment of the realised KuraSHIL equation: z_1 = -i C, -i reference and +i shil, nothing else."""
    system, cycles = design.realised, design.cycles_per_tau[segment]

    def first(weights: Floats, factor: complex) -> Complex:
        out = np.zeros((weights.size, harmonics), dtype=complex)
        out[:, 0] = factor * weights / cycles
        return out

    own, shil = first(system.terms["reference"][segment], -1j), first(system.terms["shil"][segment], 1j)
    return Injected(np.zeros(system.sites), first(system.coupling[segment], -1j), own, shil)


def look_up(table: Table, rate: Floats, codes: NDArray[np.int8]) -> tuple[Floats, Complex]:
    """(X,) offsets against code 0 and (X, K) harmonics for X injections at their own rates (X,)."""
    offset = np.zeros(codes.size)
    harmonics = np.zeros((codes.size, table.harmonics.shape[2]), dtype=complex)
    zero = int(np.flatnonzero(table.codes == 0)[0])
    for value in np.unique(rate):
        here = rate == value
        offsets, shapes = table.at(float(value))
        place = codes[here].astype(int) - int(table.codes[0])
        offset[here] = offsets[place] - offsets[zero]
        harmonics[here] = shapes[place]
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
