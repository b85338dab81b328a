"""Recipes: Settings from a TOML file, or from names and plain values, with a refusal for whatever does not fit."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from aishw.errors import TrainError
from aishw.train.settings import Settings


def read_recipe(path: str | Path, changes: Mapping[str, Any] | None = None) -> Settings:
    """The Settings of a TOML file, with `changes` over it.

    Raises TrainError for a file that is missing, empty or no TOML, and for unknown or mistyped fields.
    """
    try:
        recipe = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # UnicodeDecodeError and TOMLDecodeError are ValueErrors
        reason = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
        raise TrainError(f"recipe {path} cannot be read: {reason}") from None
    if not recipe:
        raise TrainError(f"recipe {path} is empty; examples/recipes/ has some to begin with")
    given = typed(recipe, str(path))
    return Settings(**{**given, **typed(changes or {}, "the command line")})


def settings_from(recipe: Mapping[str, Any], where: str = "recipe") -> Settings:
    """Settings of names and plain values; `where` names their origin in a refusal."""
    return Settings(**typed(recipe, where))


def typed(recipe: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The same values, each of its field's type; a whole number also serves as a float."""
    start = Settings()
    defaults = {each.name: getattr(start, each.name) for each in fields(Settings)}
    given: dict[str, Any] = {}
    for name, value in recipe.items():
        if name not in defaults:
            raise TrainError(f"{where} has an unknown field {name!r}; known: {', '.join(defaults)}")
        given[name] = _like(defaults[name], value, f"{where}: {name}")
    return given


def _like(default: Any, value: Any, where: str) -> Any:
    if isinstance(default, Mapping):
        if isinstance(value, Mapping):
            return {kind: _like(0.0, each, f"{where}.{kind}") for kind, each in value.items()}
    elif isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    elif type(value) is type(default):
        return value
    wanted = "a table" if isinstance(default, Mapping) else type(default).__name__
    raise TrainError(f"{where} must be {wanted}, got {value!r}")
