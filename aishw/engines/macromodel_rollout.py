"""The macromodel as a differentiable rollout: start states to end states through the circuit that was measured.

    ds_i/dtau = cycles_per_tau ds_i/dcycle [+ sqrt(cycles_per_tau D) dW],    ds_i/dcycle as in `lower.circuit`

Gradients reach the float weights straight through their codes: dL/dw = dL/dcode * dcode/dw, the first from the tables'
derivative at the integer code, the second from the target's levels; a weight beyond full scale gets none. Training
lowers its weights anew in every step (`lower`), rolls the design out, and steps down this gradient. The jumps where
codes change, and what crossings tell of phases (`macromodel_switch`), pass gradients to phases and codes. Measured
by `bench/macromodel.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aishw.ais.parameters import Parameters
from aishw.ais.rollout import METHODS, legs
from aishw.errors import ModelError
from aishw.hardware.calibration import Calibration
from aishw.lower.design import Design, level_table

if TYPE_CHECKING:
    import torch

    Tensor = torch.Tensor
    Drift = Callable[[Tensor], Tensor]

PATHS = ("auto", "kernel", "gather")
_ROUNDING = 1e-9  # as in `lower.quantize`


def rollout_macromodel(
    design: Design,
    calibration: Calibration,
    x0: Tensor | ArrayLike,
    parameters: Parameters | None = None,
    *,
    method: str = "euler",
    step_tau: float = 0.05,
    samples_tau: ArrayLike | None = None,
    detuning: Tensor | ArrayLike | None = None,
    gain_error: ArrayLike | None = None,
    diffusion: float = 0.0,
    generator: torch.Generator | int | None = None,
    path: str = "auto",
) -> Tensor:
    """The end states (B, N), or the states (B, T, N) at `samples_tau`, of start states x0 (B, N).

    parameters: the float weights that were lowered to `design`; they get gradients. method, step_tau, samples_tau:
    as in `ais.rollout`. detuning: (N,) or (B, N) rad per cycle, each PE's error after trim; a tensor (B, N) may take
    gradients. gain_error: (E,) relative, of what each coupler's code does. diffusion: rad^2 per cycle of phase noise,
    one kick a step, drawn from `generator` (a torch generator or a seed). path: "auto" (the numba kernel for float32
    and float64 on the CPU, else gather), "kernel" or "gather". The reference's shift is the design's.

    Precision and device are those of x0 if it is a tensor, else float64 on the CPU. Raises ModelError for shapes,
    samples and names that do not fit, and for noise without a generator; CardError for a bias that is not calibrated.
    """
    import torch

    from aishw.engines.macromodel_drift import segment_circuit
    from aishw.engines.macromodel_switch import switched, told

    x = x0 if isinstance(x0, torch.Tensor) else torch.tensor(np.asarray(x0), dtype=torch.float64)
    x = x if x.is_floating_point() else x.double()
    samples = np.zeros(0) if samples_tau is None else np.asarray(samples_tau, dtype=np.float64).reshape(-1)
    _check(design, x, method, step_tau, samples, diffusion, generator, path)
    off, each = _detuning(design, x, detuning)
    gain = None if gain_error is None else np.asarray(gain_error, dtype=np.float64)
    if gain is not None and (gain.shape != design.system.topology.edges.shape[1:] or not np.isfinite(gain).all()):
        raise ModelError(f"gain error is {gain.shape}, expected {design.system.topology.edges.shape[1]} finite numbers")
    if isinstance(generator, int):
        generator = torch.Generator(x.device).manual_seed(generator)

    codes = carriers(design, parameters, x)
    step, state, seen, inside = METHODS[method], x.T.contiguous(), [], -1
    read: Drift | None = None  # a sample of the start has no drive to read through
    for leg in legs(np.cumsum(design.system.duration_tau), samples):
        if leg.segment != inside and leg.length_tau:  # a sample of the start is from before its codes
            state = switched(design, calibration, leg.segment, state, codes)(state)
            inside, cycles = leg.segment, float(design.cycles_per_tau[leg.segment])
            circuit = segment_circuit(design, calibration, inside, x, off, gain)
            plain = circuit.drift(path, (codes["coupling"][inside], codes["reference"][inside], codes["shil"][inside]))
            drift = plain if each is None else detuned_drift(plain, cycles * each)
            read = told(design, calibration, inside, state, codes)
        steps = int(np.ceil(leg.length_tau / step_tau - 1e-6))
        for _ in range(steps):
            h = leg.length_tau / steps
            state = step(drift, state, h)
            if diffusion:
                state = state + (diffusion * cycles * h) ** 0.5 * _kick(state, generator)
        seen += [read(state) if read else state] * leg.samples if leg.samples else []
    return (read(state) if read else state).T if samples_tau is None else torch.stack(seen).permute(2, 0, 1)


def carriers(design: Design, parameters: Parameters | None, like: Tensor) -> dict[str, Tensor]:
    """Per kind, (S, E) or (S, N): the design's codes as tensors whose gradient goes to the weights behind them.

    dcode/dw = 1 / (full_scale dlevel/d|code|), and 0 for a clipped weight. Raises ModelError if the weights' shapes,
    dtype or device do not fit.
    """
    codes = {kind: like.new_tensor(code.astype(np.float64)) for kind, code in design.codes.items()}
    if parameters is None:
        return codes
    weights = {"coupling": parameters.per_edge(), **parameters.terms}
    for kind, code in codes.items():
        weight = weights.get(kind)
        if weight is None or (weight.shape, weight.dtype, weight.device) != (code.shape, like.dtype, like.device):
            came = "missing" if weight is None else f"{tuple(weight.shape)} {weight.dtype} on {weight.device}"
            raise ModelError(f"{kind} is {came}, expected {tuple(code.shape)} {like.dtype} on {like.device}")
        if not weight.requires_grad:
            continue
        scale = design.full_scale[kind]
        scale = scale[:, design.system.topology.edges[0]] if kind == "coupling" else scale
        levels = level_table(design.target, kind, design.bits)
        place = design.codes[kind].astype(int) + design.code_limit
        steepness = np.gradient(np.concatenate([-levels[:0:-1], levels]))[place]
        passes = like.new_tensor(np.divide(1, scale * steepness, out=np.zeros_like(scale), where=scale > 0))
        held = weight.detach().cpu().double().abs().numpy() <= scale * (1 + _ROUNDING)
        codes[kind] = code + passes * like.new_tensor(held) * (weight - weight.detach())
    return codes


def detuned_drift(plain: Drift, off: Tensor) -> Drift:
    """`plain` with rates (N, B) of every site and start added, rad per tau."""
    return lambda x: plain(x) + off


def _kick(state: Tensor, generator: Any) -> Tensor:
    import torch

    return torch.randn(state.shape, generator=generator, dtype=state.dtype, device=generator.device).to(state.device)


def _detuning(
    design: Design, x0: Tensor, detuning: Tensor | ArrayLike | None
) -> tuple[NDArray[np.float64] | None, Tensor | None]:
    """One detuning for all starts (N,), or one for each as (N, B)."""
    if detuning is None:
        return None, None
    wanted = getattr(detuning, "requires_grad", False)
    off = np.asarray(detuning.detach() if wanted else detuning, dtype=np.float64)  # type: ignore[union-attr]
    if off.shape not in ((x0.shape[1],), tuple(x0.shape)) or not np.isfinite(off).all():
        raise ModelError(
            f"detuning is {off.shape}, expected finite numbers, ({x0.shape[1]} sites,) or {tuple(x0.shape)}"
        )
    if off.ndim == 1:
        return off, None
    return None, detuning.T.to(x0) if wanted else x0.new_tensor(off.T)  # type: ignore[union-attr]


def _check(
    design: Design,
    x0: Tensor,
    method: str,
    step_tau: float,
    samples_tau: NDArray[np.float64],
    diffusion: float,
    generator: Any,
    path: str,
) -> None:
    sites, total = design.system.sites, float(design.system.duration_tau.sum())
    if x0.ndim != 2 or x0.shape[1] != sites:
        raise ModelError(f"start states are {tuple(x0.shape)}, expected (starts, {sites} sites)")
    if method not in METHODS:
        raise ModelError(f"unknown method {method!r}; known: {', '.join(METHODS)}")
    if path not in PATHS:
        raise ModelError(f"unknown path {path!r}; known: {', '.join(PATHS)}")
    if not 0 < step_tau < float("inf"):
        raise ModelError(f"step_tau must be positive, got {step_tau}")
    late = samples_tau[~((samples_tau >= 0) & (samples_tau <= total * (1 + 1e-9)))]
    if late.size or (np.diff(samples_tau) <= 0).any():
        raise ModelError(f"sample times must rise and lie in 0..{total:g} tau, got {samples_tau.tolist()[:6]}")
    if not 0 <= diffusion < float("inf"):
        raise ModelError(f"a diffusion must be 0 or more rad^2 per cycle, got {diffusion}")
    if diffusion and generator is None:
        raise ModelError("noise needs a generator: a torch generator or a seed")
