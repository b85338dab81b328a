"""Area of a site, as a proxy: its transistors and capacitors counted in the netlist, times assumed densities."""

from __future__ import annotations

import ast
import math
import operator
import re
from dataclasses import dataclass
from functools import lru_cache

from aishw.energy.assumed import CAPACITOR, TRANSISTOR
from aishw.errors import CardError
from aishw.hardware.cells import bank_cell, cell_text
from aishw.hardware.target import Target

_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


@dataclass(frozen=True)
class Content:
    """Devices of a cell: transistors (by multiplicity) and explicit capacitance."""

    transistors: float = 0.0
    capacitance_F: float = 0.0

    def __add__(self, other: Content) -> Content:
        return Content(self.transistors + other.transistors, self.capacitance_F + other.capacitance_F)

    def __mul__(self, count: float) -> Content:
        return Content(self.transistors * count, self.capacitance_F * count)

    def area_m2(self, gate_m: float) -> float:
        """With the shortest gate of the technology, m."""
        return self.transistors * TRANSISTOR.value * gate_m**2 + self.capacitance_F / CAPACITOR.value


@dataclass(frozen=True)
class Site:
    """One site of an array: its devices, its area, and the side of a square of that area."""

    content: Content
    area_m2: float

    @property
    def pitch_m(self) -> float:
        return math.sqrt(self.area_m2)


def site_of(target: Target, couplings: int, bits: int, chunks: int, detectors: float, dacs: float) -> Site:
    """One PE with its couplers, injections and weight bits for `chunks` chunks, and its share of `detectors` and bias
    `dacs`.
    """
    text = cell_text(target, bits, chunks)
    weight_bits = (couplings + 2) * bits  # reference and second harmonic have one weight each
    parts = {"pe": 1.0, "trim": 1.0, "coupler": couplings + 1.0, "shil": 1.0, "bank": float(weight_bits)}
    parts |= {"phase_detector": detectors, "bias_dac": dacs}
    whole = sum((content(text, name) * count for name, count in parts.items() if count), Content())
    return Site(whole, whole.area_m2(shortest_gate_m(text)))


@lru_cache(maxsize=64)
def content(cells: str, name: str, **given: float) -> Content:
    """What subcircuit `name` holds, cells inside it counted. Raises CardError for one that is not there."""
    found = re.search(rf"^\.subckt {re.escape(name)}\b(.*?)\n(.*?)^\.ends", cells, re.MULTILINE | re.DOTALL)
    if found is None:
        raise CardError(f"the netlist has no cell {name!r}")
    values = {key: _value(text, {}) for key, text in _assigned(found[1])} | given
    total = Content()
    for line in re.sub(r"\n\+", " ", found[2]).splitlines():
        words = line.split()
        if line.startswith("m"):
            total += Content(
                transistors=dict((k, _value(t, values)) for k, t in _assigned(line) if k == "m").get("m", 1.0)
            )
        elif line.startswith("c"):
            total += Content(capacitance_F=_value(words[3], values))
        elif line.startswith("x"):
            cell = [word for word in words if "=" not in word][-1]
            total += content(cells, cell, **{key: _value(text, values) for key, text in _assigned(line)})
    return total


def shortest_gate_m(cells: str) -> float:
    """The shortest gate that is drawn with a plain number."""
    return min(float(found) for found in re.findall(r"\bl=(\d[\w.+-]*)", cells))


def bank_bits(target: Target, chunks: int) -> Content:
    """One weight bit with its latches and selectors."""
    return content(
        cell_text(target, 2, 1).split(".subckt bank ")[0] + bank_cell(chunks, target.technology.supply_V), "bank"
    )


def _assigned(text: str) -> list[tuple[str, str]]:
    return re.findall(r"(\w+)=(\{[^}]*\}|\S+)", text)


def _value(text: str, names: dict[str, float]) -> float:
    """A number, or an expression of numbers and parameters in braces."""
    try:
        return _tree(ast.parse(text.strip("{}"), mode="eval").body, names)
    except (SyntaxError, KeyError, ValueError):
        raise CardError(f"the netlist's {text!r} is no sum or product of numbers and parameters") from None


def _tree(node: ast.expr, names: dict[str, float]) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.Name):
        return names[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_tree(node.operand, names)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return float(_OPERATORS[type(node.op)](_tree(node.left, names), _tree(node.right, names)))
    raise ValueError
