"""A foundry's models, taken out of the user's own kit as one self-contained text.

A kit's library has thousands of lines for devices that a ring never uses, and switches for random draws. What stays:
the parameters of the corner's section, and the models (all bins) and subcircuits that bear the card's two names. So a
deck needs no path into the kit and no compatibility mode, and its hash follows the models' text. With GF180MCU, period
and parameters of a ring are the same as with the kit's own files under `ngbehavior=hsa`; ngspice reads it in 0.03 s.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from aishw.errors import CardError
from aishw.hardware.technology import Kit, Technology
from aishw.units import spice_number

_DEPTH = 20
_CALL = re.compile(r"""\.lib ['"]?([^'"\s]+)['"]? (\S+)\Z""", re.IGNORECASE)
_INCLUDE = re.compile(r"""\.inc(?:lude)? ['"]?([^'"\s]+)['"]?\Z""", re.IGNORECASE)


def kit_text(technology: Technology, kit: Kit) -> str:
    """Switches, parameters and the models of the technology's two devices at its corner.

    Raises CardError if the environment variable is not set, or the kit, a file, a section, a switch or a device is
    missing, or the kit holds a line that cannot stand in a deck.
    """
    folder = kit_folder(technology, kit)
    library, section = folder / technology.models, kit.sections[technology.corner]
    names = [technology.nmos.lower(), technology.pmos.lower()]
    lines = _kept(_section(library, section), set(names))
    found = {_device(line) for line in lines}
    for name in names:
        if name not in found:
            raise CardError(f"kit file {library}: section {section!r} has no device {name!r}")
    return "\n".join(["* models from the user's kit", *(_switched(kit, folder / kit.switches)), *lines])


def kit_folder(technology: Technology, kit: Kit) -> Path:
    """The folder with the model files: the first of `kit.folders` that has them. Raises CardError."""
    tried = " or ".join(f"${kit.root}/{folder}" for folder in kit.folders)
    root = os.environ.get(kit.root, "")
    if not root:
        raise CardError(
            f"technology {technology.name!r} takes its models from your own kit: set {kit.root} to the folder above "
            f"the kit, so that there is {tried}"
        )
    for folder in kit.folders:
        place = Path(root).expanduser() / folder
        if os.path.isfile(place / technology.models):
            return place
    raise CardError(
        f"technology {technology.name!r}: {kit.root} is {root!r}, where there is no {technology.models} in {tried}; "
        f"set {kit.root} to the folder above the kit"
    )


@lru_cache(maxsize=8)
def _sections(path: Path, mtime_ns: int, size: int) -> dict[str, tuple[str, ...]]:
    """The lines of a file by `.lib` section ("" outside of any), without comments, blanks and runs of spaces."""
    found: dict[str, list[str]] = {"": []}
    name = ""
    for raw in path.read_text(encoding="utf-8", errors="replace").splitlines():
        line = " ".join(raw.split())
        if not line or line[0] == "*":
            continue
        words = line.lower().split() if line[:4].lower() in (".lib", ".end") else []
        if words[:1] == [".lib"] and len(words) == 2:
            name = words[1]
            found[name] = []
        elif words[:1] == [".endl"]:
            name = ""
        else:
            found[name].append(line)
    return {name: tuple(lines) for name, lines in found.items()}


def _lines(path: Path, section: str = "") -> tuple[str, ...]:
    try:
        stamp = path.stat()
        found = _sections(path, stamp.st_mtime_ns, stamp.st_size)
    except OSError as error:
        raise CardError(f"kit file {path} cannot be read ({error.strerror})") from None
    if section.lower() not in found:
        raise CardError(f"kit file {path} has no section {section!r}")
    return found[section.lower()]


def _section(path: Path, name: str, depth: int = 0) -> Iterator[str]:
    """The lines of one section, its calls of other sections and files followed."""
    for line in _lines(path, name):
        call, include = _CALL.match(line), _INCLUDE.match(line)
        if not (call or include):
            yield line
        elif depth >= _DEPTH:
            raise CardError(f"kit file {path}: {line[:60]!r} leads in a circle")
        elif call:
            yield from _section(path.parent / call.group(1), call.group(2), depth + 1)
        elif include:
            yield from _section(path.parent / include.group(1), "", depth + 1)


def _switched(kit: Kit, path: Path) -> list[str]:
    """The switches file with the card's values in place of its own; nothing if the kit has none."""
    if not kit.switches:
        return []
    lines = list(_lines(path))
    for name, value in kit.parameters.items():
        one = re.compile(rf"(?<!\w)({re.escape(name)}) ?= ?[^\s=]+", re.IGNORECASE)
        if not any(one.search(line) for line in lines):
            raise CardError(f"kit file {path} has no switch {name!r}, which the technology card sets")
        lines = [one.sub(rf"\1={spice_number(value)}", line) for line in lines]
    for line in lines:
        if not line.lower().startswith(("+", ".param")):
            raise CardError(f"kit file {path}: {line[:60]!r} is no parameter")
    return lines


def _device(line: str) -> str:
    """The name behind `.model` or `.subckt`, without its bin; "" for other lines."""
    words = line.lower().split()
    return words[1].split(".")[0] if words[0] in (".model", ".subckt") and len(words) > 1 else ""


def _kept(lines: Iterable[str], names: set[str]) -> list[str]:
    """Parameters and functions outside of subcircuits, and what bears one of the names; with continuation lines."""
    kept: list[str] = []
    keep, inside = False, False  # the statement that is being continued; a subcircuit is open
    for line in lines:
        word = line.lower().split()[0]
        if word == ".ends":
            inside = False
        elif word in (".model", ".subckt"):
            keep = keep if inside else _device(line) in names
            inside = inside or word == ".subckt"
        elif word in (".param", ".func"):
            keep = keep or not inside
        elif word[0] != "+" and not (inside and word[0].isalpha()):
            raise CardError(f"the kit's line {line[:60]!r} cannot be taken over into a deck")
        if keep:
            kept.append(word + line[len(word) :])
    return kept
