"""Where the shipped cards, netlists, checkpoints and calibrations are: the only module that knows the data folders.

In a checkout they are the top folders `netlists/`, `models/`, `calibration/`; in an installed wheel the same folders
lie under `aishw/_share/`.
"""

from __future__ import annotations

from pathlib import Path

from aishw.errors import AishwError, CardError, CheckpointError, DeckError, StoreError, TrainError

DEFAULT_TARGET = "ring28_isolated"

# kind: (what a message calls it, suffixes of its files ("" for a folder), the error of a name that is not there)
_KINDS: dict[str, tuple[str, tuple[str, ...], type[AishwError]]] = {
    "netlists": ("netlist folder", ("",), DeckError),
    "models/technologies": ("technology", (".toml",), CardError),
    "models/targets": ("target", (".toml",), CardError),
    "models/extractors": ("extractor", (".safetensors",), TrainError),
    "models": ("checkpoint", (".pt", ".safetensors"), CheckpointError),
    "calibration": ("calibration", (".h5",), StoreError),
}


def folder(kind: str) -> Path:
    """The folder that holds the shipped files of one kind (a key of the table above)."""
    _look_up(kind)
    package = Path(__file__).resolve().parent
    wheel = package / "_share"
    return (wheel if wheel.is_dir() else package.parent) / kind


def names(kind: str) -> list[str]:
    """The shipped names of one kind, sorted, without suffix."""
    _, suffixes, _ = _look_up(kind)
    place = folder(kind)
    if not place.is_dir():
        return []
    found = {p.stem if p.suffix else p.name for p in place.iterdir() if _fits(p, suffixes)}
    return sorted(found)


def find(kind: str, name: str | Path) -> Path:
    """The file or folder that `name` means.

    A name with a path separator or `..` is the user's own path and comes back as it is, whether or not it exists. So is
    a name with one of the kind's suffixes if such a file is here. Everything else is a shipped name, with or without
    suffix. Raises the kind's own error (CardError, CheckpointError, ...) for a name that the library does not have.
    """
    title, suffixes, error = _look_up(kind)
    text = str(name)
    if not text.strip() or "\0" in text:
        raise error(f"{_shown(text)} is no {title}; known: {_known(kind)}")
    own = Path(text).expanduser()
    if "/" in text or "\\" in text or ".." in own.parts:
        return own
    if own.suffix in suffixes and own.suffix and own.exists():
        return own
    for suffix in ("", *suffixes):
        shipped = folder(kind) / f"{text}{suffix}"
        if _fits(shipped, suffixes):
            return shipped
    raise error(f"unknown {title} {_shown(text)}; known: {_known(kind)}; a file of your own is given as a path, ./NAME")


def _look_up(kind: str) -> tuple[str, tuple[str, ...], type[AishwError]]:
    if kind not in _KINDS:
        raise ValueError(f"the library has no kind {kind!r}; it has {', '.join(_KINDS)}")
    return _KINDS[kind]


def _fits(path: Path, suffixes: tuple[str, ...]) -> bool:
    try:
        if path.name.startswith((".", "_")):
            return False
        return path.is_dir() if suffixes == ("",) else path.is_file() and path.suffix in suffixes
    except OSError:  # a name longer than the file system takes
        return False


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _known(kind: str) -> str:
    return ", ".join(names(kind)) or "none"
