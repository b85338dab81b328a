"""The moving parts of a training run, and how they begin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aishw.ais import checkpoint
from aishw.ais.families import FAMILIES
from aishw.ais.parameters import Parameters
from aishw.ais.topology import Topology
from aishw.errors import TrainError
from aishw.hardware.cards import load_target
from aishw.library import find
from aishw.lower.design import level_table
from aishw.lower.quantize import straight_through
from aishw.train.critic import CRITICS
from aishw.train.settings import Settings

if TYPE_CHECKING:
    import torch

    Weights = dict[str, torch.Tensor]
    Quantiser = Callable[[Weights], Weights]


@dataclass(frozen=True, eq=False)
class Run:
    """The moving parts. Tensors and optimisers change in place; the fields do not."""

    topology: Topology
    weights: Weights
    average: Weights
    critic: torch.nn.Module
    optimisers: tuple[torch.optim.Optimizer, torch.optim.Optimizer]
    generator: torch.Generator
    real: torch.Tensor
    quantise: Quantiser


def begin(settings: Settings, topology: Topology, real: NDArray[np.float32]) -> Run:
    import torch

    generator = torch.Generator().manual_seed(settings.seed)
    weights = _first_weights(settings, topology, generator)
    for kind, value in weights.items():
        if kind in settings.limit:
            value.clamp_(-settings.limit[kind], settings.limit[kind])
        value.requires_grad_(True)
    with torch.random.fork_rng(devices=[]):  # torch initialises layers from its global generator
        torch.manual_seed(settings.seed)
        critic = CRITICS[settings.critic](real.shape[1], real.shape[2], settings.critic_width)
    betas = (0.5, 0.9)
    optimisers = (
        torch.optim.Adam(weights.values(), settings.rate, betas),
        torch.optim.Adam(critic.parameters(), settings.critic_rate, betas),
    )
    average = {kind: value.detach().clone() for kind, value in weights.items()}
    truth = torch.from_numpy(real.reshape(len(real), -1))
    return Run(topology, weights, average, critic, optimisers, generator, truth, _quantiser(settings, topology))


def _first_weights(settings: Settings, topology: Topology, generator: torch.Generator) -> Weights:
    import torch

    if settings.start_from:
        origin = checkpoint.load(find("models", settings.start_from))
        same = (
            origin.family == settings.family
            and np.array_equal(origin.topology.edges, topology.edges)
            and origin.topology.symmetric == topology.symmetric
            and np.array_equal(origin.duration_tau, np.full(settings.segments, settings.duration_tau))
        )
        if not same:
            raise TrainError(f"start_from = {settings.start_from!r} has another family, grid or segments")
        parameters = Parameters.of(origin, torch.float32)
        return {kind: value.clone() for kind, value in parameters.trainable.items()}
    shape = (settings.segments, topology.couplings)
    weights = {"coupling": settings.first_deviation * torch.randn(shape, generator=generator)}
    for kind in FAMILIES[settings.family].term_names:
        weights[kind] = torch.zeros((settings.segments, topology.sites))
    return weights


def _quantiser(settings: Settings, topology: Topology) -> Quantiser:
    """Weights to what their codes stand for, or to themselves."""
    if not settings.bits:
        return dict
    target = load_target(settings.target)
    if settings.bits not in target.bits:
        held = ", ".join(str(width) for width in target.bits)
        raise TrainError(f"bits = {settings.bits}: target {target.name!r} has {held} bit (0 trains floating point)")
    if topology.symmetric and settings.policy == "site":
        raise TrainError("policy = 'site' would break C_ij = C_ji of a symmetric system; use 'chunk' or 'array'")

    def quantise(weights: Weights) -> Weights:
        seen = {}
        for kind, value in weights.items():
            driven = topology.edges[0, : value.shape[1]] if kind == "coupling" else np.arange(topology.sites)
            levels = level_table(target, kind, settings.bits)
            asked = (settings.policy, settings.clip, target.bias_levels)
            seen[kind] = straight_through(value, driven, topology.sites, levels, *asked)
        return seen

    return quantise
