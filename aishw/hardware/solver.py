"""How ngspice integrates a transistor deck. A frequency belongs to its solver: step and tolerance move it by 1e-4."""

from __future__ import annotations

from dataclasses import dataclass

from aishw.errors import CardError
from aishw.units import spice_number


@dataclass(frozen=True)
class Solver:
    """method: trap or gear. steps_per_cycle: largest step is a period over this. reltol, trtol: ngspice's own.

    Measured on a `ring28` PE whose 24 drivers switch at the same instant, all codes 0, 16 cycles, where the phase
    should
    stand still: trap T/200 with trtol 50 wanders by 0.16 rad, with trtol 7 by 0.04; gear with trtol 7 by 0.01 at T/200
    and 0.005 at T/140, at the same cost, and follows gear T/800 with reltol 1e-5 within 0.02. Coinciding edges ring in
    the trapezoidal rule and slip through a step control that trtol 50 has switched off.
    """

    method: str = "gear"
    steps_per_cycle: int = 140
    reltol: float = 5e-4
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
