"""The differentiable solver: from start states to end states (or a trajectory) through all segments.

    x(tau + h) = x(tau) + h f(x, segment)      Euler, as in the paper (80 steps of 0.05)
    Heun and RK4: the classical tableaus, orders 2 and 4

Steps end on every segment boundary and on every sample time, so no right-hand side mixes two segments. The state is
held as (N, B), sites first. On the CPU the right-hand side is a numba kernel with its own adjoint (`coupling_cpu`);
elsewhere the pair sum has its own adjoint in torch (`coupling_torch`). coupling="gather" is the eager reference, plain
autograd. torch is imported when a function is called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aishw.ais.families import FAMILIES
from aishw.ais.parameters import Parameters
from aishw.ais.system import Noise, System
from aishw.ais.topology import Topology
from aishw.errors import ModelError

if TYPE_CHECKING:
    import torch

    Tensor = torch.Tensor
    Drift = Callable[[Tensor], Tensor]

COUPLINGS = ("auto", "kernel", "adjoint", "gather")


def rollout(
    model: System | Parameters,
    x0: Tensor | ArrayLike,
    method: str = "euler",
    step_tau: float = 0.05,
    samples_tau: ArrayLike | None = None,
    noise: Noise | None = None,
    generator: torch.Generator | int | None = None,
    coupling: str = "auto",
    detuning: Tensor | None = None,
) -> Tensor:
    """The end states (B, N), or the states (B, T, N) at `samples_tau`, of start states x0 (B, N).

    method: "euler", "heun" or "rk4". step_tau: the longest step; each stretch between boundaries and samples is divided
    evenly. noise: a System's own noise is not added unless it is passed here; it is additive, once per step, drawn from
    `generator` (a torch generator or a seed). coupling: "auto" (the numba kernel for float32 and float64 on the CPU,
    else the torch adjoint), "kernel", "adjoint" or "gather". detuning: (N,) or (B, N) in 1/tau, added to every site's
    derivative throughout.

    Precision and device are those of x0 if it is a tensor, else float64 on the CPU; Parameters must agree with it.
    Raises ModelError for shapes, samples and names that do not fit, and for noise without a generator.
    """
    import torch

    start = x0 if isinstance(x0, torch.Tensor) else torch.tensor(np.asarray(x0), dtype=torch.float64)
    if not start.is_floating_point():
        start = start.double()
    p = model if isinstance(model, Parameters) else Parameters.of(model, start.dtype, start.device)
    samples = np.zeros(0) if samples_tau is None else np.asarray(samples_tau, dtype=np.float64).reshape(-1)
    _check(p, start, method, step_tau, samples, noise, generator, coupling)
    if isinstance(generator, int):
        generator = torch.Generator(start.device).manual_seed(generator)

    step, per_edge = METHODS[method], p.per_edge()
    x, seen, inside = start.T.contiguous(), [], -1
    for leg in legs(np.cumsum(np.asarray(p.duration_tau, dtype=np.float64)), samples):
        if leg.segment != inside:
            inside, drift = leg.segment, _drift(p, per_edge[leg.segment], leg.segment, coupling)
            drift = drift if detuning is None else _detuned(drift, detuning)
        steps = int(np.ceil(leg.length_tau / step_tau - 1e-6))
        for _ in range(steps):
            h = leg.length_tau / steps
            x = step(drift, x, h)
            if noise is not None and noise.delta > 0:
                x = x + _kick(x, noise, h, generator)
        seen += [x] * leg.samples
    return x.T if samples_tau is None else torch.stack(seen).permute(2, 0, 1)


def euler(drift: Drift, x: Tensor, h: float) -> Tensor:
    """x + h f(x)."""
    return x.add(drift(x), alpha=h)


def heun(drift: Drift, x: Tensor, h: float) -> Tensor:
    """x + h (k1 + k2) / 2 with k2 at the Euler step's end."""
    k1 = drift(x)
    k2 = drift(x.add(k1, alpha=h))
    return x.add(k1 + k2, alpha=h / 2)


def rk4(drift: Drift, x: Tensor, h: float) -> Tensor:
    """x + h (k1 + 2 k2 + 2 k3 + k4) / 6."""
    k1 = drift(x)
    k2 = drift(x.add(k1, alpha=h / 2))
    k3 = drift(x.add(k2, alpha=h / 2))
    k4 = drift(x.add(k3, alpha=h))
    return x.add(k1 + k4, alpha=h / 6).add(k2 + k3, alpha=h / 3)


METHODS: dict[str, Callable[[Drift, Tensor, float], Tensor]] = {"euler": euler, "heun": heun, "rk4": rk4}


@dataclass(frozen=True)
class Leg:
    """A stretch without a boundary or sample inside; `samples` (0 or more) are taken at its end."""

    segment: int
    length_tau: float
    samples: int


def legs(ends_tau: NDArray[np.float64], samples_tau: NDArray[np.float64]) -> list[Leg]:
    close = 1e-9 * ends_tau[-1]
    nearest = ends_tau[np.abs(samples_tau[:, None] - ends_tau).argmin(axis=1)]
    samples = np.where(np.abs(samples_tau - nearest) < close, nearest, samples_tau)
    found, at = [], 0.0
    for stop in np.unique(np.concatenate([ends_tau, samples])):
        segment = min(int(np.searchsorted(ends_tau, stop)), ends_tau.size - 1)
        found.append(Leg(segment, float(stop - at), int((samples == stop).sum())))
        at = stop
    return found


