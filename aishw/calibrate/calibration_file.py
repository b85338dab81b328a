"""Calibration to and from HDF5: the steady state's file with a group `tables` beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from aishw.calibrate.steady_file import TABLE_UNITS, load_steady, save_steady
from aishw.errors import StoreError
from aishw.hardware.calibration import Calibration, Table


def save_calibration(path: Path, calibration: Calibration) -> None:
    """Write one calibration file, whole or not at all."""
    save_steady(path, calibration.steady, calibration.made_by, calibration.tables)


def has_tables(path: Path) -> bool:
    """Whether the file holds tables; False for what cannot be read."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return "tables" in file
    except OSError:
        return False


def load_calibration(path: Path) -> Calibration:
    """Read it back. Raises StoreError for a missing, damaged or foreign file, and for one without tables."""
    import h5py

    steady = load_steady(path)
    try:
        with h5py.File(path, "r") as file:
            if "tables" not in file or not len(file["tables"]):
                raise StoreError(f"{path} holds a steady state but no tables; make it again with `aishw calibrate`")
            tables = {
                kind: Table(**{field: np.asarray(group[field]) for field in TABLE_UNITS})
                for kind, group in file["tables"].items()
            }
            return Calibration(steady, tables, str(file.attrs["made_by"]))
    except (OSError, KeyError, ValueError) as error:
        raise StoreError(f"{path} cannot be read as a calibration ({str(error).splitlines()[0]})") from None
