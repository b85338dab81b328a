"""Phase response of the loaded PE (its perturbation projection vector, PPV), by charge pulses.

A charge q put on a node at phase theta moves the PE's phase for good by Gamma(theta) q. One run per node holds all
pulses: each phase twice, once with +q and once with -q, of which half the difference is taken, so that the second
order cancels. All jumps come from one least-squares fit to the times of the ring's rising crossings, less those within
SETTLE_CYCLES after a pulse. Gamma is then the Fourier series through the jumps at the phases that the pulses met.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from aishw.calibrate.loaded import Load, load_of, loaded_deck, run_loaded
from aishw.calibrate.sources import BENCH
from aishw.calibrate.state import slope
from aishw.engines.executor import run_all
from aishw.engines.start import pe_nodes
from aishw.errors import SimulatorError
from aishw.hardware.findings import PhaseResponse
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target
from aishw.units import TWO_PI, wrap
from aishw.units import spice_number as number

PHASES, QUICK_PHASES = 32, 20
HARMONICS = 12  # of Gamma; fewer than PHASES / 2, so that some freedom is left to show the scatter
SPACING = 4  # cycles from pulse to pulse
SETTLE_CYCLES = 1.3  # what a pulse does beside the phase jump is gone by then
LEAD_CYCLES = 6
WIDTH = 0.02  # of a period, foot of the triangular pulse
PROBE_C, PROBES = 4e-15, 3  # charge and phases of the run that finds the charge
JUMP_RAD = 0.03  # rms; 0.02 to 0.09 agree in gain within 0.3 %, in angle within 0.5 degree (`ring28`, 3 to 12 fC)


@dataclass(frozen=True, eq=False)
class Jumps:
    """Jumps (P,) rad of the pulses at phases (P,) rad; error: standard error of one; frequency_Hz: between them."""

    phase_rad: NDArray[np.float64]
    jump_rad: NDArray[np.float64]
    error: float
    frequency_Hz: float


def measure_response(
    target: Target, steady: SteadyState, *, quick: bool = False, workers: int = 2, charge_C: float | None = None,
    phases: int | None = None,
) -> PhaseResponse:  # fmt: skip
    """Gamma at r0 and r1 at `phases` even phases from 0 (None: PHASES, quick: fewer), under the load of the steady
    state.

    charge_C: of one pulse (None: what moves the phase by JUMP_RAD).
    """
    phases = phases or (QUICK_PHASES if quick else PHASES)
    charge_C = charge_C or suitable_charge(target, steady, load_of(steady))
    run = partial(node_response, target, steady, load_of(steady), charge_C=charge_C, phases=phases)
    (r0, error0), (r1, error1) = run_all([partial(run, node) for node in ("r0", "r1")], workers)
    return PhaseResponse(charge_C, TWO_PI * np.arange(phases) / phases, r0, r1, max(error0, error1))


def node_response(
    target: Target, steady: SteadyState, load: Load, node: str, *, charge_C: float, phases: int = PHASES,
    solver: Solver = BENCH,
) -> tuple[NDArray[np.float64], float]:  # fmt: skip
    """Gamma (M,) rad per C at one node, and the standard error of one value. steady: what the run starts from."""
    jumps = pulse_run(target, steady, load, node, charge_C, phases, solver)
    grid = TWO_PI * np.arange(phases) / phases
    return response_of(jumps, charge_C, grid, min(HARMONICS, phases * 3 // 8))


def suitable_charge(target: Target, steady: SteadyState, load: Load, solver: Solver = BENCH) -> float:
    """The charge (C) whose pulses on r0 move the phase by JUMP_RAD, rms over a few phases."""
    jumps = pulse_run(target, steady, load, "r0", PROBE_C, PROBES, solver).jump_rad
    moved = float(np.sqrt(np.mean(((jumps[0::2] - jumps[1::2]) / 2) ** 2)))
    return PROBE_C * min(max(JUMP_RAD / moved, 0.05), 50.0)


def pulse_run(
    target: Target, steady: SteadyState, load: Load, node: str, charge_C: float, phases: int, solver: Solver
) -> Jumps:
    """One run: pulses of alternating sign on `node`, both signs at each phase before it advances."""
    # The PE's own frequency on this bench differs from the load's by the solver's error; pulses follow the PE.
    free = run_loaded(loaded_deck(target, load, solver, 10, start=steady), target)[1]
    period_s = slope(free[2:])[0]
    pulse = np.arange(2 * phases)
    at_s = (LEAD_CYCLES + SPACING * pulse + pulse // 2 / phases) * period_s
    charges = np.where(pulse % 2 == 0, charge_C, -charge_C)
    cycles = float((at_s[-1] + SPACING * period_s) * load.frequency_Hz)
    extra = pulse_lines(pe_nodes((node,))[node].format(0), at_s, charges, WIDTH * period_s)
    times = run_loaded(loaded_deck(target, load, solver, cycles, start=steady, extra=extra), target)[1]
    return find_jumps(times, at_s, steady.marks_rad[steady.read], period_s)


def pulse_lines(node: str, at_s: NDArray[np.float64], charge_C: NDArray[np.float64], width_s: float) -> list[str]:
    """A current source of triangular pulses, `width_s` at the foot, in lines that ngspice can read."""
    points = ["+ 0 0"]
    for t, q in zip(at_s.tolist(), charge_C.tolist()):
        corners = ((t - width_s / 2, 0.0), (t, 2 * q / width_s), (t + width_s / 2, 0.0))
        points.append("+ " + " ".join(f"{number(a)} {number(b)}" for a, b in corners))
    return [f"ipulse 0 {node} pwl(", *points, "+ )"]


def find_jumps(times_s: NDArray[np.float64], at_s: NDArray[np.float64], mark_rad: float, period_s: float) -> Jumps:
    """The phase jumps at pulses `at_s` behind crossings (K,): phase_n = c + slope n + the jumps before crossing n.

    Raises SimulatorError if a cycle is missing or extra.
    """
    n = np.arange(times_s.size)
    if (np.abs(np.diff(times_s) / period_s - 1) > 0.25).any():
        raise SimulatorError("the PE loses or gains a cycle under the charge pulses; use a smaller charge")
    phase = TWO_PI * (n - times_s / period_s)
    since = (times_s[:, None] - at_s[None, :]) / period_s
    settled = ~((since > -WIDTH) & (since < SETTLE_CYCLES)).any(axis=1) & (times_s > 2 * period_s)
    matrix = np.concatenate([np.ones((n.size, 1)), n[:, None], since > 0], axis=1)[settled]
    found, *_ = np.linalg.lstsq(matrix, phase[settled], rcond=None)
    residual = phase[settled] - matrix @ found
    spread = residual @ residual / max(1, residual.size - found.size)
    error = float(np.sqrt(spread * np.diag(np.linalg.inv(matrix.T @ matrix))[2:].mean()))
    before = found[0] + np.concatenate([[0.0], np.cumsum(found[2:])[:-1]])
    turns = at_s / period_s  # phase(t) = 2 pi t / period + deviation, the deviation growing by `slope` a cycle
    met = mark_rad + TWO_PI * turns + before + found[1] * turns
    return Jumps(np.mod(met, TWO_PI), found[2:], error, 1 / period_s * (1 + float(found[1]) / TWO_PI))


def response_of(
    jumps: Jumps, charge_C: float, grid: NDArray[np.float64], harmonics: int = HARMONICS
) -> tuple[NDArray[np.float64], float]:
    """Gamma (rad per C) on `grid` from pairs of pulses +q, -q, and its standard error from the fit's scatter."""
    plus, minus = jumps.jump_rad[0::2], jumps.jump_rad[1::2]
    apart = wrap(jumps.phase_rad[1::2] - jumps.phase_rad[0::2])
    phase = jumps.phase_rad[0::2] + apart / 2
    value = (plus - minus) / 2 / charge_C
    matrix = fourier(phase, harmonics)
    fit, *_ = np.linalg.lstsq(matrix, value, rcond=None)
    left = value - matrix @ fit
    freedom = value.size - fit.size
    scatter = float(np.sqrt(left @ left / freedom)) if freedom > 0 else 0.0
    return fourier(grid, harmonics) @ fit, max(scatter, jumps.error / charge_C / np.sqrt(2))


def even_part(jumps: Jumps) -> float:
    """rms of the part of the jumps that does not change with the charge's sign, relative to the part that does."""
    plus, minus = jumps.jump_rad[0::2], jumps.jump_rad[1::2]
    return float(np.linalg.norm(plus + minus) / np.linalg.norm(plus - minus))


def fourier(phase_rad: NDArray[np.float64], harmonics: int) -> NDArray[np.float64]:
    """(M, 2 * harmonics + 1) columns 1, cos k, sin k."""
    columns = [np.ones_like(phase_rad)]
    for k in range(1, harmonics + 1):
        columns += [np.cos(k * phase_rad), np.sin(k * phase_rad)]
    return np.stack(columns, axis=1)
