"""The sweep beside the law: where slope, intercept and bit factor agree, where not, and at which size they would."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aishw.energy import law
from aishw.energy.bench import Point, held_element
from aishw.energy.model import PowerModel, straight

if TYPE_CHECKING:
    from aishw.energy.sweep import Sweep


NEAR = 0.05


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
        """Within the interval, or NEAR of the law."""
        return abs(self.found - self.law) <= max(self.off, NEAR * abs(self.law))


@dataclass(frozen=True)
class Met:
    """size: of a coupler at which one coupling more costs what the law says, along the model; rate: rad per cycle that
    such a coupler would give at its strongest code. tried, tried_W: a size far outside the fit that was simulated, and
    what one coupling more cost there; None where it was not.
    """

    size: float
    rate: float
    tried: float | None = None
    tried_W: float | None = None


def against_law(sweep: Sweep) -> list[Against]:
    """Slope and intercept over couplings, and what a bit more multiplies, with the strongest code held and with the
    least significant element held. Figures whose runs the sweep lacks are left out.
    """
    points, nominal = sweep.points(), sweep.nominal & (sweep.use < 2)
    total = sweep.ring_W + sweep.taps_W + sweep.couplers_W

    found = []
    plain = np.array([k for k in np.flatnonzero(nominal) if points[k] == Point(points[k].couplings)])
    if plain.size >= 3:
        x = sweep.couplings[plain].astype(float)
        line, own, load = (straight(x, each[plain]) for each in (total, sweep.couplers_W, sweep.taps_W))
        found += [
            Against("a coupling more", line.slope, line.slope_off, law.COUPLER_W * law.ROUTING, "W",
                    f"weak injection: the strongest code moves a phase by {sweep.rate[0]:.2g} rad in a cycle, so that "
                    "its current is small; no routing, registers or margins"),
            Against("its own supply", own.slope, own.slope_off, law.COUPLER_W, "W",
                    "starved inverters: the bias, not the supply, sets their current"),
            Against("its load on taps", load.slope, load.slope_off, law.COUPLER_W * (law.ROUTING - 1), "W",
                    "gates and multiplexers, which every width needs; the law has a tenth for routing here"),
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
            single_W = sweep.couplers_W[each] / (sweep.couplings[each] + 1)
            line = straight(sweep.bits[each].astype(float), np.log2(single_W))
            factor = 2.0**line.slope
            why = (
                "what the law's factor assumes: each bit doubles the drive elements" if held
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
    met = Met(size, size * float(sweep.rate[0]))
    total = sweep.ring_W + sweep.taps_W + sweep.couplers_W
    far = np.flatnonzero(sweep.use == 3)
    none, one = (far[sweep.couplings[far] == count] for count in (0, 1))
    if not (none.size and one.size):
        return met
    return replace(met, tried=float(sweep.size[one[0]]), tried_W=float(total[one[0]] - total[none[0]]))


def bit_runs(sweep: Sweep, held: bool) -> NDArray[np.int64]:
    """Runs over bits at code 0: of all couplings of the PE with the card's couplers, or (`held`) of any number of
    couplings with the smallest element of 4 bits.
    """
    found = []
    for k in np.flatnonzero(sweep.nominal & (sweep.use < 2)):
        bits, size = int(sweep.bits[k]), float(sweep.size[k])
        plain = sweep.level[k] == sweep.bias[k] == sweep.slower[k] == 0
        wanted = held_element(bits) if held else 1.0
        if plain and abs(size - wanted) < 1e-9 and (held or sweep.couplings[k] == sweep.fan_in):
            found.append(k)
    return np.array(found, dtype=np.int64)
