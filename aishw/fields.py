"""The field list of every noun that a file keeps, and how its values look in between: tables of numbers and text.

`encode` and `decode` walk the same list, and numbers come back bit for bit. The HDF5 side is in `store`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from aishw.errors import StoreError

# The last word of a name is its unit; everything else has none, or states it in the list below.
_SUFFIXES = ("s", "V", "K", "J", "Hz", "A", "W", "F", "ohm", "m", "rad", "tau")


def unit_of(name: str) -> str:
    """The unit that a name ends in: `supply_V` -> V, `samples_tau` -> tau, `height` -> no unit."""
    head, _, last = name.rpartition("_")
    return last if head and last in _SUFFIXES else ""


@dataclass(frozen=True)
class Noun:
    """A dataclass and the fields of it that are kept."""

    make: Callable[..., Any]
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Table:
    """A mapping from names to entries of one kind."""

    entry: Kind


Kind = Noun | Table | Callable[[Any], Any]  # a callable makes the noun's own type of a stored value


@dataclass(frozen=True)
class Field:
    """One field: its kind, and its unit if that is not the suffix of the name (for a table: of each entry's name).

    absent: the value of an optional field that is left out, so that files from before it was there stay as they are.
    """

    name: str
    kind: Kind
    units: str = ""
    optional: bool = False
    absent: Any = None


def encode(kind: Kind, value: Any) -> Any:
    """Nested dicts that end in text, numbers, tuples and arrays; an optional field at its `absent` value is out."""
    if isinstance(kind, Noun):
        kept = ((field, getattr(value, field.name)) for field in kind.fields)
        return {f.name: encode(f.kind, entry) for f, entry in kept if not (f.optional and _same(entry, f.absent))}
    if isinstance(kind, Table):
        return {str(name): encode(kind.entry, entry) for name, entry in value.items()}
    return kind(value)


def decode(kind: Kind, value: Any, where: str) -> Any:
    """The noun again. Raises StoreError for a field that is missing or of another kind; `where` names it."""
    if isinstance(kind, Noun | Table) != isinstance(value, Mapping):
        raise StoreError(f"{where} is not what aishw wrote there")
    if isinstance(kind, Table):
        return {name: decode(kind.entry, entry, f"{where}/{name}") for name, entry in value.items()}
    if isinstance(kind, Noun):
        missing = [f.name for f in kind.fields if f.name not in value and not f.optional]
        if missing:
            raise StoreError(f"{where}/{missing[0]} is missing")
        named = [f for f in kind.fields if f.name in value]
        return kind.make(**{f.name: decode(f.kind, value[f.name], f"{where}/{f.name}") for f in named})
    try:
        return kind(value)
    except (TypeError, ValueError, IndexError) as error:
        raise StoreError(f"{where} cannot be read: {error}") from error


def _same(entry: Any, absent: Any) -> bool:
    return entry is None if absent is None else bool(entry == absent)


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(v) for v in value)


def _numbers(value: Any) -> tuple[int, ...]:
    return tuple(int(v) for v in value)


def _pairs(value: Any) -> tuple[tuple[int, int], ...]:
    return tuple((int(a), int(b)) for a, b in value)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic | np.ndarray) else value


@cache
def noun(name: str) -> Noun:
    """The field list of a design (with its system and target), a job or a trace."""
    return _lists()[name]


def _lists() -> dict[str, Noun]:
    from aishw.ais.system import Noise, Start, System
    from aishw.ais.topology import Topology
    from aishw.engines.base import Job, Trace
    from aishw.hardware.solver import Solver
    from aishw.hardware.target import Injection, Target
    from aishw.hardware.technology import Kit, Technology
    from aishw.lower.design import Design, Timeline

    F, array = Field, np.asarray
    topology = (
        F("height", int), F("width", int), F("offsets", _pairs), F("visible", array), F("symmetric", bool),
        F("neighbourhood", str),
    )  # fmt: skip
    system = (
        F("family", str), F("topology", Noun(Topology, topology)), F("coupling", array, "1/tau"),
        F("terms", Table(array), "1/tau"), F("duration_tau", array), F("readout", str), F("step_tau", float),
        F("start", Noun(Start, (F("mean", float, "rad"), F("deviation", float, "rad")))),
        F("noise", Noun(Noise, (F("delta", float), F("convention", str)))), F("name", str),
    )  # fmt: skip
    kit = (
        F("root", str), F("folders", _texts), F("sections", Table(str)), F("switches", str),
        F("parameters", Table(float)),
    )  # fmt: skip
    technology = (
        F("name", str), F("supply_V", float), F("temperature_K", float), F("corner", str), F("corners", _texts),
        F("models", str), F("nmos", str), F("pmos", str), F("mismatch", Table(float)), F("source", str),
        F("kit", Noun(Kit, kit), optional=True),
    )  # fmt: skip
    injection = (F("levels", array), F("bias_V", array), F("rate", array, "rad/cycle"))
    solver = (
        F("method", str), F("steps_per_cycle", int), F("reltol", float), F("trtol", float), F("bypass", bool),
    )  # fmt: skip
    target = (
        F("name", str), F("technology", Noun(Technology, technology)), F("netlist", str), F("families", _texts),
        F("height", int), F("width", int), F("reach", int), F("fan_in", int), F("segments", int), F("encoding", str),
        F("bits", _numbers), F("policies", _texts), F("strategies", _texts), F("bias_levels", int),
        F("frequency_Hz", float), F("injections", Table(Noun(Injection, injection))), F("timing", Table(float)),
        F("circuit", Table(float)), F("source", str), F("solver", Noun(Solver, solver), optional=True, absent=Solver()),
        F("card", str, optional=True, absent=""),
    )  # fmt: skip
    timeline = (
        F("strategy", str), F("write_s", array), F("switch_s", array), F("run_s", array), F("writes", int),
        F("transfers", int), F("cores", int), F("storage_bits", int), F("state_bits", int),
    )  # fmt: skip
    design = (
        F("system", Noun(System, system)), F("target", Noun(Target, target)), F("bits", int), F("policy", str),
        F("codes", Table(array)), F("full_scale", Table(array), "1/tau"), F("cycles_per_tau", array, "cycles/tau"),
        F("timeline", Noun(Timeline, timeline)), F("clipped", Table(int)),
        F("reference_shift", float, "rad/cycle", optional=True, absent=0.0),
    )  # fmt: skip
    job = (F("x0", array, "rad"), F("samples_tau", array), F("seed", int), F("noise", bool))
    trace = (
        F("engine", str), F("version", str), F("design_id", str), F("job_id", str), F("times_tau", array),
        F("state", array, "rad"), F("sites", array), F("images", array), F("settings", Table(_plain)),
        F("supply_J", array, optional=True), F("cpu_s", float),
    )  # fmt: skip
    return {"design": Noun(Design, design), "job": Noun(Job, job), "trace": Noun(Trace, trace)}
