"""Cards: technology and target files (TOML) to nouns. A card is data; nothing in it runs and no number is defaulted."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np

from aishw import library
from aishw.errors import CardError
from aishw.hardware.target import Injection, Target
from aishw.hardware.technology import Technology

CELSIUS_K = 273.15


def target_names() -> list[str]:
    """The shipped targets."""
    return library.names("models/targets")


def load_technology(name: str | Path, corner: str | None = None, temperature_C: float | None = None) -> Technology:
    """A technology card by shipped name or path, at its own corner and temperature unless told. Raises CardError."""
    path = library.find("models/technologies", name)
    card = _read(path)
    temperature_K = card["temperature_K"] if temperature_C is None else temperature_C + CELSIUS_K
    return Technology(
        name=_text(card, "name", path),
        supply_V=_number(card, "supply_V", path),
        temperature_K=float(temperature_K),
        corner=corner or _text(card, "corner", path),
        corners=tuple(_list(card, "corners", path)),
        models=_text(card, "models", path),
        nmos=_text(card, "nmos", path),
        pmos=_text(card, "pmos", path),
        mismatch={key: float(value) for key, value in card.get("mismatch", {}).items()},
        source=_text(card, "source", path),
    )


def load_target(name: str | Path, corner: str | None = None, temperature_C: float | None = None) -> Target:
    """A target card by shipped name or path, with its technology at `corner` and `temperature_C`.

    Raises CardError, with the card's name, for a missing or unreadable card, a missing or mistyped field, an unknown
    corner.
    """
    path = library.find("models/targets", name)
    card = _read(path)
    injections = {}
    for kind, table in card.get("injection", {}).items():
        injections[kind] = Injection(
            *(np.array(_list(table, field, path), float) for field in ("levels", "bias_V", "rate"))
        )

    def whole(field: str) -> int:
        return int(_number(card, field, path))

    return Target(
        name=_text(card, "name", path),
        technology=load_technology(_text(card, "technology", path), corner, temperature_C),
        netlist=_text(card, "netlist", path),
        encoding=_text(card, "encoding", path),
        bits=tuple(int(b) for b in _list(card, "bits", path)),
        frequency_Hz=_number(card, "frequency_Hz", path),
        injections=injections,
        timing={k: float(v) for k, v in card.get("timing", {}).items()},
        circuit={k: float(v) for k, v in card.get("circuit", {}).items()},
        source=_text(card, "source", path),
        families=tuple(_list(card, "families", path)),
        policies=tuple(_list(card, "policies", path)),
        strategies=tuple(_list(card, "strategies", path)),
        height=whole("height"),
        width=whole("width"),
        reach=whole("reach"),
        fan_in=whole("fan_in"),
        segments=whole("segments"),
        bias_levels=whole("bias_levels"),
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise CardError(f"card {path} cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CardError(f"card {path} is not valid TOML: {str(error).splitlines()[0]}") from None


def _field(card: dict[str, Any], field: str, path: Path) -> Any:
    if field not in card:
        raise CardError(f"card {path} lacks the field {field!r}")
    return card[field]


def _text(card: dict[str, Any], field: str, path: Path) -> str:
    value = _field(card, field, path)
    if not isinstance(value, str):
        raise CardError(f"card {path}: {field} must be a text, got {value!r}")
    return value


def _number(card: dict[str, Any], field: str, path: Path) -> float:
    value = _field(card, field, path)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise CardError(f"card {path}: {field} must be a number, got {value!r}")
    return float(value)


def _list(card: dict[str, Any], field: str, path: Path) -> list[Any]:
    value = _field(card, field, path)
    if not isinstance(value, list) or not value:
        raise CardError(f"card {path}: {field} must be a list, got {value!r}")
    return value
