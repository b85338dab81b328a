"""The moving parts of a training run, how they begin, and the images that they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aishw.ais.families import read
from aishw.ais.parameters import Parameters
from aishw.ais.rollout import rollout
from aishw.ais.system import Noise
from aishw.ais.topology import Topology
from aishw.errors import TrainError
from aishw.hardware.cards import load_target
from aishw.lower.design import level_table
from aishw.lower.quantize import straight_through
from aishw.train.critic import CRITICS
from aishw.train.perturb import random_detuning, with_weight_error
from aishw.train.settings import Settings
from aishw.train.weights import TRIM, first_weights

if TYPE_CHECKING:
    import torch

    Weights = dict[str, torch.Tensor]
    Quantiser = Callable[[Weights], Weights]


@dataclass(eq=False)
class Best:
    """The best averaged weights so far (None: not judged yet), their distance and step."""

    weights: Weights | None = None
    distance: float = float("inf")
    step: int = 0


@dataclass(frozen=True, eq=False)
class Run:
    """The moving parts. Tensors, optimisers and `best` change in place; the fields do not.

    initial: the weights that a fine-tune began with (None: random ones). critic and its optimiser are None where the
    objective has none. real: (n, pixels).
    """

    settings: Settings
    topology: Topology
    weights: Weights
    average: Weights
    initial: Weights | None
    best: Best
    critic: torch.nn.Module | None
    optimiser: torch.optim.Optimizer
    critic_optimiser: torch.optim.Optimizer | None
    generator: torch.Generator
    real: torch.Tensor
    quantise: Quantiser


def begin(settings: Settings, topology: Topology, real: NDArray[np.float32]) -> Run:
    """A run before its first step, on real images (n, rows, columns). Raises TrainError for a recipe that the data set,
    the grid or the target cannot serve."""
    import torch

    check_objective(settings, topology)
    generator = torch.Generator().manual_seed(settings.seed)
    weights = first_weights(settings, topology, generator)
    critic, critics = None, None
    if settings.objective == "wgan":
        with torch.random.fork_rng(devices=[]):  # torch initialises layers from its global generator
            torch.manual_seed(settings.seed)
            critic = CRITICS[settings.critic](real.shape[1], real.shape[2], settings.critic_width)
        critics = _adam((settings.critic_rate, list(critic.parameters())))
    own = _adam(
        (settings.rate, [value for kind, value in weights.items() if kind != TRIM and value.requires_grad]),
        (settings.trim_rate, [value for kind, value in weights.items() if kind == TRIM]),
    )
    average = {kind: value.detach().clone() for kind, value in weights.items()}
    initial = {kind: value.clone() for kind, value in average.items()} if settings.start_from else None
    truth = torch.from_numpy(real.reshape(len(real), -1))
    quantise = quantiser(settings, topology)
    return Run(settings, topology, weights, average, initial, Best(), critic, own, critics, generator, truth, quantise)


def _adam(*by_rate: tuple[float, list[torch.Tensor]]) -> torch.optim.Optimizer:
    """Adam with the paper's moments; a schedule finds each group's own rate in `initial_lr`."""
    import torch

    groups = [{"params": held, "lr": rate, "initial_lr": rate} for rate, held in by_rate if held]
    return torch.optim.Adam(groups, betas=(0.5, 0.9))


def check_objective(settings: Settings, topology: Topology) -> None:
    """Raises TrainError for flow matching with hidden sites."""
    hidden = topology.sites - topology.visible.size
    if settings.objective == "otcfm" and hidden:
        raise TrainError(
            f"objective = 'otcfm' gives every site a path to its pixel, but {hidden} of {topology.sites} sites are "
            "hidden; make the grid as large as the image, or use wgan or swd"
        )


def images(
    run: Run, count: int, weights: Weights | None = None, generator: torch.Generator | None = None
) -> torch.Tensor:
    """(count, pixels) as the objective sees them: quantised, noisy, perturbed, on the training solver; or through the
    circuit. The run's own weights and generator unless given."""
    import torch

    settings, topology = run.settings, run.topology
    own = run.weights if weights is None else weights
    chance = run.generator if generator is None else generator
    start = settings.start_mean + settings.start_deviation * torch.randn((count, topology.sites), generator=chance)
    if settings.through:
        from aishw.train.circuit import circuit_images

        kept = {kind: value for kind, value in own.items() if kind == TRIM}
        others = {kind: value for kind, value in own.items() if kind != TRIM}
        perturbed = with_weight_error(others, settings.weight_error, chance)
        return circuit_images(settings, topology, {**perturbed, **kept}, start, chance)
    parameters = parameters_of(with_weight_error(run.quantise(own), settings.weight_error, chance), settings, topology)
    detuning = random_detuning((count, topology.sites), settings.detuning_error, chance)
    end = rollout(
        parameters, start, settings.solver, settings.step_tau, noise=Noise(settings.noise, settings.noise_convention),
        generator=chance, detuning=detuning,
    )  # fmt: skip
    return read(end[:, torch.from_numpy(topology.visible)], settings.readout)


def parameters_of(weights: Weights, settings: Settings, topology: Topology) -> Parameters:
    """The weights of the equation (no trims) as Parameters."""
    import torch

    terms = {kind: value for kind, value in weights.items() if kind not in ("coupling", TRIM)}
    coupling = weights["coupling"] if "coupling" in weights else torch.zeros((settings.segments, 0))
    first = next(iter(terms.values()), coupling)
    duration_tau = (settings.duration_tau,) * settings.segments
    return Parameters(settings.family, topology, coupling.to(first.dtype), terms, duration_tau)


def quantiser(settings: Settings, topology: Topology) -> Quantiser:
    """Weights to what their codes stand for, or to themselves."""
    if not settings.bits:
        return dict
    target = load_target(settings.target)
    if settings.bits not in target.bits:
        held = ", ".join(str(width) for width in target.bits)
        raise TrainError(f"bits = {settings.bits}: target {target.name!r} has {held} bit (0 trains floating point)")
    if settings.family not in target.families:
        held = ", ".join(target.families)
        raise TrainError(f"bits = {settings.bits}: target {target.name!r} realises {held}, not {settings.family}")
    if topology.symmetric and settings.policy == "site":
        raise TrainError("policy = 'site' would break C_ij = C_ji of a symmetric system; use 'chunk' or 'array'")

    def quantise(weights: Weights) -> Weights:
        seen = {}
        for kind, value in weights.items():
            if kind == TRIM:
                continue
            driven = topology.edges[0, : value.shape[1]] if kind == "coupling" else np.arange(topology.sites)
            levels = level_table(target, kind, settings.bits)
            asked = (settings.policy, settings.clip, target.bias_levels)
            seen[kind] = straight_through(value, driven, topology.sites, levels, *asked)
        return seen

    return quantise
