"""What the bias DACs draw: R-2R ladders between supply and ground, solved as the resistor networks that they are."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from aishw.engines.deck_rails import DAC_STEPS
from aishw.hardware.cells import cell_text
from aishw.hardware.target import KINDS, Target
from aishw.lower.design import Design

RAILS = {"coupling": 2, "reference": 2, "shil": 1}  # a coupler's bias has a rail for each kind of transistor
WIDTH = 10


def ladder_W(codes: NDArray[np.int64], supply_V: float, r_ohm: float) -> NDArray[np.float64]:
    """Power that ladders at `codes` (any shape, 0..1023) draw, with ideal switches and no load on their output."""
    bits = (np.asarray(codes)[..., None] >> np.arange(WIDTH)) & 1
    volts = supply_V * bits @ np.linalg.inv(_conductance()).T / 2  # a rung feeds its node through 2 r
    power: NDArray[np.float64] = supply_V * (bits * (supply_V - volts)).sum(axis=-1) / (2 * r_ohm)
    return power


def _conductance() -> NDArray[np.float64]:
    """(WIDTH, WIDTH), in units of 1/r: node k is the output of rung k; rung 0 also hangs on ground through 2 r."""
    matrix = np.diag(np.full(WIDTH, 0.5 + 2.0))
    matrix[0, 0], matrix[-1, -1] = 0.5 + 0.5 + 1.0, 0.5 + 1.0
    for k in range(WIDTH - 1):
        matrix[k, k + 1] = matrix[k + 1, k] = -1.0
    return matrix


def ladder_ohm(target: Target) -> float:
    """r of the target's bias DAC; 0 if its netlist has none."""
    found = re.search(r"^\.subckt bias_dac .*?\br=(\S+)", cell_text(target, 4, 1), re.MULTILINE)
    return float(found[1]) if found else 0.0


def bias_W(design: Design) -> NDArray[np.float64]:
    """(S,) power of the array's bias DACs in each segment: one for each rail, or one for each rail and site where sites
    have full scales of their own.
    """
    r_ohm, supply_V = ladder_ohm(design.target), design.target.technology.supply_V
    total = np.zeros(design.system.segments)
    for kind in KINDS if r_ohm else ():
        volts = design.target.injections[kind].bias_for(design.rate[kind])
        volts = volts[:, :1] if (volts == volts[:, :1]).all() else volts
        high = np.rint(volts / supply_V * DAC_STEPS).astype(np.int64)
        for codes in (high, DAC_STEPS - high)[: RAILS[kind]]:
            total += ladder_W(np.minimum(codes, DAC_STEPS - 1), supply_V, r_ohm).sum(axis=1)
    return total


def dacs_a_site(design: Design) -> float:
    """Bias DACs of a site; those that the array shares count as none."""
    volts = {kind: design.target.injections[kind].bias_for(design.rate[kind]) for kind in KINDS}
    return float(sum(RAILS[kind] for kind, each in volts.items() if not (each == each[:, :1]).all()))
