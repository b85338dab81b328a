"""Who drives whom: a grid on a torus, or a complete graph, as a list of directed edges.

`edges` is (2, E): row 0 the driven site i, row 1 the driving site j; C_ij and C_ji are two edges. Sites are numbered
row by row, and the edges of one driven site stand together, in the order of the offsets.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aishw.errors import GridError

if TYPE_CHECKING:
    import networkx

Offset = tuple[int, int]


def _quarter_turns(*seeds: Offset) -> tuple[Offset, ...]:
    orbit = []
    for row, column in seeds:
        for _ in range(4):
            orbit.append((row, column))
            row, column = column, -row
    return tuple(orbit)


NEIGHBOURHOODS: dict[str, tuple[Offset, ...]] = {
    "box5": tuple((r, c) for r in range(-2, 3) for c in range(-2, 3) if (r, c) != (0, 0)),
    "king8": tuple((r, c) for r in range(-1, 2) for c in range(-1, 2) if (r, c) != (0, 0)),
    "cross4": ((-1, 0), (0, -1), (0, 1), (1, 0)),
    # Quarter-turn orbits of the DTM paper (arXiv 2510.23972).
    "g24": _quarter_turns((0, 1), (1, 2), (4, 1), (3, 6), (8, 7), (14, 9)),
}


@dataclass(frozen=True, eq=False)
class Topology:
    """A set of sites, the directed edges between them, and which sites show the image.

    height, width: the grid (a complete graph has height 1).
    offsets: (row, column) steps from a driven site to its drivers, the same for every site, on a torus;
        empty for a complete graph.
    visible: (N_v,) site numbers, in the order of the pixels.
    symmetric: C_ij = C_ji, one parameter for each pair of edges.
    neighbourhood: the name of the offsets ("custom" for the user's own).

    Raises GridError for offsets that meet themselves or each other on the torus, and for visible sites off the grid.
    """

    height: int
    width: int
    offsets: tuple[Offset, ...]
    visible: NDArray[np.int64]
    symmetric: bool = False
    neighbourhood: str = "custom"

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise GridError(f"a grid of {self.height}x{self.width} has no sites; give at least 1x1")
        object.__setattr__(self, "visible", np.asarray(self.visible, dtype=np.int64).reshape(-1))
        object.__setattr__(self, "offsets", tuple((int(r), int(c)) for r, c in self.offsets))
        seen: dict[Offset, Offset] = {}
        for offset in self.offsets:
            landing = (offset[0] % self.height, offset[1] % self.width)
            if landing == (0, 0):
                raise GridError(f"offset {offset} leads from a site to itself on a {self.height}x{self.width} torus")
            if landing in seen:
                raise GridError(
                    f"offsets {seen[landing]} and {offset} reach the same site on a {self.height}x{self.width} torus; "
                    "use a larger grid or a smaller neighbourhood"
                )
            seen[landing] = offset
        if self.symmetric:
            for row, column in self.offsets:
                if (-row % self.height, -column % self.width) not in seen:
                    raise GridError(f"a symmetric grid needs offset {(-row, -column)} beside {(row, column)}")
        if self.visible.size and (self.visible.min() < 0 or self.visible.max() >= self.sites):
            low, high = self.visible.min(), self.visible.max()
            raise GridError(f"visible sites must lie in 0..{self.sites - 1}, got {low}..{high}")
        if np.unique(self.visible).size != self.visible.size:
            raise GridError("a visible site is named twice")

    @property
    def sites(self) -> int:
        return self.height * self.width

    @property
    def fan_in(self) -> int:
        """Couplings that drive one site."""
        return len(self.offsets) if self.offsets else self.sites - 1

    @cached_property
    def edges(self) -> NDArray[np.int64]:
        """(2, E): row 0 driven, row 1 driving; sorted by the driven site."""
        sites = np.arange(self.sites)
        if not self.offsets:
            driven, driving = np.nonzero(~np.eye(self.sites, dtype=bool))
            return np.stack([driven, driving]).astype(np.int64)
        row, column = np.divmod(sites, self.width)
        steps = np.array(self.offsets)
        to_row, to_column = (row[:, None] + steps[:, 0]) % self.height, (column[:, None] + steps[:, 1]) % self.width
        driving = to_row * self.width + to_column
        return np.stack([np.repeat(sites, len(self.offsets)), driving.reshape(-1)]).astype(np.int64)

    @cached_property
    def pair(self) -> NDArray[np.int64]:
        """(E,): the parameter behind each edge; 0..E-1 if asymmetric, 0..E/2-1 if symmetric."""
        if not self.symmetric:
            return np.arange(self.edges.shape[1])
        low, high = self.edges.min(axis=0), self.edges.max(axis=0)
        _, pair = np.unique(low * self.sites + high, return_inverse=True)
        return pair.astype(np.int64)

    @property
    def couplings(self) -> int:
        """Free coupling parameters in one segment."""
        return int(self.edges.shape[1] // 2 if self.symmetric else self.edges.shape[1])

    @property
    def image_shape(self) -> tuple[int, int]:
        """(rows, columns) of the visible image: the visible sites' own rows and columns, or one row."""
        rows = np.unique(self.visible // self.width).size
        columns = np.unique(self.visible % self.width).size
        return (rows, columns) if rows * columns == self.visible.size else (1, int(self.visible.size))

    def graph(self) -> networkx.DiGraph:
        """The edges as a networkx graph; an arc points from the driving to the driven site."""
        import networkx

        graph = networkx.DiGraph()
        for site in range(self.sites):
            graph.add_node(site, row=site // self.width, column=site % self.width)
        graph.add_edges_from(zip(self.edges[1].tolist(), self.edges[0].tolist()))
        return graph


def grid(
    height: int,
    width: int,
    neighbourhood: str | tuple[Offset, ...] = "box5",
    *,
    symmetric: bool = False,
    image: tuple[int, int] | None = None,
    visible: NDArray[np.int64] | None = None,
) -> Topology:
    """A torus of `height` x `width` sites with a named neighbourhood or the user's own offsets.

    `visible` names the sites that show the image. Otherwise `image` (rows, columns) is spread evenly: every second site
    in both directions when H = 2h, all sites when H = h. Without both, every site is visible.
    Raises GridError for an unknown neighbourhood and for an image that does not divide the grid.
    """
    if isinstance(neighbourhood, str):
        if neighbourhood not in NEIGHBOURHOODS:
            raise GridError(f"unknown neighbourhood {neighbourhood!r}; known: {', '.join(sorted(NEIGHBOURHOODS))}")
        name, offsets = neighbourhood, NEIGHBOURHOODS[neighbourhood]
    else:
        name, offsets = "custom", tuple(neighbourhood)
        if not offsets:
            raise GridError("an empty list of offsets couples nothing; name at least one")
    if visible is None:
        rows, columns = image or (height, width)
        if rows < 1 or columns < 1 or height % rows or width % columns:
            raise GridError(f"an image of {rows}x{columns} does not divide a grid of {height}x{width}")
        at_row, at_column = np.arange(rows) * (height // rows), np.arange(columns) * (width // columns)
        visible = (at_row[:, None] * width + at_column).reshape(-1)
    return Topology(height, width, offsets, visible, symmetric, name)


def complete(sites: int, *, visible: int | None = None, symmetric: bool = False) -> Topology:
    """Every site drives every other one (the paper's 2-D tasks); the first `visible` sites are read out."""
    shown = sites if visible is None else visible
    if not 1 <= shown <= sites:
        raise GridError(f"{shown} visible sites do not fit into {sites}")
    return Topology(1, sites, (), np.arange(shown), symmetric, "complete")
