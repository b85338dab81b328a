"""Training one shape on several pairs at once, with the learning rate and the first weights chosen by halving.

Every pair begins with all candidates: rate x magnitude of the first weights x draws of them. After a tenth, a quarter
and half of the steps the worse half is dropped; the best of the rest at the end is kept. "Worse" is the sliced
Wasserstein distance on samples that W2^2 is not judged on. Adam with a rate for every row, which falls as a cosine to
zero. The first half of the steps integrates half as finely.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aishw.ais.system import Start, System
from aishw.errors import TrainError
from aishw.train.planar.bank import HIDDEN_DEVIATION, VISIBLE, Shape, draw_weights, end_states, to_system, with_hidden
from aishw.train.planar.objectives import OBJECTIVES, coupled_batches, flow_loss, sliced_distance
from aishw.train.planar.pairs import GAUSSIAN_DEVIATION, PAIRS, gaussian
from aishw.train.planar.transport import Distance, judge

if TYPE_CHECKING:
    import torch

    Tensor = torch.Tensor

_FINE = 32  # RK4 steps where a model is judged
_BETAS, _EPS, _LONGEST = (0.9, 0.99), 1e-8, 1.0
_CUTS = ((0.1, 2), (0.25, 4), (0.5, 8))  # after this share of the steps, one candidate in so many is left
_SELECT, _SELECT_SEED, _SELECT_STEPS = 2048, 3_000_000, 16


@dataclass(frozen=True)
class Tuning:
    """What decides a training beside the cell: steps, batch, projections, RK4 steps in one tau, the candidates, and
    how many coupled batches OT-CFM draws from."""

    steps: int = 2000
    batch: int = 256
    projections: int = 16
    substeps: int = 8
    rates: tuple[float, ...] = (0.01, 0.03, 0.1)
    magnitudes: tuple[float, ...] = (0.3, 1.0)
    draws: int = 2
    coupled: int = 128
    seed: int = 0

    @property
    def candidates(self) -> tuple[tuple[float, float], ...]:
        """(rate, magnitude) of each."""
        return tuple(itertools.product(self.rates, self.magnitudes)) * self.draws


@dataclass(frozen=True)
class Found:
    """The best model of a cell: its system, its Distance, the chosen candidate, the largest |weight|, rms rad (or
    units of x) between its ends with the training's RK4 steps and with four times as many, CPU seconds (its share)."""

    system: System
    distance: Distance
    rate: float
    magnitude: float
    largest: float
    solver_error: float
    cpu_s: float


@dataclass
class _Rows:
    """The running state: what each row is, and its tensors."""

    pair: list[str]
    candidate: list[int]
    weights: dict[str, Any]
    first: dict[str, Any] = field(default_factory=dict)
    second: dict[str, Any] = field(default_factory=dict)

    def keep(self, rows: Sequence[int]) -> _Rows:
        cut = [{name: value[:, rows] for name, value in part.items()} for part in (self.first, self.second)]
        weights = {name: value.detach()[:, rows].requires_grad_() for name, value in self.weights.items()}
        return _Rows([self.pair[r] for r in rows], [self.candidate[r] for r in rows], weights, *cut)


def train_cells(
    shape: Shape, objective: str, pairs: Sequence[str], tuning: Tuning,
    progress: Callable[[float], None] = lambda fraction: None,
) -> dict[str, Found]:  # fmt: skip
    """The best model of every pair; its distance is infinite if all candidates diverged. Raises TrainError for unknown
    names."""
    import torch

    for name in pairs:
        if name not in PAIRS:
            raise TrainError(f"unknown pair {name!r}; known: {', '.join(PAIRS)}")
    if objective not in OBJECTIVES:
        raise TrainError(f"unknown objective {objective!r}; known: {', '.join(OBJECTIVES)}")
    began, generator = time.process_time(), torch.Generator().manual_seed(tuning.seed)
    count = len(tuning.candidates)
    magnitude = torch.tensor([m for _ in pairs for _, m in tuning.candidates])
    rows = _Rows([p for p in pairs for _ in range(count)], list(range(count)) * len(pairs),
                 draw_weights(shape, magnitude, generator))  # fmt: skip
    rows.first = {name: torch.zeros_like(value) for name, value in rows.weights.items()}
    rows.second = {name: torch.zeros_like(value) for name, value in rows.weights.items()}
    rows = rows.keep(range(len(rows.pair)))
    cuts = {max(1, round(share * tuning.steps)): math.ceil(count / one_in) for share, one_in in _CUTS}
    for step in range(tuning.steps):
        if step in cuts:
            rows = rows.keep(_best(shape, rows, tuning, cuts[step]))
        _losses(shape, objective, rows, tuning, step, generator).sum().backward()
        _adam(rows, tuning, step)
        if step % 20 == 0:
            progress(step / tuning.steps)
    rows = rows.keep(_best(shape, rows, tuning, 1))
    cpu_s = (time.process_time() - began) / len(pairs)
    return {name: _found(shape, rows, name, tuning, cpu_s) for name in pairs}


