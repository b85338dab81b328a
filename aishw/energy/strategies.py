"""The three schedules side by side, and which of them takes least energy where."""

from __future__ import annotations

from dataclasses import dataclass, replace

from aishw.energy.ledger import Ledger, ledger
from aishw.energy.pe_power import PePower
from aishw.energy.work import Work, check_strategy
from aishw.errors import EnergyError
from aishw.hardware.target import STRATEGIES

CYCLES = (40, 160, 1000, 10_000, 100_000)
IMAGES = (1, 10, 1000)


@dataclass(frozen=True)
class Winner:
    """At so many cycles an image and images a programming: who takes least, and what each takes, J."""

    cycles: float
    images: float
    strategy: str
    energy_J: dict[str, float]


def side_by_side(work: Work, pe: PePower, images: float | None = None) -> dict[str, Ledger]:
    """A ledger for each strategy that the target holds for these chunks."""
    found = {}
    for strategy in STRATEGIES:
        try:
            check_strategy(work.target, strategy, work.chunks)
        except EnergyError:
            continue
        found[strategy] = ledger(replace(work, strategy=strategy), pe, images)
    return found


def energy_at(book: Ledger, cycles: float, images: float) -> float:
    """J an image: what runs scales with the cycles, programming with the images that share it."""
    run, programming = cycles / book.work.cycles, book.images / images
    scale = {"run": run, "image": 1.0, "programming": programming}
    return sum(line.energy_J * scale[line.scales] for line in book.lines)


def winners(books: dict[str, Ledger]) -> list[Winner]:
    """Over CYCLES and IMAGES."""
    found = []
    for cycles in CYCLES:
        for images in IMAGES:
            energy = {name: energy_at(book, cycles, images) for name, book in books.items()}
            found.append(Winner(cycles, images, min(energy, key=energy.__getitem__), energy))
    return found
