"""Mismatch in training: weights and detunings as no single chip has them, so that the trained ones lean on none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    Weights = Mapping[str, torch.Tensor]


def with_weight_error(weights: Weights, error: float, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """w (1 + error N(0, 1)) for every weight, the same draw for every image and both directions of a symmetric pair.

    Gradients pass with the same factor. Draws nothing for an error of 0.
    """
    import torch

    if not error:
        return dict(weights)
    return {
        kind: value * (1 + error * torch.randn(value.shape, generator=generator, dtype=value.dtype))
        for kind, value in weights.items()
    }


def random_detuning(shape: tuple[int, ...], rms: float, generator: torch.Generator) -> torch.Tensor | None:
    """Detunings in rad/tau, one for each site of each image; None (and no draw) for an rms of 0."""
    import torch

    return rms * torch.randn(shape, generator=generator) if rms else None
