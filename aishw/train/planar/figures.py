"""The study's pictures, each as the bytes of a PNG; matplotlib is imported when one is drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aishw.ais import checkpoint
from aishw.ais.families import FAMILIES
from aishw.canvas import INK, MUTED, RULE, SERIES, drawing, png
from aishw.train.planar.bank import of_system, with_hidden
from aishw.train.planar.objectives import OBJECTIVES
from aishw.train.planar.pairs import PAIRS
from aishw.train.planar.study import Study
from aishw.train.planar.table import CHUNKS, CONDITIONS, HIDDEN

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WORST = 8.0  # times the floor, where the colours end
_SHOWN = ("kurashil", "kuramoto", "polynet", "tanhnet", "selunet", "mlp")
SAMPLED = (("otcfm", "mlp", 4, 0), ("otcfm", "kurashil", 4, 0), ("swd", "kurashil", 4, 0), ("swd", "kurashil", 4, 4))
_STEPS = 32  # of a drawn trajectory


def families_map(study: Study) -> bytes:
    """W2^2 of every family, condition and pair, a panel for each objective; colour is W2^2 over the floor."""
    pairs, objectives = _pairs(study), [o for o in OBJECTIVES if any(cell.objective == o for cell in study.cells)]
    columns = [(name, c, k) for c, k in CONDITIONS for name in _SHOWN]
    high = 0.25 * len(pairs) + 1.3
    with drawing(0.345 * len(columns) + 1.7, high * len(objectives)) as figure:
        panels = figure.subplots(len(objectives), 1, squeeze=False)[:, 0]
        figure.subplots_adjust(0.085, 0.75 / (high * len(objectives)), 0.965, 1 - 0.5 / (high * len(objectives)),
                               hspace=1.25 / (0.25 * len(pairs)))  # fmt: skip
        for axes, objective in zip(panels, objectives):
            _map(axes, study, pairs, columns, lambda pair, column, o=objective: (o, *column, pair))
            axes.set_xticks(range(len(columns)), [name for name, _, _ in columns], rotation=60, ha="right", fontsize=7)
            axes.set_yticks(range(len(pairs)), [PAIRS[name].title for name in pairs])
            axes.set_title(f"{OBJECTIVES[objective]}: W2^2 in 1e-3, colour: over the floor", pad=18)
            for n, (c, k) in enumerate(CONDITIONS):
                axes.text(len(_SHOWN) * (n + 0.5) - 0.5, -0.7, f"c = {c}, k = {k}", ha="center", color=MUTED)
                axes.axvline(len(_SHOWN) * n - 0.5, color="white", linewidth=3)
            for row, pair in enumerate(pairs):
                axes.text(len(columns) - 0.3, row, _thousandths(study.floors[pair][0]), va="center", color=MUTED)
            axes.text(len(columns) - 0.3, -0.7, "floor", color=MUTED)
        return png(figure)


def hidden_map(study: Study) -> bytes:
    """KuraSHIL by sliced Wasserstein: c x k, a panel for each pair."""
    pairs = _pairs(study)
    with drawing(2.35 * len(pairs) + 0.5, 2.0) as figure:
        panels = figure.subplots(1, len(pairs), squeeze=False)[0]
        figure.subplots_adjust(0.5 / (2.35 * len(pairs) + 0.5), 0.22, 0.99, 0.8, wspace=0.12)
        for axes, pair in zip(panels, pairs):
            _map(axes, study, CHUNKS, HIDDEN, lambda c, k, pair=pair: ("swd", "kurashil", c, k, pair))
            axes.set_xticks(range(len(HIDDEN)), [str(k) for k in HIDDEN])
            axes.set_yticks(range(len(CHUNKS)), [str(c) for c in CHUNKS])
            axes.set_xlabel("hidden sites k")
            axes.set_title(f"{PAIRS[pair].title}, floor {_thousandths(study.floors[pair][0])}")
        panels[0].set_ylabel("chunks c")
        figure.text(0.01, 0.94, "KuraSHIL, sliced Wasserstein: W2^2 in 1e-3", color=INK)
        return png(figure)


def samples(folder: Path, study: Study, count: int = 400, paths: int = 24) -> bytes:
    """Targets, generated samples and some trajectories: a row for each pair, a column for each of `SAMPLED` that has
    a cell (the first, if none has)."""
    import torch

    pairs, done = _pairs(study), {cell.key: cell for cell in study.cells}
    columns = [each for each in SAMPLED if any(key[:4] == each for key in done)] or list(SAMPLED[:1])
    wide, high = 2.0 * len(columns) + 0.4, 2.0 * len(pairs) + 0.8
    with drawing(wide, high) as figure:
        panels = figure.subplots(len(pairs), len(columns), squeeze=False)
        figure.subplots_adjust(0.3 / wide, 0.3 / high, 1 - 0.05 / wide, 1 - 0.5 / high, wspace=0.04, hspace=0.06)
        figure.text(0.3 / wide, 0.1 / high, "grey: target; blue: generated, orange: their paths; W2^2 / floor in 1e-3",
                    color=MUTED, fontsize=8)  # fmt: skip
        for row, pair in enumerate(pairs):
            generator = torch.Generator().manual_seed(7)
            x0, x1 = PAIRS[pair].draw(count, generator)
            for axes, (objective, family, c, k) in zip(panels[row], columns):
                _frame(axes)
                if row == 0:
                    axes.set_title(f"{family}, {OBJECTIVES[objective]}\nc = {c}, k = {k}", loc="center")
                cell = done.get((objective, family, c, k, pair))
                if cell is None:
                    axes.text(0, 0, "not trained", ha="center", color=MUTED)
                    continue
                path = _path(folder / cell.file, x0, generator)
                axes.scatter(*x1.numpy().T, s=3, color=RULE, linewidths=0)
                axes.plot(path[:, :paths, 0], path[:, :paths, 1], color=SERIES[1], linewidth=0.5, alpha=0.6)
                axes.scatter(*path[-1].T, s=3, color=SERIES[0], linewidths=0)
                value = "diverged" if cell.w2_squared is None else _thousandths(cell.w2_squared)
                axes.text(-0.62, -0.62, f"{value} / {_thousandths(study.floors[pair][0])}", color=MUTED, fontsize=7)
            panels[row, 0].set_ylabel(PAIRS[pair].title)
        return png(figure)


def _path(file: Path, x0: object, generator: object) -> np.ndarray:
    """(T, B, 2): the visible sites of a checkpoint's system along its run."""
    import torch

    from aishw.ais.rollout import rollout

    system = checkpoint.load(file)
    shape, _ = of_system(system)
    start = with_hidden(shape, x0, generator).double()  # type: ignore[arg-type]
    times_tau = np.linspace(0, 1, _STEPS + 1)
    seen: torch.Tensor = rollout(system, start, "rk4", 1 / _STEPS, samples_tau=times_tau, coupling="gather")
    return seen[:, :, :2].permute(1, 0, 2).numpy()


