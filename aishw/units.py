"""Multipliers for literals, one phase wrap, and numbers as SPICE reads them. SI inside, always."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

ps, ns, us, ms = 1e-12, 1e-9, 1e-6, 1e-3
fF, pF = 1e-15, 1e-12
nm, um = 1e-9, 1e-6
uW, mW = 1e-6, 1e-3
kHz, MHz, GHz = 1e3, 1e6, 1e9

TWO_PI = 2 * math.pi


def wrap(phase_rad: ArrayLike) -> NDArray[np.float64]:
    """`phase_rad` moved by whole turns into [-pi, pi)."""
    return (np.asarray(phase_rad, dtype=np.float64) + math.pi) % TWO_PI - math.pi


def spice_number(value: float) -> str:
    """`value` with a plain exponent and every digit, so that a reader gets the same float back.

    SPICE suffixes are never used (`1M` is a milli). Raises ValueError for NaN and infinities.
    """
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} cannot stand in a deck")
    return repr(number)
