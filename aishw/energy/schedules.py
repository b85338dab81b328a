"""The three ways to run several chunks, in counts: what is written, moved and stored, and how long an image takes.

The counts and times are those of `lower.schedule`'s timelines, for sizes that no System stands behind; seconds are the
target card's own.
"""

from __future__ import annotations

from dataclasses import dataclass

from aishw.energy.work import Work


@dataclass(frozen=True)
class Moves:
    """Per image: weights written, states saved and restored, write and transfer seconds; on the chip: cores, chunks in
    every weight bank, weight bits stored. programmed: weights written when the chip is programmed.
    """

    writes: int
    transfers: int
    wait_s: float
    cores: int
    bank_chunks: int
    storage_bits: int
    programmed: int


def moves_of(work: Work) -> Moves:
    """Of the work's own strategy."""
    timing, s, weights = work.target.timing, work.chunks, work.weights
    moved, between = (s - 1) * work.sites, s - 1
    transfer_s, switch_s = work.sites * timing["transfer_s"], timing["switch_s"]
    if work.strategy == "state_stationary":
        held = work.target.segments
        return Moves(0, 0, between * switch_s, 1, held, s * weights * work.bits, s * weights)
    if work.strategy == "save_and_reprogram":
        wait_s = s * weights * timing["write_s"] + between * (switch_s + transfer_s)
        return Moves(s * weights, moved, wait_s, 1, 1, weights * work.bits, 0)
    return Moves(0, moved, between * transfer_s, s, 1, s * weights * work.bits, s * weights)


def image_s(work: Work) -> float:
    """Seconds from the first write to the last phase."""
    return float(work.run_s.sum()) + moves_of(work).wait_s
