"""The calibrated drift of one segment as a torch function: its tables as polynomials, and two ways to the same numbers.

On the CPU the numba kernels with their own adjoint; elsewhere plain torch over gathered edges. Codes come as tensors
that carry gradients only: forward takes the table at the integer code, backward its derivative with respect to the
code (central differences between neighbouring codes, exact for a table that is quadratic in the code).

What injections do together (`hardware.together`) costs three sums per site: T_0 and T_1 with the weights w of the
codes, T_2 with the biases r. What each coupler does alone is taken off its table beforehand. Where a calibration knows
how drives move the phases that neighbours see, the sum T_0 alone gives those phases first (`Pull`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.autograd.function import once_differentiable

from aishw.ais.coupling_cpu import run
from aishw.ais.coupling_kernels import fill_wave, trig_table
from aishw.ais.rollout import kernel_fits
from aishw.ais.wiring import Wiring, wire
from aishw.engines import macromodel_kernels as kernels
from aishw.engines.macromodel_pull import Pull, carried
from aishw.engines.macromodel_rows import Rows, code_rows
from aishw.errors import CardError
from aishw.hardware.calibration import HARMONICS, Calibration
from aishw.lower.circuit import driven_codes, idle_drift
from aishw.lower.design import Design
from aishw.lower.together import quadratic, together_of

Tensor = torch.Tensor
Floats = NDArray[np.float64]

TERMS = 2 * HARMONICS + 1


@dataclass(frozen=True, eq=False)
class Shapes:
    """Injections of one kind: table (X, 3, 15) per tau as `polynomials` makes it; row (E,) or (N,), int64: which of the
    X each injection follows.
    """

    table: Tensor
    row: Tensor


@dataclass(frozen=True, eq=False)
class SegmentCircuit:
    """One segment of a design on its circuit. constant: (N,) rad per tau. form: (7, 6), tau per rad, of what injections
    do together, the cubic in its last row. edges: (2, E); wiring: so too. `pair` and `own` come without what a coupler
    does alone.
    pull: how far neighbours see phases moved, if at all.
    """

    constant: Tensor
    pair: Shapes
    own: Shapes
    shil: Shapes
    form: Tensor
    edges: Tensor
    wiring: Wiring
    pull: Pull | None = None

    @cached_property
    def room(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Two waves (N, 2 LANES) and the rows of one site, for the kernels: made once, on cache lines (torch aligns;
        vector instructions across two lines take twice as long)."""
        wave = self.constant.new_empty(len(self.constant), 2 * kernels.LANES)
        waves = wave if self.pull is None else torch.empty_like(wave)
        return wave.numpy(), waves.numpy(), self.constant.new_empty(kernels.ROOM).numpy()

    def fill(self, x: Tensor) -> None:
        """The waves of phases x (N, LANES)."""
        (wave, waves, _), trig = self.room, _trig(x)
        run(fill_wave, _read(x), trig, wave)
        if self.pull is not None:
            run(fill_wave, self.pull.fill(_read(x), wave), trig, waves)

    @cached_property
    def spare(self) -> Tensor:
        """Where `push` goes when nobody will ask for it: written over, it stays in the cache."""
        return self.constant.new_empty(len(self.constant), 6 * kernels.LANES)

    def drift(self, path: str, codes: tuple[Tensor, Tensor, Tensor]) -> Callable[[Tensor], Tensor]:
        """A function (N, B) to (N, B) rad per tau. codes: pair (E,), reference and SHIL (N,), for their gradients."""
        if path == "kernel" or (path == "auto" and kernel_fits(self.constant)):
            return lambda x: CircuitDrift.apply(x, *codes, self)
        from torch.utils.checkpoint import checkpoint

        return lambda x: checkpoint(self._gathered, x, *codes, use_reentrant=False)

    def _gathered(self, x: Tensor, pair: Tensor, own: Tensor, shil: Tensor) -> Tensor:
        driven, driving = self.edges
        seen = x if self.pull is None else self.pull.seen(x, (pair, own, shil))
        pushed = _series(self.pair, x[driven] - seen[driving], pair)
        sums = _series(self.own, x, own).index_add(1, driven, pushed)
        alone = self.constant[:, None] + sums[0] + _series(self.shil, 2 * x, shil)[0]
        (u, v), (c, d) = sums[1:3], self.form[6, :2]
        alone = alone + (u * u + v * v) * (c * u - d * v)
        return alone + (sums[1:] * torch.einsum("ac,cnb->anb", self.form[:6], sums[1:])).sum(0)


