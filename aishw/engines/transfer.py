"""What a strategy that moves the state between chunks does to it: a phase detector with a few bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aishw.units import TWO_PI


def round_state(state_rad: NDArray[np.float64], bits: int) -> NDArray[np.float64]:
    """Phases rounded to the nearest of 2^bits even steps of a turn; whole turns stay. bits = 0: as they are.

    A detector knows phases modulo 2 pi only; every family with phases is blind to whole turns, so they are kept to
    leave a trace without jumps.
    """
    if bits == 0:
        return state_rad
    step = TWO_PI / 2**bits
    return np.round(state_rad / step) * step
