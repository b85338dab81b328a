"""Cards: technology and target files (TOML) to nouns. A card is data; nothing in it runs and no number is defaulted."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aishw import library
from aishw.errors import CardError
from aishw.hardware.solver import Solver
from aishw.hardware.target import Injection, Target
from aishw.hardware.technology import Kit, Technology

CELSIUS_K = 273.15
# What `lower` and the decks ask a target for.
TIMING = ("switch_s", "write_s", "transfer_s", "state_bits")
CIRCUIT = ("shil_low_V", "tap_load_F", "coupler_F", "wire_F", "clock_edge")


def target_names() -> list[str]:
    """The shipped targets."""
    return library.names("models/targets")


def load_technology(name: str | Path, corner: str | None = None, temperature_C: float | None = None) -> Technology:
    """A technology card by shipped name or path, at its own corner and temperature unless told. Raises CardError."""
    card = _read(library.find("models/technologies", name))
    return Technology(
        name=card.text("name"),
        supply_V=card.number("supply_V"),
        temperature_K=card.number("temperature_K") if temperature_C is None else temperature_C + CELSIUS_K,
        corner=corner or card.text("corner"),
        corners=card.texts("corners"),
        models=card.text("models"),
        nmos=card.text("nmos"),
        pmos=card.text("pmos"),
        mismatch=card.table("mismatch").numbers() if "mismatch" in card.fields else {},
        source=card.text("source"),
        kit=_kit(card.table("kit")) if "kit" in card.fields else None,
    )


def _kit(card: _Card) -> Kit:
    sections = card.table("sections")
    return Kit(
        root=card.text("root"),
        folders=card.texts("folders"),
        sections={corner: sections.text(corner) for corner in sections.fields},
        switches=card.text("switches"),
        parameters=card.table("parameters").numbers(),
    )


def load_target(name: str | Path, corner: str | None = None, temperature_C: float | None = None) -> Target:
    """A target card by shipped name or path, with its technology at `corner` and `temperature_C`.

    Raises CardError, with the card's name, for a missing or unreadable card, a missing or mistyped field, an unknown
    corner.
    """
    card = _read(library.find("models/targets", name))
    injections = {kind: card.table("injection").table(kind) for kind in card.table("injection").fields}
    return Target(
        name=card.text("name"),
        technology=load_technology(card.text("technology"), corner, temperature_C),
        netlist=card.text("netlist"),
        encoding=card.text("encoding"),
        bits=tuple(card.count(value, "bits", 16) for value in card.list("bits")),
        frequency_Hz=card.number("frequency_Hz"),
        injections={kind: table.injection() for kind, table in injections.items()},
        timing=card.table("timing").numbers(TIMING),
        circuit=card.table("circuit").numbers(CIRCUIT),
        source=card.text("source"),
        families=card.texts("families"),
        policies=card.texts("policies"),
        strategies=card.texts("strategies"),
        solver=_solver(card.table("solver")) if "solver" in card.fields else Solver(),
        card=str(name),
        **{field: card.count(card.field(field), field) for field in _COUNTS},
    )


def _solver(card: _Card) -> Solver:
    """What the table names; the rest as `Solver` has it."""
    readers: dict[str, Callable[[str], Any]] = {
        "method": card.text, "steps_per_cycle": lambda field: card.count(card.field(field), field),
        "reltol": card.number, "trtol": card.number, "bypass": card.flag,
    }  # fmt: skip
    for field in card.fields:
        if field not in readers:
            raise card.refuse(field, f"one of {', '.join(readers)}", field)
    try:
        return Solver(**{field: readers[field](field) for field in card.fields})
    except CardError as error:
        raise CardError(f"card {card.path}: {error}") from None


_COUNTS = ("height", "width", "reach", "fan_in", "segments", "bias_levels")


@dataclass(frozen=True)
class _Card:
    """A table of a card; every refusal names the file and the field."""

    path: Path
    fields: Mapping[str, Any]
    where: str = ""

    def refuse(self, field: str, wanted: str, value: Any) -> CardError:
        return CardError(f"card {self.path}: {self.where}{field} must be {wanted}, got {str(value)[:60]!r}")

    def field(self, field: str) -> Any:
        if field not in self.fields:
            raise CardError(f"card {self.path} lacks the field {self.where + field!r}")
        return self.fields[field]

    def text(self, field: str) -> str:
        value = self.field(field)
        if not isinstance(value, str):
            raise self.refuse(field, "a text", value)
        return value

    def number(self, field: str) -> float:
        value = self.field(field)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.refuse(field, "a finite number", value)
        return float(value)

    def count(self, value: Any, field: str, most: int = 1_000_000) -> int:
        if type(value) is not int or not 1 <= value <= most:
            raise self.refuse(field, f"a whole number from 1 to {most}", value)
        return value

    def flag(self, field: str) -> bool:
        value = self.field(field)
        if not isinstance(value, bool):
            raise self.refuse(field, "true or false", value)
        return value

    def list(self, field: str) -> list[Any]:
        value = self.field(field)
        if not isinstance(value, list) or not value:
            raise self.refuse(field, "a list", value)
        return value

    def texts(self, field: str) -> tuple[str, ...]:
        values = self.list(field)
        if not all(isinstance(value, str) for value in values):
            raise self.refuse(field, "a list of texts", values)
        return tuple(values)

    def table(self, field: str) -> _Card:
        value = self.field(field)
        if not isinstance(value, dict):
            raise self.refuse(field, "a table", value)
        return _Card(self.path, value, f"{self.where}{field}.")

    def numbers(self, needed: tuple[str, ...] = ()) -> dict[str, float]:
        """Every entry of the table, none of them negative; `needed` must be there."""
        values = {field: self.number(field) for field in (*needed, *self.fields)}
        for field, value in values.items():
            if value < 0:
                raise self.refuse(field, "0 or more", value)
        return values

    def injection(self) -> Injection:
        rows = {}
        for field in ("levels", "bias_V", "rate"):
            values = self.list(field)
            if not all(isinstance(v, int | float) and type(v) is not bool and math.isfinite(v) for v in values):
                raise self.refuse(field, "a list of finite numbers", values)
            rows[field] = np.array(values, dtype=float)
        try:
            return Injection(**rows)
        except CardError as error:
            raise CardError(f"card {self.path}: {self.where.rstrip('.')}: {error}") from None


def _read(path: Path) -> _Card:
    try:
        return _Card(path, tomllib.loads(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise CardError(f"card {path} cannot be read ({error.strerror})") from None
    except ValueError as error:  # no text, no TOML
        raise CardError(f"card {path} is not valid TOML: {str(error).splitlines()[0]}") from None
