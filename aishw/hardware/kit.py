"""A foundry's models, taken out of the user's own kit as one self-contained text.

A kit's library has thousands of lines for devices that a ring never uses, and switches for random draws. What stays:
the parameters of the corner's section, and the models and subcircuits (all bins) that bear the card's two names. So a
deck needs no path into the kit and no compatibility mode, and its hash follows the models' text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from aishw.errors import CardError
from aishw.hardware.technology import Kit, Technology
from aishw.units import spice_number

_DEPTH = 20
_CALL = re.compile(r"""\.lib\s+['"]?([^'"\s]+)['"]?\s+(\S+)\s*\Z""", re.IGNORECASE)
_INCLUDE = re.compile(r"""\.inc(?:lude)?\s+['"]?([^'"\s]+)['"]?\s*\Z""", re.IGNORECASE)


def kit_text(technology: Technology, kit: Kit) -> str:
    """Switches, parameters and the models of the technology's two devices at its corner.

    Raises CardError if the environment variable is not set, or the kit, a file, a section, a switch or a device is
    missing, or the kit holds a line that cannot be taken over.
    """
    folder = kit_folder(technology, kit)
    lines = _switched(kit, folder / kit.switches) if kit.switches else []
    lines += _kept(_section(folder, folder / technology.models, kit.sections[technology.corner]), technology)
    for name in (technology.nmos, technology.pmos):
        if not any(line.lower().split()[1].split(".")[0] == name.lower() for line in lines if _opens(line)):
            section = kit.sections[technology.corner]
            raise CardError(f"{folder / technology.models}: section {section!r} has no device {name!r}")
    return "\n".join([f"* {technology.name}: models from the user's kit, corner {technology.corner}", *lines])


def kit_folder(technology: Technology, kit: Kit) -> Path:
    """The folder with the model files. Raises CardError."""
    tried = " or ".join(f"${kit.root}/{folder}" for folder in kit.folders)
    root = os.environ.get(kit.root, "")
    if not root:
        raise CardError(
            f"technology {technology.name!r} takes its models from your own kit: set {kit.root} to the folder above "
            f"it, so that {tried} exists"
        )
    for folder in kit.folders:
        if (Path(root) / folder / technology.models).is_file():
            return Path(root) / folder
    raise CardError(
        f"technology {technology.name!r}: {kit.root} is {root!r}, but there is no {technology.models} in {tried}; set "
        f"{kit.root} to the folder above the kit"
    )


def _statements(path: Path) -> Iterator[str]:
    """Lines without comments and blanks; continuation lines stay lines of their own, starting with `+`."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise CardError(f"kit file {path} cannot be read ({error.strerror})") from None
    yield from (line for line in (" ".join(raw.split()) for raw in text.splitlines()) if line and line[0] != "*")


def _switched(kit: Kit, path: Path) -> list[str]:
    """The switches file with the card's values in place of its own."""
    lines = list(_statements(path))
    for name, value in kit.parameters.items():
        one = re.compile(rf"(?<!\w)({re.escape(name)})\s*=\s*\S+", re.IGNORECASE)
        found = [k for k, line in enumerate(lines) if one.search(line)]
        if not found:
            raise CardError(f"kit file {path} has no switch {name!r}, which the technology card sets")
        for k in found:
            lines[k] = one.sub(rf"\1={spice_number(value)}", lines[k])
    for line in lines:
        if not line.startswith(("+", ".param", ".PARAM")):
            raise CardError(f"kit file {path}: {line[:60]!r} is not a parameter")
    return lines


def _section(folder: Path, path: Path, name: str, depth: int = 0) -> Iterator[str]:
    """The lines of one `.lib` section, its calls of other sections and files followed."""
    inside, seen = False, False
    for line in _statements(path):
        words = line.lower().split()
        if not inside:
            inside = words[0] == ".lib" and words[1:] == [name.lower()]
            seen = seen or inside
        elif words[0] == ".endl":
            return
        else:
            yield from _followed(folder, path, line, depth)
    if not seen:
        raise CardError(f"kit file {path} has no section {name!r}")


def _followed(folder: Path, path: Path, line: str, depth: int) -> Iterator[str]:
    call, include = _CALL.match(line), _INCLUDE.match(line)
    if not (call or include):
        yield line
        return
    target = path.parent / (call or include).group(1)  # type: ignore[union-attr]
    if depth >= _DEPTH:
        raise CardError(f"kit file {path}: {line[:60]!r} calls itself")
    if call:
        yield from _section(folder, target, call.group(2), depth + 1)
        return
    for inner in _statements(target):
        yield from _followed(folder, target, inner, depth + 1)


def _opens(line: str) -> bool:
    return line.lower().startswith((".model ", ".subckt "))


def _kept(lines: Iterator[str], technology: Technology) -> list[str]:
    """Parameters and functions outside subcircuits, and what bears a device's name."""
    names = {technology.nmos.lower(), technology.pmos.lower()}
    kept: list[str] = []
    keep, inside = False, False  # of the statement whose continuation lines follow; a subcircuit is open
    for line in lines:
        word, *rest = line.lower().split()
        if word.startswith("+"):
            pass
        elif word == ".ends":
            kept += [line] if keep else []
            keep = inside = False
            continue
        elif inside:
            if not word[0].isalpha() and word not in (".param", ".model"):
                raise CardError(f"the kit's {line[:60]!r} cannot be taken over into a deck")
        elif _opens(line):
            keep, inside = rest[0].split(".")[0] in names, word == ".subckt"
        elif word in (".param", ".func"):
            keep = True
        elif word[0].isalpha() or word in (".option", ".options", ".global"):
            raise CardError(f"the kit's {line[:60]!r} stands outside a subcircuit; it cannot be taken over")
        else:
            raise CardError(f"the kit's {line[:60]!r} cannot be taken over into a deck")
        if keep:
            kept.append(line)
    return kept
