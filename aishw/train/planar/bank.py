"""Many small systems of one shape, solved at once by the package's own rollout.

A system of the study has N = 2 + k sites, all coupled, and S segments in one tau. R of them are the rows of an R x N
torus whose offsets are (0, 1) .. (0, N - 1): every site has its row as neighbours and nothing else, so each row is a
complete graph of its own. One rollout of that grid is R rollouts, with the equations and the adjoint that every other
model of the package has. Only the MLP, which has no couplings, is solved here (RK4 on the family's own drift).

Weights are dicts of tensors, segments first: coupling (S, R, N, N - 1), site i driven by site (i + d) % N over
[.., i, d - 1]; terms (S, R, N); the MLP's layers (S, R, out, in) and (S, R, out, 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from aishw.ais.families import FAMILIES
from aishw.ais.parameters import Parameters
from aishw.ais.rollout import kernel_fits, rk4, rollout
from aishw.ais.system import System
from aishw.ais.topology import Topology, complete, grid
from aishw.errors import TrainError

if TYPE_CHECKING:
    import torch

    Tensor = torch.Tensor
    Weights = Mapping[str, Tensor]

VISIBLE = 2
HIDDEN_DEVIATION = 0.5  # h0 ~ N(0, 0.25 I), as in the paper
LAYER_WIDTHS = (32, 32)  # of the MLP, which the paper does not describe further


@dataclass(frozen=True)
class Shape:
    """What rows of a bank have in common: the family, c = `segments` in one tau, k = `hidden` sites."""

    family: str
    segments: int
    hidden: int = 0

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise TrainError(f"unknown family {self.family!r}; known: {', '.join(FAMILIES)}")
        if self.segments < 1 or self.hidden < 0:
            raise TrainError(f"c = {self.segments} and k = {self.hidden}; c must be at least 1, k at least 0")

    @property
    def sites(self) -> int:
        return VISIBLE + self.hidden


def draw_weights(shape: Shape, magnitude: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """First weights: row r has normal ones of deviation magnitude[r]; the MLP's over the root of their inputs."""
    import torch

    rows, sites = len(magnitude), shape.sites
    if FAMILIES[shape.family].coupled:
        names = FAMILIES[shape.family].term_names + FAMILIES[shape.family].optional_terms
        sizes: dict[str, tuple[int, ...]] = {"coupling": (sites, sites - 1)} | {name: (sites,) for name in names}
        scale = dict.fromkeys(sizes, 1.0)
    else:
        widths = (sites, *LAYER_WIDTHS, sites)
        sizes, scale = {}, {}
        for layer, (into, out) in enumerate(pairwise(widths), start=1):
            sizes |= {f"w{layer}": (out, into), f"b{layer}": (out, 1)}
            scale |= {f"w{layer}": into**-0.5, f"b{layer}": 0.1}
    drawn = {}
    for name, size in sizes.items():
        normal = torch.randn((shape.segments, rows, *size), generator=generator)
        drawn[name] = scale[name] * magnitude.reshape(1, rows, *[1] * len(size)) * normal
    return drawn


def end_states(shape: Shape, weights: Weights, x0: Tensor, substeps: int) -> Tensor:
    """(R, B, N) at tau = 1 from x0 (R, B, N), by RK4 with `substeps` steps in all (at least one a segment)."""
    rows, starts, sites = x0.shape
    duration_tau = (1 / shape.segments,) * shape.segments
    if FAMILIES[shape.family].coupled:
        if x0.dtype == weights["coupling"].dtype and kernel_fits(x0):
            return _solve(shape, weights, x0, substeps)
        flat = x0.permute(1, 0, 2).reshape(starts, rows * sites)
        end = rollout(_parameters(shape, weights, rows, duration_tau), flat, "rk4", 1 / substeps)
        return end.reshape(starts, rows, sites).permute(1, 0, 2)
    each = max(1, round(substeps / shape.segments))
    x = x0.transpose(1, 2)
    for segment in range(shape.segments):
        layers = {name: value[segment] for name, value in weights.items()}
        for _ in range(each):
            x = rk4(lambda x: _mlp(x, layers), x, duration_tau[segment] / each)  # noqa: B023
    return x.transpose(1, 2)


