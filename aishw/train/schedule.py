"""How a rate falls over a run: the share of it that holds when a share `done` (0..1) of all steps is done."""

from __future__ import annotations

import math
from collections.abc import Callable


def linear(done: float) -> float:
    """All of it for the first half, then down to 0 in a straight line, as in the paper."""
    return min(1.0, 2 * (1 - done))


def constant(done: float) -> float:
    return 1.0


def cosine(done: float) -> float:
    """Half a cosine from 1 to 0."""
    return (1 + math.cos(math.pi * done)) / 2


SCHEDULES: dict[str, Callable[[float], float]] = {"linear": linear, "constant": constant, "cosine": cosine}
