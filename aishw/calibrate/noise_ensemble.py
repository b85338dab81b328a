"""The check of a phase response by noise: transients with white currents of a known density at the ring's nodes.

The currents are drawn here and joined by straight lines, which is what ngspice's `trnoise(rms ts 0 0)` plays, with
rms^2 = S / (2 ts). That source itself cannot be used: ngspice 39 fills its pool from the process id, and `setseed`,
`rndseed` and `.options seed` do not repeat a run (measured), so that no figure could be made again.

The drawn currents are known, so the phase that Gamma makes of them is known too. Its variance stands off the formula's
by chance, and the transients' own by nearly the same: that difference is taken off, which leaves a fifth of the error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from aishw.calibrate.loaded import Load, loaded_deck, run_loaded
from aishw.calibrate.projection import resampled
from aishw.calibrate.sources import BENCH
from aishw.engines.executor import run_all
from aishw.engines.start import read_name
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target
from aishw.units import TWO_PI
from aishw.units import spice_number as number

Floats = NDArray[np.float64]
SAMPLES_PER_CYCLE = 37.3  # every sample restarts ngspice's step; no whole number, so that none keeps to one phase
SETTLE = 2  # cycles before the noise is counted
GRID = 512  # points of a cycle in the integral of Gamma i


@dataclass(frozen=True, eq=False)
class Ensemble:
    """diffusion: rad^2 per cycle of the transients, less what chance added to the drawn currents (see above); error:
    its standard error. plain: the transients' as it stands. cycles: how many there were.
    """

    diffusion: float
    error: float
    plain: float
    cycles: int


def white_ensemble(
    target: Target, steady: SteadyState, load: Load, gamma: Floats, nodes: Sequence[str], density: float, *, seed: int,
    runs: int, cycles: int, workers: int = 2,
) -> Ensemble:  # fmt: skip
    """`runs` transients of `cycles` cycles with `density` A^2/Hz into each of the deck's `nodes`.

    gamma: (Z, P) rad/C there.
    """
    sample_s = sample_of(steady)
    rms_A = float(np.sqrt(density / 2 / sample_s))
    count = int((SETTLE + cycles + 2) * SAMPLES_PER_CYCLE)
    calls = []
    for k in range(runs):
        drawn = np.random.default_rng([seed, k]).standard_normal((gamma.shape[0], count))
        drawn[:, 0] = 0.0
        drives = drive_lines(drawn, sample_s)
        calls.append(partial(increments, target, steady, load, gamma, nodes, drives, rms_A, cycles))
    seen = np.array(run_all(calls, workers))  # (runs, 2, cycles)
    seen -= seen.mean(axis=(0, 2), keepdims=True)
    both = np.array([[variance_growth(series) for series in run] for run in seen])
    found, drawn_growth = both.mean(axis=0)
    error = float((both[:, 0] - both[:, 1]).std(ddof=1) / np.sqrt(runs))
    expected = filtered_diffusion(gamma, density, steady.frequency_Hz, sample_s)
    return Ensemble(float(found - drawn_growth + expected), error, float(found), runs * cycles)


def sample_of(steady: SteadyState) -> float:
    """Seconds from one sample of the test currents to the next."""
    return 1 / (SAMPLES_PER_CYCLE * steady.frequency_Hz)


def drive_lines(drawn: Floats, sample_s: float) -> list[str]:
    """Voltage sources on z0, z1 .. that play drawn samples (Z, P), a straight line from each to the next."""
    lines = []
    for k, values in enumerate(drawn):
        points = [f"{number(p * sample_s)} {number(value)}" for p, value in enumerate(values.tolist())]
        lines.append(f"vz{k} z{k} 0 pwl(")
        lines += ["+ " + " ".join(points[p : p + 20]) for p in range(0, len(points), 20)] + ["+ )"]
    return lines


def increments(
    target: Target, steady: SteadyState, load: Load, gamma: Floats, nodes: Sequence[str], drives: Sequence[str],
    rms_A: float, cycles: int,
) -> Floats:  # fmt: skip
    """(2, cycles) rad: what each cycle added to the phase, as the transient has it and as Gamma has it.

    drives: lines that make the voltages z0, z1 ..; rms_A amperes per volt flow into `nodes`.
    """
    extra = [*drives, *(f"gz{k} 0 {node} z{k} 0 {number(rms_A)}" for k, node in enumerate(nodes))]
    save = " ".join([f"v({read_name(target, 0)})", *(f"v(z{k})" for k in range(gamma.shape[0]))])
    deck = loaded_deck(target, load, BENCH, SETTLE + cycles + 2, start=steady, extra=extra, save=save)
    result, times = run_loaded(deck, target)
    times = times[SETTLE : SETTLE + cycles + 1]
    turn = np.arange(GRID) / GRID
    at_s = times[:-1, None] + np.diff(times)[:, None] * turn  # (cycles, GRID)
    place = (steady.marks_rad[steady.read] / TWO_PI + turn) * GRID
    moved = np.zeros(cycles)
    for k, each in enumerate(gamma):
        current = rms_A * np.interp(at_s, result.raw.time_s, result.raw[f"v(z{k})"])
        seen = np.interp(place, np.arange(GRID), resampled(each, GRID), period=GRID)
        moved += (seen * current).mean(axis=1) * np.diff(times)
    return np.stack([-TWO_PI * np.diff(times) * steady.frequency_Hz, moved])


def variance_growth(increment: Floats) -> float:
    """rad^2 per cycle: g_0 + 2 g_1 of the autocovariance, free of the crossings' own jitter, which is gone a cycle
    later.
    """
    return float(increment @ increment / increment.size + 2 * (increment[1:] @ increment[:-1]) / increment.size)


def filtered_diffusion(gamma: Floats, density: float, frequency_Hz: float, sample_s: float) -> float:
    """rad^2 per cycle of samples joined by straight lines: their density falls as sinc(f ts)^4."""
    series = np.fft.rfft(gamma, axis=-1) / gamma.shape[-1]
    k = np.arange(series.shape[-1])
    weight = np.where(k == 0, 1.0, 2.0) * np.sinc(k * frequency_Hz * sample_s) ** 4
    return float((np.abs(series) ** 2 * weight).sum() * density / 2 / frequency_Hz)
