"""What weights are trained for: a calibrated circuit by name, and the design that it makes of a System.

The reference's shift is that of `lower.reference` (mean over sites, starts and cycles of circuit less ideal drift,
with its jumps, along the realised equation), from the same starts, in single precision and with the tables that are
rolled out anyway. It is computed anew for every design, as weights move it and `lower` will compute it again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from aishw.ais.rollout import rollout
from aishw.ais.system import Start, System, draw_start
from aishw.ais.topology import Topology
from aishw.calibrate.calibration_file import load_calibration
from aishw.calibrate.match import check_codes, check_target
from aishw.calibrate.shipped import calibration_of
from aishw.errors import TrainError
from aishw.hardware.calibration import Calibration
from aishw.hardware.cards import load_target
from aishw.hardware.target import Target
from aishw.library import find
from aishw.lower.design import Design
from aishw.lower.lower import lower
from aishw.lower.reference import mean_jump_rad
from aishw.train.chip import Spread, spread_of

if TYPE_CHECKING:
    from aishw.train.settings import Settings

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


def design_of(circuit: Circuit, system: System) -> Design:
    """The design of a System, with its reference's shift."""
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
    times = bounds[:-1, None] + np.diff(bounds)[:, None] * np.append(middle, 1.0)
    start = torch.tensor(draw_start(design.system, _SHIFT_STARTS, seed=0), dtype=torch.float32)
    moved = 0.0
    with torch.no_grad():
        states = rollout(design.realised, start, "heun", 0.1, times.ravel()).unflatten(1, times.shape)
        for segment, duration_tau in enumerate(design.system.duration_tau):
            points = states[:, segment, :-1]
            circuit = segment_circuit(design, calibration, segment, start)
            codes = [start.new_tensor(design.codes[kind][segment]) for kind in ("coupling", "reference", "shil")]
            drift = circuit.drift("auto", (codes[0], codes[1], codes[2]))
            moved += float(drift(points.reshape(-1, design.system.sites).T.contiguous()).double().mean()) * duration_tau
        ideal = float((states[:, -1, -1] - start).double().mean())
    shift = design.reference_shift + (moved - ideal) / design.cycles
    begins = torch.cat([start[:, None], states[:, :-1, -1]], dim=1).double().numpy()
    return shift + mean_jump_rad(replace(design, reference_shift=shift), calibration, begins) / design.cycles
