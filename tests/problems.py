"""Systems that several tests share: a lopsided one that pins conventions, tiny ones, and random ones of any family."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aishw.ais.families import FAMILIES
from aishw.ais.system import System
from aishw.ais.topology import Topology, complete, grid


def edge_of(topology: Topology, driven: int, driving: int) -> int:
    """The number of the edge (driven <- driving)."""
    (found,) = np.nonzero((topology.edges[0] == driven) & (topology.edges[1] == driving))
    return int(found.item())


def lopsided() -> System:
    """3x4 torus, two chunks of 1 and 0.5 tau: one edge (5 <- 6) of +0.8 in the first chunk only, SHIL of 0.3 at site 2
    in the second only, a reference of -0.4 at site 7 in the first only; every other weight is zero."""
    topology = grid(3, 4, "cross4")
    coupling = np.zeros((2, topology.edges.shape[1]))
    shil, reference = np.zeros((2, 12)), np.zeros((2, 12))
    coupling[0, edge_of(topology, 5, 6)] = 0.8
    shil[1, 2] = 0.3
    reference[0, 7] = -0.4
    return System(
        "kurashil", topology, coupling, {"shil": shil, "reference": reference}, np.array([1.0, 0.5]), name="lopsided"
    )


def tiny_kurashil(height: int = 3, width: int = 3, segments: int = 2, seed: int = 0, **fields: Any) -> System:
    """A small random KuraSHIL array with 4 couplings a site."""
    return random_system(height, width, "kurashil", "cross4", segments, seed, **fields)


def single_shil(shil: float, tau: float = 1.0) -> System:
    """Two uncoupled sites, SHIL alone: tan s(tau) = tan s0 exp(-2 shil tau)."""
    topology = complete(2)
    terms = {"shil": np.full((1, 2), shil), "reference": np.zeros((1, 2))}
    return System("kurashil", topology, np.zeros((1, 2)), terms, np.array([tau]), name="single SHIL")


def random_system(
    height: int = 4,
    width: int = 5,
    family: str = "kurashil",
    neighbourhood: str = "king8",
    segments: int = 2,
    seed: int = 0,
    symmetric: bool = False,
    strength: float = 0.4,
    **fields: Any,
) -> System:
    """A system of any family with normal weights of deviation `strength`, and segments of 1, 0.75, 0.5, 1, .. tau."""
    draw = np.random.default_rng(seed)
    topology = grid(height, width, neighbourhood, symmetric=symmetric)
    duration = 1.0 - 0.25 * (np.arange(segments) % 3)
    coupling = draw.normal(0, strength, (segments, topology.couplings))[:, topology.pair]
    if not FAMILIES[family].coupled:
        coupling = np.zeros((segments, 0))
    terms = random_terms(draw, family, segments, topology.sites, strength)
    fields = {"name": f"random {family}", **fields}
    return System(family, topology, coupling, terms, fields.pop("duration_tau", duration), **fields)


def random_terms(
    draw: np.random.Generator, family: str, segments: int, sites: int, strength: float
) -> dict[str, NDArray[np.float64]]:
    shapes: dict[str, tuple[int, ...]] = {name: (segments, sites) for name in FAMILIES[family].term_names}
    if family == "mlp":
        hidden = sites + 3
        shapes = {"w1": (segments, hidden, sites), "b1": (segments, hidden)}
        shapes |= {"w2": (segments, sites, hidden), "b2": (segments, sites)}
    return {name: draw.normal(0, strength, shape) for name, shape in shapes.items()}
