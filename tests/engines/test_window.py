"""Windows of transistors: directions, full against merged cells, restarts at a chunk boundary."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aishw import library
from aishw.ais.system import System
from aishw.ais.topology import grid
from aishw.calibrate.shipped import circuit_id
from aishw.calibrate.steady import full_cell_frequency, steady_state
from aishw.calibrate.steady_file import load_steady
from aishw.engines.base import Job, Trace, sample_times
from aishw.engines.chip import transistor_deck
from aishw.engines.ngspice import run_deck
from aishw.engines.phase import crossing_phase
from aishw.engines.spice_transistor import SpiceTransistor
from aishw.engines.window import Window, phase_polynomials, run_window
from aishw.errors import CompareError, GridError
from aishw.hardware.cards import load_target
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target
from aishw.lower.design import Design
from aishw.lower.lower import lower

TARGET = load_target("ring28")
SHIPPED = load_steady(Path(library.folder("calibration")) / "ring28.h5")
# Four couplers a PE: a sixth of the transistors. The SHIL clock's phase is the shipped one.
STEADY = steady_state(TARGET, cycles=40, passes=3, fan_in=4, shil_phase_rad=SHIPPED.shil_phase_rad)
STEADY = replace(STEADY, full_frequency_Hz=full_cell_frequency(TARGET, STEADY))
CENTRE = 4  # of the 3x3 torus


def design(
    coupling: float = 0.0,
    shil: float = 0.0,
    reference: float = 0.0,
    cycles: tuple[float, ...] = (10.0,),
    target: Target = TARGET,
) -> Design:
    """A 3x3 torus; site 4 is driven by site 3 with `coupling` (fraction of full scale, rounded to a code)."""
    top, segments = grid(3, 3, "cross4"), len(cycles)
    ones = np.ones((segments, top.sites))
    system = System(
        "kurashil", top, np.ones((segments, top.edges.shape[1])), {"shil": ones, "reference": ones}, np.ones(segments)
    )
    d = lower(system, target, policy="array")
    codes = {kind: np.zeros_like(code) for kind, code in d.codes.items()}
    driven, driving = top.edges
    codes["coupling"][:, (driven == CENTRE) & (driving == 3)] = round(7 * coupling)
    codes["shil"][:, CENTRE], codes["reference"][:, CENTRE] = round(7 * shil), round(7 * reference)
    strongest = target.injections["coupling"].rate_limit
    scale = {"coupling": strongest, "shil": 0.031, "reference": strongest}
    per_tau = np.array(cycles)
    full_scale = {kind: np.repeat(scale[kind] * per_tau[:, None], top.sites, axis=1) for kind in codes}
    line = replace(d.timeline, run_s=per_tau / target.frequency_Hz)
    return replace(d, codes=codes, full_scale=full_scale, cycles_per_tau=per_tau, timeline=line)


def phase_of(d: Design, start: dict[int, float], steady: SteadyState = STEADY) -> np.ndarray:
    """The centre's phase (T,) with every other site held at its start phase."""
    phases = np.zeros(9)
    for site, value in start.items():
        phases[site] = value
    times = sample_times(d.system, 10)
    run = run_window(d, np.array([CENTRE]), steady, times, np.repeat(phases[None], times.size, axis=0))
    at = np.interp(
        times, d.system.boundaries_tau, np.concatenate([[0], np.cumsum(d.cycles_per_tau)]) / steady.frequency_Hz
    )
    return crossing_phase(
        run.time_s, run.wave_V, 0.45, steady.frequency_Hz, at, steady.marks_rad["r0"], near_rad=phases[CENTRE]
    )[:, 0]


def test_shipped_steady_state_is_the_cards() -> None:
    assert SHIPPED.circuit == circuit_id(TARGET, Solver()), (
        "cells, models or solver changed: make calibration/ring28.h5 again"
    )
    assert SHIPPED.frequency_Hz == pytest.approx(TARGET.frequency_Hz, rel=3e-4)
    assert SHIPPED.waves["p"].max() == pytest.approx(0.9, abs=0.06)


@pytest.mark.parametrize(
    ("kind", "start", "sign"),
    [
        ("coupling", {3: 0.0, CENTRE: 0.8}, +1),  # C > 0 repels: D = +0.8 grows
        ("coupling", {3: 0.8, CENTRE: 0.0}, -1),
        ("reference", {CENTRE: 0.8}, +1),  # lambda1 > 0 repels from 0
        ("shil", {CENTRE: 0.8}, -1),  # lambda0 > 0 pulls to 0
    ],
)
def test_directions(kind: str, start: dict[int, float], sign: int) -> None:
    """One kind at its strongest code against the same PE at code 0: the difference is rate * sin, within 15 %."""
    plain = phase_of(design(), start)
    pushed = phase_of(design(**{kind: 1.0}), start)
    d = design(**{kind: 1.0})
    turn = 2 if kind == "shil" else 1
    source = start.get(3, 0.0) if kind == "coupling" else 0.0
    expected = sign * d.rate[kind][0, 0] * abs(np.sin(turn * (start[CENTRE] - source))) * 10
    assert pushed[-1] - plain[-1] == pytest.approx(expected, rel=0.3)
    assert np.sign(pushed[-1] - plain[-1]) == sign


def test_negative_shil_code_uses_the_other_clock() -> None:
    start = {CENTRE: 0.8}
    assert phase_of(design(shil=-1.0), start)[-1] > phase_of(design(shil=1.0), start)[-1] + 0.3


