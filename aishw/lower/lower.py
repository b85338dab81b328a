"""lower: a System, put onto a Target. Codes, full scales, and how many oscillator cycles a tau takes.

The strongest injection of a segment sets its speed: the bias DAC of that kind stands at its strongest, and

    cycles_per_tau = max over kinds of  full_scale (1/tau) / rate_limit (rad per cycle).

The biases of the other kinds are turned down until all kinds run at the same speed (`Injection.bias_for`). `stretch`
turns all of them down together: more cycles, each of which moves the phases less.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from aishw.ais.system import System, draw_start
from aishw.errors import PreflightError
from aishw.hardware.calibration import Calibration
from aishw.hardware.target import Target
from aishw.lower.design import Design, level_table
from aishw.lower.preflight import preflight
from aishw.lower.quantize import encode, full_scale
from aishw.lower.reference import common_drift
from aishw.lower.schedule import timeline

Scales = dict[str, NDArray[np.float64]]

# `Injection.bias_for` extrapolates down to this fraction of its table's weakest rate: a bias cannot ask for less.
_WEAKEST = 1e-2
_STARTS = 32  # behind a reference's shift: other draws move the digits checkpoint's by 3e-5 of 7e-3 rad per cycle
_LONGEST = 100.0  # 0.05 rad per cycle becomes 5e-4, where a bias is far below its table


def lower(
    system: System,
    target: Target,
    *,
    bits: int = 4,
    policy: str = "chunk",
    strategy: str = "state_stationary",
    clip: str = "maximum",
    stretch: float = 1.0,
    calibration: Calibration | None = None,
) -> Design:
    """The design of `system` on `target`.

    bits: width of a code. policy: who shares a full scale (array, chunk, site). strategy: how the segments follow each
    other. clip: where full scale lies (maximum, mse, sigma3). stretch: times more cycles than the strongest bias takes.
    calibration: of this target; it gives the design its reference's shift (`reference.common_drift`).
    Raises PreflightError with the first objection.
    """
    objections = preflight(system, target, bits=bits, policy=policy, strategy=strategy)
    if objections:
        raise PreflightError(objections[0])
    if not 1 <= stretch <= _LONGEST:
        raise PreflightError(f"stretch is {stretch}, allowed is 1 (the strongest bias) to {_LONGEST:g}")
    weights = {"coupling": system.coupling, **system.terms}
    levels = {kind: level_table(target, kind, bits) for kind in weights}
    driven = {kind: _driven(system, kind) for kind in weights}
    scales = {
        kind: full_scale(value, driven[kind], system.sites, levels[kind], policy, clip, target.bias_levels)
        for kind, value in weights.items()
    }
    cycles_per_tau = stretch * _cycles_per_tau(scales, target, policy)
    scales = {kind: _within_bias(scale, kind, target, cycles_per_tau, policy) for kind, scale in scales.items()}
    codes, clipped = {}, {}
    for kind, value in weights.items():
        codes[kind], clipped[kind] = encode(value, scales[kind][:, driven[kind]], levels[kind])
    line = timeline(system, target, bits, cycles_per_tau, strategy)
    design = Design(system, target, bits, policy, codes, scales, cycles_per_tau, line, clipped)
    if calibration is None:
        return design
    shift = common_drift(design, calibration, draw_start(system, _STARTS, seed=0))
    return replace(design, reference_shift=shift)


def _driven(system: System, kind: str) -> NDArray[np.int64]:
    """(W,): the site that each weight of a kind drives."""
    return system.topology.edges[0] if kind == "coupling" else np.arange(system.sites)


def _cycles_per_tau(scales: Scales, target: Target, policy: str) -> NDArray[np.float64]:
    """(S,): from the strongest injection of each segment; one speed for all where the full scale is one for all."""
    wanted = np.max([scale.max(axis=1) / target.injections[kind].rate_limit for kind, scale in scales.items()], axis=0)
    return wanted if policy == "chunk" else np.full_like(wanted, wanted.max())


def _within_bias(
    scale: NDArray[np.float64], kind: str, target: Target, cycles_per_tau: NDArray[np.float64], policy: str
) -> NDArray[np.float64]:
    """Full scales that the weakest bias still gives: raised where a kind is so weak beside the others."""
    weakest = _WEAKEST * target.injections[kind].rate[0] * cycles_per_tau[:, None]
    if policy != "site":
        return np.where(scale > 0, np.maximum(scale, weakest), 0.0)
    array = np.maximum(scale.max(), weakest.max())
    step = array / target.bias_levels
    return np.where(scale > 0, np.maximum(scale, step * np.ceil(weakest / step)), 0.0)
