"""The calibrated drift of one segment as a torch function: its tables as polynomials, and two ways to the same numbers.

On the CPU the numba kernels with their own adjoint; elsewhere plain torch over gathered edges. Codes come as tensors
that carry gradients only: forward takes the table at the integer code, backward its derivative with respect to the
code (central differences between neighbouring codes, exact for a table that is quadratic in the code).

What injections do together, Re b (F_i^2 - sum_e F_ie^2) of `lower.circuit`, costs two sums per site: the squares of
single drives go into the tables (z_2 - b z_1^2), and Re b F_i^2 follows from the sum F_i of all first harmonics.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.polynomial import chebyshev
from numpy.typing import NDArray
from torch.autograd.function import once_differentiable

from aishw.ais import coupling_kernels
from aishw.ais.coupling_cpu import run
from aishw.ais.rollout import kernel_fits
from aishw.ais.wiring import Wiring, wire
from aishw.engines import macromodel_kernels as kernels
from aishw.errors import CardError
from aishw.hardware.calibration import HARMONICS, Calibration, Table
from aishw.lower.circuit import idle_drift, second_order
from aishw.lower.design import Design

Tensor = torch.Tensor
Floats = NDArray[np.float64]

TERMS = 2 * HARMONICS + 1
COLUMNS = TERMS + 2


@dataclass(frozen=True, eq=False)
class Shapes:
    """Injections of one kind: table (X, 3, 13) per tau as `polynomials` makes it; row (E,) or (N,), int64: which of the
    X each injection follows.
    """

    table: Tensor
    row: Tensor

    def scaled(self, factor: Tensor, idle: Tensor) -> Shapes:
        """A table of its own for every injection, with the part that the code does times factor (E,). idle: (E,) the
        rows of the same injections at code 0."""
        own, still = self.table[self.row], self.table[idle]
        still = still * still.new_tensor([1.0, 1.0, 0.0])[:, None]
        table = still + (own - still) * factor[:, None, None]
        return Shapes(table, torch.arange(len(table), device=table.device))

    def without_square(self, together: complex) -> Shapes:
        """Tables less what a drive alone does to second order: z_2 - b z_1^2, with both slopes. together: b per tau.

        After `scaled`, as the square of a drive does not scale with it.
        """
        table, first = self.table.clone(), torch.view_as_complex(self.table[..., TERMS:].contiguous())
        square = together * first[:, :1] * first * first.new_tensor([1.0, 2.0, 2.0])
        table[..., 0] += square.real  # less Re z exp(2iD) = Re z (2 u^2 - 1) - Im z 2 u v
        table[..., 2] -= 2 * square.real
        table[..., HARMONICS + 2] += 2 * square.imag
        return Shapes(table, self.row)


@dataclass(frozen=True, eq=False)
class SegmentCircuit:
    """One segment of a design on its circuit. constant: (N,) rad per tau. together: (2,) Re b and Im b, tau per rad.
    edges: (2, E); wiring: so too. `pair` and `own` come without their squares."""

    constant: Tensor
    pair: Shapes
    own: Shapes
    shil: Shapes
    together: Tensor
    edges: Tensor
    wiring: Wiring

    def drift(self, path: str, codes: tuple[Tensor, Tensor, Tensor]) -> Callable[[Tensor], Tensor]:
        """A function (N, B) to (N, B) rad per tau. codes: pair (E,), reference and SHIL (N,), for their gradients."""
        if path == "kernel" or (path == "auto" and kernel_fits(self.constant)):
            return lambda x: CircuitDrift.apply(x, *codes, self)
        from torch.utils.checkpoint import checkpoint

        return lambda x: checkpoint(self._gathered, x, *codes, use_reentrant=False)

    def _gathered(self, x: Tensor, pair: Tensor, own: Tensor, shil: Tensor) -> Tensor:
        driven, driving = self.edges
        pushed = _series(self.pair, x[driven] - x[driving], pair)
        still, fx, fy = _series(self.own, x, own).index_add(1, driven, pushed)
        real, imag = self.together
        alone = self.constant[:, None] + still + _series(self.shil, 2 * x, shil)[0]
        return alone + real * (fx * fx - fy * fy) - 2 * imag * fx * fy


class CircuitDrift(torch.autograd.Function):
    """The drift by the kernels; x (N, B), codes as in `SegmentCircuit.drift`."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, x: Tensor, pair: Tensor, own: Tensor, shil: Tensor, circuit: SegmentCircuit
    ) -> Tensor:
        out, drive = x.new_empty(x.shape), x.new_empty(len(x), 2 * x.shape[1])
        ctx.save_for_backward(x, drive)
        ctx.circuit = circuit
        run(
            kernels.circuit_forward, *circuit.wiring.forward, _read(x), _trig(x), _read(circuit.constant),
            *_tables(circuit), _read(circuit.together), drive.numpy(), out.numpy(),
        )  # fmt: skip
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        (x, drive), circuit = ctx.saved_tensors, ctx.circuit
        shapes = (x.shape, circuit.pair.row.shape, circuit.own.row.shape, circuit.shil.row.shape)
        found = [x.new_zeros(shape) for shape in shapes]
        run(
            kernels.circuit_backward, *circuit.wiring.forward, _read(x), _trig(x),
            *_tables(circuit), _read(circuit.together), drive.numpy(), _read(grad), *(each.numpy() for each in found),
        )  # fmt: skip
        return (*found, None)


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
    cycles, top = float(design.cycles_per_tau[segment]), design.system.topology
    rate = {kind: value[segment] for kind, value in design.rate.items()}
    constant = idle_drift(calibration, rate["coupling"], rate["reference"]) - design.reference_shift
    constant = cycles * (constant if detuning is None else constant + detuning)

    def shapes(kind: str, sites: NDArray[np.int64] | slice) -> tuple[Shapes, NDArray[np.int64]]:
        table = calibration.table(kind)
        rates, which = np.unique(rate[kind], return_inverse=True)
        every = np.stack([polynomials(table, float(r)) for r in rates]) * cycles
        first, codes = int(table.codes[0]), design.codes[kind][segment].astype(np.int64)
        if codes.size and (codes.min() < first or codes.max() > int(table.codes[-1])):
            raise CardError(f"the {kind} table ends at code {table.codes[-1]}, the design has {np.abs(codes).max()}")
        start = which[sites] * table.codes.size - first
        rows = torch.from_numpy(start + codes).to(like.device)
        return Shapes(like.new_tensor(every.reshape(-1, 3, COLUMNS)), rows), start

    pair, idle = shapes("coupling", top.edges[0])
    if gain_error is not None:
        pair = pair.scaled(1 + like.new_tensor(gain_error), torch.from_numpy(idle).to(like.device))
    (own, _), (shil, _) = shapes("reference", slice(None)), shapes("shil", slice(None))
    b = second_order(calibration.table("coupling")) / cycles
    pair, own, together = pair.without_square(b), own.without_square(b), like.new_tensor([b.real, b.imag])
    edges = torch.from_numpy(top.edges).to(like.device)
    return SegmentCircuit(like.new_tensor(constant), pair, own, shil, together, edges, wire(top))


