"""How ngspice integrates a transistor deck. A frequency belongs to its solver: step and tolerance move it by 1e-4."""

from __future__ import annotations

from dataclasses import dataclass

from aishw.errors import CardError
from aishw.units import spice_number


@dataclass(frozen=True)
class Solver:
    """method: trap or gear. steps_per_cycle: largest step is a period over this. reltol, trtol: ngspice's own.

    What matters is how finely the step control resolves tap edges, which is trtol * reltol. Measured on a `ring28` PE
    with four drivers in phase, all codes 0, six start phases: scatter of the drift over 10 cycles, and CPU,

    | method, steps, reltol, trtol | scatter (rad) | CPU |
    | --- | --- | --- |
    | gear 140, 5e-4, 7 | 0.017 | 1 |
    | gear 140, 1e-4, 3 | 0.004 | |
    | gear 100, 1e-4, 1 | 0.0013 | 2.0 |
    | **gear 100, 1e-5, 7** | **0.0004** | 2.2 |
    | gear 70, 1e-5, 7 | 0.0008 | 2.4 |
    | trap 100, 1e-5, 7 | 0.010 | 1.6 |
    | trap 200, 1e-4, 7 | 0.021 | |

    Nearly fixed steps (trtol 50) are worse still: 24 drivers that switch at one instant move a PE by up to 0.16 rad.
    """

    method: str = "gear"
    steps_per_cycle: int = 100
    reltol: float = 1e-5
    trtol: float = 7.0

    def __post_init__(self) -> None:
        if self.method not in ("trap", "gear"):
            raise CardError(f"solver method {self.method!r} is unknown; known: trap, gear")
        if not 60 <= self.steps_per_cycle <= 5000:
            raise CardError(f"{self.steps_per_cycle} steps per cycle are outside 60..5000")

    def options(self) -> str:
        """The `.options` line."""
        return f".options reltol={spice_number(self.reltol)} trtol={spice_number(self.trtol)} method={self.method}"

    @property
    def label(self) -> str:
        return f"{self.method} T/{self.steps_per_cycle} reltol={self.reltol:g} trtol={self.trtol:g}"
