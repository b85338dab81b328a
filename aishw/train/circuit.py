"""The generator through the calibrated macromodel: training against the circuit that was measured.

Every step lowers the float weights to codes, gives the design its reference's shift, and rolls out the macromodel with
straight-through codes (`engines.macromodel_rollout`), so that harmonics, offsets and coupling angles are learned away.
Every image sees a detuning of its own, every call couplers of its own: weights that lean on no single chip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from aishw.ais.families import read
from aishw.ais.parameters import Parameters
from aishw.ais.system import System, draw_start
from aishw.ais.topology import Topology
from aishw.engines.macromodel_rollout import rollout_macromodel
from aishw.lower.design import Design
from aishw.train.chip import Chip, Floats, draw_chip
from aishw.train.circuit_design import Circuit, circuit_of, design_of
from aishw.train.weights import TRIM

if TYPE_CHECKING:
    import torch

    from aishw.train.settings import Settings

    Tensor = torch.Tensor


def circuit_images(
    settings: Settings, topology: Topology, weights: Mapping[str, Tensor], start: Tensor, generator: torch.Generator
) -> Tensor:
    """(B, pixels) through the circuit from start states (B, N), with gradients for the float weights: on random chips,
    or on the one of the seed `settings.chip`.

    weights: coupling (S, W), one (S, N) per term, and perhaps `trim` (N,) rad per cycle. All chance comes from
    `generator`. Raises TrainError for a circuit without a shipped calibration, and the errors of `lower`.
    """
    import torch

    terms = {kind: value for kind, value in weights.items() if kind not in ("coupling", TRIM)}
    duration_tau = (settings.duration_tau,) * settings.segments
    parameters = Parameters(settings.family, topology, weights["coupling"], terms, duration_tau)
    circuit = circuit_of(settings, topology)
    trim = weights.get(TRIM)
    if settings.chip < 0:
        end = random_chips(circuit, parameters, start, generator, trim)
    else:
        chip = draw_chip(topology, circuit.spread, settings.chip)
        design = design_of(circuit, _system(circuit, parameters))
        end = on_chip(circuit, design, chip, start, generator, parameters, trim)
    return read(end[:, torch.from_numpy(topology.visible)], settings.readout)


def random_chips(
    circuit: Circuit, parameters: Parameters, start: Tensor, generator: torch.Generator, trim: Tensor | None = None
) -> Tensor:
    """End states (B, N): every image with a detuning of its own, all with one draw of gain errors."""
    import torch

    spread, design = circuit.spread, design_of(circuit, _system(circuit, parameters))
    off = np.hypot(spread.detuning, spread.wander) * torch.randn(start.shape, generator=generator, dtype=start.dtype)
    gain = None
    if spread.gain:
        gain = spread.gain * torch.randn(parameters.topology.edges.shape[1], generator=generator).numpy()
    return _rolled(circuit, design, parameters, start, generator, off if trim is None else off + trim, gain)


def on_chip(
    circuit: Circuit,
    design: Design,
    chip: Chip | None,
    start: Tensor,
    generator: torch.Generator,
    parameters: Parameters | None = None,
    trim: Tensor | None = None,
) -> Tensor:
    """End states (B, N) of a design on one chip (None: the nominal one) with the circuit's noise."""
    import torch

    off = circuit.spread.wander * torch.randn(start.shape, generator=generator, dtype=start.dtype)
    if chip is not None:
        off = off + off.new_tensor(chip.detuning)
    gain = None if chip is None else chip.gain_error
    return _rolled(circuit, design, parameters, start, generator, off if trim is None else off + trim, gain)


def _system(circuit: Circuit, parameters: Parameters) -> System:
    return parameters.to_system(start=circuit.start, readout=circuit.readout)


def _rolled(
    circuit: Circuit,
    design: Design,
    parameters: Parameters | None,
    start: Tensor,
    generator: torch.Generator,
    detuning: Tensor,
    gain_error: Floats | None,
) -> Tensor:
    diffusion = circuit.spread.diffusion + circuit.noise**2 * design.system.boundaries_tau[-1] / design.cycles
    return rollout_macromodel(
        design, circuit.calibration, start, parameters, method=circuit.method, step_tau=circuit.step_tau,
        detuning=detuning, gain_error=gain_error, diffusion=diffusion, generator=generator,
    )  # fmt: skip


def sampled(
    circuit: Circuit, design: Design, images: int, seed: int, chip: Chip | None = None, trim: Floats | None = None
) -> Floats:
    """(images, rows, columns) of a design on one chip (None: the nominal one) by RK4, with the circuit's noise.

    Starts are those of `draw_start`, so that rows with one seed are paired. trim: (N,) rad per cycle.
    """
    import torch

    topology, generator = design.system.topology, torch.Generator().manual_seed(seed)
    start = torch.tensor(draw_start(design.system, images, seed), dtype=torch.float32)
    fine, off = replace(circuit, method="rk4"), None if trim is None else start.new_tensor(trim)
    with torch.no_grad():
        parts = [on_chip(fine, design, chip, part, generator, trim=off) for part in start.split(256)]
        shown = read(torch.cat(parts)[:, torch.from_numpy(topology.visible)], design.system.readout)
    return shown.double().numpy().reshape(images, *topology.image_shape)
