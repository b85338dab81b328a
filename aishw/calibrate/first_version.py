"""Calibration files of format 1: a steady state in attributes, tables without conditions, errors of one kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aishw.hardware.calibration import Calibration, Table
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState

if TYPE_CHECKING:
    import h5py

TABLE_FIELDS = ("rate", "codes", "offset", "harmonics", "error", "residual_rad")


def read_calibration(file: h5py.File) -> Calibration:
    """Raises KeyError where something is missing."""
    tables = {
        kind: Table(**{field: np.asarray(group[field]) for field in TABLE_FIELDS})
        for kind, group in file.get("tables", {}).items()
    }
    return Calibration(read_steady(file), tables, str(file.attrs["made_by"]))


def read_steady(file: h5py.File) -> SteadyState:
    """Raises KeyError where something is missing."""
    group = file["steady"]
    attrs = dict(group.attrs)
    solver = Solver(
        str(attrs["solver_method"]),
        int(attrs["solver_steps_per_cycle"]),
        float(attrs["solver_reltol"]),
        float(attrs["solver_trtol"]),
    )
    return SteadyState(
        target=str(attrs["target"]),
        corner=str(attrs["corner"]),
        temperature_K=float(attrs["temperature_K"]),
        cells=str(attrs["cells"]),
        solver=solver,
        frequency_Hz=float(attrs["frequency_Hz"]),
        frequency_error_Hz=float(attrs["frequency_error_Hz"]),
        waves={node: np.asarray(data, dtype=np.float64) for node, data in group["waves"].items()},
        marks_rad={k.removeprefix("mark_rad_"): float(v) for k, v in attrs.items() if k.startswith("mark_rad_")},
        shil_phase_rad=float(attrs["shil_phase_rad"]),
        simulator=str(attrs["simulator"]),
        cpu_s=float(attrs["cpu_s"]),
        fan_in=int(attrs["fan_in"]),
        full_frequency_Hz=float(attrs["full_frequency_Hz"]),
        circuit=str(attrs["circuit"]),
    )
