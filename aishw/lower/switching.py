"""Switching: how far phases move at once when codes change (`hardware.together`), on a design's circuit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aishw.hardware.together import Together
from aishw.lower.design import Design
from aishw.units import TWO_PI

Floats = NDArray[np.float64]
Sources = tuple[Floats, Floats]


def change(design: Design, segment: int) -> tuple[Sources, Sources]:
    """By how much the weights w of couplers (E,) and reference (N,) rise when a segment begins, and by how much their
    biases r; before the first one there are none."""
    now = sources(design, segment)
    if not segment:
        return now
    (pair, own), (bias, own_bias) = now
    (last_pair, last_own), (last_bias, last_own_bias) = sources(design, segment - 1)
    return (pair - last_pair, own - last_own), (bias - last_bias, own_bias - last_own_bias)


def reference_rad(design: Design, segment: int) -> float:
    """The reference's own phase, within a turn, when a segment begins."""
    cycles = float((design.cycles_per_tau * design.system.duration_tau)[:segment].sum())
    return TWO_PI * (cycles * (1 + design.reference_shift / TWO_PI) % 1.0)


def sum_of(design: Design, sources: Sources, order: int, state: Floats) -> NDArray[np.complex128]:
    """(B, N): sum of sources (E,), (N,) times exp(i order D) at every site, at phases (B, N)."""
    from scipy.sparse import csr_matrix

    pair, own = sources
    matrix = csr_matrix((pair, tuple(design.system.topology.edges)), shape=(own.size, own.size))
    return np.asarray(np.exp(1j * order * state) * ((matrix @ np.exp(-1j * order * state).T).T + own))


def shil_change(design: Design, segment: int) -> tuple[Floats, Floats]:
    """(N,), (N,) rad per cycle: by how much SHIL's strength without its sign, and with it, rises."""
    strength = design.values("shil") / design.cycles_per_tau[:, None]
    before = strength[segment - 1] if segment else np.zeros_like(strength[0])
    return np.abs(strength[segment]) - np.abs(before), strength[segment] - before


def drives(design: Design, segment: int, state: Floats) -> NDArray[np.complex128]:
    """(4, B, N): T_0, T_1, T_2 and SHIL's strength with its sign times exp(2i s), rad per cycle, at phases (B, N)."""
    weights, biases = sources(design, segment)
    strength = design.values("shil")[segment] / design.cycles_per_tau[segment]
    sums = (sum_of(design, sources, k, state) for sources, k in ((weights, 1), (weights, 3), (biases, 2)))
    return np.stack([*sums, strength * np.exp(2j * state)])


def rippled(
    design: Design, together: Together, segment: int, state: NDArray[np.float64], sign: float = 1.0
) -> NDArray[np.float64]:
    """(.., N): the phases that crossings tell, from those (.., N) that drift; back again with sign -1, to first order
    in the ripple."""
    if not together.ripple.any():
        return state
    found = drives(design, segment, state.reshape(-1, state.shape[-1]))
    return state + sign * np.einsum("k,kbn->bn", together.ripple, found).real.reshape(state.shape)


def terms(design: Design, segment: int, state: Floats) -> NDArray[np.complex128]:
    """(6, B, N): what each number of `Together.switch` is multiplied with when a segment begins, at phases (B, N)."""
    (weights, biases), (size, signed) = change(design, segment), shil_change(design, segment)
    once, thrice = sum_of(design, weights, 1, state), sum_of(design, weights, 3, state)
    twice = sum_of(design, biases, 2, state) if any(each.any() for each in biases) else 0 * once
    back = np.exp(-1j * (reference_rad(design, segment) + state))
    shil = signed * np.exp(2j * state)
    return np.stack([once, once * back**2, twice * back**2, thrice, size * back**2, shil * back])


def after_switch(design: Design, together: Together, segment: int, state: Floats) -> Floats:
    """(B, N): the phases just after a segment begins, from those just before."""
    if not together.switch.any():
        return state
    return np.asarray(state + np.einsum("k,kbn->bn", together.switch, terms(design, segment, state)).real)


def sources(design: Design, segment: int) -> tuple[Sources, Sources]:
    """Weights w of a segment's couplers (E,) and reference (N,), and their biases r."""
    driven, top = design.system.topology.edges[0], design.code_limit
    rate, own_rate = design.rate["coupling"][segment][driven], design.rate["reference"][segment]
    weights = rate * design.codes["coupling"][segment] / top, own_rate * design.codes["reference"][segment] / top
    return weights, (rate, own_rate)
