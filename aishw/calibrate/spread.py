"""Spreads of drawn chips: standard deviation with its confidence interval, linearity, and what trim they need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aishw.errors import CardError
from aishw.hardware.findings import MismatchFinding


@dataclass(frozen=True)
class Spread:
    """mean and sigma of drawn chips, and the interval low..high that holds the true sigma at `level`."""

    mean: float
    sigma: float
    low: float
    high: float
    level: float


def spread(values: NDArray[np.float64], *, level: float = 0.95, seed: int = 0) -> Spread:
    """Of one figure over chips (D,), the interval by the bias-corrected bootstrap (2000 resamples).

    Raises CardError for fewer than 8 chips, which tell next to nothing about a sigma.
    """
    from scipy.stats import bootstrap

    if values.size < 8:
        raise CardError(f"{values.size} chips are too few for a confidence interval; draw at least 8")
    sigma = float(values.std(ddof=1))
    if sigma == 0:
        return Spread(float(values.mean()), 0.0, 0.0, 0.0, level)
    found = bootstrap(
        (values,), lambda x, axis: x.std(axis=axis, ddof=1), n_resamples=2000, confidence_level=level,
        rng=np.random.default_rng(seed), vectorized=True,
    ).confidence_interval  # fmt: skip
    return Spread(float(values.mean()), sigma, float(found.low), float(found.high), level)


def needed_trim(finding: MismatchFinding, chips: float = 0.997) -> float:
    """Relative frequency that a trim must reach to either side for this fraction of PEs, from a normal distribution."""
    from scipy.stats import norm

    return float(finding.frequency.std(ddof=1) * norm.ppf((1 + chips) / 2))


def trim_range(finding: MismatchFinding) -> tuple[float, float]:
    """Relative frequency at the slowest and the fastest trim code."""
    return float(finding.trim_step.min()), float(finding.trim_step.max())


def out_of_trim(finding: MismatchFinding) -> int:
    """Chips that no trim code reaches: they are further off than half the largest gap between two codes."""
    steps = np.diff(np.sort(finding.trim_step))
    return int((np.abs(finding.trim_residual) > steps.max() / 2 * 1.02).sum())


def chip_inl(finding: MismatchFinding) -> NDArray[np.float64]:
    """(D, Q) LSB off the line through each chip's own outermost codes."""
    strength = strengths(finding)
    codes = finding.codes.astype(np.float64)
    slope = (strength[:, -1:] - strength[:, :1]) / (codes[-1] - codes[0])
    return np.asarray((strength - strength[:, :1]) / slope - (codes - codes[0]))


def chip_dnl(finding: MismatchFinding) -> NDArray[np.float64]:
    """(D, Q - 1) LSB of each chip's steps against its own mean step."""
    step = np.diff(strengths(finding), axis=1)
    return np.asarray(step / step.mean(axis=1, keepdims=True) - 1)


def strengths(finding: MismatchFinding) -> NDArray[np.float64]:
    """(D, Q) coupling in nominal LSB; at code 0 `gain` itself is in LSB."""
    return np.where(finding.codes == 0, finding.gain, finding.gain * finding.codes)
