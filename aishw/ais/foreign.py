"""Someone else's state dict as a System: a small TOML says what its names, axes and signs mean.

    family = "kurashil"                 # kuramoto, kurashil, polynet, tanhnet, selunet
    duration_tau = [1.0, 1.0]           # one entry per segment
    ignore = ["critic.*"]               # tensors that are not part of the system
    readout = "sin"                     # optional, like name, step_tau and the tables [start] and [noise]

    [topology]
    height = 16
    width = 16
    neighbourhood = "box5"              # or offsets = [[0, 1], [1, 0]], or complete = true
    image = [8, 8]                      # or visible = [0, 2, 4], or visible_key = "mask_sites"

    [coupling]
    key = "gen.K"                       # or keys = ["k0", "k1"], one tensor per segment
    axes = "SNK"
    sign = "attractive"                 # a positive value stands for K sin(theta_j - theta_i); else "repulsive"
    neighbours = [[0, 1], [1, 0]]       # the order of axis K, if it is not the topology's
    scale = 1.0                         # to 1/tau

    [terms.shil]                        # the family's terms by our names
    key = "gen.lam0"
    axes = "SHW"
    scale = 1.0
    [terms.reference]
    value = 0.0                         # a constant instead of a tensor

Axes, in the tensor's own order: S segment, N driven site (or HW: its row and column), M driving site, K neighbour;
`1` drops an axis of size 1. "SNM" is dense with the driven site first, "SMN" its transpose, "NMS" has segments last,
"SNK" is a neighbour list at the driven site, "SMK" one at the driving site, whose neighbours are then the sites it
drives. Without S all segments share the values. An offset is (row, column) from the axis's site to the other one.

A diagonal (i = j) is dropped for phases, where it does nothing; it becomes `gain` or `self_weight` for the others. A
weight between sites that the topology does not couple is refused, and so is a tensor that the map does not mention.
"""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from aishw.ais.families import FAMILIES, Family
from aishw.ais.foreign_axes import Array, Source, segments_first, to_edges
from aishw.ais.system import Noise, Start, System
from aishw.ais.tensorfile import METADATA, read_tensors, shown
from aishw.ais.topology import Topology, complete, grid
from aishw.errors import AishwError, ModelError

# What may stand in each table of a map, and of which type.
_NUMBER = (int, float)
_TOP = {
    "family": str, "duration_tau": list, "ignore": list, "readout": str, "name": str, "step_tau": _NUMBER,
    "start": dict, "noise": dict, "topology": dict, "coupling": dict, "terms": dict,
}  # fmt: skip
_START = {"mean": _NUMBER, "deviation": _NUMBER}
_NOISE = {"delta": _NUMBER, "convention": str}
_TOPOLOGY = {
    "height": int, "width": int, "neighbourhood": str, "offsets": list, "complete": bool, "symmetric": bool,
    "image": list, "visible": list, "visible_key": str,
}  # fmt: skip
_COUPLING = {"key": str, "keys": list, "axes": str, "sign": str, "neighbours": list, "scale": _NUMBER}
_TERM = {"key": str, "keys": list, "axes": str, "scale": _NUMBER, "value": _NUMBER}


def import_foreign(path: str | Path, map_toml_path: str | Path) -> System:
    """The System that the tensors in `path` (.pt or .safetensors) are, read as the map says.

    Raises CheckpointError for an unreadable file, and ModelError, one line that names the map and the entry, for a map
    that is no TOML or has unknown, missing or wrong entries, for keys that the file does not have, and for shapes that
    do not fit.
    """
    table = _read_map(Path(map_toml_path))
    source = Source(_flat(read_tensors(path)))
    try:
        return _system(table, source, Path(path).stem)
    except AishwError as error:
        raise ModelError(f"{shown(map_toml_path)}: {error}") from error
    except (TypeError, ValueError, OverflowError) as error:  # a list of the wrong things
        raise ModelError(f"{shown(map_toml_path)}: an entry is of the wrong kind: {str(error)[:80]!r}") from error


def _system(table: dict[str, Any], source: Source, stem: str) -> System:
    _check(table, _TOP, "the map")
    family = _family(_need(table, "family", "the map"))
    duration = np.array(_need(table, "duration_tau", "the map"), dtype=np.float64).reshape(-1)
    topology = _topology(_need(table, "topology", "the map"), source)
    coupling, diagonal = _coupling(_need(table, "coupling", "the map"), family, topology, duration.size, source)
    terms = {
        name: _term(f"[terms.{name}]", entry, topology, duration.size, source)
        for name, entry in table.get("terms", {}).items()
    }
    if diagonal.any() and not family.angular:
        own = "gain" if "gain" in family.term_names else "self_weight"
        terms[own] = terms.get(own, np.zeros_like(diagonal)) + diagonal
    ignored = [str(pattern) for pattern in table.get("ignore", [])]
    idle = [name for name in source.tensors if name not in source.used]
    idle = [name for name in idle if not any(fnmatch.fnmatchcase(name, pattern) for pattern in ignored)]
    if idle:
        raise ModelError(f"the map leaves {', '.join(map(repr, idle[:4]))} unused; map it, or name it in `ignore`")
    _check(table.get("start", {}), _START, "[start]")
    _check(table.get("noise", {}), _NOISE, "[noise]")
    return System(
        family.name, topology, coupling, terms, duration,
        start=Start(**table.get("start", {})), noise=Noise(**table.get("noise", {})), name=table.get("name", stem),
        **{name: table[name] for name in ("readout", "step_tau") if name in table},
    )  # fmt: skip


