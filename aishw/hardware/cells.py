"""Cells: a target's subcircuit templates with the technology's model names filled in, and the cells that depend on the
number of bits and chunks (coupler, SHIL unit, weight bank)."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from aishw import library
from aishw.errors import CardError
from aishw.hardware.kit import kit_text
from aishw.hardware.target import Target
from aishw.hardware.technology import Technology
from aishw.units import spice_number

_SAFE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")


def cell_text(target: Target, bits: int, segments: int) -> str:
    """Every subcircuit a deck of `target` uses, as text: the templates, then the generated ones.

    Raises CardError if the template folder or its cells.cir is missing, or a model name is no plain word.
    """
    path = Path(library.find("netlists", target.netlist)) / "cells.cir"
    try:
        template = path.read_text()
    except OSError as error:
        raise CardError(f"target {target.name!r}: its netlist {path} cannot be read ({error.strerror})") from None
    for name in (target.technology.nmos, target.technology.pmos):
        if not _SAFE_NAME.match(name):
            raise CardError(f"technology {target.technology.name!r}: model name {name!r} is not a plain word")
    filled = Template(template).safe_substitute(nmos=target.technology.nmos, pmos=target.technology.pmos).rstrip()
    bank = bank_cell(segments, target.technology.supply_V)
    return "\n".join([filled, coupler_cell(bits, target.encoding), shil_cell(bits), bank])


def pe_words(target: Target) -> frozenset[str]:
    """The words of subcircuit `pe`, its nodes' names among them: what a target's PE has."""
    found = re.search(r"^\.subckt pe .*?^\.ends", cell_text(target, 4, 1), re.MULTILINE | re.DOTALL)
    return frozenset(found[0].split() if found else ())


def unit(bits: int) -> float:
    """Half-LSB units of the smallest finger: 1 at 4 bits; other widths keep the strongest code's current, 14 units."""
    return 7 / (2 ** (bits - 1) - 1)


def fixed_units(code: int, bits: int) -> tuple[float, float]:
    """(on p, on n) half-LSB units of a coupler that holds `code`; their sum is the same for every code."""
    half = 2 ** (bits - 1)
    return (half + code) * unit(bits), (half - code) * unit(bits)


def switched_units(code: int, bits: int) -> tuple[float, float]:
    """(on, off) LSB units of a sign-magnitude coupler that holds `code`, on the tap that its sign chooses.

    1 unit an LSB at 4 bits; other widths keep the strongest code's current, 7 units. Their sum is always 7.
    """
    return abs(code) * unit(bits), (2 ** (bits - 1) - 1 - abs(code)) * unit(bits)


def coupler_cell(bits: int, encoding: str = "offset") -> str:
    """The signed coupler with `bits` weight bits.

    offset: one finger a bit, and a fixed half-LSB finger on n that balances code 0. sign_magnitude: the sign (1: p,
    0: n) chooses the tap, each other bit enables its finger. Pins: p n y, then b and its complement from the most
    significant bit (or the sign s) down, then bn bp vdd.
    """
    return _switched_coupler(bits) if encoding == "sign_magnitude" else _offset_coupler(bits)


def _offset_coupler(bits: int) -> str:
    names = range(bits - 1, -1, -1)
    pins = " ".join(f"b{b} c{b}" for b in names)
    lines = [
        f"* coupler: {bits}-bit signed coupler, offset binary; every finger always conducts.",
        f".subckt coupler p n y {pins} bn bp vdd",
    ]
    lines += [f"xw{b} p n y b{b} c{b} bn bp vdd weight u={spice_number(unit(bits) * 2**b)}" for b in names]
    lines += [f"xf p n y 0 vdd bn bp vdd weight u={spice_number(unit(bits))}", ".ends"]
    return "\n".join(lines)


def _switched_coupler(bits: int) -> str:
    names = range(bits - 2, -1, -1)
    pins = " ".join(f"b{b} c{b}" for b in names)
    lines = [
        f"* coupler: {bits}-bit signed coupler, sign and magnitude; a finger conducts while its bit is high.",
        f".subckt coupler p n y s sn {pins} bn bp vdd",
        "xm p n a s sn vdd sign_mux",
    ]
    lines += [f"xw{b} a y b{b} c{b} bn bp vdd weight u={spice_number(unit(bits) * 2**b)}" for b in names]
    return "\n".join([*lines, ".ends"])


def shil_cell(bits: int) -> str:
    """The SHIL unit: a sign bit chooses the clock (1: ck, 0: its complement), the others switch binary units."""
    names = range(bits - 2, -1, -1)
    pins = " ".join(f"b{b} c{b}" for b in names)
    lines = [
        f"* shil: {bits}-bit second-harmonic injection, sign and magnitude.",
        f".subckt shil ck ckb y s sn {pins} bs vm vdd",
        "xm ck ckb a s sn vdd mux",
    ]
    lines += [f"xb{b} a y b{b} c{b} bs vm vdd shil_bit u={spice_number(unit(bits) * 2**b)}" for b in names]
    return "\n".join([*lines, ".ends"])


def bank_cell(segments: int, supply_V: float) -> str:
    """The weight bank of one bit: `segments` latches written to `supply_V`, chunk select, restored output and
    complement.
    """
    selects = " ".join(f"s{k} t{k}" for k in range(segments))
    values = " ".join(f"v{k}=0" for k in range(segments))
    lines = [
        f"* bank: one weight bit for {segments} chunks; v0.. are what was written.",
        f".subckt bank y yb {selects} vdd {values} level={spice_number(supply_V)}",
    ]
    for k in range(segments):
        lines += [f"xl{k} q{k} r{k} vdd latch v={{v{k}}} level={{level}}", f"xs{k} q{k} a s{k} t{k} vdd select"]
    return "\n".join([*lines, "xo a y yb vdd bank_out", ".ends"])


def model_text(technology: Technology) -> str:
    """The technology's device models at its corner, flattened to one self-contained text (no `.lib`, no `.include`).

    Raises CardError for a missing kit, file or section.
    """
    if technology.kit is not None:
        return kit_text(technology, technology.kit)
    path = Path(library.folder("models/technologies")) / technology.models
    try:
        text = path.read_text()
    except OSError as error:
        raise CardError(
            f"technology {technology.name!r}: its models {path} cannot be read ({error.strerror})"
        ) from None
    return "\n".join(_section(text, technology.corner, path.name))


def _section(text: str, name: str, file: str) -> list[str]:
    found = re.search(rf"^\.lib[ \t]+{re.escape(name)}[ \t]*\n(.*?)^\.endl", text, re.MULTILINE | re.DOTALL)
    if not found:
        raise CardError(f"{file} has no section {name!r}")
    lines: list[str] = []
    for line in found.group(1).splitlines():
        call = re.match(r'\.lib[ \t]+"?([^"\s]+)"?[ \t]+(\w+)', line)
        if call and call.group(1) == file:
            lines += _section(text, call.group(2), file)
        elif call or line.lower().startswith((".inc", ".control")):
            raise CardError(f"{file}: {line.strip()!r} leads out of the file; a shipped card is one file")
        else:
            lines.append(line)
    return lines
