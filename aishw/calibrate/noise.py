"""Phase noise of a PE under its couplers and SHIL unit: device noise through the phase response, and the check of it.

All of the chip's own devices at the ring's nodes count; clocks, taps of other PEs, biases and the supply are taken as
noiseless. The phase response of r2, and of q, is measured here, with fewer pulses than those of r0 and r1.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from aishw.calibrate.device_noise import DeviceNoise, device_noise, ring_nodes
from aishw.calibrate.diffusion import flicker_diffusion, white_diffusion
from aishw.calibrate.loaded import load_of
from aishw.calibrate.noise_ensemble import filtered_diffusion, sample_of, white_ensemble
from aishw.calibrate.projection import TOP, resampled
from aishw.calibrate.response import node_response
from aishw.engines.executor import run_all
from aishw.hardware.findings import NoiseFinding, PhaseResponse
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target

PHASES, QUICK_PHASES = 64, 32
PULSES, QUICK_PULSES = 20, 12  # phases of the response at r2
RUNS, QUICK_RUNS, CYCLES = 16, 6, 40  # transients of the ensemble, and how many cycles each counts
TEST_RAD = 0.02  # rms that the test currents add per cycle: far above the solver's scatter, far below what bends
IMAGE_CYCLES = 160.0  # four tau at the strongest bias, as measured on `ring28`
TRIMMED_S = 3600.0  # since the chip was trimmed; a day adds a sixth to the flicker's variance
SMALLEST = 1e-3  # of the whole; lesser devices are put together


def measure_noise(
    target: Target, steady: SteadyState, response: PhaseResponse, *, seed: int = 0, quick: bool = False,
    workers: int = 2,
) -> NoiseFinding:  # fmt: skip
    """Diffusion of a PE with its couplers at the strongest bias, and SHIL at the middle bias and strongest code.

    seed: of the test currents. quick: fewer phases and transients.
    """
    load = load_of(steady)
    pulses = QUICK_PULSES if quick else PULSES
    ring = ring_nodes(target)
    known = {"r0": response.r0, "r1": response.r1}
    others = sorted(ring.keys() - known)
    run = partial(node_response, target, steady, load, charge_C=response.charge_C, phases=pulses)
    found = run_all([partial(run, node) for node in others], workers)
    known |= {node: gamma for node, (gamma, _) in zip(others, found)}
    shil = target.injections["shil"].rate
    injected = replace(load, shil_code=TOP, shil_rate=float(shil[shil.size // 2]))
    devices = device_noise(target, steady, injected, QUICK_PHASES if quick else PHASES, workers)
    phases = devices.phase_rad.size
    gamma = np.stack([resampled(each, phases) for each in (known[node] for node in ring)])
    thermal = white_diffusion(gamma, devices.thermal, steady.frequency_Hz)
    for k, name in enumerate(devices.names):
        if name.startswith("r.") and "q" in ring:  # one current out of r0 and into q
            through = (gamma[devices.nodes.index("r0")] - gamma[devices.nodes.index("q")])[None]
            thermal[k] = white_diffusion(through, devices.thermal[k, :1], steady.frequency_Hz)
    flicker = flicker_diffusion(gamma, devices.flicker, steady.frequency_Hz, IMAGE_CYCLES, TRIMMED_S)

    sample_s = sample_of(steady)
    density = TEST_RAD**2 / filtered_diffusion(gamma, 1.0, steady.frequency_Hz, sample_s)
    runs = QUICK_RUNS if quick else RUNS
    check = white_ensemble(
        target, steady, load, gamma, list(ring.values()), density, seed=seed, runs=runs, cycles=CYCLES, workers=workers
    )
    return NoiseFinding(
        float(thermal.sum()), float(flicker.sum()), by_group(devices, thermal), density, check.diffusion, check.error,
        filtered_diffusion(gamma, density, steady.frequency_Hz, sample_s), IMAGE_CYCLES, TRIMMED_S,
    )  # fmt: skip


def by_group(devices: DeviceNoise, diffusion: NDArray[np.float64]) -> dict[str, float]:
    """rad^2 per cycle by group, the largest first: a PE's transistors by name, others by what they do in their cell."""
    found: dict[str, float] = {}
    for name, value in zip(devices.names, diffusion.tolist()):
        group = group_of(name)
        found[group] = found.get(group, 0.0) + value
    whole = sum(found.values())
    kept = {group: value for group, value in found.items() if value >= SMALLEST * whole}
    named = dict(sorted(kept.items(), key=lambda item: -item[1]))
    return named | {"others": whole - sum(kept.values())}


def group_of(name: str) -> str:
    """`m.xp0.x0.mn` is "ring x0.mn"; `m.xc3.xn.mnt` and the reference's, which is in their number, "couplers mnt"."""
    kinds = (("p", "ring"), ("c", "couplers"), ("oc", "couplers"), ("s", "SHIL"), ("t", "trim"))
    path = name.split(".")[1:]
    for letters, kind in kinds:
        if re.fullmatch(rf"x{letters}\d+", path[0]):
            return f"{kind} {'.'.join(path[1:]) if kind == 'ring' else path[-1]}"
    return name