def _drift(p: Parameters, coupling: Tensor, segment: int, mode: str) -> Drift:
    """The right-hand side of one segment, (N, B) to (N, B)."""
    family = FAMILIES[p.family]
    own = {name: value[segment] for name, value in p.terms.items()}
    columns = {name: value.unsqueeze(-1) if value.ndim == 1 else value for name, value in own.items()}
    if not family.coupled:
        return lambda x: family.drift(x, None, None, columns)
    if mode == "kernel" or (mode == "auto" and kernel_fits(coupling)):
        from aishw.ais.coupling_cpu import LinearPair, PhaseDrift
        from aishw.ais.wiring import wire

        wiring = wire(p.topology)
        if family.name == "kurashil":
            return lambda x: PhaseDrift.apply(x, coupling, None, own["shil"], own["reference"], 1.0, wiring)
        if family.name == "kuramoto":
            return lambda x: PhaseDrift.apply(x, coupling, own["detuning"], None, None, -1.0, wiring)
        if family.pairing == "linear":
            return lambda x: family.drift(x, None, LinearPair.apply(x, coupling, wiring), columns)
        return lambda x: family.drift(
            x, (x.sin(), x.cos()), PhaseDrift.apply(x, coupling, None, None, None, 1.0, wiring), columns
        )
    pair_sum = _pair_sum(p.topology, coupling, mode)
    return lambda x: family.drift(x, *pair_sum(x, family.pairing), columns)


def _pair_sum(topology: Topology, coupling: Tensor, mode: str) -> Callable[[Tensor, str], tuple[Any, Tensor]]:
    """(sin x, cos x) or None, and the pair sum, in torch on any device; "gather" leaves the adjoint to autograd."""
    import torch

    near: Drift
    if mode == "gather":
        driven, driving = torch.from_numpy(topology.edges).to(coupling.device)

        def near(rows: Tensor) -> Tensor:
            return torch.zeros_like(rows).index_add(0, driven, coupling[:, None] * rows[driving])
    else:
        from aishw.ais.coupling_torch import NearSum, joined

        tables = joined(topology, coupling.device)

        def near(rows: Tensor) -> Tensor:
            return NearSum.apply(rows, coupling, tables)

    def pair(x: Tensor, pairing: str) -> tuple[Any, Tensor]:
        if pairing == "linear":
            return None, near(x)
        sine, cosine = x.sin(), x.cos()
        near_sine, near_cosine = near(torch.cat([sine, cosine], dim=1)).chunk(2, dim=1)
        return (sine, cosine), sine * near_cosine - cosine * near_sine

    return pair


def _detuned(drift: Drift, detuning: Tensor) -> Drift:
    """`drift` plus rates (N,) or (B, N)."""
    column = detuning.unsqueeze(-1) if detuning.ndim == 1 else detuning.T
    return lambda x: drift(x) + column


def kernel_fits(x: Tensor) -> bool:
    import torch

    return x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64) and _kernel_runs(x.dtype)


@lru_cache
def _kernel_runs(dtype: torch.dtype) -> bool:
    """Whether numba imports and compiles here; plain torch gives the same numbers where it does not."""
    try:
        from aishw.ais import coupling_cpu
    except Exception:  # a broken numba or llvmlite raises more than ImportError
        return False
    return coupling_cpu.works(dtype)


def _kick(x: Tensor, noise: Noise, h: float, generator: Any) -> Tensor:
    import torch

    scale = noise.delta * (h**0.5 if noise.convention == "wiener" else 1.0)
    drawn = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=generator.device)
    return scale * drawn.to(x.device)


def _check(
    p: Parameters,
    x0: Tensor,
    method: str,
    step_tau: float,
    samples_tau: NDArray[np.float64],
    noise: Noise | None,
    generator: Any,
    coupling: str,
) -> None:
    sites, segments, total = p.topology.sites, len(p.duration_tau), float(np.sum(p.duration_tau))
    if x0.ndim != 2 or x0.shape[1] != sites:
        raise ModelError(f"start states are {tuple(x0.shape)}, expected (starts, {sites} sites)")
    if method not in METHODS:
        raise ModelError(f"unknown method {method!r}; known: {', '.join(METHODS)}")
    if coupling not in COUPLINGS:
        raise ModelError(f"unknown coupling path {coupling!r}; known: {', '.join(COUPLINGS)}")
    if not 0 < step_tau < float("inf"):
        raise ModelError(f"step_tau must be positive, got {step_tau}")
    late = samples_tau[~((samples_tau >= 0) & (samples_tau <= total * (1 + 1e-9)))]
    if late.size or (np.diff(samples_tau) <= 0).any():
        raise ModelError(f"sample times must rise and lie in 0..{total:g} tau, got {samples_tau.tolist()[:6]}")
    if noise is not None and noise.delta > 0 and generator is None:
        raise ModelError("noise needs a generator or a seed; pass generator=0")
    for name, value in {"coupling": p.coupling, **p.terms}.items():
        if value.dtype != x0.dtype or value.device != x0.device:
            raise ModelError(f"{name} is {value.dtype} on {value.device}, the start states {x0.dtype} on {x0.device}")
        if value.shape[0] != segments:
            raise ModelError(f"{name} has {value.shape[0]} segments, duration_tau has {segments}")
