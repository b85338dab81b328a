"""What does the macromodel cost beside the plain rollout? One process, one thread, the same start states.

    python bench/macromodel.py [--batch 64] [--side 56] [--steps 80] [--repeats 5] [--double]

Prints CPU seconds (the least of the repeats, the contenders taken in turns: a busy machine only adds) and their ratio,
for weights of random size lowered to the default target and its shipped calibration with its company. Measured on a
shared EPYC core: 1.8 to 2.2 s against 0.40 to 0.53 s for forward and backward, ratio 3.8 to 5.0, forward alone 6. Exits
1 when both together cost more than 3 times the plain KuraSHIL rollout.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from aishw import library
from aishw.ais.parameters import Parameters
from aishw.ais.rollout import rollout
from aishw.ais.topology import grid
from aishw.calibrate.shipped import calibration_of
from aishw.engines.macromodel_rollout import rollout_macromodel
from aishw.hardware.cards import load_target
from aishw.lower.lower import lower

LIMIT = 3.0


def problem(side: int, batch: int, segments: int, dtype: torch.dtype) -> tuple[Parameters, torch.Tensor]:
    topology, draw = grid(side, side, "box5"), torch.Generator().manual_seed(0)

    def normal(*shape: int, scale: float) -> torch.Tensor:
        return (scale * torch.randn(*shape, generator=draw, dtype=torch.float64)).to(dtype).requires_grad_()

    terms = {name: normal(segments, topology.sites, scale=0.3) for name in ("shil", "reference")}
    coupling = normal(segments, topology.edges.shape[1], scale=0.06)
    x0 = normal(batch, topology.sites, scale=0.5).detach() - 0.5
    return Parameters("kurashil", topology, coupling, terms, (1.0,) * segments), x0


def seconds(run: Callable[[], torch.Tensor], p: Parameters, backward: bool) -> float:
    begin = time.process_time()
    if backward:
        torch.autograd.grad(run().square().mean(), list(p.trainable.values()))
    else:
        with torch.no_grad():
            run()
    return time.process_time() - begin


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("batch", 64), ("side", 56), ("steps", 80), ("repeats", 5)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--double", action="store_true", help="float64 instead of float32")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    segments, dtype = 4, torch.float64 if arguments.double else torch.float32
    step_tau = segments / arguments.steps
    p, x0 = problem(arguments.side, arguments.batch, segments, dtype)
    name = library.DEFAULT_TARGET
    target = load_target(name)
    target = replace(target, height=max(target.height, arguments.side), width=max(target.width, arguments.side))
    shipped = calibration_of(load_target(name))
    if shipped is None:
        sys.exit(f"no calibration of {name} is shipped")
    calibration = shipped.labelled(target)

    begin = time.process_time()
    design = lower(p.to_system(), target, clip="sigma3")
    lowering = time.process_time() - begin
    contenders = {
        "plain rollout": lambda: rollout(p, x0, step_tau=step_tau),
        "macromodel": lambda: rollout_macromodel(design, calibration, x0, p, step_tau=step_tau),
    }
    for run in contenders.values():
        seconds(run, p, True)  # compiles, if the cache is empty
    print(f"batch {arguments.batch}, {arguments.side}x{arguments.side}, 24 neighbours, {arguments.steps} Euler steps, "
          f"{dtype}, one thread; CPU seconds, least of {arguments.repeats}; lowering {lowering:.3f}")  # fmt: skip
    print(f"{'':18}" + "".join(f"{name:>16}" for name in contenders) + f"{'ratio':>8}")
    for label, backward in (("forward", False), ("forward+backward", True)):
        taken: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(arguments.repeats):
            for name, run in contenders.items():
                taken[name].append(seconds(run, p, backward))
        plain, ours = (min(each) for each in taken.values())
        print(f"{label:18}{plain:16.3f}{ours:16.3f}{ours / plain:8.2f}")
    held = ours / plain <= LIMIT
    print(f"{'held' if held else 'fell short'}: at most {LIMIT:g} times the plain rollout")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
