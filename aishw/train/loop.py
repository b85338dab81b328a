"""train: a recipe becomes a checkpoint. WGAN-GP over the differentiable rollout, resumable to the same trajectory.

One step: `critic_steps` critic updates on fresh images, then one update of the weights, then the limits, then the
running average. All chance comes from one generator, and an unfinished run is saved whole beside the output
(`<out>.unfinished`), so a run that was killed goes on as if it had not been.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aishw.ais import checkpoint
from aishw.ais.families import read
from aishw.ais.parameters import Parameters
from aishw.ais.rollout import rollout
from aishw.ais.system import Noise, Start, System, draw_start, pixels
from aishw.ais.topology import Topology, grid
from aishw.atomic import check_output
from aishw.errors import TrainError
from aishw.train.datasets import load_dataset
from aishw.train.metrics import Score, score
from aishw.train.objectives import critic_loss, generator_loss
from aishw.train.run import Run, begin
from aishw.train.settings import Settings
from aishw.train.unfinished import resume, save

if TYPE_CHECKING:
    import torch

    from aishw.train.run import Weights

JUDGED = 4000  # images in a score
_JUDGE_SEED = 1000
_FINE_TAU = 0.05  # with RK4, on the shipped 4-bit digits: 8e-5 rad rms, 7e-3 at worst, from a step of 0.01


@dataclass(frozen=True)
class Step:
    """Progress: `step` of `steps` are done; `distance` is the critic's estimate of the Wasserstein distance."""

    step: int
    steps: int
    distance: float
    cpu_s: float


@dataclass(frozen=True)
class Trained:
    """The system that was saved, its score in continuous time, which weights it has (averaged, last), the cost."""

    system: System
    score: Score
    weights: str
    cpu_s: float


def train(
    settings: Settings,
    out: str | Path,
    progress: Callable[[Step], None] | None = None,
    *,
    command: str = "aishw.train.train",
    overwrite: bool = False,
) -> Trained:
    """Trains, writes the checkpoint `out`, and says how good it is.

    Goes on with `<out>.unfinished` if that is there. The averaged and the last weights are both judged, by images of
    the continuous-time solution, and the better ones are kept. With `bits` the checkpoint holds what the codes stand
    for. `command` is what the checkpoint says it was made by.
    Raises TrainError, StoreError and the errors of whatever the recipe names.
    """
    path = check_output(out, overwrite)
    real = load_dataset(settings.dataset, settings.split).images
    topology = grid(
        settings.height, settings.width, settings.neighbourhood,
        symmetric=settings.symmetric, image=(real.shape[1], real.shape[2]),
    )  # fmt: skip
    unfinished = path.with_name(path.name + ".unfinished")
    run = begin(settings, topology, real)
    step, spent_s = resume(run, unfinished, settings) if unfinished.exists() else (0, 0.0)
    since = time.process_time() - spent_s
    while step < settings.steps:
        distance = _one_step(run, settings, step)
        step += 1
        if not np.isfinite(distance):
            raise TrainError(f"step {step} gave {distance}; lower rate or critic_rate, or set a limit")
        if step % settings.save_every == 0:
            save(run, unfinished, settings, step, time.process_time() - since)
        if progress is not None:
            progress(Step(step, settings.steps, distance, time.process_time() - since))
    trained = _judge(run, settings, topology, real, time.process_time() - since)
    checkpoint.save(trained.system, path, made_by=_made_by(settings, trained, command), overwrite=overwrite)
    unfinished.unlink(missing_ok=True)
    return trained


def sample_images(system: System, images: int, seed: int, method: str = "rk4", step_tau: float = _FINE_TAU) -> NDArray:
    """(images, rows, columns): the system's own images, noise-free, in single precision."""
    import torch

    start = torch.tensor(draw_start(system, images, seed), dtype=torch.float32)
    with torch.no_grad():
        end = torch.cat([rollout(system, part, method, step_tau) for part in start.split(256)])
    shown = pixels(end.numpy()[:, system.topology.visible].astype(np.float64), system.readout)
    return shown.reshape(images, *system.topology.image_shape)


def _one_step(run: Run, settings: Settings, step: int) -> float:
    """One step of the loop; the critic's estimate of the distance."""
    import torch

    rates = (settings.rate, settings.critic_rate)
    for optimiser, rate in zip(run.optimisers, rates):
        optimiser.param_groups[0]["lr"] = rate * min(1.0, 2 * (1 - step / settings.steps))
    own, critics = run.optimisers
    with torch.no_grad():
        batches = _images(run, settings, settings.batch * settings.critic_steps).split(settings.batch)
    for fake in batches:
        real = run.real[torch.randint(len(run.real), (settings.batch,), generator=run.generator)]
        critics.zero_grad()
        critic_loss(run.critic, real, fake, settings.penalty, run.generator).backward()
        critics.step()
    with torch.no_grad():
        distance = float(run.critic(real).mean() - run.critic(fake).mean())
    own.zero_grad()
    generator_loss(run.critic, _images(run, settings, settings.batch)).backward()
    own.step()
    with torch.no_grad():
        for kind, value in run.weights.items():
            if kind in settings.limit:
                value.clamp_(-settings.limit[kind], settings.limit[kind])
            run.average[kind].lerp_(value, 1 - settings.average)
    return distance


def _images(run: Run, settings: Settings, images: int) -> torch.Tensor:
    """(images, pixels) as the critic sees them: quantised, noisy, on the training solver."""
    import torch

    normal = torch.randn((images, run.topology.sites), generator=run.generator)
    parameters = _parameters(run.quantise(run.weights), settings, run.topology)
    start = settings.start_mean + settings.start_deviation * normal
    noise = Noise(settings.noise)
    end = rollout(parameters, start, settings.solver, settings.step_tau, noise=noise, generator=run.generator)
    return read(end[:, torch.from_numpy(run.topology.visible)], settings.readout)


def _parameters(weights: Weights, settings: Settings, topology: Topology) -> Parameters:
    terms = {kind: value for kind, value in weights.items() if kind != "coupling"}
    duration_tau = (settings.duration_tau,) * settings.segments
    return Parameters(settings.family, topology, weights["coupling"], terms, duration_tau)


def _judge(run: Run, settings: Settings, topology: Topology, real: NDArray[np.float32], cpu_s: float) -> Trained:
    """The better of the averaged and the last weights."""
    found = []
    for name, weights in (("averaged", run.average), ("last", run.weights)):
        exact = run.quantise({kind: value.detach().double() for kind, value in weights.items()})
        system = _parameters(exact, settings, topology).to_system(
            start=Start(settings.start_mean, settings.start_deviation), readout=settings.readout,
            noise=Noise(settings.noise), step_tau=settings.step_tau, name=settings.name,
        )  # fmt: skip
        images = sample_images(system, JUDGED, _JUDGE_SEED)
        found.append(Trained(system, score(images, real), name, cpu_s))
    return min(found, key=lambda each: each.score.distance)


def _made_by(settings: Settings, trained: Trained, command: str) -> dict[str, Any]:
    import torch

    return {
        "command": command,
        "recipe": asdict(settings),
        "seed": settings.seed,
        "cpu_s": round(trained.cpu_s, 2),
        "torch": torch.__version__,
        "weights": trained.weights,
        "score": asdict(trained.score),
        "judged_on": f"RK4, step {_FINE_TAU} tau, no noise",
    }