class CircuitDrift(torch.autograd.Function):
    """The drift by the kernels; x (N, B), codes as in `SegmentCircuit.drift`."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, x: Tensor, pair: Tensor, own: Tensor, shil: Tensor, circuit: SegmentCircuit
    ) -> Tensor:
        outs, pushes, size = [], [], (len(x), 6 * kernels.LANES)
        for state in _tiles(x):
            out, push = torch.empty_like(state), state.new_empty(size) if any(ctx.needs_input_grad) else circuit.spare
            circuit.fill(state)
            run(
                kernels.circuit_forward, *circuit.wiring.forward, *circuit.room, _read(circuit.constant),
                *_tables(circuit), _read(circuit.form), push.numpy(), out.numpy(),
            )  # fmt: skip
            outs.append(out)
            pushes.append(push)
        ctx.circuit = circuit
        ctx.save_for_backward(x, *pushes)
        return _joined(outs, x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        (x, *pushes), circuit = ctx.saved_tensors, ctx.circuit
        codes = [x.new_zeros(shapes.row.shape) for shapes in (circuit.pair, circuit.own, circuit.shil)]
        found, pull = [], circuit.pull
        for state, push, g in zip(_tiles(x), pushes, _tiles(grad), strict=True):
            found.append(torch.zeros_like(state))
            seen = found[-1] if pull is None else torch.zeros_like(state)
            circuit.fill(state)
            run(
                kernels.circuit_backward, *circuit.wiring.forward, *circuit.room, *_tables(circuit), push.numpy(),
                _read(g), seen.numpy(), found[-1].numpy(), *(each.numpy() for each in codes),
            )  # fmt: skip
            if pull is not None:
                pull.backward(circuit.room[0], seen, found[-1], codes)
        return _joined(found, x), *codes, None


def segment_circuit(
    design: Design,
    calibration: Calibration,
    segment: int,
    like: Tensor,
    detuning: Floats | None = None,
    gain_error: Floats | None = None,
) -> SegmentCircuit:
    """One segment in the dtype and on the device of `like`. detuning: (N,) rad per cycle; gain_error: (E,) relative, of
    what a coupler's code does. The reference's shift is taken off.
    """
    cycles, top, top_code = float(design.cycles_per_tau[segment]), design.system.topology, design.code_limit
    together = together_of(calibration)
    rate = {kind: value[segment] for kind, value in design.rate.items()}
    driven = driven_codes(design, segment)
    constant = idle_drift(calibration, rate["coupling"], rate["reference"]) - design.reference_shift
    constant = cycles * (constant + together.load * driven[1] + (0.0 if detuning is None else detuning))

    def rows(kind: str, sites: NDArray[np.int64] | slice) -> tuple[Rows, NDArray[np.int64], NDArray[np.int64]]:
        table = calibration.table(kind)
        rates, which = np.unique(rate[kind], return_inverse=True)
        first, codes = int(table.codes[0]), design.codes[kind][segment].astype(np.int64)
        if codes.size and (codes.min() < first or codes.max() > int(table.codes[-1])):
            raise CardError(f"the {kind} table ends at code {table.codes[-1]}, the design has {np.abs(codes).max()}")
        start = which[sites] * table.codes.size - first
        return Rows.of([code_rows(table, float(r)) for r in rates]), start + codes, start

    def shapes(found: Rows, row: NDArray[np.int64]) -> Shapes:
        return Shapes(like.new_tensor(found.polynomials(cycles)), torch.from_numpy(row).to(like.device))

    pair, place, idle = rows("coupling", top.edges[0])
    (own, own_place, _), (shil, shil_place, _) = rows("reference", slice(None)), rows("shil", slice(None))
    gain = gain_error
    if together.skew:
        pair, place, gain = pair.each(place, idle, 0.0 if gain is None else gain), np.arange(place.size), None
        pair = pair.turned(together.skew * driven[0][top.edges[1]])

    def pairs(change: Callable[[Rows], Rows]) -> Shapes:
        """The couplers' rows after `change`. With gain errors each has its own, on the cubic that a row is in its
        gain error: 16 times faster than row by row at 56x56."""
        if gain is None:
            return shapes(change(pair), place)
        codes, each = calibration.table("coupling").codes, np.arange(pair.weight.size)
        still = each // codes.size * codes.size - int(codes[0])
        less, none, more, most = (
            change(pair.each(each, still, own)).polynomials(cycles) for own in (-1.0, 0.0, 1.0, 2.0)
        )
        third = (most - 3 * more + 3 * none - less) / 6
        slope, bend, by = (more - less) / 2 - third, (more + less) / 2 - none, like.new_tensor(gain)[:, None]
        a, b, c, d = (like.new_tensor(part).flatten(1)[place] for part in (none, slope, bend, third))
        table = a.addcmul_(by, b.addcmul_(by, c.addcmul_(by, d))).unflatten(1, none.shape[1:])
        return Shapes(table, torch.arange(place.size, device=like.device))

    parts = pairs(lambda of: of.without(together)), shapes(own.without(together), own_place), shapes(shil, shil_place)
    cubic = np.pad(together.cubic.view(np.float64), (0, 4)) / cycles**2
    form = like.new_tensor(np.vstack([quadratic(together) / cycles, cubic]))
    edges, wiring = torch.from_numpy(top.edges), wire(top)
    pull, edges = None, edges.to(like.device)
    if together.pulls:
        factor, of_shil = together.pull
        by = rate["coupling"][top.edges[0]] / top_code * (1.0 if gain_error is None else 1 + np.asarray(gain_error))
        by_own, strength = rate["reference"] / top_code, of_shil * shil.z[shil_place, 1]
        by_shil = of_shil * shil.by_code[shil_place, 1]
        numbers = (
            together.delay * driven[0], by * design.codes["coupling"][segment], by,
            by_own * design.codes["reference"][segment], by_own,
            np.stack([strength.real, strength.imag]), np.stack([by_shil.real, by_shil.imag]),
        )  # fmt: skip
        delay, *weights, size, change = (like.new_tensor(each) for each in numbers)
        pull = Pull(delay, (weights[0], weights[1]), (weights[2], weights[3]), (size, change), factor, edges, wiring)
    return SegmentCircuit(like.new_tensor(constant), *parts, form, edges, wiring, pull)


def _series(shapes: Shapes, angle: Tensor, code: Tensor) -> Tensor:
    """(7, X, B): rates at angles (X, B), and what they add to the six sums; straight through the codes (X,)."""
    table, u, v = shapes.table[shapes.row], angle.cos(), angle.sin()
    found = _rate_and_sums(table[:, 0], u, v)
    if not code.requires_grad:
        return found
    return found + carried(code)[:, None] * _rate_and_sums(table[:, 2], u.detach(), v.detach())


def _rate_and_sums(p: Tensor, u: Tensor, v: Tensor) -> Tensor:
    w, r, square = p[:, TERMS, None], p[:, TERMS + 1, None], 4 * u * u
    sums = [w * u, w * v, w * u * (square - 3), w * v * (square - 1), r * (square / 2 - 1), r * 2 * u * v]
    return torch.stack([_horner(p, u, v), *sums])


def _horner(p: Tensor, u: Tensor, v: Tensor) -> Tensor:
    p = p[:, :, None]
    even, odd = p[:, HARMONICS].expand_as(u), p[:, TERMS - 1].expand_as(u)
    for k in range(HARMONICS - 1, -1, -1):
        even = p[:, k] + u * even
    for k in range(TERMS - 2, HARMONICS, -1):
        odd = p[:, k] + u * odd
    return even + v * odd


def _tiles(x: Tensor) -> Iterator[Tensor]:
    """Parts (N, LANES) of (N, B), the last filled up with zeros."""
    for part in x.split(kernels.LANES, dim=1):
        short = kernels.LANES - part.shape[1]
        yield torch.nn.functional.pad(part, (0, short)) if short else part.contiguous()


def _joined(tiles: list[Tensor], like: Tensor) -> Tensor:
    if like.shape[1] == kernels.LANES:
        return tiles[0]
    return torch.cat(tiles, dim=1)[:, : like.shape[1]].contiguous()


def _tables(circuit: SegmentCircuit) -> list[NDArray[Any]]:
    kinds = (circuit.pair, circuit.own, circuit.shil)
    return [array for shapes in kinds for array in (shapes.table.numpy(), shapes.row.numpy())]


def _read(tensor: Tensor) -> NDArray[np.floating[Any]]:
    return tensor.detach().contiguous().numpy()


def _trig(x: Tensor) -> NDArray[np.floating[Any]]:
    return trig_table(str(x.dtype).removeprefix("torch."))
