"""The run file: one HDF5 with a design, the jobs that were run on it, and what each engine saw.

A noun is a group, a field a dataset with the attribute `units` (`fields` has the lists). A file holds everything that
is needed to run the job again: the System, every figure of the Target, the codes. Each noun carries the hash of its
values, so that a damaged number is refused and never computed with. Files are replaced whole (`atomic`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aishw.atomic import check_output, locked, write_whole
from aishw.errors import AishwError, StoreError
from aishw.fields import Field, Kind, Noun, Table, decode, encode, noun, unit_of
from aishw.identity import fingerprint

if TYPE_CHECKING:
    import h5py

    from aishw.engines.base import Job, Trace
    from aishw.lower.design import Design

FORMAT, VERSION = "aishw run", 1
_LARGE = 512  # entries from which an array is compressed and check-summed in chunks


def save_design(path: str | Path, design: Design, overwrite: bool = False) -> None:
    """A new run file with `design` and no traces. Raises StoreError if `path` exists (unless `overwrite`)."""
    check_output(path, overwrite)

    def fill(file: h5py.File) -> None:
        file.attrs["format"], file.attrs["version"] = FORMAT, VERSION
        _write_noun(file, "design", "design", design, design.id)

    write_whole(path, _image(None, fill, path), overwrite)


def load_design(path: str | Path) -> Design:
    """The design of a run file, bit for bit. Raises StoreError for anything that is no sound run file."""
    design: Design = _reading(path, lambda file: _read_noun(file, "design", "design", path))
    return design


def add_trace(path: str | Path, trace: Trace, job: Job, overwrite: bool = False) -> None:
    """Adds what an engine saw, and its job, to the run file of its design.

    Raises StoreError if the trace is of another design or job, and if the file already has one of the same engine, job,
    sites and images (unless `overwrite`). Waits up to 30 s for another process that is writing.
    """
    if trace.job_id != job.id:
        raise StoreError(f"the trace is of job {trace.job_id}, not of {job.id}")
    place = f"traces/{_trace_key(trace)}"

    def fill(file: h5py.File) -> None:
        held = str(file["design"].attrs["id"])
        if trace.design_id != held:
            raise StoreError(f"{path} holds design {held}, the trace is of design {trace.design_id}")
        if place in file:
            if not overwrite:
                raise StoreError(f"{path} already holds a trace of {trace.engine} for this job; --force replaces it")
            del file[place]
        if f"jobs/{job.id}" not in file:
            _write_noun(file, f"jobs/{job.id}", "job", job, job.id)
        order = 1 + max((int(group.attrs["order"]) for group in file.get("traces", {}).values()), default=-1)
        _write_noun(file, place, "trace", trace, _trace_key(trace))
        file[place].attrs["order"] = order

    _check_file(path)
    with locked(path):
        write_whole(path, _image(_bytes(path), fill, path), overwrite=True)


def load_traces(path: str | Path, engine: str | None = None) -> list[Trace]:
    """Every trace of a run file, or those of one engine, in the order in which they were added."""

    def read(file: h5py.File) -> list[Trace]:
        groups = sorted(file.get("traces", {}).items(), key=lambda item: int(item[1].attrs["order"]))
        wanted = [name for name, group in groups if engine is None or group["engine"].asstr()[()] == engine]
        return [_read_noun(file, f"traces/{name}", "trace", path) for name in wanted]

    return list(_reading(path, read))


def load_jobs(path: str | Path) -> dict[str, Job]:
    """The jobs of a run file by id."""
    jobs: dict[str, Job] = _reading(
        path, lambda file: {name: _read_noun(file, f"jobs/{name}", "job", path) for name in file.get("jobs", {})}
    )
    return jobs


def _trace_key(trace: Trace) -> str:
    what = fingerprint(trace.job_id, np.asarray(trace.sites), np.asarray(trace.images))
    return f"{trace.engine.replace('/', '_')}-{what[:8]}"


def _write_noun(file: h5py.File, place: str, name: str, value: Any, identity: str) -> None:
    values = encode(noun(name), value)
    group = write_tree(file, place, noun(name), values, "")
    group.attrs["id"] = identity
    group.attrs["hash"] = fingerprint(values)


def write_tree(parent: h5py.Group, name: str, kind: Kind, value: Any, units: str = "") -> Any:
    """Writes what `encode` gave: a group for a noun or a table, else a dataset with its unit as an attribute."""
    import h5py

    if isinstance(kind, Noun | Table):
        group = parent.create_group(name)
        for key, entry in value.items():
            if "/" in key or key in ("", "."):
                raise StoreError(f"{key!r} cannot name a field")
            field = _field(kind, key, units)
            write_tree(group, key, field.kind, entry, field.units)
        return group
    text = isinstance(value, str) or (isinstance(value, tuple) and any(isinstance(v, str) for v in value))
    array = np.asarray(value, dtype=h5py.string_dtype() if text else None)
    large = {} if array.size < _LARGE else {"chunks": True, "compression": "lzf", "shuffle": True, "fletcher32": True}
    dataset = parent.create_dataset(name, data=array, **large)
    dataset.attrs["units"] = units
    return dataset


def _field(kind: Noun | Table, name: str, units: str) -> Field:
    if isinstance(kind, Table):
        return Field(name, kind.entry, units or unit_of(name))
    field = next(f for f in kind.fields if f.name == name)
    return Field(name, field.kind, field.units or unit_of(name))


def _read_noun(file: h5py.File, place: str, name: str, path: str | Path) -> Any:
    if place not in file:
        raise StoreError(f"{path} holds no {place}")
    values = read_tree(file[place], noun(name), "", place)
    made = decode(noun(name), values, place)
    if fingerprint(encode(noun(name), made)) != file[place].attrs["hash"]:
        raise StoreError(f"{path}: {place} was changed after it was written; make the file again")
    return made


def read_tree(node: Any, kind: Kind, units: str, where: str) -> Any:
    """What `decode` takes. Raises StoreError for a group where a number should be, and for another unit."""
    import h5py

    if isinstance(node, h5py.Group):
        known = {f.name for f in kind.fields} if isinstance(kind, Noun) else set(node)
        if not isinstance(kind, Noun | Table):
            raise StoreError(f"{where} is not what aishw wrote there")
        out = {}
        for key in node:
            if key in known:  # a field of a later version, or the user's own note, is left alone
                field = _field(kind, key, units)
                out[key] = read_tree(node[key], field.kind, field.units, f"{where}/{key}")
        return out
    found = node.attrs.get("units", "no unit")
    if found != units:
        raise StoreError(f"{where} is in {found or 'no unit'!r}, expected {units or 'no unit'!r}")
    value = node.asstr()[()] if h5py.check_string_dtype(node.dtype) else node[()]
    return value


def _check_file(path: str | Path) -> None:
    try:
        if not Path(path).exists():
            raise StoreError(f"there is no run file {path}; `aishw lower` makes one")
        if not Path(path).is_file():
            raise StoreError(f"{path} is not a file; give a run file, as `aishw lower` makes it")
    except (OSError, ValueError) as error:
        raise StoreError(f"{str(path)[:80]!r} cannot be a run file: {error}") from error


def _bytes(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise StoreError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error


def _image(start: bytes | None, fill: Callable[[h5py.File], None], path: str | Path) -> bytes:
    """The bytes of the file, built in memory, so that a full disk is met by one plain write."""
    import io

    import h5py

    buffer = io.BytesIO(start or b"")
    try:
        with h5py.File(buffer, "r+" if start is not None else "w", libver=("v110", "v110")) as file:
            if start is not None:
                _check_format(file, path)
            fill(file)
    except AishwError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise StoreError(f"{path} is damaged or no run file of aishw ({_short(error)})") from error
    return buffer.getvalue()


def _reading(path: str | Path, read: Callable[[h5py.File], Any]) -> Any:
    import h5py

    _check_file(path)
    with suppress(PermissionError), open(path, "rb") as file:
        if not file.read(1):
            raise StoreError(f"{path} is empty; make it again")
    try:
        with h5py.File(path, "r", locking=False) as file:
            _check_format(file, path)
            return read(file)
    except PermissionError as error:
        raise StoreError(f"cannot read {path}: permission denied") from error
    except AishwError as error:
        if str(path) in str(error):
            raise
        raise StoreError(f"{path}: {error}") from error
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise StoreError(f"{path} is damaged or no run file of aishw ({_short(error)})") from error


def _check_format(file: h5py.File, path: str | Path) -> None:
    if file.attrs.get("format") != FORMAT:
        raise StoreError(f"{path} is an HDF5 file, but no run file of aishw; `aishw lower` makes one")
    version = file.attrs.get("version")
    if not isinstance(version, np.integer) or int(version) != VERSION:
        raise StoreError(f"{path} is of format {version}, this aishw reads {VERSION}; make it again with `aishw lower`")


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
