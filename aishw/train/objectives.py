"""What training pulls on: the Wasserstein GAN with a gradient penalty (Gulrajani et al., 2017), as in the paper.

    critic:     E[D(fake)] - E[D(real)] + penalty E[(|grad D(between)| - 1)^2]
    generator: -E[D(fake)]

Only end states are judged, never a trajectory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    Critic = Callable[[torch.Tensor], torch.Tensor]


def critic_loss(
    critic: Critic, real: torch.Tensor, fake: torch.Tensor, penalty: float, generator: torch.Generator
) -> torch.Tensor:
    """What the critic's step makes smaller; real and fake (B, pixels)."""
    apart = critic(fake).mean() - critic(real).mean()
    return apart + penalty * gradient_penalty(critic, real, fake, generator)


def generator_loss(critic: Critic, fake: torch.Tensor) -> torch.Tensor:
    """What the generator's step makes smaller."""
    return -critic(fake).mean()


def gradient_penalty(
    critic: Critic, real: torch.Tensor, fake: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """E[(|grad D| - 1)^2] at one random point on the line between each real image and a fake one."""
    import torch

    share = torch.rand((len(real), 1), generator=generator, dtype=real.dtype)
    between = (share * real + (1 - share) * fake).detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return ((slope.norm(dim=1) - 1) ** 2).mean()
