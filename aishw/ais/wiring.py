"""A topology's edges as compressed rows, for kernels that go site by site."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from aishw.ais.topology import Topology

Index = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Wiring:
    """A topology's edges as compressed rows, by driven site and by driving site.

    start: (N + 1,), driving, edge: (E,): driving[k] drives site i over edge[k], for k in start[i]..start[i + 1].
    back_start, back_driven, back_edge: the same from the driving site's side.
    """

    start: Index
    driving: Index
    edge: Index
    back_start: Index
    back_driven: Index
    back_edge: Index

    @property
    def forward(self) -> tuple[Index, Index, Index]:
        return self.start, self.driving, self.edge

    @property
    def backward(self) -> tuple[Index, Index, Index]:
        return self.back_start, self.back_driven, self.back_edge


@lru_cache(maxsize=16)
def wire(topology: Topology) -> Wiring:
    """The compressed rows of a topology."""

    def rows(by: Index, other: Index) -> tuple[Index, Index, Index]:
        edge = np.argsort(by, kind="stable")
        start = np.searchsorted(by[edge], np.arange(topology.sites + 1))
        return start.astype(np.int64), other[edge].astype(np.uint64), edge.astype(np.uint64)

    driven, driving = topology.edges
    return Wiring(*rows(driven, driving), *rows(driving, driven))
