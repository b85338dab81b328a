"""train: a recipe becomes a checkpoint, resumable to the same trajectory.

One step: what the objective asks for (`objectives`), then one update of the weights, then the limits, then the running
average. All chance comes from one generator, and an unfinished run is saved whole beside the output
(`<out>.unfinished`), so a run that was killed goes on as if it had not been.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aishw.ais import checkpoint
from aishw.ais.topology import grid
from aishw.atomic import check_output
from aishw.errors import StoreError, TrainError
from aishw.train.alone import alone
from aishw.train.datasets import load_dataset
from aishw.train.judge import Trained, glance, judge
from aishw.train.objectives import OBJECTIVES
from aishw.train.run import Run, begin
from aishw.train.schedule import SCHEDULES
from aishw.train.settings import Settings
from aishw.train.unfinished import resume, save
from aishw.train.watch import Watch, watching
from aishw.train.weights import UNFINISHED


@dataclass(frozen=True)
class Step:
    """Progress: `step` of `steps` are done; `distance` is the objective's figure (wgan: the critic's estimate of the
    Wasserstein distance)."""

    step: int
    steps: int
    distance: float
    cpu_s: float


def train(
    settings: Settings,
    out: str | Path,
    progress: Callable[[Step], None] | None = None,
    *,
    command: str = "aishw.train.train",
    overwrite: bool = False,
    watch: Watch | None = None,
) -> Trained:
    """Trains, writes the checkpoint `out`, and says how good it is.

    Goes on with `<out>.unfinished` if that is there (with `overwrite`, another recipe's is begun again). The averaged,
    the last and the kept weights are judged on the same start states, and the best ones are saved: with `judge_every`,
    never worse ones than a fine-tune began with. With `bits` the checkpoint holds what the codes stand for. `command`
    is what the checkpoint says it was made by; `watch` writes sample grids and event files meanwhile.
    Raises TrainError, StoreError and the errors of whatever the recipe names. A run that diverges stops at that step,
    and a full disk stops it too; the unfinished run on disk stays as it was.
    """
    with alone(check_output(out, overwrite)):
        return _train(settings, Path(out), progress, command, overwrite, watch or Watch())


def _train(
    settings: Settings, path: Path, progress: Callable[[Step], None] | None, command: str, overwrite: bool, watch: Watch
) -> Trained:
    real = load_dataset(settings.dataset, settings.split).images
    topology = grid(
        settings.height, settings.width, settings.neighbourhood,
        symmetric=settings.symmetric, image=(real.shape[1], real.shape[2]),
    )  # fmt: skip
    unfinished = path.with_name(path.name + UNFINISHED)
    watch.check(again=overwrite or unfinished.exists())
    run = begin(settings, topology, real)
    step, spent_s = resume(run, unfinished, begin_again=overwrite) if unfinished.exists() else (0, 0.0)
    since, saved, saved_s = time.process_time() - spent_s, step, time.monotonic()
    if step == 0 and run.initial is not None and settings.judge_every:
        glance(run, step)  # a fine-tune must beat what it began with
    with watching(watch, step) as look:
        while step < settings.steps:
            distance = _one_step(run, step)
            step += 1
            if not (np.isfinite(distance) and _finite(run)):
                raise TrainError(_diverged(step, saved, unfinished))
            if settings.judge_every and step % settings.judge_every == 0:
                glance(run, step)
            at = Step(step, settings.steps, distance, time.process_time() - since)
            look(run, at)
            late_s = time.monotonic() - saved_s
            if step % settings.save_every == 0 or step == settings.steps or late_s > 60 * settings.save_minutes > 0:
                _save(run, unfinished, step, saved, time.process_time() - since)
                saved, saved_s = step, time.monotonic()
            if progress is not None:
                progress(at)
    trained = judge(run, time.process_time() - since)
    checkpoint.save(trained.system, path, made_by=_made_by(settings, trained, command), overwrite=overwrite)
    unfinished.unlink(missing_ok=True)
    return trained


def _save(run: Run, unfinished: Path, step: int, saved: int, cpu_s: float) -> None:
    try:
        save(run, unfinished, step, cpu_s)
    except StoreError as error:
        then = f"the same command goes on from step {saved}" if saved else "the same command begins again"
        raise StoreError(f"step {step}: {error}; free some space, and {then}") from None


def _one_step(run: Run, step: int) -> float:
    """One step of the loop; the objective's figure."""
    import torch

    settings = run.settings
    share = SCHEDULES[settings.schedule](step / settings.steps)
    for optimiser in (run.optimiser, run.critic_optimiser):
        for group in optimiser.param_groups if optimiser is not None else ():
            group["lr"] = group["initial_lr"] * share
    loss, figure = OBJECTIVES[settings.objective](run, step)
    run.optimiser.zero_grad()
    loss.backward()
    run.optimiser.step()
    with torch.no_grad():
        for kind, value in run.weights.items():
            if kind in settings.limit:
                value.clamp_(-settings.limit[kind], settings.limit[kind])
            run.average[kind].lerp_(value, 1 - settings.average)
    return figure


def _finite(run: Run) -> bool:
    # A sum is NaN or infinite if any of its terms is.
    return all(np.isfinite(float(value.detach().sum())) for value in run.weights.values())


def _diverged(step: int, saved: int, unfinished: Path) -> str:
    cure = "lower rate or critic_rate, or set a limit"
    if not saved:
        return f"step {step} gave NaN or infinite values, and nothing was saved before; {cure}"
    return (
        f"step {step} gave NaN or infinite values; {unfinished} still holds step {saved}: {cure}, and go on from it "
        f"with start_from = '{unfinished}' and another output"
    )


def _made_by(settings: Settings, trained: Trained, command: str) -> dict[str, Any]:
    import torch

    stated = {
        "command": command,
        "recipe": asdict(settings),
        "seed": settings.seed,
        "cpu_s": round(trained.cpu_s, 2),
        "torch": torch.__version__,
        "weights": trained.weights,
        "score": asdict(trained.score),
        "judged_on": trained.judged_on,
    }
    return {**stated, "trim_rad_per_cycle": list(trained.trim)} if trained.trim else stated
