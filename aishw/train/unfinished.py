"""An unfinished run on disk: written whole, read back to the same trajectory, refused if it is another recipe's."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aishw.atomic import write_whole
from aishw.errors import TrainError
from aishw.train.run import Run

if TYPE_CHECKING:
    import torch


def save(run: Run, path: Path, step: int, cpu_s: float) -> None:
    """Writes the whole run to `path`. Raises StoreError, with the file that was there untouched."""
    import torch

    content: dict[str, Any] = {
        "recipe": run.settings.id,
        "step": step,
        "cpu_s": cpu_s,
        "weights": {kind: value.detach() for kind, value in run.weights.items()},
        "average": run.average,
        "best": vars(run.best),
        "modules": [each.state_dict() for each in _modules(run)],
        "generator": run.generator.get_state(),
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_whole(path, buffer.getvalue(), overwrite=True)


def resume(run: Run, path: Path, begin_again: bool = False) -> tuple[int, float]:
    """Puts a saved run into `run`; the steps done and the CPU seconds spent.

    Raises TrainError for a damaged file and for another recipe's run, which `begin_again` leaves alone: 0 steps done.
    """
    import torch

    content = _read(path)
    if content["recipe"] != run.settings.id:
        if begin_again:
            return 0, 0.0
        raise TrainError(
            f"{path} is the unfinished run of another recipe; choose another output, or --force to begin again"
        )
    try:
        with torch.no_grad():
            for kind, value in run.weights.items():
                value.copy_(content["weights"][kind])
                run.average[kind].copy_(content["average"][kind])
        for each, state in zip(_modules(run), content["modules"], strict=True):
            each.load_state_dict(state)
        run.generator.set_state(content["generator"])
        vars(run.best).update(content["best"])
        return int(content["step"]), float(content["cpu_s"])
    except Exception as error:
        raise _damaged(path, error) from None


def averaged(path: Path) -> dict[str, torch.Tensor]:
    """The averaged weights of a saved run."""
    content = _read(path)
    try:
        return {str(kind): value.clone() for kind, value in content["average"].items()}
    except Exception as error:
        raise _damaged(path, error) from None


def _modules(run: Run) -> list[Any]:
    return [each for each in (run.critic, run.optimiser, run.critic_optimiser) if each is not None]


def _read(path: Path) -> dict[str, Any]:
    import torch

    if not path.is_file():
        raise TrainError(f"{path} is no file; an unfinished run ends with .unfinished")
    try:
        content: dict[str, Any] = torch.load(path, weights_only=True)
        content["recipe"]
    except Exception as error:  # a damaged pickle raises nearly anything
        raise _damaged(path, error) from None
    return content


def _damaged(path: Path, error: Exception) -> TrainError:
    return TrainError(f"{path} is damaged ({type(error).__name__}); remove it to start again")
