"""Technology: supply, corner, temperature and the transistor models behind them."""

from __future__ import annotations

from dataclasses import dataclass

from aishw.errors import CardError


@dataclass(frozen=True)
class Technology:
    """A process at one corner and temperature.

    models: file name of the model library beside the card; corners: its `.lib` sections.
    nmos, pmos: model names. mismatch: area coefficients by name, e.g. Avt in V m. source: where the numbers come from.
    Raises CardError for an unknown corner and an impossible supply or temperature.
    """

    name: str
    supply_V: float
    temperature_K: float
    corner: str
    corners: tuple[str, ...]
    models: str
    nmos: str
    pmos: str
    mismatch: dict[str, float]
    source: str

    def __post_init__(self) -> None:
        if self.corner not in self.corners:
            raise CardError(f"technology {self.name!r} has no corner {self.corner!r}; it has {', '.join(self.corners)}")
        if not 0 < self.supply_V < 20:
            raise CardError(f"technology {self.name!r}: supply_V = {self.supply_V} is outside 0..20 V")
        if not 200 <= self.temperature_K <= 450:
            raise CardError(f"technology {self.name!r}: temperature_K = {self.temperature_K} is outside 200..450 K")