def _map(axes: Axes, study: Study, rows: Sequence, columns: Sequence, key: Callable[..., tuple]) -> None:
    """Values as text, colours by the logarithm of value over floor; what is missing is hatched."""
    ratio = np.full((len(rows), len(columns)), np.nan)
    for r, row in enumerate(rows):
        for n, column in enumerate(columns):
            own = key(row, column)
            value = study.value(*own)
            if value is None:
                continue
            ratio[r, n] = value / study.floors[own[-1]][0]
            dark = ratio[r, n] > math.sqrt(_WORST)
            axes.text(n, r, _thousandths(value), ha="center", va="center", fontsize=7, color="white" if dark else INK)
    axes.set_facecolor("#f1f2f5")
    axes.imshow(np.log(np.clip(ratio, 1, None)), cmap="Blues", vmin=-0.15, vmax=math.log(_WORST), aspect="auto")
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)


def _thousandths(value: float) -> str:
    return f"{1000 * value:.1f}" if value < 0.0995 else f"{1000 * value:.0f}"


def _pairs(study: Study) -> list[str]:
    return [name for name in PAIRS if name in study.floors]


def _frame(axes: Axes) -> None:
    axes.set(xlim=(-0.68, 0.68), ylim=(-0.68, 0.68), xticks=[], yticks=[], aspect="equal")
    for side in axes.spines.values():
        side.set_visible(True)
        side.set_color(RULE)


assert set(_SHOWN) == set(FAMILIES)
