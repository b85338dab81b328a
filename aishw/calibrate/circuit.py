"""The steady state of a target's circuit, with its SHIL clock timed; and what is refused as no oscillator."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from aishw.errors import SimulatorError
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target
from aishw.units import wrap

WANDER = 3e-5  # relative standard error of a sound steady state's frequency is 1e-7 to 1e-6
SWING = 0.5  # of the supply, each side of the middle taken together
FAR = 1.5  # the card's frequency times or over this: sweeps and timelines would be planned for another oscillator
SHIL_CODE = 7


def circuit_steady(
    target: Target, solver: Solver | None = None, fan_in: int = 24, *, quick: bool = False, workers: int = 2
) -> SteadyState:
    """The steady state of a target's PE with its SHIL clock timed: positive codes hold the phase at 0 and half a turn.

    The SHIL unit does ds/dcycle = Re[z_1 exp(2is)] with the clock as it stands; -G sin(2s), which is z_1 = iG, is where
    the clock stands at arg z_1 - pi/2. Raises SimulatorError for a PE that is no oscillator (`check_steady`).
    """
    from aishw.calibrate.coupling import both_ways
    from aishw.calibrate.match import circuit_id
    from aishw.calibrate.steady import FULL_CYCLES, QUICK_FULL_CYCLES, full_cell_frequency, steady_state

    solver = solver or target.solver
    try:
        steady = steady_state(target, solver, fan_in=fan_in, quick=quick)
    except SimulatorError as error:
        if error.kept is not None:  # ngspice itself failed
            raise
        raise SimulatorError(f"{_pe(target)} does not oscillate: {error}; {_way_out(target)}") from error
    check_steady(target, steady)
    middle = float(np.sqrt(target.injections["shil"].rate[0] * target.injections["shil"].rate_limit))
    shil = both_ways(target, steady, "shil", middle, SHIL_CODE, workers)
    angle = float(np.angle(shil.harmonics[0])) - np.pi / 2
    timed = replace(steady, shil_phase_rad=float(wrap(steady.shil_phase_rad + angle)))
    full_Hz = full_cell_frequency(target, timed, QUICK_FULL_CYCLES if quick else FULL_CYCLES)
    return replace(timed, full_frequency_Hz=full_Hz, circuit=circuit_id(target, solver, fan_in))


def check_steady(target: Target, steady: SteadyState) -> None:
    """Raises SimulatorError for a PE that does not swing, whose frequency still wanders, or is far from the card's."""
    name, supply_V = _pe(target), target.technology.supply_V
    for node in (steady.read, "p", "n"):
        swing_V = float(np.ptp(steady.waves[node]))
        if swing_V < SWING * supply_V:
            raise SimulatorError(
                f"{name} does not oscillate: node {node} swings {swing_V:.3g} V, expected at least "
                f"{SWING * supply_V:.3g} V; {_way_out(target)}"
            )
    wander = steady.frequency_error_Hz / steady.frequency_Hz
    if not wander <= WANDER:
        raise SimulatorError(
            f"{name} never reaches a steady state: after three passes its frequency is uncertain by {wander:.1e}, "
            f"allowed is {WANDER:.0e}; it may lock to its neighbours: weaken the bias or the coupling's feedthrough"
        )
    ratio = steady.frequency_Hz / target.frequency_Hz
    if not 1 / FAR <= ratio <= FAR:
        raise SimulatorError(
            f"{name} runs at {steady.frequency_Hz / 1e6:.4g} MHz, its card says {target.frequency_Hz / 1e6:.4g}; "
            "correct frequency_Hz in the card"
        )


def _pe(target: Target) -> str:
    return f"the PE of target {target.name!r}"


def _way_out(target: Target) -> str:
    return f"change the ring or its load in the netlist {target.netlist!r}"
