"""The study: which cells there are, in which order, and a folder that a stopped run is gone on with.

A cell is (objective, family, c, k, pair). The pairs of one (objective, family, c, k) are trained together and written
together: `study.json` is replaced whole after each such job, a checkpoint for every cell lies in `checkpoints/`.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from aishw.ais import checkpoint
from aishw.ais.families import FAMILIES
from aishw.atomic import check_folder, write_whole
from aishw.errors import TrainError
from aishw.train.planar.bank import Shape
from aishw.train.planar.objectives import OBJECTIVES
from aishw.train.planar.search import Found, Tuning, train_cells
from aishw.train.planar.transport import floor

FORMAT, VERSION = "aishw planar study", 1
FILE = "study.json"
QUICK = Tuning(steps=150, rates=(0.03, 0.1), magnitudes=(1.0,), coupled=32)
_QUICK = ((4, 0), (4, 4))


@dataclass(frozen=True)
class Job:
    """One training: all pairs of an objective and a shape."""

    objective: str
    shape: Shape

    @property
    def stage(self) -> str:
        return f"{self.shape.family}, {self.objective}"


@dataclass(frozen=True)
class Cell:
    """One number of the study, and how it came about; w2_squared is None if every candidate diverged."""

    objective: str
    family: str
    segments: int
    hidden: int
    pair: str
    w2_squared: float | None
    by_seed: tuple[float | None, ...]
    parameters: int
    rate: float
    magnitude: float
    largest: float
    solver_error: float
    cpu_s: float

    @property
    def key(self) -> tuple[str, str, int, int, str]:
        return self.objective, self.family, self.segments, self.hidden, self.pair

    @property
    def file(self) -> str:
        return f"checkpoints/{self.pair}_{self.family}_{self.objective}_c{self.segments}_k{self.hidden}.pt"


@dataclass(frozen=True)
class Study:
    """All cells that are done, and the floor of every pair: (mean, by seed)."""

    tuning: Tuning
    cells: tuple[Cell, ...] = ()
    floors: dict[str, tuple[float, tuple[float, ...]]] = field(default_factory=dict)

    def value(self, *key: str | int) -> float | None:
        """W2^2 of (objective, family, c, k, pair), or None."""
        return next((cell.w2_squared for cell in self.cells if cell.key == key), None)


def plan(families: Sequence[str], objectives: Sequence[str], quick: bool = False) -> tuple[Job, ...]:
    """The jobs, the most telling first: KuraSHIL by sliced Wasserstein, the objectives and the families at c = 4, the
    rest of KuraSHIL's c x k, then what is left of the paper's (c, k): (1, 0), (2, 0), (4, 0), (4, 2), (4, 4)."""
    for given, known, what in ((families, FAMILIES, "family"), (objectives, OBJECTIVES, "objective")):
        for name in given:
            if name not in known:
                raise TrainError(f"unknown {what} {name!r}; known: {', '.join(known)}")
    best, others = ("kurashil",), tuple(name for name in FAMILIES if name != "kurashil")
    if quick:
        blocks: list[tuple[str, Iterable[str], Iterable[tuple[int, int]]]] = [
            (objective, (*best, *others), _QUICK) for objective in OBJECTIVES
        ]
    else:
        blocks = [
            ("swd", best, ((4, 0), (4, 4), (1, 0), (2, 0))),
            ("otcfm", ("kurashil", "mlp"), ((4, 0),)),
            ("swd", others, ((4, 0),)),
            ("swd", best, ((4, 2), (4, 1), (4, 3))),
            ("swd", others, ((4, 4),)),
            ("otcfm", others, ((4, 0),)),
            ("swd", best, ((2, 4), (1, 4), (2, 2), (1, 2), (2, 1), (2, 3), (1, 1), (1, 3))),
            ("swd", others, ((1, 0), (2, 0), (4, 2))),
            ("otcfm", (*best, *others), ((1, 0), (2, 0), (4, 4), (4, 2))),
        ]
    jobs = [
        Job(objective, Shape(family, c, k))
        for objective, names, conditions in blocks
        for c, k in conditions
        for family in names
        if family in families and objective in objectives
    ]
    return tuple(dict.fromkeys(jobs))


def open_study(folder: Path, tuning: Tuning, resume: bool) -> Study:
    """The study in `folder`, or a new one. Raises TrainError for a study that is damaged or has other settings, and
    StoreError for a folder that holds something else."""
    file = folder / FILE
    if not file.exists():
        check_folder(folder)
        return Study(tuning)
    if not resume:
        raise TrainError(f"{folder} holds a study; --resume goes on with it, or choose another folder")
    study = load_study(file)
    if study.tuning != tuning:
        raise TrainError(f"{folder} holds a study with other settings (--quick, --steps, --seed); give the same ones")
    return study


def load_study(file: Path) -> Study:
    try:
        content = json.loads(file.read_text())
        if content["format"] != FORMAT or content["version"] != VERSION:
            raise TrainError(f"{file} is no planar study of version {VERSION}; choose another folder")
        held: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in content["tuning"].items()}
        cells = tuple(Cell(**{**cell, "by_seed": tuple(cell["by_seed"])}) for cell in content["cells"])
        floors = {name: (float(mean), tuple(by_seed)) for name, (mean, by_seed) in content["floors"].items()}
        return Study(Tuning(**held), cells, floors)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainError(f"{file} is damaged ({type(error).__name__}); choose another folder") from error


def run_study(
    folder: Path, study: Study, jobs: Sequence[Job], pairs: Sequence[str],
    progress: Callable[[str, float], None] = lambda stage, fraction: None, command: str = "aishw.train.planar",
) -> Study:  # fmt: skip
    """Trains the cells that are missing, job by job, and writes each job's cells as it is done.

    progress: the stage ("kurashil, swd") and the share of its jobs that is done.
    """
    of_stage, done_of = Counter(job.stage for job in jobs), Counter[str]()
    for job in jobs:
        done = {cell.key for cell in study.cells}
        shape = job.shape
        left = [p for p in pairs if (job.objective, shape.family, shape.segments, shape.hidden, p) not in done]
        if left:
            tell = partial(_tell, progress, job.stage, done_of[job.stage], of_stage[job.stage])
            found = train_cells(shape, job.objective, left, study.tuning, tell)
            study = _written(folder, study, job, found, command)
        done_of[job.stage] += 1
        progress(job.stage, done_of[job.stage] / of_stage[job.stage])
    return study


def _tell(progress: Callable[[str, float], None], stage: str, begun: int, total: int, part: float) -> None:
    progress(stage, (begun + part) / total)


def _written(folder: Path, study: Study, job: Job, found: dict[str, Found], command: str) -> Study:
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    cells, floors = list(study.cells), dict(study.floors)
    for name, each in found.items():
        yardstick = floor(name)
        floors[name] = (yardstick.mean, yardstick.by_seed)
        cell = Cell(
            job.objective, job.shape.family, job.shape.segments, job.shape.hidden, name,
            _finite(each.distance.mean), tuple(map(_finite, each.distance.by_seed)), each.system.parameters,
            each.rate, each.magnitude, each.largest, each.solver_error, round(each.cpu_s, 2),
        )  # fmt: skip
        stated = {
            "command": command,
            "study": asdict(cell),
            "tuning": asdict(study.tuning),
            "start": f"visible sites: the source of {name}; hidden sites: N(0, 0.25)",
        }
        checkpoint.save(each.system, folder / cell.file, made_by=stated, overwrite=True)
        cells.append(cell)
    study = Study(study.tuning, tuple(cells), floors)
    write_whole(folder / FILE, as_json(study), overwrite=True)
    return study


def as_json(study: Study) -> str:
    made = time.strftime("%Y-%m-%d")
    content: dict[str, Any] = {"format": FORMAT, "version": VERSION, "written": made, **asdict(study)}
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