def polynomials(table: Table, rate: float) -> Floats:
    """(Q, 3, 13): every code's rate at one bias, its slope in the angle and its slope in the code. Of each, 11
    coefficients of the polynomials of `macromodel_kernels`, then Re z_1 and Im z_1.

    Offsets count against code 0. Raises CardError for a table of more than 5 harmonics.
    """
    offset, harmonics = table.at(rate)
    count = harmonics.shape[1]
    if count > HARMONICS:
        raise CardError(f"a table of {count} harmonics is more than the macromodel's {HARMONICS}")
    z = np.zeros((table.codes.size, HARMONICS + 1), dtype=complex)
    z[:, 0], z[:, 1 : count + 1] = offset - offset[table.codes == 0], harmonics
    in_code = np.asarray(np.gradient(z, table.codes, axis=0, edge_order=2 if len(z) > 2 else 1))
    return np.stack([_polynomial(each) for each in (z, 1j * np.arange(HARMONICS + 1) * z, in_code)], axis=1)


def _polynomial(z: NDArray[np.complexfloating[Any, Any]]) -> Floats:
    """(X, 6) to (X, 13): the coefficients in u and v, then z_1."""
    even, odd = _powers()
    return np.concatenate([z.real @ even, -z.imag @ odd, z.real[:, 1:2], z.imag[:, 1:2]], axis=1)


@lru_cache
def _powers() -> tuple[Floats, Floats]:
    """(6, 6) and (6, 5): cos kD = T_k(u) and sin kD / v = T_k'(u) / k as powers of u, with Chebyshev's T_k."""
    even, odd = np.zeros((HARMONICS + 1, HARMONICS + 1)), np.zeros((HARMONICS + 1, HARMONICS))
    for k in range(HARMONICS + 1):
        power = chebyshev.cheb2poly([0] * k + [1])
        even[k, : k + 1] = power
        if k:
            odd[k, :k] = power[1:] * np.arange(1, k + 1) / k
    return even, odd


def _series(shapes: Shapes, angle: Tensor, code: Tensor) -> Tensor:
    """(3, X, B): rates at angles (X, B), and Re and Im of the drives z_1 exp(iD); straight through the codes (X,)."""
    table, u, v = shapes.table[shapes.row], angle.cos(), angle.sin()
    found = _rate_and_drive(table[:, 0], u, v)
    if not code.requires_grad:
        return found
    return found + (code - code.detach())[:, None] * _rate_and_drive(table[:, 2], u.detach(), v.detach())


def _rate_and_drive(p: Tensor, u: Tensor, v: Tensor) -> Tensor:
    real, imag = p[:, TERMS, None], p[:, TERMS + 1, None]
    return torch.stack([_horner(p, u, v), real * u - imag * v, real * v + imag * u])


def _horner(p: Tensor, u: Tensor, v: Tensor) -> Tensor:
    p = p[:, :, None]
    even, odd = p[:, HARMONICS].expand_as(u), p[:, TERMS - 1].expand_as(u)
    for k in range(HARMONICS - 1, -1, -1):
        even = p[:, k] + u * even
    for k in range(TERMS - 2, HARMONICS, -1):
        odd = p[:, k] + u * odd
    return even + v * odd


def _tables(circuit: SegmentCircuit) -> list[NDArray[Any]]:
    kinds = (circuit.pair, circuit.own, circuit.shil)
    return [array for shapes in kinds for array in (shapes.table.numpy(), shapes.row.numpy())]


def _read(tensor: Tensor) -> NDArray[np.floating[Any]]:
    return tensor.detach().contiguous().numpy()


def _trig(x: Tensor) -> NDArray[np.floating[Any]]:
    return coupling_kernels.trig_table(str(x.dtype).removeprefix("torch."))
