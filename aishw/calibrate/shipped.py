"""The steady state that stands behind a target's transistor runs: shipped, kept from before, or measured now."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from aishw import library
from aishw.calibrate.calibration_file import has_tables, load_calibration
from aishw.calibrate.company import with_company
from aishw.calibrate.match import calibration_for, circuit_id
from aishw.calibrate.steady_file import load_steady, save_steady
from aishw.errors import CardError, StoreError
from aishw.hardware.calibration import Calibration
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target
from aishw.lower.design import Design

__all__ = ["calibration_of", "calibration_of_design", "circuit_id", "steady_of"]


def shipped_path(target: Target, fan_in: int) -> Path:
    """Where a shipped calibration would be: NAME.h5 for the target's own fan-in, NAME_fan4.h5 for a smaller one."""
    tail = "" if fan_in == target.fan_in else f"_fan{fan_in}"
    return library.folder("calibration") / f"{target.name}{tail}.h5"


def steady_of(
    target: Target,
    fan_in: int = 24,
    solver: Solver | None = None,
    measure: Callable[[Target, Solver, int], SteadyState] | None = None,
) -> SteadyState:
    """The steady state that belongs to `target` at its corner, temperature, fan-in and solver: shipped, or measured
    once and kept.

    What was measured is kept under ~/.cache/aishw (or $XDG_CACHE_HOME/aishw). A measurement of `ring28`'s PE with 24
    couplers took 28 to 75 s.
    """
    from aishw.calibrate.circuit import circuit_steady

    solver = solver or target.solver
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aishw"
    kept = cache / f"steady-{circuit_id(target, solver, fan_in)}.h5"
    shipped = shipped_path(target, fan_in)
    if shipped.exists() and (steady := load_steady(shipped)).circuit == circuit_id(target, solver, fan_in):
        return steady
    with suppress(StoreError):  # none kept, or one of an older version: measured again
        steady = load_steady(kept)
        if steady.circuit == circuit_id(target, solver, fan_in):
            return steady
    steady = replace((measure or circuit_steady)(target, solver, fan_in), circuit=circuit_id(target, solver, fan_in))
    cache.mkdir(parents=True, exist_ok=True)
    save_steady(kept, steady, "measured on demand")
    return steady


def calibration_of(target: Target, fan_in: int = 24, solver: Solver | None = None) -> Calibration | None:
    """The shipped tables of `target` at its corner, temperature, fan-in and solver, under its own rates, with what its
    injections do together if that was measured for these tables; None if there are none.
    """
    found = tables_of(target, fan_in, solver)
    return None if found is None else with_company(found, shipped_path(target, fan_in))


def tables_of(target: Target, fan_in: int = 24, solver: Solver | None = None) -> Calibration | None:
    """The shipped tables alone."""
    path = shipped_path(target, fan_in)
    if not path.exists() or not has_tables(path):
        return None
    calibration = load_calibration(path)
    fits = calibration.steady.circuit == circuit_id(target, solver or target.solver, fan_in)
    return calibration.labelled(target) if fits else None


def calibration_of_design(design: Design, solver: Solver | None = None) -> Calibration | None:
    """The shipped calibration that belongs to a design (`match.check_calibration`); None if there is none."""
    found = calibration_of(design.target, design.system.topology.fan_in, solver)
    try:
        return None if found is None else calibration_for(found, design, solver)
    except CardError:
        return None  # tables of another number of bits
