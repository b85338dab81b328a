"""A System as a file: `.pt` (torch, tensors and plain values only) or `.safetensors`.

A file holds a header of plain values ("format", "version", the family, the grid, the start state ..., and `made_by`:
whatever its maker wants to state) and arrays: coupling (S, P) 1/tau, one value per free parameter; the terms;
duration_tau (S,); visible (N_v,). Numbers come back bit for bit, and a hash over all of it finds a damaged one. Files
are written whole or not at all.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aishw.ais.families import FAMILIES
from aishw.ais.system import Noise, Start, System
from aishw.ais.tensorfile import METADATA, check_suffix, pt_bytes, read_tensors, safetensors_bytes, shown
from aishw.ais.topology import Topology
from aishw.atomic import write_whole
from aishw.errors import AishwError, CheckpointError
from aishw.identity import fingerprint

FORMAT, VERSION = "aishw checkpoint", 1
_TERM = "terms."
# Header fields and the type that a reader insists on.
_HEADER: dict[str, type | tuple[type, ...]] = {
    "family": str, "height": int, "width": int, "offsets": list, "symmetric": bool, "neighbourhood": str,
    "start_mean": (int, float), "start_deviation": (int, float), "readout": str, "noise_delta": (int, float),
    "noise_convention": str, "step_tau": (int, float), "name": str, "made_by": dict,
}  # fmt: skip


def save(
    system: System, path: str | Path, made_by: Mapping[str, Any] | str | None = None, overwrite: bool = False
) -> None:
    """Writes `system` to `path` in the format that its suffix names.

    made_by: plain values (command, seed, time, metrics), or one line of text, kept as {"command": text}.
    Raises CheckpointError for another suffix or values that are not plain, StoreError if `path` exists (unless
    `overwrite`) or cannot be written.
    """
    out = check_suffix(path)
    header, arrays = _pack(system, {"command": made_by} if isinstance(made_by, str) else dict(made_by or {}))
    try:
        header = json.loads(json.dumps(header))
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"made_by may hold numbers, text, lists and dicts only: {error}") from error
    header["hash"] = fingerprint(header, arrays)
    if out.suffix == ".pt":
        content = pt_bytes({**header, "arrays": arrays})
    else:
        content = safetensors_bytes(arrays, {"format": FORMAT, "header": json.dumps(header)})
    write_whole(out, content, overwrite)


def load(path: str | Path) -> System:
    """The System of a checkpoint.

    Raises CheckpointError, one line that names the file, for everything that is no sound checkpoint: missing, empty,
    truncated, another format or version, Python objects inside, shapes that do not fit, NaN.
    """
    header, arrays = _read(path)
    try:
        return _unpack(header, arrays)
    except AishwError as error:
        raise CheckpointError(f"{shown(path)}: {error}; make or import it again") from error


def made_by(path: str | Path) -> dict[str, Any]:
    """What a checkpoint's maker stated about it."""
    stated: dict[str, Any] = _read(path)[0]["made_by"]
    return stated


def _pack(system: System, stated: dict[str, Any]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    top = system.topology
    header = {
        "format": FORMAT, "version": VERSION, "family": system.family, "height": top.height, "width": top.width,
        "offsets": [list(offset) for offset in top.offsets], "symmetric": top.symmetric,
        "neighbourhood": top.neighbourhood, "start_mean": float(system.start.mean),
        "start_deviation": float(system.start.deviation), "readout": system.readout,
        "noise_delta": float(system.noise.delta), "noise_convention": system.noise.convention,
        "step_tau": float(system.step_tau), "name": system.name, "made_by": stated,
    }  # fmt: skip
    coupling = system.coupling
    if coupling.size and top.symmetric:
        coupling = coupling[:, np.unique(top.pair, return_index=True)[1]]
    arrays = {"coupling": coupling, "duration_tau": system.duration_tau, "visible": top.visible}
    return header, {**arrays, **{_TERM + name: value for name, value in system.terms.items()}}


def _read(path: str | Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Header and arrays, every header field present and of its type."""
    tree = read_tensors(path)
    if Path(path).suffix == ".pt":
        header, arrays = {key: value for key, value in tree.items() if key != "arrays"}, tree.get("arrays")
    else:
        arrays = {key: value for key, value in tree.items() if key != METADATA}
        try:
            header = json.loads(tree[METADATA].get("header", "{}"))
        except ValueError as error:
            raise CheckpointError(f"{shown(path)}: its header is not JSON; make it again") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        held = ", ".join(repr(key) for key in list(tree)[:4] if key != METADATA) or "nothing"
        raise CheckpointError(
            f"{shown(path)} is not an aishw checkpoint (it holds {held}); `aishw import` reads foreign state dicts"
        )
    if header.get("version") != VERSION:
        raise CheckpointError(
            f"{shown(path)} has version {header.get('version')!r}, this aishw reads {VERSION}; update aishw"
        )
    for name, kind in _HEADER.items():
        value = header.get(name)
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise CheckpointError(f"{shown(path)}: {name} is {str(value)[:40]!r}, which no aishw writes; make it again")
        if numeric and not math.isfinite(float(value)):  # type: ignore[arg-type]
            raise CheckpointError(f"{shown(path)}: {name} is {value}; it must be finite")
    if not isinstance(arrays, dict) or not all(isinstance(value, np.ndarray) for value in arrays.values()):
        raise CheckpointError(f"{shown(path)}: its arrays are not tensors; make it again")
    for name in ("coupling", "duration_tau", "visible"):
        if name not in arrays:
            raise CheckpointError(f"{shown(path)} lacks the array {name!r}; make it again")
    if header.pop("hash", None) != fingerprint(header, arrays):
        raise CheckpointError(f"{shown(path)} is damaged: its numbers do not match its hash; copy or make it again")
    return header, arrays


def _unpack(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> System:
    offsets = header["offsets"]
    if not all(isinstance(o, list) and len(o) == 2 and all(type(k) is int for k in o) for o in offsets):
        raise CheckpointError(f"offsets must be pairs of whole numbers, got {str(offsets)[:60]}")
    if arrays["visible"].ndim != 1 or arrays["visible"].dtype != np.int64:
        raise CheckpointError(f"visible must be a list of site numbers, got {arrays['visible'].shape}")
    coupling = arrays["coupling"]
    if header["family"] in FAMILIES and FAMILIES[header["family"]].coupled:
        # Before any edge is listed: a header may claim a grid of any size.
        sites = header["height"] * header["width"]
        want = sites * (len(offsets) or sites - 1) // (2 if header["symmetric"] else 1)
        if coupling.ndim != 2 or coupling.shape[1] != want:
            raise CheckpointError(
                f"coupling is {coupling.shape}, expected (segments, {want}) for {header['height']}x{header['width']} "
                f"sites with {len(offsets) or sites - 1} {'symmetric ' if header['symmetric'] else ''}couplings each"
            )
    topology = Topology(
        header["height"], header["width"], tuple((r, c) for r, c in offsets), arrays["visible"], header["symmetric"],
        header["neighbourhood"],
    )  # fmt: skip
    if topology.symmetric and coupling.size:
        coupling = coupling[:, topology.pair]
    return System(
        family=header["family"],
        topology=topology,
        coupling=coupling,
        terms={name.removeprefix(_TERM): value for name, value in arrays.items() if name.startswith(_TERM)},
        duration_tau=arrays["duration_tau"],
        start=Start(header["start_mean"], header["start_deviation"]),
        readout=header["readout"],
        noise=Noise(header["noise_delta"], header["noise_convention"]),
        step_tau=header["step_tau"],
        name=header["name"],
    )
