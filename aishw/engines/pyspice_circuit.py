"""A deck as a PySpice `Circuit`, for people who want to go on in PySpice. Array-size decks are faster as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aishw.errors import DeckError

if TYPE_CHECKING:
    from PySpice.Spice.Netlist import Circuit


def to_pyspice(text: str) -> Circuit:
    """One of our decks as PySpice objects: subcircuit calls, sources and capacitors are elements; models, subcircuit
    definitions, options and start voltages stay raw text. The analysis is PySpice's own business and is left out.

    Raises DeckError for a line that our decks do not have.
    """
    import logging

    logging.getLogger("PySpice").setLevel(logging.ERROR)  # it warns of every ngspice it does not know
    from PySpice.Spice.Netlist import Circuit

    title, *lines = text.splitlines()
    circuit = Circuit(title)
    raw: list[str] = []
    depth = 0
    for line in lines:
        if line.startswith(".subckt"):
            depth += 1
        if depth or not line or line[0] in "*+." or line.startswith(".ends"):
            if not line.startswith((".tran", ".save", ".end\n")) and line != ".end":
                raw.append(line)
            if line.startswith(".ends"):
                depth -= 1
            continue
        add_element(circuit, line)
    circuit.raw_spice = "\n".join(raw) + "\n"
    return circuit


def add_element(circuit: Circuit, line: str) -> None:
    """One instance line as one PySpice element. Raises DeckError for an element our decks do not have."""
    words = line.split()
    name, kind = words[0][1:], words[0][0]
    if kind == "x":
        values = [word for word in words[1:] if "=" in word]
        nodes = [word for word in words[1:] if "=" not in word]
        circuit.X(name, nodes[-1], *nodes[:-1], **dict(value.split("=", 1) for value in values))
    elif kind == "v":
        circuit.V(name, words[1], words[2], " ".join(words[3:]))
    elif kind == "b":
        circuit.B(name, words[1], words[2], voltage_expression=line.split(" v=", 1)[1])
    elif kind == "c":
        circuit.C(name, words[1], words[2], words[3])
    else:
        raise DeckError(f"element {words[0]!r} is none that an aishw deck has")
