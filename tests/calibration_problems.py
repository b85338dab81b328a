"""Calibrations made up for tests: smooth tables of a known coupler, and every finding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from aishw.calibrate.checks import checks_of
from aishw.calibrate.match import circuit_id
from aishw.hardware.calibration import HARMONICS, Calibration, Table
from aishw.hardware.findings import (
    CornerFinding,
    MismatchFinding,
    NoiseFinding,
    PhaseResponse,
    PowerFinding,
    SolverFinding,
)
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target
from aishw.hardware.together import Together

CODES = np.arange(-7, 8)
GAIN = 0.007  # rad per cycle and LSB at the strongest bias
ALPHA_RAD = 0.02
TURN_RAD = np.array([0.3, 0.05, 0.0])  # what each bias adds to alpha
STRENGTH = np.array([0.2, 0.5, 1.0])
SECOND = 2e-6  # offset over code squared, rad per cycle
LINEAR = 5e-6  # offset over code
CURVE_BINS = 16


def steady_of_card(target: Target, fan_in: int = 24, solver: Solver | None = None) -> SteadyState:
    """A steady state that passes for the target's."""
    solver, technology = solver or Solver(), target.technology
    turn = np.arange(64) / 64 * 2 * np.pi
    half = technology.supply_V / 2
    waves = {node: half + half * np.sin(turn - k) for k, node in enumerate(("p", "n", "r0", "r1", "r2"))}
    marks = {node: float(k) for k, node in enumerate(("p", "n", "r0", "r1", "r2"))}
    return SteadyState(
        target.name, technology.corner, technology.temperature_K, "merged", solver, 9.9e7, 3.0, waves, marks, -1.0,
        "ngspice 39", 12.5, fan_in, 9.8e7, circuit_id(target, solver, fan_in),
    )  # fmt: skip


def coupling_table(target: Target, extended: bool = True) -> Table:
    """A coupler whose every figure is known: see the constants above."""
    rate = target.injections["coupling"].rate
    shape = (rate.size, CODES.size)
    harmonics = np.zeros((*shape, HARMONICS), dtype=complex)
    angle = ALPHA_RAD + TURN_RAD
    harmonics[:, :, 0] = -1j * GAIN * np.outer(STRENGTH * np.exp(1j * angle), CODES)
    harmonics[:, :, 1] = 0.001 * STRENGTH[:, None]
    offset = np.broadcast_to(SECOND * CODES**2 + LINEAR * CODES, shape) * STRENGTH[:, None] ** 2 - 0.001
    error, residual = np.full(shape, 1e-5), np.where(CODES % 7 == 0, 1e-4, np.nan) * np.ones(shape)
    table = Table(rate, CODES, offset, harmonics, error, residual)
    if not extended:
        return table
    curve = np.where(np.isfinite(residual)[:, :, None], 0.01, np.nan) * np.ones((*shape, CURVE_BINS))
    seen = np.isfinite(residual)
    return replace(
        table,
        condition=np.where(seen, 30.0, np.nan),
        harmonics_error=np.full((*shape, HARMONICS), 2e-5),
        fit_range_rad=np.where(seen, 11.0, np.nan),
        curve=curve,
    )


def shil_table(target: Target) -> Table:
    """A SHIL unit that is ideal but for a compressed code 7."""
    rate = target.injections["shil"].rate
    shape = (rate.size, CODES.size)
    worth = np.sign(CODES) * np.minimum(np.abs(CODES), 6.5) / 6.5
    harmonics = np.zeros((*shape, HARMONICS), dtype=complex)
    harmonics[:, :, 0] = 1j * np.outer(rate, worth)
    return Table(rate, CODES, np.zeros(shape), harmonics, np.full(shape, 1e-5), np.full(shape, 1e-4))


def tables_only(target: Target, fan_in: int = 24) -> Calibration:
    """A calibration with tables and nothing else."""
    tables = {"coupling": coupling_table(target), "shil": shil_table(target)}
    return Calibration(steady_of_card(target, fan_in), tables, "aishw calibrate for a test")


def everything(target: Target) -> Calibration:
    """A calibration with every finding, all checks held."""
    part = tables_only(target)
    rng = np.random.default_rng(0)
    phase = 2 * np.pi * np.arange(16) / 16
    conditions = ("tt", "tt", "ff", "ss")
    whole = replace(
        part,
        seed=3,
        predicted={kind: replace(t, harmonics=1.01 * t.harmonics) for kind, t in part.tables.items()},
        response=PhaseResponse(3e-16, phase, -1e13 * np.sin(phase), 8e12 * np.cos(phase), 1e11),
        noise=NoiseFinding(4e-6, 2e-6, {"xp.m1": 3e-6, "xp.m0": 1e-6}, 1e-22, 4.5e-4, 2e-5, 4.3e-4),
        mismatch=MismatchFinding(
            3, rng.normal(0, 4e-3, 9), np.array([-7, 7]), 1 + rng.normal(0, 0.02, (9, 2)), rng.normal(0, 0.02, (9, 2)),
            rng.normal(0, 1e-4, (9, 2)), np.linspace(-0.01, 0.01, 11), rng.normal(0, 2e-5, 9),
        ),
        corners=CornerFinding(
            conditions, np.array([27.0, 85.0, 27.0, 27.0]), np.full(4, 1e8), np.full(4, 0.05), np.zeros(4),
            np.full(4, 0.07), np.full(4, 7e-5),
        ),
        power=PowerFinding(CODES, 6e-5, 1.7e-5, np.full(15, 4e-7), np.abs(CODES) * 1e-7, 5e-7, 1e-15, 1e-9),
        solver=SolverFinding("gear T/500 reltol=1e-06 trtol=7", 40.0, -1.1e-3, 4e-3, 1e-2),
        together=Together(
            np.diag([0.1 - 0.2j, 0, 0]), np.diag([0.02, 0, 0.1]) + 0j, np.array([0.1j, 0, 0, 1e-6, 1e-4])
        ),
    )  # fmt: skip
    return replace(whole, checks=checks_of(whole))
