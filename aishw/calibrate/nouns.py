"""What a calibration file keeps: the field lists, read off the dataclasses themselves.

A field's annotation says how it comes back from the file, the last word of its name its unit (`fields.unit_of`) unless
UNITS has it. A field that may be None is left out of the file where it is, as is one of
ADDED at the value that files from before it was there stand for.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from aishw.fields import Field, Kind, Noun, Table
from aishw.hardware.calibration import Calibration
from aishw.hardware.findings import Check
from aishw.hardware.steady import SteadyState

UNITS = {
    "Table": {
        "rate": "rad/cycle", "offset": "rad/cycle", "harmonics": "rad/cycle", "error": "rad/cycle",
        "harmonics_error": "rad/cycle", "curve": "rad/cycle",
    },
    "SteadyState": {"waves": "V"},
    "PhaseResponse": {"charge_C": "C", "r0": "rad/C", "r1": "rad/C", "error": "rad/C"},
    "NoiseFinding": {
        "thermal": "rad2/cycle", "flicker": "rad2/cycle", "by_device": "rad2/cycle", "test_A2_per_Hz": "A2/Hz",
        "ensemble": "rad2/cycle", "ensemble_error": "rad2/cycle", "predicted": "rad2/cycle",
    },
    "MismatchFinding": {"offset": "rad/cycle"},
    "CornerFinding": {"temperature_C": "Celsius", "coupling": "rad/cycle", "shil": "rad/cycle"},
}  # fmt: skip
ADDED: dict[str, dict[str, Any]] = {"Solver": {"bypass": False}}
# Figures that differ from run to run of the same measurement: a file holds none of them.
PASSING: dict[str, dict[str, Any]] = {"SteadyState": {"cpu_s": 0.0}, "SolverFinding": {"cpu_s": 0.0}}


def noun_of(made: type) -> Noun:
    """The field list of a dataclass: numbers, texts, arrays, mappings and dataclasses, each perhaps None."""
    hints, passing = get_type_hints(made), PASSING.get(made.__name__, {})
    passing = {name: value for name, value in passing.items() if name in hints}
    listed = []
    for each in fields(made):
        if each.name not in passing:
            kind, optional = _kind(hints[each.name])
            unit, added = UNITS.get(made.__name__, {}).get(each.name, ""), ADDED.get(made.__name__, {})
            listed.append(Field(each.name, kind, unit, optional or each.name in added, added.get(each.name)))
    return Noun(partial(made, **passing), tuple(listed))


def calibration_noun() -> Noun:
    """A Calibration as it is filed: its checks are a table by their number, so that their order stays."""
    listed = [f for f in noun_of(Calibration).fields if f.name != "checks"]
    return Noun(_calibration, (*listed, Field("checks", Table(noun_of(Check)))))


def filed(calibration: Calibration) -> types.SimpleNamespace:
    """What `encode` takes with `calibration_noun`."""
    checks = {f"{k:03d}": check for k, check in enumerate(calibration.checks)}
    return types.SimpleNamespace(**{**vars(calibration), "checks": checks})


def steady_noun() -> Noun:
    """The part of a file that transistor windows need."""
    return Noun(lambda steady: steady, (Field("steady", noun_of(SteadyState)),))


def _calibration(checks: Mapping[str, Check], **kept: Any) -> Calibration:
    return Calibration(checks=tuple(checks[k] for k in sorted(checks)), **kept)


def _kind(hint: Any) -> tuple[Kind, bool]:
    """How a stored value becomes what the annotation says, and whether it may be None."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (types.UnionType, Union):
        (only,) = (each for each in inner if each is not type(None))
        return _kind(only)[0], True
    if origin is not None and issubclass(origin, Mapping):
        return Table(_kind(inner[1])[0]), False
    if origin is tuple:
        return partial(_tuple, of=inner[0]), False
    if origin is np.ndarray:
        return np.asarray, False
    if is_dataclass(hint):
        return noun_of(hint), False  # type: ignore[arg-type]
    if hint in (str, int, float, bool):
        return hint, False  # type: ignore[no-any-return]
    raise TypeError(f"a calibration file has no form for {hint}")


def _tuple(values: Any, of: Any) -> tuple[Any, ...]:
    return tuple(values) if is_dataclass(of) else tuple(of(value) for value in values)
