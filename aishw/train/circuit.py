"""The generator through the calibrated macromodel: training against the circuit that was measured.

Every step lowers the float weights to codes, gives the design its reference's shift, and rolls out the macromodel with
straight-through codes (`engines.macromodel_rollout`), so that harmonics, offsets and coupling angles are learned away.
Every image sees a detuning of its own, every call couplers of its own: weights that lean on no single chip.

The shift is that of `lower.reference` (mean over sites, starts and cycles of circuit less ideal drift, along the
realised equation), from the same starts, in single precision and with the tables that are rolled out anyway. It is
recomputed in every call, as weights move it and `lower` will compute it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from aishw.ais.families import read
from aishw.ais.parameters import Parameters
from aishw.ais.rollout import rollout
from aishw.ais.system import Start, System, draw_start
from aishw.ais.topology import Topology
from aishw.calibrate.calibration_file import load_calibration
from aishw.calibrate.match import check_codes, check_target
from aishw.calibrate.shipped import calibration_of
from aishw.engines.macromodel_rollout import rollout_macromodel
from aishw.errors import TrainError
from aishw.hardware.calibration import Calibration
from aishw.hardware.cards import load_target
from aishw.hardware.target import Target
from aishw.library import find
from aishw.lower.design import Design
from aishw.lower.lower import lower
from aishw.train.chip import Chip, Spread, draw_chip, spread_of
from aishw.train.weights import TRIM

if TYPE_CHECKING:
    import torch

    from aishw.train.settings import Settings

    Tensor = torch.Tensor

_SHIFT_STARTS = 16
_SHIFT_POINTS = 5  # midpoints in a segment


@dataclass(frozen=True, eq=False)
class Circuit:
    """What the weights are trained for. calibration and target: the circuit; bits, policy, clip: as in `lower`.

    spread: of chips and noise in training. noise: rad/sqrt(tau) on top of the circuit's own, to keep training smooth.
    method, step_tau: of the rollout. start, readout: of the System that is trained.
    """

    calibration: Calibration
    target: Target
    bits: int = 4
    policy: str = "chunk"
    clip: str = "maximum"
    spread: Spread = field(default_factory=Spread)
    noise: float = 0.0
    method: str = "heun"
    step_tau: float = 0.1
    start: Start = field(default_factory=Start)
    readout: str = "sin"


@lru_cache(maxsize=8)
def circuit_for(
    target: str,
    fan_in: int = 24,
    bits: int = 4,
    calibration: str = "",
    spread: Spread | None = None,
    **others: Any,
) -> Circuit:
    """A Circuit by names. calibration: a file, or "" for the one that is shipped; spread: None for the calibration's
    own; others: fields of Circuit.

    Raises TrainError if no calibration is shipped for this target and number of couplers a site, CardError for one of
    another circuit or number of bits.
    """
    card = load_target(target)
    if bits not in card.bits:
        held = ", ".join(map(str, card.bits))
        raise TrainError(f"through = 'macromodel' trains codes: bits = {bits}, target {target!r} has {held}")
    if calibration:
        found: Calibration | None = load_calibration(find("calibration", calibration))
        assert found is not None
        check_target(found.steady, card, fan_in)
        found = found.labelled(card)
    else:
        found = calibration_of(card, fan_in)
    if found is None:
        raise TrainError(
            f"no calibration of {target!r} with {fan_in} couplers a PE is shipped; `aishw calibrate {target} --fan-in "
            f"{fan_in} -o NAME.h5` makes one for calibration = 'NAME.h5'"
        )
    check_codes(found, bits)
    return Circuit(found, card, bits, spread=spread_of(found) if spread is None else spread, **others)


def circuit_of(settings: Settings, topology: Topology) -> Circuit:
    """The Circuit that a recipe asks for, with the calibration's own noise."""
    s = settings
    quiet = circuit_for(
        s.target, topology.fan_in, s.bits, s.calibration, policy=s.policy, clip=s.clip, noise=s.noise, method=s.solver,
        step_tau=s.step_tau, start=Start(s.start_mean, s.start_deviation), readout=s.readout,
    )  # fmt: skip
    return replace(quiet, spread=replace(quiet.spread, detuning=s.chip_detuning, gain=s.chip_gain))


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
        end = on_chip(circuit, design_of(circuit, parameters), chip, start, generator, parameters, trim)
    return read(end[:, torch.from_numpy(topology.visible)], settings.readout)


