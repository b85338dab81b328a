"""Which points a sweep runs, at which conditions, and what of them a fit may see.

What the shipped cells cannot vary is not swept: supply voltage and the taps' drivers belong to the card, and a PE's
weight bank is measured by `aishw calibrate` at the card's number of chunks.
"""

from __future__ import annotations

from aishw.calibrate.match import KELVIN
from aishw.energy.bench import Point, held_element
from aishw.hardware.target import Target

FITTED = (
    *(Point(couplings) for couplings in (0, 4, 8, 16, 24)),
    *(Point(24, bits) for bits in (2, 3, 5, 6)),
    *(Point(24, level=level) for level in (-1.0, 1.0)),
    *(Point(24, bias=bias) for bias in (1, 2)),
    *(Point(24, slower=slower) for slower in (-0.4, 0.5, 1.0)),
    Point(0, slower=0.5),
    *(Point(8, bits, size=held_element(bits)) for bits in (2, 3, 5)),
    Point(4, 6, size=held_element(6)),
)
HELD_OUT = (
    Point(12), Point(20), Point(8, 3), Point(16, 5), Point(16, level=0.5), Point(8, bias=1), Point(12, slower=0.25),
    Point(8, 5, slower=-0.2), Point(4, 5, size=held_element(5)),
)  # fmt: skip
LARGE = 24.0  # about the size at which one coupling costs what the published law says
FAR_OUT = (Point(0, size=LARGE), Point(1, size=LARGE))
CONDITIONS = (
    ("tt", 0.0), ("tt", 85.0), ("ff", 27.0), ("ss", 27.0), ("sf", 27.0), ("fs", 27.0), ("ff", 0.0), ("ss", 85.0),
)  # fmt: skip
NOMINAL, OTHER, FINER, FAR = 0, 1, 2, 3


def plan(target: Target, quick: bool = False) -> list[tuple[Point, str, float, int]]:
    """Every run: its point, corner, temperature and use. quick: a tenth of them, to see that it works."""
    technology = target.technology
    here = (technology.corner, technology.temperature_K - KELVIN)
    biases = target.injections["coupling"].rate.size
    runs = [(p, *here, NOMINAL) for p in FITTED] + [(p, *here, OTHER) for p in HELD_OUT]
    runs = [run for run in runs if run[0].couplings <= target.fan_in and run[0].bias < biases]
    full = Point(target.fan_in)
    if quick:
        return [(p, *here, NOMINAL) for p in (Point(0), full)] + [(Point(target.fan_in // 2), *here, OTHER)]
    runs.append((full, *here, FINER))
    runs += [(p, *here, FAR) for p in FAR_OUT]
    return runs + [(full, *there, OTHER) for there in CONDITIONS if there[0] in technology.corners and there != here]
