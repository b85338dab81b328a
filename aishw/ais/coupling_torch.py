"""The pair sum with its own adjoint in plain torch: any device and dtype, and the gathered rows are never kept.

    near_i = sum_e C_e rows_j,    adjoint: rows_j += sum_e C_e grad_i,  C_e += grad_i . rows_j

Every site's edges are padded to the same count with edges of weight 0, so each sum is one batch of small products.
Autograd over a gather would keep 24 states a step: 3 GB for 80 steps of 64 starts on 56x56 sites; this keeps one.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.autograd.function import once_differentiable

from aishw.ais.topology import Topology

Tensor = torch.Tensor
Padded = tuple[Tensor, Tensor]


class NearSum(torch.autograd.Function):
    """(N, M) of rows (N, M) and coupling (E,); `driven_by` and `drives` are the two tables of `padded`."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, coupling: Tensor, driven_by: Padded, drives: Padded) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(rows, coupling)
        ctx.driven_by, ctx.drives = driven_by, drives
        return _summed(rows, coupling, driven_by)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        rows, coupling = ctx.saved_tensors
        site, edge = ctx.driven_by
        products = torch.bmm(rows[site], grad.unsqueeze(-1)).squeeze(-1)
        by_edge = coupling.new_zeros(coupling.numel() + 1).index_copy(0, edge.flatten(), products.flatten())
        return _summed(grad, coupling, ctx.drives), by_edge[:-1], None, None


def _summed(rows: Tensor, coupling: Tensor, table: Padded) -> Tensor:
    site, edge = table
    weight = torch.cat([coupling, coupling.new_zeros(1)])[edge]
    return torch.bmm(weight.unsqueeze(1), rows[site]).squeeze(1)


@lru_cache(maxsize=16)
def padded(topology: Topology, device: torch.device) -> tuple[Padded, Padded]:
    """Sites and edges (N, K) by driven and by driving site; places without an edge have number E, which weighs 0."""
    driven, driving = topology.edges
    return _table(driven, driving, topology.sites, device), _table(driving, driven, topology.sites, device)


def _table(by: NDArray[np.int64], other: NDArray[np.int64], sites: int, device: torch.device) -> Padded:
    order = np.argsort(by, kind="stable")
    count = np.bincount(by, minlength=sites)
    column = np.arange(by.size) - np.repeat(np.cumsum(count) - count, count)
    shape = (sites, max(int(count.max(initial=0)), 1))
    site, edge = np.zeros(shape, dtype=np.int64), np.full(shape, by.size, dtype=np.int64)
    site[by[order], column], edge[by[order], column] = other[order], order
    return torch.from_numpy(site).to(device), torch.from_numpy(edge).to(device)
