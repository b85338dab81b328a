"""What `aishw power` is asked, answered from stored results: a run file, bare sizes, or a new sweep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aishw import library, store
from aishw.energy import law
from aishw.energy.ledger import Ledger, ledger
from aishw.energy.pe_power import Stored, pe_power, stored_of
from aishw.energy.record import law_record, record, sweep_record
from aishw.energy.strategies import side_by_side
from aishw.energy.text import law_text, power_text
from aishw.energy.work import check_strategy, work_of, work_of_sizes
from aishw.errors import AishwError, EnergyError
from aishw.hardware.cards import load_target
from aishw.hardware.target import Target

if TYPE_CHECKING:
    from aishw.energy.sweep import Sweep


@dataclass(frozen=True)
class Sizes:
    """An array that no design stands behind. cycles, frequency_Hz: None, as the target's calibration says."""

    sites: int
    couplings: int
    bits: int
    chunks: int
    cycles: float | None = None
    frequency_Hz: float | None = None


@dataclass(frozen=True, eq=False)
class Answer:
    """record: for JSON. books: ledgers by strategy, if the target tells; note: why not, or "". sweep: if there is
    one.
    """

    record: dict[str, Any]
    books: dict[str, Ledger]
    strategy: str
    note: str
    sweep: Sweep | None

    def text(self) -> list[str]:
        """Lines to print."""
        blocks = [law_text(self.record["law"])] if "law" in self.record else []
        blocks += [[self.note]] if self.note else []
        blocks += [power_text(self.record)] if self.books else []
        return [line for k, block in enumerate(blocks) for line in ([""] * (k > 0) + block)]


def of_run(run_file: Path, strategy: str | None, images: float | None, calibration: str | None) -> Answer:
    """The ledger of a run file's design."""
    design = store.load_design(run_file)
    stored = _stored(design.target, design.system.topology.fan_in, calibration)
    pe = pe_power(stored, design.system.topology.fan_in, design.bits)
    work = work_of(design, pe, strategy)
    books = side_by_side(work, pe, images)
    books[work.strategy] = ledger(work, pe, images)
    return Answer(record(books, work.strategy, stored.corners, stored.sweep), books, work.strategy, "", stored.sweep)


def of_sizes(
    sizes: Sizes, target: str | None, default: str, strategy: str | None, images: float | None, calibration: str | None
) -> Answer:
    """The law for bare sizes, and the ledger of `target` (or of the default one, where it holds them)."""
    law.check_sites(sizes.sites, sizes.couplings, sizes.bits)
    cycles, f = sizes.cycles or law.PAPER_CYCLES, sizes.frequency_Hz or law.PAPER_HZ
    if sizes.cycles is not None:
        law.check_cycles(sizes.cycles)
    if sizes.frequency_Hz is not None:
        law.check_frequency(sizes.frequency_Hz)
    at = law_record(sizes.sites, sizes.couplings, sizes.bits, cycles, f)
    card = load_target(target or default)
    strategy = strategy or card.strategies[0]
    check_strategy(card, strategy, sizes.chunks)
    try:
        _check_held(card, sizes)
        stored = _stored(card, card.fan_in, calibration)
        pe = pe_power(stored, sizes.couplings, sizes.bits, sizes.frequency_Hz)
    except AishwError as error:
        if target is not None or calibration is not None:
            raise
        return Answer({"law": at, "note": str(error)}, {}, strategy, f"No simulated figure: {error}.", None)
    work = work_of_sizes(
        card, pe, sizes.sites, sizes.couplings, sizes.bits, chunks=sizes.chunks, cycles=sizes.cycles,
        frequency_Hz=pe.frequency_Hz, strategy=strategy,
    )  # fmt: skip
    books = side_by_side(work, pe, images)
    found = record(books, strategy, stored.corners, stored.sweep)
    return Answer({**found, "law": at}, books, strategy, "", stored.sweep)


def swept(
    name: str, calibration: str | None, out: Path, folder: Path, *, quick: bool, workers: int, overwrite: bool,
    tell: Callable[[float], None], say: Callable[[str], None],
) -> dict[str, Any]:  # fmt: skip
    """Simulates the sweep of a target, writes it to `out`, and returns what it says."""
    from aishw.energy.sweep import sweep
    from aishw.energy.sweep_file import parts_of, save_sweep

    card = load_target(name)
    steady = _stored(card, card.fan_in, calibration).steady
    parts = parts_of(folder, card, steady, steady.simulator)
    parts.open()
    found = sweep(card, steady, parts, quick=quick, workers=workers, tell=tell, say=say)
    save_sweep(out, found, overwrite)
    parts.close()
    try:
        return sweep_record(found)
    except EnergyError:  # a quick sweep holds too few runs for a fit
        return {"runs": len(found.couplings), "checks": []}


def _stored(target: Target, fan_in: int, calibration: str | None) -> Stored:
    return stored_of(target, fan_in, None if calibration is None else library.find("calibration", calibration))


def _check_held(target: Target, sizes: Sizes) -> None:
    for what, came, most in (("sites", sizes.sites, target.sites), ("couplings a PE", sizes.couplings, target.fan_in)):
        if came > most:
            raise EnergyError(f"target {target.name!r} holds {most:,} {what}, {came:,} were asked for")
    if sizes.bits not in target.bits:
        raise EnergyError(
            f"target {target.name!r} has weights of {', '.join(map(str, target.bits))} bits, not {sizes.bits}"
        )
