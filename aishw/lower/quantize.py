"""From weights to codes: the nearest level of the target's own table, and where full scale lies.

    w  ~  sign(k) * level[|k|] * full_scale,    k = -(2^(q-1)-1) .. 2^(q-1)-1

`level` is measured and need not be a straight line (`design.level_table`). A policy says who shares a full scale:
`array` one for all segments, `chunk` one for each segment, `site` one for each driven site in all segments: its bias
DAC divides the array's full scale by `bias_levels`, and the site takes the next level above what it needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aishw.errors import PreflightError
from aishw.hardware.target import POLICIES

if TYPE_CHECKING:
    import torch

CLIPS = ("maximum", "mse", "sigma3")
Floats = NDArray[np.float64]

_TRIED = np.linspace(1.0, 0.2, 81)  # clips tried by "mse", as fractions of the largest weight; 4 bit lands near 0.6
_AT_ONCE = 2_000_000  # weights times clips in one array
_ROUNDING = 1e-9  # a weight this little beyond full scale is there by rounding, not by clipping


@dataclass(frozen=True, eq=False)
class Quantised:
    """codes (S, W) for the weights (S, W) of one kind, full_scale (S, N) 1/tau, clipped: weights beyond full scale."""

    codes: NDArray[np.int8]
    full_scale: Floats
    clipped: int


def quantise(
    weights: Floats,
    driven: NDArray[np.int64],
    sites: int,
    levels: Floats,
    policy: str = "chunk",
    clip: str = "maximum",
    bias_levels: int = 64,
) -> Quantised:
    """Codes and full scales of one kind of injection.

    weights: (S, W) 1/tau; driven: (W,) the site that each weight drives; levels: (2^(q-1),) rising from 0 to 1.
    Raises PreflightError for an unknown policy or clip.
    """
    scale = full_scale(weights, driven, sites, levels, policy, clip, bias_levels)
    codes, clipped = encode(weights, scale[:, driven], levels)
    return Quantised(codes, scale, clipped)


def full_scale(
    weights: Floats,
    driven: NDArray[np.int64],
    sites: int,
    levels: Floats,
    policy: str = "chunk",
    clip: str = "maximum",
    bias_levels: int = 64,
) -> Floats:
    """(S, N) 1/tau: what the strongest code stands for at each driven site; 0 where every weight is 0.

    clip: `maximum` the largest |w|; `mse` the clip that leaves the smallest squared error; `sigma3` three times the
    root mean square about zero, where codes are symmetric (never above the largest |w|).
    """
    if policy not in POLICIES:
        raise PreflightError(f"policy {policy!r} is unknown; known: {', '.join(POLICIES)}")
    if clip not in CLIPS:
        raise PreflightError(f"clip {clip!r} is unknown; known: {', '.join(CLIPS)}")
    segments = weights.shape[0]
    if policy == "chunk":
        return np.repeat([[_one_scale(row, levels, clip)] for row in weights], sites, axis=1)
    if policy == "array":
        return np.full((segments, sites), _one_scale(weights.reshape(-1), levels, clip))
    ends = np.cumsum(np.bincount(driven, minlength=sites))
    by_site = np.split(weights[:, np.argsort(driven, kind="stable")], ends[:-1], axis=1)
    wanted = np.array([_one_scale(own.reshape(-1), levels, clip) for own in by_site])
    array = wanted.max()
    steps = np.clip(np.ceil(wanted / array * bias_levels - _ROUNDING), 1, bias_levels) if array > 0 else np.zeros(sites)
    return np.repeat((array * (steps / bias_levels))[None], segments, axis=0)


def encode(weights: Floats, scale: Floats, levels: Floats) -> tuple[NDArray[np.int8], int]:
    """The code of the nearest level, and how many weights lay beyond full scale; `scale` as wide as `weights`."""
    strength = np.divide(np.abs(weights), scale, out=np.zeros_like(weights), where=scale > 0)
    codes = np.searchsorted((levels[:-1] + levels[1:]) / 2, strength)
    return (np.sign(weights) * codes).astype(np.int8), int((strength > 1 + _ROUNDING).sum())


def decode(codes: NDArray[np.int8], scale: Floats, levels: Floats) -> Floats:
    """What the codes stand for, 1/tau; the same arithmetic as `Design.values`."""
    wide = codes.astype(np.int64)
    return np.sign(wide) * levels[np.abs(wide)] * scale


def _one_scale(weights: Floats, levels: Floats, clip: str) -> float:
    largest = float(np.abs(weights).max(initial=0.0))
    if clip == "maximum" or largest == 0:
        return largest
    if clip == "sigma3":
        return min(largest, 3 * float(np.sqrt(np.mean(weights**2))))
    blocks = np.array_split(_TRIED, 1 + _TRIED.size * weights.size // _AT_ONCE)
    errors = np.concatenate([_errors(weights, block * largest, levels) for block in blocks])
    return float(_TRIED[int(np.argmin(errors))] * largest)


def _errors(weights: Floats, scales: Floats, levels: Floats) -> Floats:
    """The squared error that each of `scales` leaves."""
    scale = np.broadcast_to(scales[:, None], (scales.size, weights.size))
    wide = np.broadcast_to(weights, scale.shape)
    return np.sum((wide - decode(encode(wide, scale, levels)[0], scale, levels)) ** 2, axis=1)


def straight_through(
    weights: torch.Tensor,
    driven: NDArray[np.int64],
    sites: int,
    levels: Floats,
    policy: str = "chunk",
    clip: str = "maximum",
    bias_levels: int = 64,
) -> torch.Tensor:
    """What the codes of `weights` stand for, as a torch tensor that passes its gradient straight to the weights.

    The forward value is computed by `quantise` itself, so training and lowering cannot differ; a weight that was
    clipped gets no gradient. Same shape and dtype as `weights` (the arithmetic is float64).
    """
    exact = weights.detach().cpu().double().numpy()
    found = quantise(exact, driven, sites, levels, policy, clip, bias_levels)
    scale = found.full_scale[:, driven]
    value = weights.new_tensor(decode(found.codes, scale, levels))
    passes = weights.new_tensor(np.abs(exact) <= scale * (1 + _ROUNDING))
    return value + passes * (weights - weights.detach())