def _solve(shape: Shape, weights: Weights, x0: Tensor, substeps: int) -> Tensor:
    """`end_states` of a coupled family through the kernels."""
    from aishw.ais.coupling_cpu import wire
    from aishw.train.planar.adjoint import Solve

    rows, starts, sites = x0.shape
    family = FAMILIES[shape.family]
    names = ("coupling", *family.term_names, *family.optional_terms)
    flat = [weights[name].reshape(shape.segments, -1) for name in names]
    steps = max(1, round(substeps / shape.segments))
    held = x0.transpose(1, 2).reshape(rows * sites, starts)
    end = Solve.apply(shape.family, wire(_rows(rows, sites)), steps, 1 / (shape.segments * steps), held, *flat)
    return end.reshape(rows, sites, starts).transpose(1, 2)


def velocity(shape: Shape, weights: Weights, segment: int, x: Tensor) -> Tensor:
    """dx/dtau (R, B, N) at states x (R, B, N) in one segment."""
    rows, starts, sites = x.shape
    own = {name: value[segment : segment + 1] for name, value in weights.items()}
    if not FAMILIES[shape.family].coupled:
        return _mlp(x.transpose(1, 2), {name: value[0] for name, value in own.items()}).transpose(1, 2)
    flat = x.permute(1, 0, 2).reshape(starts, rows * sites)
    # An Euler step of one tau ends at x + f(x).
    end = rollout(_parameters(shape, own, rows, (1.0,)), flat, "euler", 1.0)
    return (end - flat).reshape(starts, rows, sites).permute(1, 0, 2)


def with_hidden(shape: Shape, visible: Tensor, generator: torch.Generator) -> Tensor:
    """(.., N): visible start states (.., 2) and freshly drawn hidden ones."""
    import torch

    drawn = HIDDEN_DEVIATION * torch.randn((*visible.shape[:-1], shape.hidden), generator=generator)
    return torch.cat([visible, drawn], dim=-1)


def to_system(shape: Shape, weights: Weights, row: int, **fields: Any) -> System:
    """One row as a System: a complete graph, the first two sites visible, read as they are."""
    sites, topology = shape.sites, complete(shape.sites, visible=VISIBLE)
    own = {name: value[:, row].detach().cpu().double().numpy() for name, value in weights.items()}
    coupling = np.zeros((shape.segments, 0))
    if FAMILIES[shape.family].coupled:
        driven, driving = topology.edges
        coupling = own.pop("coupling")[:, driven, (driving - driven) % sites - 1]
    else:
        own = {name: value[..., 0] if name.startswith("b") else value for name, value in own.items()}
    duration_tau = np.full(shape.segments, 1 / shape.segments)
    return System(shape.family, topology, coupling, own, duration_tau, readout="identity", **fields)


def of_system(system: System) -> tuple[Shape, dict[str, Tensor]]:
    """The shape and the one row of weights, in double precision, of a System that `to_system` made."""
    import torch

    shape = Shape(system.family, system.segments, system.sites - VISIBLE)
    own = {name: torch.tensor(value)[:, None] for name, value in system.terms.items()}
    if FAMILIES[shape.family].coupled:
        driven, driving = system.topology.edges
        coupling = np.zeros((shape.segments, shape.sites, shape.sites - 1))
        coupling[:, driven, (driving - driven) % shape.sites - 1] = system.coupling
        return shape, {"coupling": torch.tensor(coupling)[:, None], **own}
    return shape, {name: value[..., None] if name.startswith("b") else value for name, value in own.items()}


@lru_cache(maxsize=32)
def _rows(rows: int, sites: int) -> Topology:
    return grid(rows, sites, tuple((0, d) for d in range(1, sites)))


def _parameters(shape: Shape, weights: Weights, rows: int, duration_tau: tuple[float, ...]) -> Parameters:
    flat = {name: value.reshape(len(value), -1) for name, value in weights.items()}
    return Parameters(shape.family, _rows(rows, shape.sites), flat.pop("coupling"), flat, duration_tau)


def _mlp(x: Tensor, layers: Weights) -> Tensor:
    return FAMILIES["mlp"].drift(x, None, None, layers)
