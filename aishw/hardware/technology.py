"""Technology: supply, corner, temperature and the transistor models behind them."""

from __future__ import annotations

from dataclasses import dataclass

from aishw.errors import CardError


@dataclass(frozen=True)
class Kit:
    """Where a foundry's models lie in the user's own design kit. Nothing of a kit is shipped.

    root: environment variable that names the folder above the kits. folders: where below it the model files may lie,
    the first one that exists is taken. sections: `.lib` section of the library by corner. switches: file of parameters
    that the library expects. parameters: values that stand in place of that file's.
    """

    root: str
    folders: tuple[str, ...]
    sections: dict[str, str]
    switches: str
    parameters: dict[str, float]


@dataclass(frozen=True)
class Technology:
    """A process at one corner and temperature.

    models: file name of the model library, beside the card or in the kit's folder; corners: its `.lib` sections, which
    a kit may name otherwise. nmos, pmos: model names. mismatch: area coefficients by name, e.g. Avt in V m. source:
    where the numbers come from. kit: None for a model library of our own.
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
    kit: Kit | None = None

    def __post_init__(self) -> None:
        if self.corner not in self.corners:
            raise CardError(f"technology {self.name!r} has no corner {self.corner!r}; it has {', '.join(self.corners)}")
        if self.kit is not None and set(self.corners) - set(self.kit.sections):
            missing = ", ".join(sorted(set(self.corners) - set(self.kit.sections)))
            raise CardError(f"technology {self.name!r}: kit.sections names no section for corner {missing}")
        if not 0 < self.supply_V < 20:
            raise CardError(f"technology {self.name!r}: supply_V = {self.supply_V} is outside 0..20 V")
        if not 200 <= self.temperature_K <= 450:
            raise CardError(f"technology {self.name!r}: temperature_K = {self.temperature_K} is outside 200..450 K")
