"""The pair sum with its own adjoint in plain torch: any device and dtype, and the gathered rows are never kept.

    near_i = sum_e C_e rows_j,    adjoint: rows_j += sum_e C_e grad_i,  C_e += grad_i . rows_j

Sums and dots are sparse products (compressed rows, torch's own kernels). Autograd over a gather would keep 24 states a
step: 7 GB in all for 80 steps of 64 starts on 56x56 sites, against 1.8 GB, and takes three times as long on a CPU.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from aishw.ais.topology import Topology
from aishw.ais.wiring import wire

Tensor = torch.Tensor


@dataclass(frozen=True, eq=False)
class Rows:
    """Compressed rows of the matrix (N, N) whose entries are coupling[edge]; edges (2, E) and the sites they join."""

    start: Tensor
    column: Tensor
    edge: Tensor

    def product(self, coupling: Tensor, rows: Tensor) -> Tensor:
        return self._matrix(coupling[self.edge]) @ rows

    def dots(self, left: Tensor, right: Tensor) -> Tensor:
        """(E,): left_i . right_j of the sites (i, j) that each edge joins."""
        found = torch.sparse.sampled_addmm(self._matrix(left.new_zeros(self.edge.shape)), left, right.T, beta=0)
        return torch.empty_like(found.values()).index_copy_(0, self.edge, found.values())

    def _matrix(self, values: Tensor) -> Tensor:
        sites = self.start.numel() - 1
        return torch.sparse_csr_tensor(self.start, self.column, values, (sites, sites), check_invariants=False)


class NearSum(torch.autograd.Function):
    """(N, M) of rows (N, M) and coupling (E,)."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, coupling: Tensor, joined: Joined) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(rows, coupling)
        ctx.joined = joined
        return joined.driven_by.product(coupling, rows)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        (rows, coupling), joined = ctx.saved_tensors, ctx.joined
        by_coupling = joined.driven_by.dots(grad, rows) if ctx.needs_input_grad[1] else None
        return joined.drives.product(coupling, grad), by_coupling, None


@dataclass(frozen=True, eq=False)
class Joined:
    """A topology's edges on one device, compressed by driven and by driving site."""

    driven_by: Rows
    drives: Rows


@lru_cache(maxsize=16)
def joined(topology: Topology, device: torch.device) -> Joined:
    """The tables of a topology on a device."""

    def there(*arrays: Any) -> Rows:
        return Rows(*(torch.from_numpy(array.astype("int64")).to(device) for array in arrays))

    with warnings.catch_warnings():  # torch says once a process that sparse rows are in beta
        warnings.simplefilter("ignore", UserWarning)
        torch.sparse_csr_tensor(torch.tensor([0, 0]), torch.zeros(0, dtype=torch.int64), torch.zeros(0), (1, 1))
    wiring = wire(topology)
    return Joined(there(*wiring.forward), there(*wiring.backward))
