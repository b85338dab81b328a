"""Tensors by axis letters: from a foreign layout to (S, E) couplings and (S, N) terms. `foreign` has the letters."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aishw.ais.topology import Topology
from aishw.errors import ModelError

Array = NDArray[np.float64]
Offsets = Sequence[tuple[int, int]]


@dataclass(frozen=True, eq=False)
class Source:
    """A foreign file's tensors by name, and which of them a map has asked for."""

    tensors: dict[str, Array]
    used: set[str] = field(default_factory=set)

    def take(self, key: str, where: str) -> Array:
        """The tensor of that name. Raises ModelError with the names that are near."""
        if key not in self.tensors:
            near = difflib.get_close_matches(key, list(self.tensors), n=4, cutoff=0.3) or list(self.tensors)[:4]
            raise ModelError(f"{where} asks for {key!r}; the file has {', '.join(map(repr, near)) or 'no tensors'}")
        self.used.add(key)
        return self.tensors[key]

    def stack(self, keys: list[Any], segments: int, where: str) -> Array:
        """(S, ..): one tensor per segment."""
        parts = [self.take(str(key), where) for key in keys]
        if len(parts) != segments or len({part.shape for part in parts}) != 1:
            raise ModelError(f"{where} keys must be {segments} tensors of one shape, one per segment")
        return np.stack(parts)


def segments_first(
    raw: Array, axes: str, topology: Topology, segments: int, neighbours: int, where: str
) -> tuple[Array, str]:
    """The tensor as (S, ..) and the letters of its other axes, HW as N. Raises ModelError if a size does not fit."""
    sizes = {
        "S": segments, "N": topology.sites, "M": topology.sites, "K": neighbours, "H": topology.height,
        "W": topology.width, "1": 1,
    }  # fmt: skip
    if not set(axes) <= set(sizes) or any(axes.count(letter) > 1 for letter in "SNMKHW"):
        raise ModelError(f"{where} axes {axes!r} may hold each of S, N, M, K, H, W once, and 1")
    if ("H" in axes) != ("W" in axes) or ("H" in axes and "N" in axes):
        raise ModelError(f"{where} axes {axes!r} must name the site as N or as H and W")
    expected = tuple(sizes[letter] for letter in axes)
    if raw.shape != expected:
        raise ModelError(f"{where} is {raw.shape} in the file, axes {axes!r} say {expected}")
    raw, axes = raw.reshape([n for n, letter in zip(expected, axes) if letter != "1"]), axes.replace("1", "")
    if "S" not in axes:
        raw, axes = np.broadcast_to(raw, (segments, *raw.shape)), f"S{axes}"
    others = "".join(letter for letter in axes if letter not in "SHW")
    if "H" not in axes:
        return raw.transpose([axes.index(letter) for letter in f"S{others}"]), others
    raw = raw.transpose([axes.index(letter) for letter in f"SHW{others}"])
    return raw.reshape(segments, topology.sites, *raw.shape[3:]), f"N{others}"


def to_edges(values: Array, order: str, topology: Topology, steps: Offsets, where: str) -> tuple[Array, Array]:
    """(S, E) couplings, and the (S, N) diagonal of a dense tensor, which no edge holds.

    values: (S, ..) with the axes `order`, two of N, M, K; steps: the offsets along K. Raises ModelError for axes that
    name no edge, and for a weight between sites that the topology does not couple.
    """
    if len(order) != 2 or ("K" in order and not steps):
        raise ModelError(f"{where} axes name no edge; use two of N (or HW), M and (on a grid) K")
    index = dict(zip("NM", topology.edges))
    if "K" in order:
        index["K"] = _position(topology, steps, from_driving="M" in order, where=where)
    at = (slice(None), index[order[0]], index[order[1]])
    if "K" in order:
        return values[at], np.zeros((values.shape[0], topology.sites))
    own = np.arange(topology.sites)
    rest = values.copy()
    rest[:, own, own] = 0
    rest[at] = 0
    if rest.any():
        _, *pair = np.argwhere(rest)[0].tolist()
        i, j = pair if order == "NM" else pair[::-1]
        raise ModelError(f"{where} couples site {i} from site {j}, the topology does not; widen its neighbourhood")
    return values[at], values[:, own, own].copy()


def _position(topology: Topology, steps: Offsets, from_driving: bool, where: str) -> NDArray[np.int64]:
    """(E,): where each edge's offset stands among `steps`."""
    height, width = topology.height, topology.width
    place = {(r % height, c % width): k for k, (r, c) in enumerate(steps)}
    near, far = topology.edges[::-1] if from_driving else topology.edges
    rows, columns = (far // width - near // width) % height, (far % width - near % width) % width
    found = [place.get(step, -1) for step in zip(rows.tolist(), columns.tolist())]
    if -1 in found or len(steps) != topology.fan_in:
        raise ModelError(
            f"{where} neighbours {str([list(step) for step in steps])[:60]} are not the {topology.fan_in} offsets of "
            "the topology in some order"
        )
    return np.array(found, dtype=np.int64)
