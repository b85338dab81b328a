"""Tensors in and out of `.pt` and `.safetensors` files. Nothing in a file can run.

A `.pt` is read with torch's weights-only loader; what it holds must be tensors, numbers, text, lists and dicts. Every
failure is one line that names the file and the way out.
"""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aishw.errors import CheckpointError

SUFFIXES = (".pt", ".safetensors")
METADATA = "metadata"


def read_tensors(path: str | Path) -> dict[str, Any]:
    """The file's tree: dicts and lists of numpy arrays (float64, int64 or bool), numbers and text.

    A `.safetensors` gives its tensors, and its metadata under the key "metadata". Raises CheckpointError for a file
    that is missing, a folder, unreadable, empty, truncated, of another format, or that holds more than plain values.
    """
    file = _checked(path)
    tree = _read_safetensors(file) if file.suffix == ".safetensors" else _read_pt(file)
    if not isinstance(tree, Mapping):
        raise CheckpointError(f"{shown(file)} holds a {type(tree).__name__}, not a dict of tensors; save a state dict")
    plain: dict[str, Any] = _plain(tree, file)
    return plain


def pt_bytes(tree: Mapping[str, Any]) -> bytes:
    """A dict of arrays and plain values as a `.pt`."""
    import torch

    def tensors(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: tensors(entry) for key, entry in value.items()}
        return torch.from_numpy(np.array(value)) if isinstance(value, np.ndarray) else value

    out = io.BytesIO()
    torch.save(tensors(tree), out)
    return out.getvalue()


def safetensors_bytes(arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> bytes:
    """Arrays by name, and text by name, as a `.safetensors`."""
    from safetensors.numpy import save

    return bytes(save({name: np.ascontiguousarray(value) for name, value in arrays.items()}, dict(metadata)))


def shown(path: str | Path) -> str:
    """A path that stays on one line, whatever its name holds."""
    text = str(path) if len(str(path)) <= 300 else f"{str(path)[:300]}.."
    return text if text.isprintable() else repr(text)


def check_suffix(path: str | Path) -> Path:
    """`path` if its suffix names a format that can be read and written."""
    if Path(path).suffix not in SUFFIXES:
        raise CheckpointError(f"{shown(path)}: a checkpoint ends in {' or '.join(SUFFIXES)}; rename or convert it")
    return Path(path)


def _checked(path: str | Path) -> Path:
    file = Path(path)
    try:
        if file.is_dir():
            raise CheckpointError(f"{shown(file)} is a folder; give the checkpoint inside it ({' or '.join(SUFFIXES)})")
        if not file.exists():
            raise CheckpointError(f"there is no checkpoint {shown(file)}; check the path")
        if not file.is_file():
            raise CheckpointError(f"{shown(file)} is no regular file; copy the checkpoint to one")
        check_suffix(file)
        with open(file, "rb") as opened:
            if not opened.read(1):
                raise CheckpointError(f"{shown(file)} is empty; it was never written to the end, make it again")
    except (OSError, ValueError) as error:  # no permission, a name too long, a null byte
        reason = getattr(error, "strerror", None) or str(error)
        raise CheckpointError(f"cannot read {shown(file)}: {reason.lower()}") from error
    return file


def _read_pt(file: Path) -> Any:
    import torch

    damaged = CheckpointError(f"{shown(file)} is truncated or damaged; copy or make it again")
    with open(file, "rb") as opened:
        head = opened.read(4)
        zipped = head == b"PK\x03\x04"
        if zipped and not zipfile.is_zipfile(opened):
            raise damaged
        if not zipped and not head.startswith(b"\x80"):
            raise CheckpointError(f"{shown(file)} is not a torch file; a checkpoint is written by aishw or torch.save")
        opened.seek(0)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # on old pickle protocols; the error below says all that matters
                return torch.load(opened, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            if "Weights only load failed" in str(error):
                raise CheckpointError(
                    f"{shown(file)} holds Python objects, which could run code and are not loaded; "
                    "save its state dict (tensors only) and use `aishw import`"
                ) from error
            raise damaged from error
        except Exception as error:  # torch, zipfile and pickle raise a dozen kinds for damaged files
            raise damaged from error


def _read_safetensors(file: Path) -> dict[str, Any]:
    from safetensors import safe_open

    try:
        with safe_open(str(file), framework="pt") as opened:
            tree = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (not a dict)
            return {**tree, METADATA: dict(opened.metadata() or {})}
    except Exception as error:  # SafetensorError, and what torch raises for a dtype it does not know
        raise CheckpointError(
            f"{shown(file)} is truncated, damaged or not a safetensors file; copy or make it again"
        ) from error


def _plain(value: Any, file: Path, where: str = "") -> Any:
    import torch

    if isinstance(value, torch.Tensor):
        return _array(value, file, where)
    if isinstance(value, Mapping):
        return {str(key): _plain(entry, file, f"{where}.{key}".lstrip(".")) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry, file, f"{where}[{k}]") for k, entry in enumerate(value)]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise CheckpointError(f"{shown(file)}: {where!r} is a {type(value).__name__}; save tensors and plain values only")


def _array(value: Any, file: Path, where: str) -> NDArray[Any]:
    import torch

    sound = value.layout is torch.strided and value.device.type == "cpu" and not value.is_quantized
    # A tensor of stride 0 claims more than its file holds: a small file could ask for any amount of memory.
    if not sound or value.numel() * value.element_size() > value.untyped_storage().nbytes() or value.is_complex():
        raise CheckpointError(f"{shown(file)}: {where!r} is not a plain dense tensor of real numbers; save it as one")
    tensor = value.detach()
    if tensor.dtype == torch.bool:
        return np.array(tensor.numpy())
    return np.array((tensor.double() if tensor.is_floating_point() else tensor.long()).numpy())
