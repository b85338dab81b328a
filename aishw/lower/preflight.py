"""What a target refuses to hold, each with the site, edge or chunk that is in the way, and the way out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from aishw.ais.system import System
from aishw.ais.topology import Topology
from aishw.hardware.target import KINDS, Target


def preflight(
    system: System,
    target: Target,
    *,
    bits: int = 4,
    policy: str = "chunk",
    strategy: str = "state_stationary",
) -> list[str]:
    """Every objection to `lower(system, target, ...)`, one line each; empty if the target holds the system."""
    wishes = _wishes(system, target, bits, policy, strategy)
    return [*_equations(system, target), *_grid(system.topology, target), *wishes, *_weights(system)]


def _equations(system: System, target: Target) -> Iterator[str]:
    if system.family not in target.families:
        yield (
            f"target {target.name!r} does not realise the family {system.family!r}; "
            f"it realises {', '.join(target.families)}"
        )
        return
    for term in system.terms:
        if term not in KINDS:
            yield f"target {target.name!r} has no injection for the term {term!r}; it has {', '.join(KINDS)}"


def _grid(topology: Topology, target: Target) -> Iterator[str]:
    if topology.height > target.height or topology.width > target.width:
        yield (
            f"system has {topology.sites} sites ({topology.height}x{topology.width}), target {target.name!r} holds "
            f"{target.sites} ({target.height}x{target.width}); choose a larger target"
        )
    if topology.fan_in > target.fan_in:
        yield (
            f"site 0 is driven by {topology.fan_in} couplings (as every site is), a PE of target {target.name!r} has "
            f"{target.fan_in}; choose a smaller neighbourhood"
        )
    span, edge = _longest(topology)
    if span > target.reach:
        driven, driving = topology.edges[:, edge]
        yield (
            f"the edge to site {driven} from site {driving} spans {span} sites, the wires of target {target.name!r} "
            f"reach {target.reach}; choose a neighbourhood of offsets up to {target.reach}"
        )


def _wishes(system: System, target: Target, bits: int, policy: str, strategy: str) -> Iterator[str]:
    if bits not in target.bits:
        held = ", ".join(str(width) for width in target.bits)
        yield f"target {target.name!r} has no {bits}-bit weights; it has {held} bit"
    if policy not in target.policies:
        yield f"target {target.name!r} has no full-scale policy {policy!r}; it has {', '.join(target.policies)}"
    elif policy == "site" and system.topology.symmetric:
        yield "a full scale for each site breaks C_ij = C_ji of a symmetric system; use the policy 'chunk' or 'array'"
    if strategy not in target.strategies:
        yield f"target {target.name!r} has no strategy {strategy!r}; it has {', '.join(target.strategies)}"
    elif strategy == "state_stationary" and system.segments > target.segments:
        yield (
            f"chunk {target.segments} (of 0..{system.segments - 1}) does not fit into the weight bank of target "
            f"{target.name!r}, which holds {target.segments}; use the strategy save_and_reprogram or fewer chunks"
        )


def _weights(system: System) -> Iterator[str]:
    for name, values in {"coupling": system.coupling, **system.terms}.items():
        for segment, place in np.argwhere(~np.isfinite(values))[:1].tolist():
            yield f"{_place(system.topology, name, place)} of chunk {segment} is {values[segment, place]}; train again"
    for segment in range(system.segments):
        if not any(values[segment].any() for values in (system.coupling, *system.terms.values())):
            yield f"chunk {segment} has no weight other than 0, so it takes no time; leave it out"


def _place(topology: Topology, name: str, place: int) -> str:
    if name != "coupling":
        return f"{name} of site {place}"
    driven, driving = topology.edges[:, place]
    return f"the coupling to site {driven} from site {driving}"


def _longest(topology: Topology) -> tuple[int, int]:
    """The longest step of any edge along a row or a column, on the torus, and that edge."""
    if not topology.edges.size:
        return 0, 0
    (to_row, from_row), (to_column, from_column) = np.divmod(topology.edges, topology.width)
    rows, columns = np.abs(to_row - from_row), np.abs(to_column - from_column)
    span = np.maximum(np.minimum(rows, topology.height - rows), np.minimum(columns, topology.width - columns))
    return int(span.max()), int(span.argmax())
