"""Wire lengths of an array on a square pitch: what couples a site to its neighbours, and what reaches every site."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aishw.ais.topology import Offset


def tree_length(offsets: Sequence[Offset]) -> int:
    """Pitches of wire that join a site to all sites at `offsets`: the shortest tree of right-angled wires that branches
    at sites only. One that may branch between sites is at most a third shorter (Hwang 1976).

    0 without offsets; a complete graph has none, and its wire is not known to this.
    """
    points = np.array([(0, 0), *offsets])
    distance = np.abs(points[:, None] - points[None]).sum(axis=-1)
    near, joined, total = distance[0].copy(), np.zeros(len(points), dtype=bool), 0
    joined[0] = True
    for _ in range(len(points) - 1):
        near[joined] = np.iinfo(near.dtype).max
        k = int(near.argmin())
        total += int(near[k])
        joined[k] = True
        near = np.minimum(near, distance[k])
    return total


def reaching_all(sites: int) -> int:
    """Pitches of one line that reaches every site of an array: one a site."""
    return sites