def random_chips(
    circuit: Circuit, parameters: Parameters, start: Tensor, generator: torch.Generator, trim: Tensor | None = None
) -> Tensor:
    """End states (B, N): every image with a detuning of its own, all with one draw of gain errors."""
    import torch

    spread, design = circuit.spread, design_of(circuit, parameters)
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


def design_of(circuit: Circuit, parameters: Parameters) -> Design:
    """The design of float weights, with its reference's shift."""
    system = parameters.to_system(start=circuit.start, readout=circuit.readout)
    design = lower(system, circuit.target, bits=circuit.bits, policy=circuit.policy, clip=circuit.clip)
    return replace(design, reference_shift=reference_shift(design, circuit.calibration))


def reference_shift(design: Design, calibration: Calibration) -> float:
    """rad per cycle, as `lower.reference.common_drift` gives it, cheap enough for every step.

    The ideal drift's mean is the mean of what the phases have moved; the circuit's is taken at midpoints.
    """
    import torch

    from aishw.engines.macromodel_drift import segment_circuit

    bounds = design.system.boundaries_tau
    middle = (np.arange(_SHIFT_POINTS) + 0.5) / _SHIFT_POINTS
    times = np.append((bounds[:-1, None] + np.diff(bounds)[:, None] * middle).ravel(), bounds[-1])
    start = torch.tensor(draw_start(design.system, _SHIFT_STARTS, seed=0), dtype=torch.float32)
    moved = 0.0
    with torch.no_grad():
        states = rollout(design.realised, start, "heun", 0.1, times)
        for segment, duration_tau in enumerate(design.system.duration_tau):
            points = states[:, segment * _SHIFT_POINTS : (segment + 1) * _SHIFT_POINTS]
            circuit = segment_circuit(design, calibration, segment, start)
            codes = [start.new_tensor(design.codes[kind][segment]) for kind in ("coupling", "reference", "shil")]
            drift = circuit.drift("auto", (codes[0], codes[1], codes[2]))
            moved += float(drift(points.reshape(-1, design.system.sites).T.contiguous()).double().mean()) * duration_tau
        ideal = float((states[:, -1] - start).double().mean())
    return design.reference_shift + (moved - ideal) / design.cycles


def _rolled(
    circuit: Circuit,
    design: Design,
    parameters: Parameters | None,
    start: Tensor,
    generator: torch.Generator,
    detuning: Tensor,
    gain_error: np.ndarray | None,
) -> Tensor:
    diffusion = circuit.spread.diffusion + circuit.noise**2 * design.system.boundaries_tau[-1] / design.cycles
    return rollout_macromodel(
        design, circuit.calibration, start, parameters, method=circuit.method, step_tau=circuit.step_tau,
        detuning=detuning, gain_error=gain_error, diffusion=diffusion, generator=generator,
    )  # fmt: skip


def sampled(circuit: Circuit, system: System, images: int, seed: int, chip: Chip | None = None) -> np.ndarray:
    """(images, rows, columns) of a System on one chip, RK4; starts as `draw_start` gives them, noise from the seed."""
    import torch

    parameters = Parameters.of(system, torch.float32)
    fine, design = replace(circuit, method="rk4"), design_of(circuit, parameters)
    generator = torch.Generator().manual_seed(seed)
    start = torch.tensor(draw_start(system, images, seed), dtype=torch.float32)
    with torch.no_grad():
        end = torch.cat([on_chip(fine, design, chip, part, generator) for part in start.split(256)])
        shown = read(end[:, torch.from_numpy(system.topology.visible)], system.readout)
    return shown.numpy().astype(np.float64).reshape(images, *system.topology.image_shape)
