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
_DCGAN_END = 4  # rows or columns at which DCGAN's stack ends


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
    """The light one: three 3x3 convolutions of stride 2 with width/4, width/2 and width channels; 24/48/96 suit
    MNIST."""
    return _convolutions(rows, columns, (width // 4, width // 2, width), 3)


def conv5(rows: int, columns: int, width: int) -> torch.nn.Module:
    """`conv` with 5x5 convolutions: the last layer sees the whole of a 28x28 image, for 0.03 CPU s more a step."""
    return _convolutions(rows, columns, (width // 4, width // 2, width), 5)


def dcgan(rows: int, columns: int, width: int) -> torch.nn.Module:
    """DCGAN's discriminator (Radford et al., 2015) without its batch norm: 4x4 convolutions of stride 2, `width`
    channels and twice as many in each layer on, at least two, until a side is no longer than 4; it has 64 for 64x64."""
    channels, side = [width], min(rows, columns) // 2
    while side > _DCGAN_END or len(channels) < 2:
        channels.append(2 * channels[-1])
        side //= 2
    return _convolutions(rows, columns, tuple(channels), 4)


def _convolutions(rows: int, columns: int, channels: tuple[int, ...], kernel: int) -> torch.nn.Module:
    from torch import nn

    layers: list[nn.Module] = [nn.Unflatten(1, (1, rows, columns))]
    edge = (kernel - 1) // 2
    for before, after in pairwise((1, *channels)):
        layers += [nn.Conv2d(before, after, kernel, stride=2, padding=edge), nn.LeakyReLU(_LEAK)]
        rows, columns = ((size - kernel + 2 * edge) // 2 + 1 for size in (rows, columns))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * rows * columns, 1))


CRITICS: dict[str, Callable[[int, int, int], torch.nn.Module]] = {
    "mlp": mlp,
    "conv": conv,
    "conv5": conv5,
    "dcgan": dcgan,
}
