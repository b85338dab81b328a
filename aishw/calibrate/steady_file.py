"""SteadyState to and from HDF5: the group `steady` of a calibration file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from aishw.errors import StoreError
from aishw.hardware.calibration import Table
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState

FORMAT = "aishw-calibration"
VERSION = 1
TABLE_UNITS = {
    "rate": "rad/cycle", "codes": "1", "offset": "rad/cycle", "harmonics": "rad/cycle", "error": "rad/cycle",
    "residual_rad": "rad",
}  # fmt: skip


def save_steady(path: Path, steady: SteadyState, made_by: str, tables: Mapping[str, Table] | None = None) -> None:
    """Write one calibration file, whole or not at all. made_by: the command, for the reader."""
    import h5py

    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    os.close(handle)
    try:
        with h5py.File(name, "w") as file:
            file.attrs.update(format=FORMAT, version=VERSION, made_by=made_by)
            group = file.create_group("steady")
            for field in (
                "target",
                "corner",
                "temperature_K",
                "cells",
                "frequency_Hz",
                "frequency_error_Hz",
                "shil_phase_rad",
                "simulator",
                "cpu_s",
                "fan_in",
                "full_frequency_Hz",
                "circuit",
            ):
                group.attrs[field] = getattr(steady, field)
            for key, value in asdict(steady.solver).items():
                group.attrs[f"solver_{key}"] = value
            for node, wave in steady.waves.items():
                data = group.create_dataset(
                    f"waves/{node}", data=wave.astype(np.float32), compression="gzip", shuffle=True
                )
                data.attrs["units"] = "V"
            for node, mark in steady.marks_rad.items():
                group.attrs[f"mark_rad_{node}"] = mark
            for kind, table in (tables or {}).items():
                for field, value in vars(table).items():
                    file.create_dataset(f"tables/{kind}/{field}", data=value).attrs["units"] = TABLE_UNITS[field]
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def load_steady(path: Path) -> SteadyState:
    """Read it back. Raises StoreError for a missing, damaged or foreign file."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != FORMAT or file.attrs.get("version") != VERSION or "steady" not in file:
                raise StoreError(
                    f"{path} is no aishw calibration of version {VERSION} with a steady state; "
                    "make one with `aishw calibrate`"
                )
            group = file["steady"]
            attrs = dict(group.attrs)
            solver = Solver(
                str(attrs["solver_method"]),
                int(attrs["solver_steps_per_cycle"]),
                float(attrs["solver_reltol"]),
                float(attrs["solver_trtol"]),
            )
            waves = {node: np.asarray(data, dtype=np.float64) for node, data in group["waves"].items()}
            marks = {
                key.removeprefix("mark_rad_"): float(value)
                for key, value in attrs.items()
                if key.startswith("mark_rad_")
            }
            return SteadyState(
                str(attrs["target"]),
                str(attrs["corner"]),
                float(attrs["temperature_K"]),
                str(attrs["cells"]),
                solver,
                float(attrs["frequency_Hz"]),
                float(attrs["frequency_error_Hz"]),
                waves,
                marks,
                float(attrs["shil_phase_rad"]),
                str(attrs["simulator"]),
                float(attrs["cpu_s"]),
                int(attrs["fan_in"]),
                float(attrs["full_frequency_Hz"]),
                str(attrs["circuit"]),
            )
    except FileNotFoundError:
        raise StoreError(f"no calibration at {path}; make one with `aishw calibrate`") from None
    except (OSError, KeyError, ValueError) as error:
        raise StoreError(f"{path} cannot be read as a calibration ({str(error).splitlines()[0]})") from None
