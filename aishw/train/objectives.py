"""What training pulls on. Each objective is a function of a run: it does what comes before the generator's step (a
critic's steps), and gives the generator's loss and a figure to watch.

    wgan    critic     E[D(fake)] - E[D(real)] + penalty E[(|grad D(between)| - 1)^2]      (Gulrajani et al., 2017)
            generator -E[D(fake)]
    swd     mean over random directions w of W1(w fake, w real)                            (the paper's eq. 4)
    otcfm   E |f(x_t, t) - (x_1 - x_0)|^2 on x_t = (1 - t) x_0 + t x_1                     (the paper's eq. 3)

The first two judge end states only, never a trajectory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from aishw.ais.parameters import Parameters
from aishw.ais.rollout import rollout
from aishw.train.perturb import with_weight_error
from aishw.train.run import Run, images, parameters_of

if TYPE_CHECKING:
    import torch

    Tensor = torch.Tensor
    Critic = Callable[[Tensor], Tensor]


def wgan(run: Run, step: int) -> tuple[Tensor, float]:
    """The critic's steps, then the generator's loss; the figure is the critic's estimate of the distance."""
    import torch

    s = run.settings
    assert run.critic is not None and run.critic_optimiser is not None
    # A new critic knows nothing, and trained weights would follow it.
    for _ in range(1 + (s.critic_first // s.critic_steps if step == 0 else 0)):
        with torch.no_grad():
            batches = images(run, s.batch * s.critic_steps).split(s.batch)
        for index, fake in enumerate(batches, start=step * s.critic_steps):
            real = real_batch(run)
            run.critic_optimiser.zero_grad()
            penalised = index % s.penalty_every == 0
            penalty = s.penalty * s.penalty_every if penalised else 0.0
            critic_loss(run.critic, real, fake, penalty, run.generator).backward()
            run.critic_optimiser.step()
    with torch.no_grad():
        distance = float(run.critic(real).mean() - run.critic(fake).mean())
    return generator_loss(run.critic, images(run, s.batch)), distance


def swd(run: Run, step: int) -> tuple[Tensor, float]:
    """The sliced distance of a batch to a real one, which is also the figure."""
    loss = sliced_distance(images(run, run.settings.batch), real_batch(run), run.settings.projections, run.generator)
    return loss, float(loss.detach())


def otcfm(run: Run, step: int) -> tuple[Tensor, float]:
    """Flow matching on a batch of starts, each paired with a real image; the figure is the root of the loss per site.

    The states of the images are `state_of` their pixels. Every segment gets the same share of the batch, at random
    times inside it, and must give (x_1 - x_0) / T.
    """
    import torch

    s, sites = run.settings, run.topology.sites
    first = s.start_mean + s.start_deviation * torch.randn((s.batch, sites), generator=run.generator)
    last = paired(first, state(real_batch(run), s.readout)[:, run.topology.visible.argsort()])
    weights = with_weight_error(run.quantise(run.weights), s.weight_error, run.generator)
    parameters = parameters_of(weights, s, run.topology)
    chance = torch.rand((s.batch, 1), generator=run.generator)
    total = s.segments * s.duration_tau
    loss = first.new_zeros(())
    for segment in range(s.segments):
        part = slice(segment, None, s.segments)
        share = (segment + chance[part]) / s.segments
        between = (1 - share) * first[part] + share * last[part]
        velocity = derivative(parameters, between, segment)
        loss = loss + ((velocity * total - (last[part] - first[part])) ** 2).sum()
    loss = loss / (s.batch * sites)
    return loss, float(loss.detach() ** 0.5)


OBJECTIVES: dict[str, Callable[[Run, int], tuple[Tensor, float]]] = {"wgan": wgan, "swd": swd, "otcfm": otcfm}


def real_batch(run: Run) -> Tensor:
    """(B, pixels) drawn from the real images."""
    import torch

    return run.real[torch.randint(len(run.real), (run.settings.batch,), generator=run.generator)]


def critic_loss(critic: Critic, real: Tensor, fake: Tensor, penalty: float, generator: torch.Generator) -> Tensor:
    """What the critic's step makes smaller; real and fake (B, pixels). A penalty of 0 is not computed."""
    apart = critic(fake).mean() - critic(real).mean()
    return apart + penalty * gradient_penalty(critic, real, fake, generator) if penalty else apart


def generator_loss(critic: Critic, fake: Tensor) -> Tensor:
    """What the generator's step makes smaller."""
    return -critic(fake).mean()


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor, generator: torch.Generator) -> Tensor:
    """E[(|grad D| - 1)^2] at one random point on the line between each real image and a fake one."""
    import torch

    share = torch.rand((len(real), 1), generator=generator, dtype=real.dtype)
    between = (share * real + (1 - share) * fake).detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return ((slope.norm(dim=1) - 1) ** 2).mean()


def sliced_distance(fake: Tensor, real: Tensor, projections: int, generator: torch.Generator) -> Tensor:
    """The mean over random unit vectors of W1 between the projections of two batches (B, pixels) of one size."""
    import torch

    direction = torch.randn((fake.shape[1], projections), generator=generator, dtype=fake.dtype)
    direction = direction / direction.norm(dim=0)
    apart = (fake @ direction).sort(dim=0).values - (real @ direction).sort(dim=0).values
    return apart.abs().mean()


def paired(first: Tensor, last: Tensor) -> Tensor:
    """`last` (B, N) in the order that makes the sum of squared distances to `first` smallest: optimal transport."""
    import torch
    from scipy.optimize import linear_sum_assignment

    _, order = linear_sum_assignment(torch.cdist(first, last).square().numpy())
    return last[torch.from_numpy(order)]


def state(pixels: Tensor, readout: str) -> Tensor:
    """The states that show these pixels, on the detector's own range (`system.state_of` for tensors)."""
    inverse = {"sin": pixels.arcsin, "cos": pixels.arccos}
    return inverse[readout]() if readout in inverse else pixels


def derivative(parameters: Parameters, x: Tensor, segment: int) -> Tensor:
    """f(x) of one segment, (B, N) 1/tau: what an Euler step of length 1 adds."""
    one = Parameters(
        parameters.family, parameters.topology, parameters.coupling[segment : segment + 1],
        {name: value[segment : segment + 1] for name, value in parameters.terms.items()}, (1.0,),
    )  # fmt: skip
    return rollout(one, x, "euler", 1.0) - x
