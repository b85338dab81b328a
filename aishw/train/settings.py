"""Settings: everything that decides a training run, as one noun and as a TOML recipe with the same names."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from aishw.ais.families import FAMILIES
from aishw.ais.system import READOUTS
from aishw.errors import TrainError
from aishw.hardware.target import POLICIES
from aishw.identity import fingerprint
from aishw.lower.quantize import CLIPS
from aishw.train.critic import CRITICS

SOLVERS = ("euler", "heun", "rk4")


@dataclass(frozen=True)
class Settings:
    """A training run. The defaults train scikit-learn's digits on a 16x16 torus.

    dataset, split: `digits`, or a folder of idx files and which of them. family .. readout: the System; every segment
        lasts `duration_tau`. The start needs a mean: KuraSHIL is odd, and without one every pixel would be as often
        bright as dark.
    solver, step_tau, noise: how training integrates; noise is in rad/sqrt(tau) and keeps the weights from leaning on
        the solver's own error.
    steps: generator steps; critic_steps critic steps before each. rate, critic_rate: Adam's, falling to 0 over the
        second half. penalty: of the gradient. first_deviation: of the first couplings, 1/tau. average: how much of the
        averaged weights stays at each step.
    limit: largest |weight| by kind, 1/tau; what is longer is cut back after every step. It bounds the cycles an image
        takes (`lower`), and short runs gather less drift.
    bits: 0 trains floating-point weights; otherwise every rollout sees the weights as codes of `target` stand for them
        (policy, clip), and gradients pass straight through. start_from: a checkpoint to begin with.
    save_every: steps between two savings of the unfinished run.

    Raises TrainError for a value that cannot be trained with.
    """

    name: str = "digits16"
    dataset: str = "digits"
    split: str = "train"
    family: str = "kurashil"
    height: int = 16
    width: int = 16
    neighbourhood: str = "box5"
    symmetric: bool = False
    segments: int = 4
    duration_tau: float = 1.0
    start_mean: float = -0.5
    start_deviation: float = 0.5
    readout: str = "sin"
    solver: str = "heun"
    step_tau: float = 0.1
    noise: float = 0.1
    seed: int = 0
    batch: int = 64
    steps: int = 3000
    critic: str = "mlp"
    critic_width: int = 256
    critic_steps: int = 4
    critic_rate: float = 5e-4
    rate: float = 3e-3
    penalty: float = 10.0
    first_deviation: float = 0.05
    average: float = 0.998
    limit: Mapping[str, float] = field(default_factory=dict)
    bits: int = 0
    target: str = "ring28"
    policy: str = "chunk"
    clip: str = "maximum"
    start_from: str = ""
    save_every: int = 250

    def __post_init__(self) -> None:
        object.__setattr__(self, "limit", {str(kind): float(value) for kind, value in self.limit.items()})
        family = FAMILIES.get(self.family)
        if family is None or not family.coupled:
            coupled = ", ".join(name for name, each in FAMILIES.items() if each.coupled)
            raise TrainError(f"family = {self.family!r} cannot be trained here; known: {coupled}")
        for name, known in _NAMED.items():
            if getattr(self, name) not in known:
                raise TrainError(f"{name} = {getattr(self, name)!r} is unknown; known: {', '.join(known)}")
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:  # NaN fails too
                raise TrainError(f"{name} = {getattr(self, name)} is outside {low:g}..{high:g}")
        if self.bits == 1:
            raise TrainError("bits = 1 leaves no code but 0; give 0 (floating point) or 2..8")
        kinds = ("coupling", *family.term_names)
        for kind, value in self.limit.items():
            if kind not in kinds or not (value > 0 and math.isfinite(value)):
                raise TrainError(f"limit.{kind} = {value} is no positive bound on one of {', '.join(kinds)}")

    @property
    def id(self) -> str:
        return fingerprint(asdict(self))


_NAMED = {"readout": READOUTS, "solver": SOLVERS, "critic": tuple(CRITICS), "policy": POLICIES, "clip": CLIPS}
_RANGES: dict[str, tuple[float, float]] = {
    "height": (1, 1024),
    "width": (1, 1024),
    "segments": (1, 1024),
    "duration_tau": (1e-6, 1e6),
    "start_mean": (-1e3, 1e3),
    "start_deviation": (0, 1e3),
    "step_tau": (1e-6, 1e3),
    "noise": (0, 10),
    "seed": (0, 2**31 - 1),
    "batch": (2, 1e5),
    "steps": (1, 1e8),
    "critic_width": (4, 1e5),
    "critic_steps": (1, 1000),
    "critic_rate": (0, 1),
    "rate": (0, 1),
    "penalty": (0, 1e6),
    "first_deviation": (0, 100),
    "average": (0, 0.999999),
    "bits": (0, 8),
    "save_every": (1, 1e8),
}


def read_recipe(path: str | Path) -> Settings:
    """The Settings of a TOML file. Raises TrainError for a file that is missing or no TOML, and for unknown or mistyped
    fields."""
    try:
        recipe = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # UnicodeDecodeError and TOMLDecodeError are ValueErrors
        reason = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
        raise TrainError(f"recipe {path} cannot be read: {reason}") from None
    return settings_from(recipe, str(path))


def settings_from(recipe: Mapping[str, Any], where: str = "recipe") -> Settings:
    """Settings of names and plain values; `where` names their origin in a refusal."""
    defaults = {each.name: getattr(Settings(), each.name) for each in fields(Settings)}
    given: dict[str, Any] = {}
    for name, value in recipe.items():
        if name not in defaults:
            raise TrainError(f"{where} has an unknown field {name!r}; known: {', '.join(defaults)}")
        given[name] = _like(defaults[name], value, f"{where}: {name}")
    return Settings(**given)


def _like(default: Any, value: Any, where: str) -> Any:
    """`value` if it has the default's type; a whole number also serves as a float."""
    if isinstance(default, Mapping):
        if isinstance(value, Mapping):
            return {kind: _like(0.0, each, f"{where}.{kind}") for kind, each in value.items()}
    elif isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    elif type(value) is type(default):
        return value
    wanted = "a table" if isinstance(default, Mapping) else type(default).__name__
    raise TrainError(f"{where} must be {wanted}, got {value!r}")
