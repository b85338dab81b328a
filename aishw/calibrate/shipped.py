"""The steady state that stands behind a target's transistor runs: shipped, kept from before, or measured now."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from aishw import library
from aishw.calibrate.calibration_file import has_tables, load_calibration
from aishw.calibrate.steady_file import load_steady, save_steady
from aishw.hardware.calibration import Calibration
from aishw.hardware.cells import cell_text, model_text
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target
from aishw.identity import fingerprint


def steady_of(
    target: Target,
    fan_in: int = 24,
    solver: Solver | None = None,
    measure: Callable[[Target, Solver, int], SteadyState] | None = None,
) -> SteadyState:
    """The steady state that belongs to `target` at its corner, temperature, fan-in and solver: shipped, or measured
    once and kept.

    What was measured is kept under ~/.cache/aishw (or $XDG_CACHE_HOME/aishw). A measurement of a PE with 24 couplers
    took 8 minutes on a loaded machine.
    """
    from aishw.calibrate.nominal import circuit_steady

    solver = solver or Solver()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aishw"
    kept = cache / f"steady-{circuit_id(target, solver, fan_in)}.h5"
    for path in (library.folder("calibration") / f"{target.name}.h5", kept):
        if path.exists():
            steady = load_steady(path)
            if steady.circuit == circuit_id(target, solver, fan_in):
                return steady
    steady = replace((measure or circuit_steady)(target, solver, fan_in), circuit=circuit_id(target, solver, fan_in))
    cache.mkdir(parents=True, exist_ok=True)
    save_steady(kept, steady, "measured on demand")
    return steady


def calibration_of(target: Target, fan_in: int = 24, solver: Solver | None = None) -> Calibration | None:
    """The shipped tables of `target` at its corner, temperature, fan-in and solver; None if there are none."""
    path = library.folder("calibration") / f"{target.name}.h5"
    if not path.exists() or not has_tables(path):
        return None
    calibration = load_calibration(path)
    fits = calibration.steady.circuit == circuit_id(target, solver or Solver(), fan_in)
    return calibration if fits else None


def circuit_id(target: Target, solver: Solver, fan_in: int = 24) -> str:
    """The hash of what a steady state depends on: cells, models, corner, temperature, circuit figures, solver."""
    technology = target.technology
    return fingerprint(
        cell_text(target, max(target.bits), 1),
        model_text(technology),
        technology.supply_V,
        technology.temperature_K,
        dict(target.circuit),
        {kind: injection.bias_V for kind, injection in target.injections.items()},
        asdict(solver),
        fan_in,
    )