def _losses(shape: Shape, objective: str, rows: _Rows, tuning: Tuning, step: int, generator: torch.Generator) -> Tensor:
    """(R,); the rows of a pair see the same samples."""
    import torch

    names = sorted(set(rows.pair))
    which = torch.tensor([names.index(name) for name in rows.pair])
    if objective == "otcfm":
        held = [coupled_batches(name, tuning.coupled, tuning.batch, tuning.seed) for name in names]
        chosen = torch.randint(tuning.coupled, (len(names),), generator=generator).tolist()
        both = torch.stack([batches[k] for batches, k in zip(held, chosen)])[which]
        return flow_loss(shape, rows.weights, both[:, 0], both[:, 1], generator)
    drawn = [PAIRS[name].draw(tuning.batch, generator) for name in names]
    x0 = with_hidden(shape, torch.stack([a for a, _ in drawn]), generator)[which]
    x1 = torch.stack([b for _, b in drawn])[which]
    substeps = tuning.substeps if 2 * step >= tuning.steps else max(1, tuning.substeps // 2)
    ends = end_states(shape, rows.weights, x0, substeps)
    return sliced_distance(ends[..., :VISIBLE], x1, tuning.projections, generator)


def _adam(rows: _Rows, tuning: Tuning, step: int) -> None:
    """Adam (Kingma and Ba, 2015) with a rate for each row; a row's gradient is cut to norm 1, a broken one is left."""
    import torch

    share = 0.5 * (1 + math.cos(math.pi * step / tuning.steps))
    rate = torch.tensor([share * tuning.candidates[c][0] for c in rows.candidate])
    with torch.no_grad():
        square = torch.stack(
            [value.grad.square().transpose(0, 1).flatten(1).sum(dim=1) for value in rows.weights.values()]
        ).sum(dim=0)
        cut = (_LONGEST / square.sqrt()).clamp(max=1.0)
        cut = torch.where(torch.isfinite(square), cut, 0.0)
        for name, value in rows.weights.items():
            broad = (1, -1, *[1] * (value.ndim - 2))
            gradient = torch.nan_to_num(value.grad, 0.0, 0.0, 0.0) * cut.reshape(broad)
            rows.first[name].lerp_(gradient, 1 - _BETAS[0])
            rows.second[name].lerp_(gradient.square(), 1 - _BETAS[1])
            mean = rows.first[name] / (1 - _BETAS[0] ** (step + 1))
            size = (rows.second[name] / (1 - _BETAS[1] ** (step + 1))).sqrt()
            value -= rate.reshape(broad) * mean / (size + _EPS)
            value.grad = None


def _best(shape: Shape, rows: _Rows, tuning: Tuning, left: int) -> list[int]:
    """The rows of the `left` best candidates of each pair, in the order they had."""
    import torch

    generator = torch.Generator().manual_seed(_SELECT_SEED + tuning.seed)
    names = list(dict.fromkeys(rows.pair))
    which = torch.tensor([names.index(name) for name in rows.pair])
    x0, x1 = (torch.stack(part)[which] for part in zip(*(PAIRS[name].draw(_SELECT, generator) for name in names)))
    with torch.no_grad():
        ends = end_states(shape, rows.weights, with_hidden(shape, x0, generator), _SELECT_STEPS)
        far = sliced_distance(ends[..., :VISIBLE], x1, tuning.projections, generator).nan_to_num(math.inf).tolist()
    kept = []
    for name in names:
        own = [r for r, pair in enumerate(rows.pair) if pair == name]
        kept += sorted(own, key=lambda r: far[r])[:left]
    return sorted(kept)


def _ends(shape: Shape, rows: _Rows, row: int, substeps: int) -> Callable[[Tensor, torch.Generator], Tensor]:
    import torch

    own = {name: value.detach()[:, row : row + 1] for name, value in rows.weights.items()}

    def ends(x0: Tensor, generator: torch.Generator) -> Tensor:
        with torch.no_grad():
            return end_states(shape, own, with_hidden(shape, x0, generator)[None], substeps)[0, :, :VISIBLE]

    return ends


def _found(shape: Shape, rows: _Rows, name: str, tuning: Tuning, cpu_s: float) -> Found:
    import torch

    row, pair = rows.pair.index(name), PAIRS[name]
    rate, magnitude = tuning.candidates[rows.candidate[row]]
    exact = pair.source is gaussian and not shape.hidden
    start = Start(0.0, GAUSSIAN_DEVIATION if exact else HIDDEN_DEVIATION)
    system = to_system(shape, rows.weights, row, start=start, step_tau=1 / tuning.substeps)
    ends = []
    for substeps in (tuning.substeps, 4 * tuning.substeps):
        generator = torch.Generator().manual_seed(tuning.seed)
        ends.append(_ends(shape, rows, row, substeps)(pair.source(1000, generator), generator))
    return Found(
        system, judge(pair, _ends(shape, rows, row, _FINE)), rate, magnitude,
        max(float(value.detach()[:, row].abs().max()) for value in rows.weights.values()),
        float((ends[0] - ends[1]).square().mean().sqrt()), cpu_s,
    )  # fmt: skip
