"""What `aishw power` says, as plain values for JSON: every number with its unit in its name and its provenance."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aishw.energy import law
from aishw.energy.assumed import EVERY
from aishw.energy.beside import beside, nodes
from aishw.energy.ledger import GROUPS, Ledger
from aishw.energy.strategies import winners
from aishw.hardware.findings import CornerFinding

if TYPE_CHECKING:
    from aishw.energy.sweep import Sweep

SCHEMA = "aishw-power/1"


def law_record(sites: int, couplings: int, bits: int, cycles: float, frequency_Hz: float) -> dict[str, Any]:
    """The law and its variants at given sizes."""
    rows = {}
    for name in law.VARIANTS:
        watts = law.array_W(sites, couplings, bits, name)
        energy = law.image_J(sites, couplings, bits, cycles=cycles, frequency_Hz=frequency_Hz, variant=name)
        rows[name] = {"node_W": watts / sites, "array_W": watts, "image_J": energy, "provenance": "analytic"}
    return {
        "sites": sites, "couplings": couplings, "bits": bits, "cycles": cycles, "frequency_Hz": frequency_Hz,
        "variants": rows,
    }  # fmt: skip


def ledger_record(book: Ledger) -> dict[str, Any]:
    """One ledger."""
    work = book.work
    energy, error = book.total()
    return {
        "name": work.name, "target": work.target.name, "sites": work.sites, "couplings": work.couplings,
        "bits": work.bits, "chunks": work.chunks, "strategy": work.strategy, "cycles": work.cycles,
        "cycles_from": work.derived, "frequency_Hz": book.pe.frequency_Hz, "run_s": float(work.run_s.sum()),
        "image_s": book.image_s, "images_a_programming": book.images, "image_J": energy, "error_J": error,
        "groups_J": {group: book.total(group)[0] for group in GROUPS}, "lines": [asdict(line) for line in book.lines],
        "storage_bits": book.moves.storage_bits, "cores": book.moves.cores, "area_m2": book.area_m2,
        "pitch_m": book.site.pitch_m, "left_out": list(book.left_out),
    }  # fmt: skip


def record(
    books: dict[str, Ledger], strategy: str, corners: CornerFinding | None, sweep: Sweep | None
) -> dict[str, Any]:
    """The ledger of `strategy`, what stands beside it, all strategies, the corners, and the sweep against the law."""
    book = books[strategy]
    return {
        "schema": SCHEMA,
        "ledger": ledger_record(book),
        "nodes": [asdict(node) for node in nodes(book)],
        "beside": [asdict(row) for row in beside(book)],
        "strategies": {name: _summary(each) for name, each in books.items()},
        "winners": [asdict(winner) for winner in winners(books)],
        "corners": corner_records(corners),
        "sweep": None if sweep is None else sweep_record(sweep),
        "assumed": [asdict(each) for each in EVERY],
    }


def sweep_record(sweep: Sweep) -> dict[str, Any]:
    """The sweep's checks, its model on runs that it did not see, and what stands against the law."""
    from aishw.energy.against_law import against_law, met_at
    from aishw.energy.checks import checks_of
    from aishw.energy.model import fit_model, held_out

    model = fit_model(sweep)
    met = met_at(model, sweep)
    return {
        "simulator": sweep.simulator,
        "runs": len(sweep.couplings),
        "against_law": [{**asdict(each), "agrees": each.agrees} for each in against_law(sweep)],
        "law_met_at": {"size": met.size, "rate_rad_per_cycle": met.rate, "tried": met.tried, "tried_W": met.tried_W},
        "checks": [{**asdict(check), "passed": check.passed} for check in checks_of(sweep, model)],
        "held_out": [
            {**asdict(each.point), "measured_W": each.measured_W, "predicted_W": each.predicted_W, "error": each.error}
            for each in held_out(sweep, model)
        ],
        "conditions": [
            {"corner": sweep.corner[k], "temperature_C": float(sweep.temperature_C[k]),
             "frequency_Hz": float(sweep.frequency_Hz[k]), "ring_W": float(sweep.ring_W[k]),
             "taps_W": float(sweep.taps_W[k]), "couplers_W": float(sweep.couplers_W[k])}
            for k in range(len(sweep.corner)) if not sweep.nominal[k]
        ],
    }  # fmt: skip


def corner_records(corners: CornerFinding | None) -> list[dict[str, Any]]:
    """Per condition: power, energy a cycle, and energy an image over the calibration's first tt at 27 C: fixed biases,
    so that a weaker coupling takes more cycles. Empty without that condition.
    """
    if corners is None:
        return []
    rows = list(zip(corners.corner, corners.temperature_C.tolist(), corners.frequency_Hz.tolist(),
                    corners.power_W.tolist(), corners.coupling.tolist()))  # fmt: skip
    here = next((row for row in rows if row[:2] == ("tt", 27.0)), None)
    if here is None:
        return []
    return [
        {"corner": corner, "temperature_C": celsius, "pe_W": watts, "cycle_J": watts / f,
         "image_over_nominal": watts / f / coupling / (here[3] / here[2] / here[4])}
        for corner, celsius, f, watts, coupling in rows
    ]  # fmt: skip


def _summary(book: Ledger) -> dict[str, Any]:
    energy, error = book.total()
    return {
        "image_J": energy, "error_J": error, "image_s": book.image_s, "storage_bits": book.moves.storage_bits,
        "writes": book.moves.writes, "transfers": book.moves.transfers, "cores": book.moves.cores,
        "area_m2": book.area_m2, "pitch_m": book.site.pitch_m,
    }  # fmt: skip
