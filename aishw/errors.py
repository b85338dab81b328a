"""What a user can mend: each error is one clear line; a command prints it and exits 2."""

from __future__ import annotations

from pathlib import Path


class AishwError(Exception):
    """Says what came, what was allowed, and the way out, in one line."""


class CheckpointError(AishwError):
    """A checkpoint is missing, damaged, of another format, or does not describe a valid system."""


class ModelError(AishwError):
    """Arrays that do not make a System: wrong shapes, NaN, unknown family."""


class GridError(AishwError):
    """A grid, neighbourhood or window that does not fit."""


class CardError(AishwError):
    """A technology or target card that is unknown, unreadable or incomplete."""


class PreflightError(AishwError):
    """A target cannot hold a system; names the offending site, edge or chunk."""


class DeckError(AishwError):
    """A deck that aishw did not write, or a name that may not stand in one."""


class StoreError(AishwError):
    """A run file that is missing, damaged, foreign, or would be overwritten."""


class CompareError(AishwError):
    """Two traces that cannot be compared."""


class TrainError(AishwError):
    """A recipe, data set or half-finished training that is missing, damaged, or does not fit."""


class EnergyError(AishwError):
    """An energy that cannot be told: sizes out of range, partial cycles, or no supply figures for a circuit."""


class SimulatorError(AishwError):
    """ngspice is missing, too old, crashed, hung, or ran out of memory or disk.

    `kept` is the folder that holds the deck and the log, `tail` the simulator's last lines.
    """

    def __init__(self, message: str, kept: Path | None = None, tail: str = "") -> None:
        self.kept = kept
        self.tail = tail
        super().__init__(message)
