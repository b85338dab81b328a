"""Calibrations to and from HDF5. A noun is a group, a field a dataset with its unit (`nouns` has the list).

The same calibration gives the same bytes: nothing in the file tells when, how fast or where it was made. Its content
carries a hash, so that a damaged number is refused and never computed with.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aishw.atomic import write_whole
from aishw.calibrate import first_version
from aishw.calibrate.nouns import calibration_noun, filed, steady_noun
from aishw.errors import AishwError, StoreError
from aishw.fields import Noun, decode, encode
from aishw.hardware.calibration import Calibration
from aishw.hardware.steady import SteadyState
from aishw.identity import fingerprint
from aishw.store import read_tree, write_tree

if TYPE_CHECKING:
    import h5py

FORMAT, VERSION = "aishw-calibration", 2
OLDEST = 1  # that can be read
WAY_OUT = "`aishw calibrate` makes one"
DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError)


def save_calibration(path: Path, calibration: Calibration, overwrite: bool = True) -> None:
    """Writes one calibration file, whole or not at all."""
    write_whole(path, noun_bytes(FORMAT, calibration_noun(), filed(calibration)), overwrite)


def load_calibration(path: Path) -> Calibration:
    """Reads it back, bit for bit. Raises StoreError for a missing, damaged or foreign file, or one without tables."""

    def read(file: h5py.File, version: int) -> Calibration:
        calibration: Calibration = (
            first_version.read_calibration(file) if version == 1 else read_noun(file, calibration_noun())
        )
        if not calibration.tables:
            raise StoreError(f"{path} holds a steady state but no tables; make it again with `aishw calibrate`")
        return calibration

    calibration: Calibration = reading(path, read)
    return calibration


def load_steady_state(path: Path) -> SteadyState:
    """The steady state alone, of a file with or without tables. Raises StoreError as above."""

    def read(file: h5py.File, version: int) -> SteadyState:
        if version == 1:
            return first_version.read_steady(file)
        made: SteadyState = decode(steady_noun(), read_tree(file["content"], steady_noun(), "", "content"), "content")
        return made

    steady: SteadyState = reading(path, read)
    return steady


def has_tables(path: Path) -> bool:
    """Whether the file holds tables; False for what cannot be read."""
    import h5py

    try:
        with h5py.File(path, "r", locking=False) as file:
            return bool(len(file["content/tables" if "content" in file else "tables"]))
    except (*DAMAGE, TypeError):
        return False


def noun_bytes(format: str, noun: Noun, value: Any, **marks: str) -> bytes:
    """A file with one noun in the group `content`; marks: attributes of the file."""
    import io

    import h5py

    buffer, values = io.BytesIO(), _in_order(encode(noun, value))
    with h5py.File(buffer, "w", libver=("v110", "v110"), track_order=False) as file:
        file.attrs.update({"format": format, "version": VERSION, **marks})
        write_tree(file, "content", noun, values).attrs["hash"] = fingerprint(values)
    return buffer.getvalue()


def _in_order(values: dict[str, Any]) -> dict[str, Any]:
    """By name: the order in which entries are made shows in the bytes."""
    return {name: _in_order(v) if isinstance(v, dict) else v for name, v in sorted(values.items())}


def read_noun(file: h5py.File, noun: Noun) -> Any:
    """The noun of the group `content`. Raises StoreError if its hash is another."""
    made = decode(noun, read_tree(file["content"], noun, "", "content"), "content")
    again = filed(made) if isinstance(made, Calibration) else made
    if fingerprint(encode(noun, again)) != file["content"].attrs["hash"]:
        raise StoreError("the content was changed after it was written; make the file again")
    return made


def reading(path: Path, read: Callable[[h5py.File, int], Any]) -> Any:
    """`read(file, version)` on a calibration file. Raises StoreError that names the file and the way out."""
    import h5py

    path = Path(path)
    try:
        if not path.exists():
            raise StoreError(f"no calibration at {path}; {WAY_OUT}")
        if not path.is_file():
            raise StoreError(f"{path} is not a file; give a calibration, as `aishw calibrate` makes it")
        with h5py.File(path, "r", locking=False) as file:
            version = file.attrs.get("version")
            if file.attrs.get("format") != FORMAT:
                what = "a run file" if file.attrs.get("format") == "aishw run" else "an HDF5 file"
                raise StoreError(f"{path} is {what}, but no calibration of aishw; {WAY_OUT}")
            if not isinstance(version, np.integer) or not OLDEST <= int(version) <= VERSION:
                raise StoreError(
                    f"{path} is a calibration of format {version}, this aishw reads {VERSION}; make it again with "
                    "`aishw calibrate`"
                )
            return read(file, int(version))
    except PermissionError:
        raise StoreError(f"cannot read {path}: permission denied") from None
    except AishwError as error:
        raise error if str(path) in str(error) else StoreError(f"{path}: {error}") from None
    except DAMAGE as error:
        short = " ".join(str(error).split())[:120]
        raise StoreError(f"{path} cannot be read as a calibration: damaged or cut short ({short})") from None
