"""How much faster than gather-and-sin is the rollout? One process, one thread, the same numbers.

    python bench/rollout.py [--batch 64] [--side 56] [--steps 80] [--repeats 3]

Prints seconds (the best of the repeats, the two taken in turns), their ratio, and the largest difference.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import argparse
import sys
import time
from collections.abc import Callable

import torch

from aishw.ais.parameters import Parameters
from aishw.ais.rollout import rollout
from aishw.ais.topology import grid

AIM = 10


def gather_and_sin(p: Parameters, x: torch.Tensor, steps: int, step_tau: float) -> torch.Tensor:
    """KuraSHIL by Euler as one would write it down: gather both ends of every edge, one sine an edge. x: (B, N)."""
    driven, driving = torch.from_numpy(p.topology.edges)
    state = x.T.contiguous()
    each = steps // len(p.duration_tau)
    for step in range(steps):
        segment = step // each
        force = p.coupling[segment][:, None] * torch.sin(state[driven] - state[driving])
        pair = force.view(p.topology.sites, p.topology.fan_in, -1).sum(dim=1)
        shil, reference = p.terms["shil"][segment][:, None], p.terms["reference"][segment][:, None]
        state = state + step_tau * (reference * torch.sin(state) - shil * torch.sin(2 * state) + pair)
    return state.T


def problem(side: int, batch: int, segments: int, dtype: torch.dtype) -> tuple[Parameters, torch.Tensor]:
    topology, draw = grid(side, side, "box5"), torch.Generator().manual_seed(0)

    def normal(*shape: int, scale: float) -> torch.Tensor:
        return (scale * torch.randn(*shape, generator=draw, dtype=torch.float64)).to(dtype).requires_grad_()

    terms = {name: normal(segments, topology.sites, scale=0.3) for name in ("shil", "reference")}
    coupling = normal(segments, topology.edges.shape[1], scale=0.06)
    x0 = normal(batch, topology.sites, scale=0.5).detach() - 0.5
    return Parameters("kurashil", topology, coupling, terms, (1.0,) * segments), x0


def measure(run: Callable[[], torch.Tensor], p: Parameters, backward: bool) -> tuple[float, list[torch.Tensor]]:
    begin = time.process_time()
    if not backward:
        with torch.no_grad():
            out = run()
        return time.process_time() - begin, [out]
    end = run()
    gradients = torch.autograd.grad(end.square().mean(), list(p.trainable.values()))
    return time.process_time() - begin, [end.detach(), *gradients]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("batch", 64), ("side", 56), ("steps", 80), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--double", action="store_true", help="float64 instead of float32")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    segments, dtype = 4, torch.float64 if arguments.double else torch.float32
    step_tau = segments / arguments.steps
    p, x0 = problem(arguments.side, arguments.batch, segments, dtype)
    contenders = {
        "gather and sin": lambda: gather_and_sin(p, x0, arguments.steps, step_tau),
        "aishw rollout": lambda: rollout(p, x0, step_tau=step_tau),
    }
    measure(contenders["aishw rollout"], p, True)  # compiles, if the cache is empty
    print(f"KuraSHIL, batch {arguments.batch}, {arguments.side}x{arguments.side}, 24 neighbours, {arguments.steps} "
          f"Euler steps, {dtype}, one thread; CPU seconds, best of {arguments.repeats}")  # fmt: skip
    print(f"{'':18}{'gather and sin':>16}{'aishw rollout':>16}{'ratio':>8}  largest relative difference")
    slowest = float("inf")
    for label, backward in (("forward", False), ("forward+backward", True)):
        seconds: dict[str, list[float]] = {name: [] for name in contenders}
        results = {}
        for _ in range(arguments.repeats):
            for name, run in contenders.items():
                taken, results[name] = measure(run, p, backward)
                seconds[name].append(taken)
        naive, ours = (min(seconds[name]) for name in contenders)
        pairs = zip(*results.values())
        difference = max(float((a - b).abs().max() / a.abs().max()) for a, b in pairs)
        slowest = min(slowest, naive / ours)
        print(f"{label:18}{naive:16.3f}{ours:16.3f}{naive / ours:8.1f}  {difference:.1e}")
    held = slowest >= AIM
    print(f"{'held' if held else 'fell short'}: the slowest is {slowest:.1f} times faster, the aim {AIM}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
