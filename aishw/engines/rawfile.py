"""Reader of ngspice's binary raw files: one numpy array, no copies per trace."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aishw.errors import SimulatorError


@dataclass(frozen=True, eq=False)
class Raw:
    """Waveforms of one transient run.

    names: V lower-case vector names, e.g. "v(r0)", without time. time_s: (P,) accepted time points, not evenly spaced.
    values: (P, V) volts or amperes. `raw["V(r0)"]` is one waveform (P,), by name in any case.
    """

    names: tuple[str, ...]
    time_s: NDArray[np.float64]
    values: NDArray[np.float64]

    @cached_property
    def _column(self) -> dict[str, int]:
        return {name: column for column, name in enumerate(self.names)}

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        return self.values[:, self.columns([name])[0]]

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._column

    def node(self, name: str) -> NDArray[np.float64]:
        """(P,) volts of a node; one inside a subcircuit is called `v(x.node)` if it was asked for, else `x.node`."""
        return self[name] if name in self else self[f"v({name})"]

    def columns(self, names: list[str]) -> NDArray[np.int64]:
        """The columns of several waveforms, for `raw.values[:, columns]`. Raises SimulatorError for an unknown name."""
        found = [self._column.get(name.lower(), -1) for name in names]
        if -1 in found:
            missing = names[found.index(-1)]
            raise SimulatorError(
                f"the raw file has no {missing!r}; it holds {', '.join(self.names[:8])}"
                f"{' ...' if len(self.names) > 8 else ''} ({len(self.names)} vectors)"
            )
        return np.array(found, dtype=np.int64)


def read_raw(path: Path) -> Raw:
    """The last plot of a binary ngspice raw file, which must be a real transient run.

    Format: text header lines up to `Binary:`, then points x variables float64, time first; a further plot begins right
    after. Seen with ngspice 39 and 46 (46 adds a `Command:` line). Raises SimulatorError for a file that is empty,
    truncated (ngspice writes `No. Points` only at the end of a run), complex, ASCII, or not a transient.
    """
    path = Path(path)
    if not path.is_file() or not path.stat().st_size:
        raise SimulatorError(f"raw file {path.name!r} is missing or empty; the simulation wrote nothing")
    size = path.stat().st_size
    plot: tuple[dict[str, str], tuple[str, ...], int, int] | None = None
    with open(path, "rb") as stream:
        while stream.tell() < size:
            header, names = _header(stream, path.name)
            start, points = stream.tell(), int(header["no. points"])
            length = points * len(names) * 8
            if points < 1 or start + length > size:
                raise SimulatorError(
                    f"raw file {path.name!r} is truncated: {(size - start) // (8 * len(names))} points behind a header "
                    f"that says {points}; the run did not finish or the disk is full"
                )
            plot = (header, names, start, points)
            stream.seek(start + length)
    assert plot is not None
    header, names, start, points = plot
    if "complex" in header.get("flags", "") or names[0] != "time":
        raise SimulatorError(
            f"raw file {path.name!r} holds {header.get('plotname', 'an unknown plot')!r} ({header.get('flags', '')}) "
            f"over {names[0]!r}; expected a real transient over time"
        )
    table = np.fromfile(path, dtype="<f8", count=points * len(names), offset=start).reshape(points, len(names))
    return Raw(names[1:], np.ascontiguousarray(table[:, 0]), table[:, 1:])


def last_time_s(path: Path, columns: int, start: int) -> float | None:
    """Time of the last whole point of a raw file that is still growing; None before the first one."""
    points = (path.stat().st_size - start) // (8 * columns)
    if points < 1:
        return None
    with open(path, "rb") as stream:
        stream.seek(start + (points - 1) * columns * 8)
        return float(np.frombuffer(stream.read(8), dtype="<f8")[0])


def layout(path: Path) -> tuple[int, int] | None:
    """(columns, first byte of the data) of a raw file that is still growing; None while its header is incomplete."""
    try:
        with open(path, "rb") as stream:
            _, names = _header(stream, path.name)
            return len(names), stream.tell()
    except (OSError, SimulatorError):
        return None


def _header(stream, name: str) -> tuple[dict[str, str], tuple[str, ...]]:  # type: ignore[no-untyped-def]
    header: dict[str, str] = {}
    names: list[str] = []
    listing = False
    while line := stream.readline(1 << 16):
        text = line.decode("utf-8", "replace").rstrip("\n")
        if text.strip() == "Binary:" and listing:
            wanted = header.get("no. variables", "")
            if not header.get("no. points", "").isdigit() or wanted != str(len(names)) or not names:
                raise SimulatorError(
                    f"raw file {name!r} has a damaged header: {wanted or 0} variables, {len(names)} names"
                )
            return header, tuple(names)
        if text.strip() == "Values:" and listing:
            raise SimulatorError(f"raw file {name!r} is ASCII; aishw reads binary ones (unset filetype)")
        if listing:
            parts = text.split()
            if len(parts) < 3:
                break
            names.append(parts[1].lower())
        elif text.strip() == "Variables:":
            listing = True
        elif ":" in text:
            key, _, value = text.partition(":")
            header[key.strip().lower()] = value.strip()
        else:
            break
    raise SimulatorError(f"{name!r} is not an ngspice raw file, or its header is cut off")