def _family(name: str) -> Family:
    if name not in FAMILIES or not FAMILIES[name].coupled:
        known = ", ".join(name for name, family in FAMILIES.items() if family.coupled)
        raise ModelError(f"family {name!r} cannot be imported; known: {known}")
    return FAMILIES[name]


def _topology(table: dict[str, Any], source: Source) -> Topology:
    _check(table, _TOPOLOGY, "[topology]")
    visible = table.get("visible")
    if "visible_key" in table:
        visible = source.take(table["visible_key"], "[topology]").reshape(-1)
    shown_sites = None if visible is None else np.asarray(visible, dtype=np.int64)
    height, width = _need(table, "height", "[topology]"), _need(table, "width", "[topology]")
    symmetric, image = table.get("symmetric", False), table.get("image")
    if image is not None and (len(image) != 2 or not all(type(side) is int for side in image)):
        raise ModelError(f"[topology] image must be [rows, columns], got {str(image)[:40]}")
    if table.get("complete", False):
        whole = complete(height * width, symmetric=symmetric)
        return whole if shown_sites is None else Topology(1, whole.sites, (), shown_sites, symmetric, "complete")
    around: Any = table.get("neighbourhood", "box5")
    if "offsets" in table:
        around = _offsets(table["offsets"], "[topology] offsets")
    return grid(height, width, around, symmetric=symmetric, image=image and (image[0], image[1]), visible=shown_sites)


def _coupling(
    table: dict[str, Any], family: Family, topology: Topology, segments: int, source: Source
) -> tuple[Array, Array]:
    """(S, E) couplings in our sign, and the (S, N) diagonal of a dense tensor."""
    where = "[coupling]"
    _check(table, _COUPLING, where)
    steps = _offsets(table["neighbours"], f"{where} neighbours") if "neighbours" in table else topology.offsets
    values, order = _values(table, where, topology, segments, len(steps), source)
    return to_edges(values * _sign(table, family), order, topology, steps, where)


def _term(where: str, table: Any, topology: Topology, segments: int, source: Source) -> Array:
    if not isinstance(table, dict):
        raise ModelError(f"{where} must be a table with key and axes, or with value")
    _check(table, _TERM, where)
    if "value" in table:
        return np.full((segments, topology.sites), float(table["value"]))
    values, order = _values(table, where, topology, segments, 0, source)
    if order != "N":
        raise ModelError(f"{where} axes {table['axes']!r} must name the site (N or HW), and S if segments differ")
    return values


def _values(
    table: dict[str, Any], where: str, topology: Topology, segments: int, neighbours: int, source: Source
) -> tuple[Array, str]:
    """A table's tensor as (S, ..) in 1/tau, and the letters of its other axes."""
    axes = _need(table, "axes", where)
    if ("key" in table) == ("keys" in table):
        raise ModelError(f"{where} needs either key or keys")
    if "keys" in table:
        if "S" in axes:
            raise ModelError(f"{where} keys are one tensor per segment; leave S out of its axes {axes!r}")
        raw, axes = source.stack(table["keys"], segments, where), f"S{axes}"
    else:
        raw = source.take(table["key"], where)
    values, order = segments_first(raw, axes, topology, segments, neighbours, where)
    return values * float(table.get("scale", 1.0)), order


def _sign(table: dict[str, Any], family: Family) -> float:
    """What a foreign value is multiplied with to be our coupling."""
    if not family.angular:
        if "sign" in table:
            raise ModelError(f"[coupling] sign is for phases; {family.name} adds J_ij x_j, use scale = -1 to turn it")
        return 1.0
    stated = table.get("sign")
    if stated not in ("attractive", "repulsive"):
        raise ModelError(
            f"[coupling] sign is {stated!r}; say 'attractive' for K sin(theta_j - theta_i) "
            "or 'repulsive' for C sin(s_i - s_j)"
        )
    # A Kuramoto system holds K as the paper prints it, attractive; KuraSHIL holds C, repulsive.
    return 1.0 if (stated == "attractive") == (family.name == "kuramoto") else -1.0


def _flat(tree: Mapping[str, Any], above: str = "") -> dict[str, Array]:
    """Every tensor by its dotted name; what is no tensor is left out."""
    flat: dict[str, Array] = {}
    for key, value in tree.items():
        if isinstance(value, np.ndarray):
            flat[above + key] = value
        elif isinstance(value, Mapping) and key != METADATA:
            flat |= _flat(value, f"{above}{key}.")
    return flat


def _read_map(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"{shown(path)} is not TOML: {error}".splitlines()[0]) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ModelError(f"cannot read the map {shown(path)}: {reason.lower()}") from error


def _check(table: dict[str, Any], known: Mapping[str, Any], where: str) -> None:
    for name, value in table.items():
        if name not in known:
            raise ModelError(f"{where} has no entry {name!r}; it may have {', '.join(known)}")
        if not isinstance(value, known[name]) or (isinstance(value, bool) and known[name] is not bool):
            raise ModelError(f"{where}: {name} = {str(value)[:40]!r} is of the wrong type")


def _need(table: dict[str, Any], name: str, where: str) -> Any:
    if name not in table:
        raise ModelError(f"{where} needs the entry {name!r}")
    return table[name]


def _offsets(value: list[Any], where: str) -> tuple[tuple[int, int], ...]:
    if not all(isinstance(step, list) and len(step) == 2 and all(type(k) is int for k in step) for step in value):
        raise ModelError(f"{where} must be pairs [row, column] of whole numbers, got {str(value)[:60]}")
    return tuple((row, column) for row, column in value)
