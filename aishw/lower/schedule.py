"""The three ways to run S segments on PEs, as timelines: who keeps still, the states or the weights.

| strategy            | cores | weights on chip | writes per image | states moved per image |
| ------------------- | ----- | --------------- | ---------------- | ---------------------- |
| state_stationary    | 1     | S sets          | 0                | 0, never digitised     |
| save_and_reprogram  | 1     | 1 set           | S sets           | (S - 1) N              |
| weight_stationary   | S     | S sets          | 0                | (S - 1) N              |

A set is E couplings and every term of every site. Where writes per image are 0 the weights are written once, when the
chip is programmed: `storage_bits / bits` weights.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from aishw.ais.system import System
from aishw.errors import PreflightError
from aishw.hardware.target import Target
from aishw.lower.design import Timeline

Builder = Callable[[System, Target, int, NDArray[np.float64]], Timeline]


def weights_per_segment(system: System) -> int:
    """Weights in one set: a code for each directed edge, and one for each term of each site."""
    return int(system.coupling.shape[1] + sum(term.shape[1] for term in system.terms.values()))


def state_stationary(system: System, target: Target, bits: int, run_s: NDArray[np.float64]) -> Timeline:
    """The states stay in their oscillators; a bank beside every coupler holds all chunks, and one select line turns."""
    between = _between(system, target.timing["switch_s"])
    stored = system.segments * weights_per_segment(system) * bits
    return Timeline("state_stationary", np.zeros_like(run_s), between, run_s, 0, 0, 1, stored, 0)


def save_and_reprogram(system: System, target: Target, bits: int, run_s: NDArray[np.float64]) -> Timeline:
    """One set of weights, rewritten for every segment; every state is saved before the write and restored after it."""
    weights = weights_per_segment(system)
    moved = (system.segments - 1) * system.sites
    write_s = np.full_like(run_s, weights * target.timing["write_s"])
    between = _between(system, target.timing["switch_s"] + system.sites * target.timing["transfer_s"])
    state_bits = int(target.timing["state_bits"])
    writes = system.segments * weights
    return Timeline("save_and_reprogram", write_s, between, run_s, writes, moved, 1, weights * bits, state_bits)


def weight_stationary(system: System, target: Target, bits: int, run_s: NDArray[np.float64]) -> Timeline:
    """One core for each segment keeps its weights for good; the states are carried from core to core."""
    moved = (system.segments - 1) * system.sites
    between = _between(system, system.sites * target.timing["transfer_s"])
    stored = system.segments * weights_per_segment(system) * bits
    state_bits = int(target.timing["state_bits"])
    cores = system.segments
    return Timeline("weight_stationary", np.zeros_like(run_s), between, run_s, 0, moved, cores, stored, state_bits)


SCHEDULES: dict[str, Builder] = {
    "state_stationary": state_stationary,
    "save_and_reprogram": save_and_reprogram,
    "weight_stationary": weight_stationary,
}


def timeline(
    system: System, target: Target, bits: int, cycles_per_tau: NDArray[np.float64], strategy: str = "state_stationary"
) -> Timeline:
    """What one image takes under a strategy, in seconds; cycles_per_tau (S,). `transfer_s` moves one state out and in.

    Raises PreflightError for an unknown strategy.
    """
    if strategy not in SCHEDULES:
        raise PreflightError(f"strategy {strategy!r} is unknown; known: {', '.join(SCHEDULES)}")
    run_s = cycles_per_tau * system.duration_tau / target.frequency_Hz
    return SCHEDULES[strategy](system, target, bits, run_s)


def _between(system: System, seconds: float) -> NDArray[np.float64]:
    """(S,): nothing before the first segment, `seconds` before each of the others."""
    return np.where(np.arange(system.segments) > 0, seconds, 0.0)
