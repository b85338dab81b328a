"""The report's ledger of energy: the lines of one image, what stands beside them, and what is left out."""

from __future__ import annotations

from typing import Any

from aishw.energy.beside import beside
from aishw.energy.ledger import ledger
from aishw.energy.pe_power import pe_power, stored_in, stored_of
from aishw.energy.text import si
from aishw.energy.work import work_of
from aishw.errors import AishwError
from aishw.hardware.calibration import Calibration
from aishw.lower.design import Design
from aishw.verify.record import EnergyLine


def energy_of(design: Design, calibration: Calibration | None) -> dict[str, Any]:
    """The fields of a Report that tell its energy; without supply figures the reason alone."""
    fan_in = design.system.topology.fan_in
    given = calibration is not None and calibration.power is not None
    try:
        stored = stored_in(calibration, design.target) if given and calibration else stored_of(design.target, fan_in)
        pe = pe_power(stored, fan_in, design.bits)
        book = ledger(work_of(design, pe), pe)
    except AishwError as error:
        return {"energy_left_out": (str(error),)}
    total, error_J = book.total()
    lines = [
        EnergyLine(f"{line.group}: {line.name}", line.energy_J, line.provenance, line.source, line.error_J)
        for line in book.lines
    ]
    lines.append(EnergyLine("an image", total, "assumed", "the sum, as good as its worst line", error_J))
    others = []
    for each in beside(book):
        span = "" if each.low_J == each.high_J else f"{si(each.low_J, 'J')} to {si(each.high_J, 'J')}; "
        middle, off = (each.low_J + each.high_J) / 2, (each.high_J - each.low_J) / 2 or None
        others.append(EnergyLine(each.name, middle, each.provenance, span + each.source, off))
    return {"energy": tuple(lines), "energy_beside": tuple(others), "energy_left_out": book.left_out}
