"""The ways from start states to images: the trained equation with one solver or another, or the calibrated macromodel.

All work in single precision and in batches, so that memory stays bounded (about 1 GB at 56x56). The same seed gives the
same start states on every way, so rows of a score are compared in pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aishw.ais.rollout import rollout
from aishw.ais.system import System, draw_start, pixels
from aishw.engines.macromodel_rollout import rollout_macromodel
from aishw.errors import TrainError
from aishw.hardware.calibration import Calibration
from aishw.lower.design import Design
from aishw.train.chip import Chip, Spread, draw_chip, spread_of

if TYPE_CHECKING:
    import torch

Run = Callable[["torch.Tensor", "torch.Generator"], "torch.Tensor"]

FINE_TAU = 0.05  # with RK4, on the shipped 4-bit digits: 8e-5 rad rms, 7e-3 at worst, from a step of 0.01
CIRCUIT_TAU = 0.1  # the same through ring28's macromodel: 1.3e-3 rad rms from a step of 0.0125, 0.12 at worst
_TOGETHER = 800_000  # states in a batch: 256 images of 56x56


@dataclass(frozen=True, eq=False)
class Way:
    """runs: each takes start states (B, N), and a generator for whatever is random, to end states (B, N); more than one
    where chips differ."""

    name: str
    runs: tuple[Run, ...]


def equation(system: System, method: str, step_tau: float, noisy: bool = False, name: str = "") -> Way:
    """The equation by `method` with steps of at most `step_tau`, and on request the noise it was trained with."""
    noise = system.noise if noisy else None
    plain = f"{'RK4' if method == 'rk4' else method.capitalize()}, {step_tau:g} tau"
    kicked = f", noise {system.noise.delta:g}" if noisy else ""
    return Way(
        name or plain + kicked,
        (lambda start, chance: rollout(system, start, method, step_tau, noise=noise, generator=chance),),
    )


def circuit(design: Design, calibration: Calibration, spread: Spread | None = None, chip: Chip | None = None) -> Run:
    """The macromodel by RK4: nominal, or `chip`. spread: its noise (thermal, and flicker as one detuning an image)."""

    def run(start: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
        import torch

        off = None if chip is None else start.new_tensor(chip.detuning).expand_as(start)
        if spread is not None and spread.wander:
            wander = spread.wander * torch.randn(start.shape, generator=chance, dtype=start.dtype)
            off = wander if off is None else off + wander
        return rollout_macromodel(
            design, calibration, start, method="rk4", step_tau=CIRCUIT_TAU,
            detuning=None if off is None else off.numpy(), gain_error=None if chip is None else chip.gain_error,
            diffusion=0.0 if spread is None else spread.diffusion, generator=chance,
        )  # fmt: skip

    return run


def equation_ways(system: System, solver: str, noisy: bool = False, design: Design | None = None) -> list[Way]:
    """Euler's steps as trained, those of `solver` if training took another one, continuous time; on request the same
    with the trained noise, and what the codes of `design` stand for."""
    trained = [equation(system, "euler", system.step_tau)]
    if solver != "euler":
        trained.append(equation(system, solver, system.step_tau))
    ways = [*trained, equation(system, "rk4", FINE_TAU)]
    if noisy and system.noise.delta > 0:
        ways += [equation(system, "euler", system.step_tau, noisy=True), equation(system, "rk4", FINE_TAU, noisy=True)]
    if design is not None:
        ways.append(equation(design.realised, "rk4", FINE_TAU, name=f"{design.bits}-bit codes, RK4"))
    return ways


def circuit_ways(design: Design, calibration: Calibration, noisy: bool = False, chips: int = 0) -> list[Way]:
    """The macromodel with the design's reference, untouched (a reference at the PEs' own frequency), and on request
    with its noise, and on random chips with the calibrated trim residual, gain spread and noise.

    Raises TrainError if the calibration lacks a figure that is asked of it.
    """
    untouched = replace(design, reference_shift=0.0)
    ways = [
        Way("macromodel, reference shifted", (circuit(design, calibration),)),
        Way("macromodel, untouched", (circuit(untouched, calibration),)),
    ]
    if noisy:
        ways.append(Way("macromodel, noise", (circuit(design, calibration, spread_of(calibration, 0.0, 0.0)),)))
    if chips:
        spread, top = spread_of(calibration), design.system.topology
        drawn = tuple(circuit(design, calibration, spread, draw_chip(top, spread, k)) for k in range(chips))
        ways.append(Way(f"macromodel, noise, {chips} random chips", drawn))
    return ways


def chip_ways(design: Design, calibration: Calibration, chips: int) -> list[Way]:
    """The nominal circuit and random chips, as far as the calibration has noise and mismatch."""
    if calibration.noise is None:
        return [Way("the nominal circuit", (circuit(design, calibration),))]
    quiet = spread_of(calibration, 0.0, 0.0)
    ways = [Way("the nominal circuit with its noise", (circuit(design, calibration, quiet),))]
    if calibration.mismatch is not None:
        spread, top = spread_of(calibration), design.system.topology
        drawn = tuple(circuit(design, calibration, spread, draw_chip(top, spread, k)) for k in range(chips))
        ways.append(Way(f"{chips} random chips", drawn))
    return ways


def needed(calibration: Calibration | None, design: Design) -> Calibration:
    """The calibration, or a TrainError that says how to get one."""
    if calibration is None:
        target, fan_in = design.target, design.system.topology.fan_in
        raise TrainError(
            f"no calibration of {target.name!r} with {fan_in} couplers a PE and {design.bits} bit is shipped; make one "
            f"with `aishw calibrate {target.called} --fan-in {fan_in} -o NAME.h5` and give it as --calibration NAME.h5"
        )
    return calibration


def images_of(
    run: Run, system: System, count: int, seed: int, progress: Callable[[float], None] | None = None
) -> NDArray[np.float64]:
    """(count, rows, columns) pixels from the start states of `seed`."""
    import torch

    start = torch.tensor(draw_start(system, count, seed), dtype=torch.float32)
    chance, ends = torch.Generator().manual_seed(seed), []
    with torch.no_grad():
        for part in start.split(max(1, _TOGETHER // system.sites)):
            ends.append(run(part, chance)[:, torch.from_numpy(system.topology.visible)])
            if progress is not None:
                progress(sum(map(len, ends)) / count)
    shown = pixels(torch.cat(ends).double().numpy(), system.readout)
    return np.asarray(shown.reshape(count, *system.topology.image_shape))
