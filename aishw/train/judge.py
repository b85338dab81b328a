"""How good a run's weights are: images of the continuous-time solution, or through the circuit, against real ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aishw.ais.rollout import rollout
from aishw.ais.system import Noise, Start, System, draw_start, pixels
from aishw.errors import TrainError
from aishw.train.metrics import Score, Yardstick, score, yardstick
from aishw.train.run import Run, images, parameters_of
from aishw.train.weights import TRIM

if TYPE_CHECKING:
    from aishw.train.run import Weights

JUDGED = 4000  # images in a score
GLANCED = 1000  # images in a look during training
_JUDGE_SEED = 1000
FINE_TAU = 0.05  # with RK4, on the shipped 4-bit digits: 8e-5 rad rms, 7e-3 at worst, from a step of 0.01


@dataclass(frozen=True)
class Trained:
    """The system that was saved, its score, which weights it has (averaged, last, best, initial), the cost.

    judged_on: how the images of the score were made. trim: (N,) rad per cycle, if detunings were trained.
    """

    system: System
    score: Score
    weights: str
    cpu_s: float
    judged_on: str = ""
    trim: tuple[float, ...] = ()


def sample_images(system: System, count: int, seed: int, method: str = "rk4", step_tau: float = FINE_TAU) -> NDArray:
    """(count, rows, columns): the system's own images, noise-free, in single precision."""
    import torch

    start = torch.tensor(draw_start(system, count, seed), dtype=torch.float32)
    with torch.no_grad():
        end = torch.cat([rollout(system, part, method, step_tau) for part in start.split(256)])
    shown = pixels(end.numpy()[:, system.topology.visible].astype(np.float64), system.readout)
    return shown.reshape(count, *system.topology.image_shape)


def system_of(run: Run, weights: Weights) -> System:
    """The weights as a System, in float64; with `bits` it holds what the codes stand for."""
    s = run.settings
    exact = run.quantise({kind: value.detach().double() for kind, value in weights.items() if kind != TRIM})
    return parameters_of(exact, s, run.topology).to_system(
        start=Start(s.start_mean, s.start_deviation), readout=s.readout, noise=Noise(s.noise, s.noise_convention),
        step_tau=s.step_tau, name=s.name,
    )  # fmt: skip


def judged_images(run: Run, weights: Weights, count: int) -> NDArray:
    """(count, rows, columns) of the same start states each time: of the equation in continuous time, or through the
    circuit on random chips."""
    import torch

    if not run.settings.through:
        return sample_images(system_of(run, weights), count, _JUDGE_SEED)
    generator = torch.Generator().manual_seed(_JUDGE_SEED)
    with torch.no_grad():
        parts = [images(run, min(256, count - done), weights, generator) for done in range(0, count, 256)]
    shown = torch.cat(parts).double().numpy()
    return shown.reshape(count, *run.topology.image_shape)


def glance(run: Run, step: int) -> None:
    """Keeps the averaged weights as the best ones if their score is the lowest so far. A score that cannot be had, as
    images are infinite, is none."""
    try:
        found = score(judged_images(run, run.average, min(GLANCED, JUDGED)), rod(run)).distance
    except TrainError:
        return
    if found < run.best.distance:
        run.best.weights = {kind: value.clone() for kind, value in run.average.items()}
        run.best.distance, run.best.step = found, step


def judge(run: Run, cpu_s: float) -> Trained:
    """The best of the averaged, the last and the kept weights, and with `judge_every` of those that a fine-tune began
    with: without it, a recipe may trade its score for what the score does not see, as noise. Raises TrainError if no
    weights give finite images."""
    if run.settings.through:
        stated = "the calibrated macromodel, random chips, as in training"
    else:
        stated = f"RK4, step {FINE_TAU} tau, no noise"
    found, failed = [], None
    candidates = {"averaged": run.average, "last": run.weights}
    if run.best.weights is not None and run.best.step:
        candidates["best"] = run.best.weights
    if run.initial is not None and run.settings.judge_every:
        candidates["initial"] = run.initial
    for name, weights in candidates.items():
        trim = tuple(weights[TRIM].tolist()) if TRIM in weights else ()
        try:
            result = score(judged_images(run, weights, JUDGED), rod(run))
        except TrainError as error:
            failed = error
            continue
        found.append(Trained(system_of(run, weights), result, name, cpu_s, stated, trim))
    if not found:
        assert failed is not None
        raise failed
    return min(found, key=lambda each: each.score.distance)


@lru_cache(maxsize=1)
def rod(run: Run) -> Yardstick:
    """The run's real images, measured once."""
    return yardstick(run.real.reshape(-1, *run.topology.image_shape).numpy())
