"""SteadyState to and from HDF5: a calibration file without tables, or the steady state of one that has them."""

from __future__ import annotations

from pathlib import Path

from aishw.calibrate.calibration_file import load_steady_state as load_steady
from aishw.calibrate.calibration_file import save_calibration
from aishw.hardware.calibration import Calibration
from aishw.hardware.steady import SteadyState

__all__ = ["load_steady", "save_steady"]


def save_steady(path: Path, steady: SteadyState, made_by: str) -> None:
    """Writes one file, whole or not at all. made_by: the command, for the reader."""
    save_calibration(path, Calibration(steady, {}, made_by))