def test_a_chunk_boundary_does_not_move_the_phase() -> None:
    """Two chunks of 5 cycles at the same codes are one chunk of 10: the restart moves the phase by 7 mrad."""
    start = {3: 0.3, CENTRE: -0.6}
    whole = phase_of(design(coupling=0.6, cycles=(10.0,)), start)
    halves = phase_of(design(coupling=0.6, cycles=(5.0, 5.0)), start)
    assert halves[-1] == pytest.approx(whole[-1], abs=0.012)


def test_full_and_merged_cells_agree_over_two_chunks() -> None:
    """Bits on switched rails in one run against merged cells restarted at the boundary, each at its own frequency:
    within
    0.05 rad after 16 cycles in which the coupling moves the phase by 0.66 rad. The frequencies differ by 1e-3."""
    start = np.zeros(9)
    start[CENTRE], start[3] = 0.9, 0.1
    d = design(coupling=1.0, cycles=(8.0, 8.0))
    times = sample_times(d.system, 10)
    trace = Trace(
        "ode", "test", d.id, "job", times, np.repeat(start[None, None], times.size, axis=1), np.arange(9), np.arange(1)
    )
    raw = run_deck(transistor_deck(d, STEADY, start, window=Window(1, 1, 1, 1), outside=trace), time_limit_s=300).raw
    f = STEADY.full_frequency_Hz
    at = np.linspace(1, 15.5, 8) / f
    full = crossing_phase(raw.time_s, raw[f"v(r0_{CENTRE})"], 0.45, f, at, STEADY.marks_rad["r0"], near_rad=0.9)
    merged = np.interp(at * f, times * 8, phase_of(d, {3: 0.1, CENTRE: 0.9}))
    assert merged[-1] - merged[0] > 0.4
    assert np.abs(full - merged).max() < 0.05
    assert 2e-4 < abs(f / STEADY.frequency_Hz - 1) < 3e-3


@pytest.mark.slow
def test_switched_cells_full_and_merged_agree_in_frequency_and_over_a_change_of_sign() -> None:
    """Multiplexers and the SHIL unit's load, which merged cells leave out, move the frequency by less than 2e-3.
    Codes +7 and then -3, each level at its own frequency, agree within 0.05 rad over 16 cycles and the restart between;
    bits in latches move the phase by less than 0.01 rad against bits on rails.
    """
    target = load_target("ring28_switched")
    steady = steady_state(target, cycles=40, passes=3, fan_in=4)
    steady = replace(steady, full_frequency_Hz=full_cell_frequency(target, steady))
    f = steady.full_frequency_Hz
    assert abs(f / steady.frequency_Hz - 1) < 2e-3
    start = np.zeros(9)
    start[CENTRE], start[3] = 0.9, 0.1
    d = design(coupling=1.0, cycles=(8.0, 8.0), target=target)
    coupling = d.codes["coupling"].copy()
    coupling[1, coupling[1] == 7] = -3
    d = replace(d, codes={**d.codes, "coupling": coupling})
    times = sample_times(d.system, 10)
    trace = Trace(
        "ode", "test", d.id, "job", times, np.repeat(start[None, None], times.size, axis=1), np.arange(9), np.arange(1)
    )
    at = np.linspace(1, 15.5, 8) / f
    full = {}
    for storage in ("ideal", "latch"):
        text = transistor_deck(d, steady, start, window=Window(1, 1, 1, 1), outside=trace, storage=storage)
        raw = run_deck(text, time_limit_s=300).raw
        wave, mark = raw[f"v(r0_{CENTRE})"], steady.marks_rad["r0"]
        full[storage] = np.ravel(crossing_phase(raw.time_s, wave, 0.45, f, at, mark, near_rad=0.9))
    merged = np.interp(at * f, times * 8, phase_of(d, {3: 0.1, CENTRE: 0.9}, steady))
    assert merged[3] - merged[0] > 0.15 and merged[7] - merged[4] < -0.05
    assert np.abs(full["ideal"] - merged).max() < 0.05
    assert np.abs(full["latch"] - full["ideal"]).max() < 0.01


def test_whole_small_array_runs_without_a_trace() -> None:
    d = design(coupling=0.5, cycles=(6.0,))
    job = Job(np.linspace(-1, 1, 9)[None], sample_times(d.system, 4))
    trace = SpiceTransistor(STEADY).run(d, job)
    assert trace.state.shape == (1, 5, 9)
    assert np.abs(trace.state[0, 0] - job.x0[0]).max() < 0.1
    assert trace.supply_J is not None and 1e-12 < trace.supply_J[0] < 1e-10


def test_refusals() -> None:
    d = design()
    job = Job(np.zeros((1, 9)), sample_times(d.system, 4))
    with pytest.raises(CompareError, match="needs the recorded trace"):
        SpiceTransistor(STEADY, [Window(0, 0, 1, 1)]).run(d, job)
    with pytest.raises(CompareError, match="measured for corner tt, the design has ff"):
        SpiceTransistor(STEADY).run(replace(d, target=load_target("ring28", corner="ff")), job)
    big = grid(9, 9, "cross4")
    system = System(
        "kurashil", big, np.ones((1, 324)), {"shil": np.ones((1, 81)), "reference": np.ones((1, 81))}, np.ones(1)
    )
    with pytest.raises(GridError, match="too large"):
        SpiceTransistor(STEADY).run(lower(system, TARGET), Job(np.zeros((1, 81)), np.array([1.0])))


def test_phase_polynomials_follow_a_chunk() -> None:
    time = np.linspace(0, 1e-7, 21)
    phase = np.stack([np.sin(3e7 * time), 0.5 - 4e6 * time], axis=1)
    power, residual = phase_polynomials(time, phase, 1e-7)
    u = 2 * time / 1e-7 - 1
    assert np.abs(sum(power[k][:, None] * u**k for k in range(power.shape[0])).T - phase).max() == pytest.approx(
        residual, abs=1e-12
    )
    assert residual < 2e-4
