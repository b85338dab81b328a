"""The sweep beside the law: where slope, intercept and bit factor agree, where not, and at which size they would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aishw.energy import law
from aishw.energy.bench import Point, held_element
from aishw.energy.model import PARTS, PowerModel, straight

if TYPE_CHECKING:
    from aishw.energy.sweep import Sweep


@dataclass(frozen=True)
class Against:
    """One figure found in simulation, the half width of its 95 % interval, what the law says, and why they differ."""

    name: str
    found: float
    off: float
    law: float
    unit: str
    why: str

    @property
    def agrees(self) -> bool:
        return abs(self.found - self.law) <= self.off


@dataclass(frozen=True)
class Met:
    """size: of a coupler at which one coupling more would cost what the law says; rate: rad per cycle that such a
    coupler would give at its strongest code.
    """

    size: float
    rate: float


def against_law(sweep: Sweep) -> list[Against]:
    """Slope and intercept over couplings, and what a bit more multiplies, with the strongest code held and with the
    least significant element held. Figures whose runs the sweep lacks are left out.
    """
    points, nominal = sweep.points(), sweep.nominal & (sweep.use != 2)
    total = sum(getattr(sweep, part) for part in PARTS)

    found = []
    plain = np.array([k for k in np.flatnonzero(nominal) if points[k] == Point(points[k].couplings)])
    if plain.size >= 3:
        line = straight(sweep.couplings[plain].astype(float), total[plain])
        found += [
            Against("a coupling more", line.slope, line.slope_off, law.COUPLER_W * law.ROUTING, "W",
                    "weak injection: the strongest code moves a phase by 0.05 rad in a cycle, so that its current is "
                    "small; no routing, registers or margins"),
            Against("a node without couplings", line.at_zero, line.at_zero_off, law.OSCILLATOR_W, "W",
                    "ring, taps and the reference's coupler alone: no registers, clocks, bias or readout; the chip's "
                    "frequency and supply are not known"),
        ]  # fmt: skip
    for name, held in (
        ("couplers, a bit more, strongest code held", False),
        ("couplers, a bit more, smallest element held", True),
    ):
        each = bit_runs(sweep, held)
        if np.unique(sweep.bits[each]).size >= 3:
            own = sweep.couplers_W[each] / (sweep.couplings[each] + 1)
            line = straight(sweep.bits[each].astype(float), np.log2(own))
            factor = 2.0**line.slope
            why = (
                "the law's factor of 2 holds the smallest element; so it is met" if held
                else "the strongest code's current is held, and its smallest element shrinks: 2^q / (2^q - 2) of it"
            )  # fmt: skip
            found.append(Against(name, factor, factor * (2.0**line.slope_off - 1), 2.0, "", why))
    whole = bit_runs(sweep, False)
    if np.unique(sweep.bits[whole]).size >= 3:
        line = straight(sweep.bits[whole].astype(float), np.log2(total[whole]))
        factor = 2.0**line.slope
        found.append(
            Against("the whole PE, a bit more", factor, factor * (2.0**line.slope_off - 1), 2.0, "",
                    "the law doubles the oscillator, too, which holds no weight")
        )  # fmt: skip
    return found


def met_at(model: PowerModel, sweep: Sweep) -> Met:
    """Where the law's slope would be met, at 4 bits."""
    size = model.size_of(law.COUPLER_W * law.ROUTING)
    return Met(size, size * float(sweep.rate[0]))


def bit_runs(sweep: Sweep, held: bool) -> NDArray[np.int64]:
    """Runs over bits at code 0: of all couplings of the PE with the card's couplers, or (`held`) of any number of
    couplings with the smallest element of 4 bits.
    """
    found = []
    for k in np.flatnonzero(sweep.nominal & (sweep.use != 2)):
        bits, size = int(sweep.bits[k]), float(sweep.size[k])
        plain = sweep.level[k] == sweep.bias[k] == sweep.slower[k] == 0
        wanted = held_element(bits) if held else 1.0
        if plain and abs(size - wanted) < 1e-9 and (held or sweep.couplings[k] == sweep.fan_in):
            found.append(k)
    return np.array(found, dtype=np.int64)
