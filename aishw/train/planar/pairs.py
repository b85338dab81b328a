"""The four pairs of distributions in the plane, and what they are made of.

    1G -> 8G, Moons -> 8G, 1G -> Moons, 1G -> S        (arXiv 2606.27294, Figure 2)

The paper gives names and the square [-0.5, 0.5]^2, no formulas: these are the usual ones. Each is scaled by one
factor, about its centre, so that the shape with four deviations of its noise fills the square. As phases that is half
a radian: far from a turn. All are point-symmetric about 0, which KuraSHIL, PolyNet and a Kuramoto array without
detunings cannot leave (their drift is odd), so no start needs a mean here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    Tensor = torch.Tensor
    Draw = Callable[[int, torch.Generator], Tensor]

HALF = 0.5
REACH = 4.0  # deviations of the noise inside the square
GAUSSIAN_DEVIATION = HALF / REACH


def gaussian(count: int, generator: torch.Generator) -> Tensor:
    """(count, 2): N(0, 0.125^2) in both directions."""
    return GAUSSIAN_DEVIATION * _normal(count, generator)


def eight_gaussians(count: int, generator: torch.Generator) -> Tensor:
    """(count, 2): eight equal Gaussians on a circle; their deviation is 1/16 of its radius (0.4 here)."""
    import torch

    angle = torch.randint(8, (count,), generator=generator) * (math.pi / 4)
    centre = torch.stack([angle.cos(), angle.sin()], dim=1)
    return _scaled(centre, 1 / 16, 1.0, generator)


def moons(count: int, generator: torch.Generator) -> Tensor:
    """(count, 2): two half circles, one shifted by (1, 0.5) and upside down, with noise of 0.1 radii."""
    import torch

    angle = math.pi * torch.rand(count, generator=generator)
    side = 2.0 * torch.randint(2, (count,), generator=generator) - 1
    arc = torch.stack([angle.cos() - 0.5, angle.sin() - 0.25], dim=1)
    return _scaled(side[:, None] * arc, 0.1, 1.5, generator)


def s_curve(count: int, generator: torch.Generator) -> Tensor:
    """(count, 2): two three-quarter circles that make an S, with noise of 0.05 radii."""
    import torch

    angle = 3 * math.pi * (torch.rand(count, generator=generator) - 0.5)
    curve = torch.stack([angle.sin(), angle.sign() * (angle.cos() - 1)], dim=1)
    return _scaled(curve, 0.05, 2.0, generator)


@dataclass(frozen=True)
class Pair:
    """A transport task: draws (count, 2) from where it starts and where it should end."""

    name: str
    title: str
    source: Draw
    target: Draw

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Independent source and target samples, each (count, 2) float32."""
        return self.source(count, generator), self.target(count, generator)


_ALL = (
    Pair("1g-8g", "1G to 8G", gaussian, eight_gaussians),
    Pair("moons-8g", "Moons to 8G", moons, eight_gaussians),
    Pair("1g-moons", "1G to Moons", gaussian, moons),
    Pair("1g-s", "1G to S", gaussian, s_curve),
)
PAIRS: dict[str, Pair] = {pair.name: pair for pair in _ALL}


def _scaled(curve: Tensor, noise: float, extent: float, generator: torch.Generator) -> Tensor:
    return (curve + noise * _normal(len(curve), generator)) * (HALF / (extent + REACH * noise))


def _normal(count: int, generator: torch.Generator) -> Tensor:
    import torch

    return torch.randn((count, 2), generator=generator)
