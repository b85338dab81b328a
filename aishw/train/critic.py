"""The critics of a Wasserstein GAN: networks that give an image (B, pixels) one number, without batch norm.

Batch norm would mix the images of a batch, and the gradient penalty is one of each image alone.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_LEAK = 0.2


def mlp(rows: int, columns: int, width: int) -> torch.nn.Module:
    """Two hidden layers of `width`; enough for 8x8 digits."""
    from torch import nn

    return nn.Sequential(
        nn.Linear(rows * columns, width),
        nn.LeakyReLU(_LEAK),
        nn.Linear(width, width),
        nn.LeakyReLU(_LEAK),
        nn.Linear(width, 1),
    )


def conv(rows: int, columns: int, width: int) -> torch.nn.Module:
    """Three 3x3 convolutions of stride 2 with width/4, width/2 and width channels; 24/48/96 suit MNIST."""
    from torch import nn

    layers: list[nn.Module] = [nn.Unflatten(1, (1, rows, columns))]
    channels = [1, width // 4, width // 2, width]
    for before, after in pairwise(channels):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.LeakyReLU(_LEAK)]
        rows, columns = (rows + 1) // 2, (columns + 1) // 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * rows * columns, 1))


CRITICS: dict[str, Callable[[int, int, int], torch.nn.Module]] = {"mlp": mlp, "conv": conv}
