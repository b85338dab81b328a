"""The first weights of a training run: small random couplings, or those of a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aishw.ais import checkpoint
from aishw.ais.families import FAMILIES
from aishw.ais.parameters import Parameters
from aishw.ais.topology import Topology
from aishw.errors import TrainError
from aishw.library import find
from aishw.train.settings import Settings

if TYPE_CHECKING:
    import torch

    Weights = dict[str, torch.Tensor]

TRIM = "trim"  # trained detunings, (N,) rad per cycle
UNFINISHED = ".unfinished"
# dx/dtau = -x + tanh(x + ..) nearly stands still, so the start state outlives a run; without it a fiftieth would.
_FIRST_TERM = {("tanhnet", "self_weight"): 1.0}


def first_weights(settings: Settings, topology: Topology, generator: torch.Generator) -> Weights:
    """Coupling (S, P) and terms by name, (S, N) each (the MLP: its layers), float32, within the limits.

    Couplings are drawn from N(0, first_deviation^2); a term begins at 0, but a TanhNet's self weight at 1. With `trim`
    a (N,) of zeros is added. Only what is trained requires gradients.
    """
    import torch

    weights = _origin(settings, topology) if settings.start_from else _drawn(settings, topology, generator)
    if settings.trim:
        weights[TRIM] = torch.zeros(topology.sites)
    for kind, value in weights.items():
        if kind in settings.limit:
            value.clamp_(-settings.limit[kind], settings.limit[kind])
        value.requires_grad_(kind == TRIM or settings.trim != "only")
    return weights


def _drawn(settings: Settings, topology: Topology, generator: torch.Generator) -> Weights:
    import torch

    family, segments = FAMILIES[settings.family], settings.segments
    if not family.coupled:
        return _layers(settings, topology.sites, generator)
    weights = {"coupling": settings.first_deviation * torch.randn((segments, topology.couplings), generator=generator)}
    for kind in (*family.term_names, *family.optional_terms):
        weights[kind] = torch.full((segments, topology.sites), _FIRST_TERM.get((family.name, kind), 0.0))
    return weights


def _layers(settings: Settings, sites: int, generator: torch.Generator) -> Weights:
    """Each layer keeps the variance of what it gets; the last is `first_deviation` as strong, for a slow start."""
    import torch

    weights, before = {}, sites
    for layer in range(1, settings.layers + 1):
        last = layer == settings.layers
        after, strength = (sites, settings.first_deviation) if last else (settings.layer_width, 1.0)
        drawn = torch.randn((settings.segments, after, before), generator=generator)
        weights[f"w{layer}"] = strength / before**0.5 * drawn
        weights[f"b{layer}"] = torch.zeros((settings.segments, after))
        before = after
    return weights


def _origin(settings: Settings, topology: Topology) -> Weights:
    """The weights of `start_from`; its averaged ones if that run is unfinished."""
    import torch

    refusal = f"start_from = {settings.start_from!r} has another family, grid or segments"
    if settings.start_from.endswith(UNFINISHED):
        from aishw.train.unfinished import averaged

        found = {kind: value for kind, value in averaged(Path(settings.start_from)).items() if kind != TRIM}
        asked = _drawn(settings, topology, torch.Generator())
        if {kind: value.shape for kind, value in found.items()} != {kind: each.shape for kind, each in asked.items()}:
            raise TrainError(refusal)
        return found
    origin = checkpoint.load(find("models", settings.start_from))
    same = (
        origin.family == settings.family
        and np.array_equal(origin.topology.edges, topology.edges)
        and origin.topology.symmetric == topology.symmetric
        and np.array_equal(origin.duration_tau, np.full(settings.segments, settings.duration_tau))
        and set(origin.terms) | ({"coupling"} if FAMILIES[origin.family].coupled else set()) <= set(settings.kinds)
    )
    if not same:
        raise TrainError(refusal)
    parameters = Parameters.of(origin, torch.float32)
    return {kind: value.clone() for kind, value in parameters.trainable.items()}
