"""Sweeps to and from HDF5, and where the shipped one of a target is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aishw import library
from aishw.atomic import write_whole
from aishw.calibrate.calibration_file import DAMAGE, noun_bytes, read_noun
from aishw.calibrate.match import circuit_id
from aishw.calibrate.nouns import noun_of
from aishw.calibrate.parts import Parts
from aishw.errors import AishwError, CardError, StoreError
from aishw.hardware.target import Target
from aishw.identity import fingerprint

if TYPE_CHECKING:
    from aishw.energy.sweep import Sweep
    from aishw.hardware.steady import SteadyState

FORMAT, VERSION = "aishw-power", 2
WAY_OUT = "`aishw power --sweep --target NAME -o FILE` makes one"


def save_sweep(path: Path, sweep: Sweep, overwrite: bool = False) -> None:
    """Writes one file, whole or not at all."""
    write_whole(path, noun_bytes(FORMAT, noun_of(type(sweep)), sweep), overwrite)


def load_sweep(path: Path) -> Sweep:
    """Reads it back. Raises StoreError for a missing, damaged or foreign file."""
    import h5py

    from aishw.energy.sweep import Sweep

    path = Path(path)
    if not path.is_file():
        raise StoreError(f"no power sweep at {path}; {WAY_OUT}")
    try:
        with h5py.File(path, "r", locking=False) as file:
            if file.attrs.get("format") != FORMAT or not isinstance(file.attrs.get("version"), np.integer):
                raise StoreError(f"{path} is no power sweep of aishw; {WAY_OUT}")
            sweep: Sweep = read_noun(file, noun_of(Sweep))
            return sweep
    except AishwError as error:
        raise error if str(path) in str(error) else StoreError(f"{path}: {error}") from None
    except DAMAGE as error:
        raise StoreError(f"{path} cannot be read as a power sweep: {' '.join(str(error).split())[:120]}") from None


def shipped_sweep(target: Target, steady: SteadyState) -> Sweep | None:
    """The shipped sweep of a target's own circuit, None if there is none."""
    path = library.folder("calibration") / "power" / f"{target.name}.h5"
    if not path.is_file():
        return None
    sweep = load_sweep(path)
    return sweep if sweep.circuit == steady.circuit else None


def parts_of(folder: Path, target: Target, steady: SteadyState, simulator: str) -> Parts:
    """The kept runs of an unfinished sweep."""
    circuit = circuit_id(target, steady.solver, steady.fan_in)

    def guard() -> None:
        if circuit_id(target, steady.solver, steady.fan_in) != circuit:
            raise CardError(f"netlist or models of {target.name!r} were changed while they were measured; start again")

    rates: dict[str, Any] = {kind: injection.rate for kind, injection in target.injections.items()}
    return Parts(folder, fingerprint(target.name, circuit, rates, simulator), guard)
