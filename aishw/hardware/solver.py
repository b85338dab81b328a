"""How ngspice integrates a transistor deck. A frequency belongs to its solver: step and tolerance move it by 1e-4."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from aishw.errors import CardError
from aishw.units import spice_number


@dataclass(frozen=True)
class Solver:
    """method: trap or gear. steps_per_cycle: largest step is a period over this. reltol, trtol: ngspice's own. bypass:
    devices whose voltages have moved by less than the tolerance are not evaluated again; a fifth to a third less time.

    Edges decide. Nearly fixed steps (trtol 50) are accurate where an edge takes several of them, and wrong where it
    falls between two: with 60 ps taps, 24 drivers that switch at one instant moved a PE by up to 0.16 rad in 16 cycles.
    `ring28`'s taps take 430 ps (10 to 90 %), six steps of T/140. One PE with 24 couplers of random codes, reference and
    SHIL, 12 cycles, against trap T/600, reltol 1e-5; end error in rad with its drivers spread / all in phase,

    | method, steps, reltol, trtol | spread | in phase | CPU |
    | --- | --- | --- | --- |
    | trap 100, 1e-3, 50 | -0.0097 | -0.043 | 0.75 |
    | trap 120, 1e-3, 50 | -0.0007 | -0.006 | 0.87 |
    | trap 140, 1e-3, 50 | -0.0005 | 0.006 | 1 |
    | **trap 140, 1e-4, 50** | -0.0019 | -0.003 | 1.0 |
    | trap 140, 1e-3, 50, bypass (`ring28_aligned`) | 0.0005 | 0.063 | 0.65 |
    | **trap 140, 1e-4, 50, bypass** (`ring28_aligned`; without -0.0025, 0.0056) | -0.0032 | 0.0052 | 0.7 |
    | trap 120, 1e-4, 50, bypass (`ring28_aligned`) | -0.0046 | 0.027 | 0.6 |
    | trap 200, 1e-3, 50 | -0.0001 | 0.020 | 1.3 |
    | gear 140, 1e-3, 50 | -0.0082 | -0.044 | 1.0 |
    | gear 100, 1e-5, 7 (60 ps taps) | -0.0006 | -0.072 | 5 |
    """

    method: str = "trap"
    steps_per_cycle: int = 140
    reltol: float = 1e-4
    trtol: float = 50.0
    bypass: bool = False

    def __post_init__(self) -> None:
        if self.method not in ("trap", "gear"):
            raise CardError(f"solver method {self.method!r} is unknown; known: trap, gear")
        if not 60 <= self.steps_per_cycle <= 5000:
            raise CardError(f"{self.steps_per_cycle} steps per cycle are outside 60..5000")

    def options(self) -> str:
        """The `.options` line."""
        options = f".options reltol={spice_number(self.reltol)} trtol={spice_number(self.trtol)} method={self.method}"
        return options + " bypass=1" * self.bypass

    @property
    def label(self) -> str:
        options = f"{self.method} T/{self.steps_per_cycle} reltol={self.reltol:g} trtol={self.trtol:g}"
        return options + " bypass" * self.bypass

    @property
    def numbers(self) -> dict[str, str | int | float | bool]:
        """The fields, for a hash; without `bypass` where it is off, so that ids from before it was there stay."""
        return {name: value for name, value in asdict(self).items() if name != "bypass" or value}
