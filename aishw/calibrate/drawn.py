"""Chips drawn from a card's mismatch: copies of a subcircuit in which every transistor has a threshold of its own.

A transistor of m units, each w by l, is drawn as units, so that its mean threshold and current factor are off by

    delvto = N(0, 1) avt / sqrt((w + dw) (l - dl) m),    mulu0 = 1 + N(0, 1) abeta / sqrt((w + dw) (l - dl) m)

(Pelgrom's law; delvto in V and mulu0 are BSIM4's own instance parameters). Pure text: w, l and m may be expressions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from aishw.errors import CardError
from aishw.hardware.technology import Technology
from aishw.units import spice_number as number

_PARAMETER = re.compile(r"\b(\w+)\s*=\s*(\{[^}]*\}|\S+)")


@dataclass(frozen=True)
class Mismatch:
    """avt_Vm: V m by model name. abeta_m: of the current factor. dw_m, dl_m: what the effective gate differs by."""

    avt_Vm: dict[str, float]
    abeta_m: float
    dw_m: float
    dl_m: float


def mismatch_of(technology: Technology) -> Mismatch:
    """The coefficients of a card: avt_Vm, or avt_n_Vm and avt_p_Vm; abeta_m, dw_m, dl_m if it has them.

    Raises CardError for a card without a threshold mismatch.
    """
    card = technology.mismatch
    try:
        n, p = (card[f"avt_{kind}_Vm"] if f"avt_{kind}_Vm" in card else card["avt_Vm"] for kind in "np")
    except KeyError:
        raise CardError(
            f"technology {technology.name!r} has no threshold mismatch; its card needs avt_Vm under [mismatch], or "
            "avt_n_Vm and avt_p_Vm"
        ) from None
    return Mismatch(
        {technology.nmos: n, technology.pmos: p}, card.get("abeta_m", 0.0), card.get("dw_m", 0.0), card.get("dl_m", 0.0)
    )


def drawn_copy(cells: str, top: str, tag: str, mismatch: Mismatch, draw: np.random.Generator) -> tuple[str, list[str]]:
    """The name of a copy of subcircuit `top` of the text `cells`, and the lines that define it and what is inside it.

    Each instance below gets a copy of its own. Raises CardError if `top` is not in `cells` or a transistor has no size.
    """
    found = _subcircuits(cells)
    if top not in found:
        raise CardError(f"the cells have no subcircuit {top!r} to draw a chip from")
    name, (header, *body) = f"{top}_{tag}", found[top]
    below: list[str] = []
    copy = [" ".join([".subckt", name, *header.split()[2:]])]
    for line in body:
        kind, words = line[0].lower(), line.split()
        last = max(k for k, word in enumerate(words) if "=" not in word and "}" not in word)
        if kind == "m":
            line = f"{line} {_draw(line, words[last], mismatch, draw)}"
        elif kind == "x" and words[last] in found:
            child, lines = drawn_copy(cells, words[last], f"{tag}_{words[0]}", mismatch, draw)
            below += lines
            line = " ".join([*words[:last], child, *words[last + 1 :]])
        copy.append(line)
    return name, [*below, *copy, ".ends"]


def _draw(line: str, model: str, mismatch: Mismatch, draw: np.random.Generator) -> str:
    given = {name.lower(): value.strip("{}") for name, value in _PARAMETER.findall(line)}
    if model not in mismatch.avt_Vm or not {"w", "l"} <= set(given):
        raise CardError(f"{line!r}: a transistor to be drawn needs w, l and one of {', '.join(mismatch.avt_Vm)}")
    w, l = f"({given['w']}+{number(mismatch.dw_m)})", f"({given['l']}-{number(mismatch.dl_m)})"
    root = f"sqrt({w}*{l}*({given.get('m', '1')}))"
    threshold, factor = draw.standard_normal(2)  # both are always drawn: a card without abeta keeps its chips
    text = f"delvto={{{number(threshold * mismatch.avt_Vm[model])}/{root}}}"
    if mismatch.abeta_m:
        text += f" mulu0={{1+{number(factor * mismatch.abeta_m)}/{root}}}"
    return text


@lru_cache(maxsize=8)
def _subcircuits(cells: str) -> dict[str, list[str]]:
    """Each subcircuit's lines by its name: the header first, without `.ends`, comments and continuations."""
    found: dict[str, list[str]] = {}
    inside: list[str] | None = None
    for line in re.sub(r"\n\+", " ", cells).splitlines():
        words = line.split()
        if not words or line[0] == "*":
            continue
        if words[0].lower() == ".subckt":
            inside = found[words[1]] = [line]
        elif words[0].lower() == ".ends":
            inside = None
        elif inside is not None:
            inside.append(line)
    return found
