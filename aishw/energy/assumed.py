"""What no run of ours and no silicon says: each figure with its source and how far off it may be."""

from __future__ import annotations

from dataclasses import dataclass

from aishw.units import fF, um


@dataclass(frozen=True)
class Assumption:
    """value in SI; off: the factor by which it may be wrong either way."""

    name: str
    value: float
    unit: str
    off: float
    source: str


WIRE = Assumption(
    "capacitance of a wire", 0.2 * fF / um, "F/m", 1.5,
    "0.2 fF/um, the textbook figure for minimum-pitch wires, which hardly moves from node to node (Weste and Harris, "
    "CMOS VLSI Design, chapter on interconnect)",
)  # fmt: skip
TRANSISTOR = Assumption(
    "area of a transistor", 250.0, "squares of the shortest gate", 2.0,
    "about three times a transistor of a standard cell, for analog layout and wells; no layout was drawn",
)  # fmt: skip
CAPACITOR = Assumption(
    "density of capacitors",
    2 * fF / um**2,
    "F/m2",
    2.0,
    "2 fF/um2, a metal stack of several layers; no layout was drawn",
)
BUFFERS = Assumption(
    "drivers over the wires they drive",
    1.5,
    "",
    1.5,
    "a tree of tapered buffers adds about half of its load (analytic)",
)
CONVERSION = Assumption(
    "digitising a phase", 50 * fF, "J a step", 5.0,
    "50 fJ a conversion step, 2^bits steps: the upper end of published converters of 6 to 8 bits (Murmann, ADC survey)",
)  # fmt: skip
IMAGES = Assumption(
    "images for one programming", 1000.0, "", 1.0, "a setting, not a figure: weights stay while images are made"
)
RESTART = Assumption(
    "cycles to set a phase", 10.0, "cycles", 2.0, "a PE is driven to a stored phase; no cell for that was drawn"
)
EVERY = (WIRE, TRANSISTOR, CAPACITOR, BUFFERS, CONVERSION, IMAGES, RESTART)
