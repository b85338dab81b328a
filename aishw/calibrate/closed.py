"""Closed arrays: what real neighbours add to tables that were measured with replayed ones.

In an array every tap belongs to a PE: it has a finite strength, its load follows the codes that it drives, and its
phase runs ahead of or behind r0's with the PE's own drift. Tables of a tile know none of this. Five numbers take off
the mean of it: a common drift, a complex factor on the coupling's first harmonic and one on SHIL's, fitted to the
drifts of training networks on the transistors. `ring28` at fan-in 4, three networks: drift -6e-4 rad per cycle, and an
rms error of 1.3e-3 that falls to 1.1e-3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from aishw.ais.system import System
from aishw.ais.topology import grid
from aishw.calibrate.company import corrected
from aishw.engines.base import Job
from aishw.engines.executor import run_all
from aishw.engines.spice_transistor import SpiceTransistor
from aishw.hardware.calibration import Calibration
from aishw.hardware.target import KINDS, Target
from aishw.lower.circuit import injected
from aishw.lower.design import Design, Timeline

SIDE, NEIGHBOURS, FAN_IN = 3, "cross4", 4
CHUNKS, CYCLES = 4, 160.0
TRAINING = (1001, 1002, 1003)
TRAINING_CYCLES = 40
TRAINED = {"coupling": 0.52, "shil": 0.51, "reference": 0.45}  # of the strongest code: digits16_4bit on `ring28`
SETTLED = 2  # cycles at either end that the fit leaves out: start transients, the spline's ends


def network(
    target: Target, seed: int, bits: int = 4, cycles: float = CYCLES, chunks: int = CHUNKS, trained: bool = False
) -> tuple[Design, NDArray[np.float64]]:
    """A random design on a 3x3 torus and its start phases (1, 9) rad, uniform over the circle.

    Codes of every kind are uniform over all that `bits` hold, or with `trained` Gaussian, rounded and clipped, with the
    standard deviations of the shipped digits' codes. Every kind has the strongest bias of its card, SHIL the middle
    one.
    """
    draw = np.random.default_rng(seed)
    topology = grid(SIDE, SIDE, NEIGHBOURS)
    sites, edges, top = topology.sites, topology.edges.shape[1], 2 ** (bits - 1) - 1
    counts = {"coupling": edges, "shil": sites, "reference": sites}
    codes = {kind: draw.integers(-top, top + 1, (chunks, counts[kind])).astype(np.int8) for kind in KINDS}
    if trained:
        spread = {kind: draw.normal(0, TRAINED[kind] * top, (chunks, counts[kind])) for kind in KINDS}
        codes = {kind: np.clip(np.rint(each), -top, top).astype(np.int8) for kind, each in spread.items()}
    each = cycles / chunks
    rates = {kind: target.injections[kind].rate for kind in KINDS}
    used = {"coupling": rates["coupling"][-1], "shil": rates["shil"][rates["shil"].size // 2],
            "reference": rates["reference"][-1]}  # fmt: skip
    scale = {kind: np.full((chunks, sites), used[kind] * each) for kind in KINDS}
    none = {"shil": np.zeros((chunks, sites)), "reference": np.zeros((chunks, sites))}
    run_s, still = np.full(chunks, each / target.frequency_Hz), np.zeros(chunks)
    line = Timeline("state_stationary", still, still, run_s, 0, 0, 1, 0, 0)
    empty = System("kurashil", topology, np.zeros((chunks, edges)), none, np.ones(chunks))
    bare = Design(empty, target, bits, "array", codes, scale, np.full(chunks, each), line, {})
    system = System(
        "kurashil", topology, bare.values("coupling"), {k: bare.values(k) for k in ("shil", "reference")},
        np.ones(chunks), name=f"random 3x3, seed {seed}",
    )  # fmt: skip
    design = Design(system, target, bits, "array", codes, scale, np.full(chunks, each), line, {})
    return design, draw.uniform(-np.pi, np.pi, (1, sites))


@dataclass(frozen=True)
class Closed:
    """drift: rad per cycle of every PE. coupling, shil: factors on first harmonics. before, after: rad per cycle, rms
    error of the drift over the training networks, without and with them."""

    drift: float
    coupling: complex
    shil: complex
    before: float
    after: float

    def applied(self, calibration: Calibration) -> Calibration:
        """The calibration with its coupling and SHIL tables so corrected."""
        return corrected(calibration, self.drift, self.coupling, self.shil)


def measure_closed(
    target: Target, calibration: Calibration, *, seeds: Sequence[int] = TRAINING, workers: int = 2
) -> Closed:
    """The five numbers, from `seeds` networks of TRAINING_CYCLES cycles and one chunk each."""
    found = run_all([partial(drift_errors, target, calibration, seed) for seed in seeds], workers)
    features, error = (np.concatenate(each) for each in zip(*found))
    fit, *_ = np.linalg.lstsq(features, error, rcond=None)
    left = error - features @ fit
    # error = c + g Re F + a Im F + ..., and Re[(g - ia) F] is g Re F + a Im F.
    coupling, shil = complex(1 + fit[1], -fit[2]), complex(1 + fit[3], -fit[4])
    rms = [float(np.sqrt((each**2).mean())) for each in (error, left)]
    return Closed(float(fit[0]), coupling, shil, *rms)


def drift_errors(
    target: Target, calibration: Calibration, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(X, 5) what the correction may use (1, the coupling's and SHIL's first-order drives) and (X,) rad per cycle, the
    transistors' drift minus the macromodel's at the phases that the transistors had."""
    design, x0 = network(target, seed, cycles=TRAINING_CYCLES, chunks=1)
    cycles = np.arange(TRAINING_CYCLES + 1)
    job = Job(x0, cycles / TRAINING_CYCLES)
    phase = SpiceTransistor(calibration.steady).run(design, job).state[0]
    circuit, topology = injected(design, calibration, 0), design.system.topology
    kept = slice(SETTLED, -SETTLED)
    error = (CubicSpline(cycles, phase, axis=0)(cycles, 1) - circuit.drifts(topology)(phase))[kept]
    driven, driving = topology.edges
    pushed = circuit.pair[:, 0] * np.exp(1j * (phase[:, driven] - phase[:, driving]))
    drive = circuit.own[:, 0] * np.exp(1j * phase)
    for site in range(topology.sites):
        drive[:, site] += pushed[:, driven == site].sum(axis=1)
    second = circuit.shil[:, 0] * np.exp(2j * phase)
    columns = [np.ones_like(phase), drive.real, drive.imag, second.real, second.imag]
    return np.stack([column[kept].ravel() for column in columns], axis=1), error.ravel()
