"""An unfinished run on disk: written whole, read back to the same trajectory, refused if it is another recipe's."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from aishw.atomic import write_whole
from aishw.errors import TrainError
from aishw.train.run import Run
from aishw.train.settings import Settings


def save(run: Run, path: Path, settings: Settings, step: int, cpu_s: float) -> None:
    import torch

    content: dict[str, Any] = {
        "recipe": settings.id,
        "step": step,
        "cpu_s": cpu_s,
        "weights": {kind: value.detach() for kind, value in run.weights.items()},
        "average": run.average,
        "critic": run.critic.state_dict(),
        "optimisers": [each.state_dict() for each in run.optimisers],
        "generator": run.generator.get_state(),
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_whole(path, buffer.getvalue(), overwrite=True)


def resume(run: Run, path: Path, settings: Settings) -> tuple[int, float]:
    """Puts a saved run into `run`; the steps done and the CPU seconds spent."""
    import torch

    try:
        content = torch.load(path, weights_only=True)
        if content["recipe"] != settings.id:
            raise TrainError(f"{path} is the unfinished run of another recipe; remove it, or choose another output")
        with torch.no_grad():
            for kind, value in run.weights.items():
                value.copy_(content["weights"][kind])
                run.average[kind].copy_(content["average"][kind])
        run.critic.load_state_dict(content["critic"])
        for optimiser, state in zip(run.optimisers, content["optimisers"], strict=True):
            optimiser.load_state_dict(state)
        run.generator.set_state(content["generator"])
        return int(content["step"]), float(content["cpu_s"])
    except TrainError:
        raise
    except Exception as error:  # a damaged pickle raises nearly anything
        raise TrainError(f"{path} is damaged ({type(error).__name__}); remove it to start again") from None
