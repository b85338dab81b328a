"""The study as Markdown: W2^2 with the floor of its pair beside every number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aishw.ais.families import FAMILIES
from aishw.train.planar.objectives import OBJECTIVES
from aishw.train.planar.pairs import PAIRS
from aishw.train.planar.study import Study
from aishw.train.planar.transport import DRAWS, SAMPLES, SEEDS

CONDITIONS = ((1, 0), (2, 0), (4, 0), (4, 2), (4, 4))  # (c, k) of the paper
HIDDEN = (0, 1, 2, 3, 4)
CHUNKS = (1, 2, 4)


def number(value: float | None) -> str:
    """.0123, or a dash for a cell that is not there or diverged."""
    return "-" if value is None else f"{value:.4f}".removeprefix("0")


def beside_floor(study: Study, *key: str | int) -> str:
    """W2^2 of (objective, family, c, k, pair) / floor."""
    value, pair = study.value(*key), str(key[-1])
    return "-" if value is None else f"{number(value)} / {number(study.floors[pair][0])}"


def table(study: Study) -> str:
    """All conditions of the paper by objective, then c x k of KuraSHIL; rows without a cell are left out."""
    pairs = [name for name in PAIRS if name in study.floors]
    t = study.tuning
    lines = [
        f"W2^2 / floor (the target against itself), exact transport on {SAMPLES} samples, {SEEDS} seeds of {DRAWS} "
        f"draws; {t.steps} steps, best of {len(t.candidates)} candidates (rate x first weights).",
        "",
    ]
    for objective, title in OBJECTIVES.items():
        rows = [
            [name, str(c), str(k), *(beside_floor(study, objective, name, c, k, pair) for pair in pairs)]
            for name in FAMILIES
            for c, k in CONDITIONS
        ]
        lines += markdown([title, "c", "k", *(PAIRS[name].title for name in pairs)], rows)
    rows = [
        [PAIRS[pair].title, str(c), *(beside_floor(study, "swd", "kurashil", c, k, pair) for k in HIDDEN)]
        for pair in pairs
        for c in CHUNKS
    ]
    lines += markdown(["KuraSHIL, sliced Wasserstein", "c", *(f"k = {k}" for k in HIDDEN)], rows)
    return "\n".join(lines)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    filled = [row for row in rows if any("/" in text for text in row)]
    if not filled:
        return []
    return [_line(head), _line(["---"] * len(head)), *map(_line, filled), ""]


def _line(row: Sequence[str]) -> str:
    return "| " + " | ".join(row) + " |"
