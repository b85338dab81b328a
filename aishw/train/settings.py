"""Settings: everything that decides a training run, as one noun. A TOML recipe has the same names (`recipe`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from aishw.ais.families import FAMILIES
from aishw.ais.system import NOISE_CONVENTIONS, READOUTS
from aishw.errors import TrainError
from aishw.hardware.target import POLICIES
from aishw.identity import fingerprint
from aishw.library import DEFAULT_TARGET
from aishw.lower.quantize import CLIPS
from aishw.train.critic import CRITICS
from aishw.train.schedule import SCHEDULES

SOLVERS = ("euler", "heun", "rk4")
OBJECTIVES = ("wgan", "swd", "otcfm")
_BOOKKEEPING = ("save_every", "save_minutes")  # change no number of a run


@dataclass(frozen=True)
class Settings:
    """A training run. The defaults train scikit-learn's digits on a 16x16 torus.

    dataset, split: `digits`, or a folder of idx files and which of them. family .. readout: the System; every segment
        lasts `duration_tau`; without a readout phases are read by their sine, other states as they are. The start
        needs a mean: KuraSHIL and PolyNet are odd, and without one every pixel would be as often bright as dark.
        layers, layer_width: of the MLP reference, which has no couplings.
    solver, step_tau, noise, noise_convention: how training integrates; noise is in rad/sqrt(tau) (`wiener`) or rad a
        step (`per_step`), and keeps the weights from leaning on the solver's own error.
    steps: generator steps, each on `batch` images. rate: Adam's, which follows `schedule`. first_deviation: of the
        first couplings, 1/tau. average: how much of the averaged weights stays at each step.
    objective: `wgan` (critic, critic_width, critic_steps critic steps before each step at critic_rate, penalty of the
        gradient, applied `penalty_every` critic steps as many times as strong; critic_first more critic steps before
        the very first step spare trained weights a critic that knows nothing), `swd` (sliced Wasserstein distance over
        `projections` directions) or `otcfm` (flow matching on optimally paired batches, no hidden sites).
    limit: largest |weight| by kind, 1/tau; what is longer is cut back after every step. It bounds the cycles an image
        takes (`lower`), and short runs gather less drift.
    weight_error, detuning_error: rms relative error of every weight and rms detuning (rad/tau) of every site, drawn
        anew for each batch of images.
    bits: 0 trains floating-point weights; otherwise every rollout sees the weights as codes of `target` stand for them
        (policy, clip), and gradients pass straight through.
    through: "" trains the equation, "macromodel" the calibrated circuit of `target` (`calibration`: another than the
        shipped one), on random chips: chip_detuning rad/cycle rms after trim, chip_gain relative rms. chip: the seed of
        one chip to train on (-1: random ones). trim: "also" or "only" trains a detuning for each site beside or
        instead of the weights, at trim_rate (rad/cycle a step).
    start_from: a checkpoint, or an unfinished run, to begin with. judge_every: steps between two looks at the score
        that keep the best averaged weights, or those of start_from where nothing beats them (0: none). save_every,
        save_minutes: how often the unfinished run is saved.

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
    readout: str = ""
    layers: int = 3
    layer_width: int = 128
    solver: str = "heun"
    step_tau: float = 0.1
    noise: float = 0.1
    noise_convention: str = "wiener"
    seed: int = 0
    batch: int = 64
    steps: int = 3000
    objective: str = "wgan"
    projections: int = 256
    critic: str = "mlp"
    critic_width: int = 256
    critic_steps: int = 4
    critic_first: int = 0
    critic_rate: float = 5e-4
    rate: float = 3e-3
    schedule: str = "linear"
    penalty: float = 10.0
    penalty_every: int = 1
    first_deviation: float = 0.05
    average: float = 0.998
    limit: Mapping[str, float] = field(default_factory=dict)
    weight_error: float = 0.0
    detuning_error: float = 0.0
    bits: int = 0
    target: str = DEFAULT_TARGET
    policy: str = "chunk"
    clip: str = "maximum"
    through: str = ""
    calibration: str = ""
    chip_detuning: float = 0.0
    chip_gain: float = 0.0
    chip: int = -1
    trim: str = ""
    trim_rate: float = 3e-5
    start_from: str = ""
    judge_every: int = 0
    save_every: int = 250
    save_minutes: float = 3.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "limit", {str(kind): float(value) for kind, value in self.limit.items()})
        if self.family not in FAMILIES:
            raise TrainError(f"family = {self.family!r} cannot be trained here; known: {', '.join(FAMILIES)}")
        if not self.readout:
            object.__setattr__(self, "readout", "sin" if FAMILIES[self.family].angular else "identity")
        for name, known in _NAMED.items():
            if getattr(self, name) not in known:
                listed = ", ".join(each or '""' for each in known)
                raise TrainError(f"{name} = {getattr(self, name)!r} is unknown; known: {listed}")
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:  # NaN fails too
                raise TrainError(f"{name} = {getattr(self, name)} is outside {low:g}..{high:g}")
        for kind, value in self.limit.items():
            if kind not in self.kinds or not (value > 0 and math.isfinite(value)):
                raise TrainError(f"limit.{kind} = {value} is no positive bound on one of {', '.join(self.kinds)}")
        _check_together(self)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The weights that are trained, by name."""
        family = FAMILIES[self.family]
        if not family.coupled:
            return tuple(f"{kind}{layer}" for layer in range(1, self.layers + 1) for kind in "wb")
        return ("coupling", *family.term_names, *family.optional_terms)

    @property
    def id(self) -> str:
        """The hash of every field that decides a number."""
        return fingerprint({name: value for name, value in asdict(self).items() if name not in _BOOKKEEPING})


def _check_together(s: Settings) -> None:
    """Raises TrainError for fields that contradict each other."""
    if s.bits == 1:
        raise TrainError("bits = 1 leaves no code but 0; give 0 (floating point) or 2..8")
    if s.symmetric and not FAMILIES[s.family].coupled:
        raise TrainError(f"symmetric = true: the {s.family} has no couplings; choose another family, or false")
    if s.through and not s.bits:
        raise TrainError(f"through = {s.through!r} trains codes; set bits to a width that target {s.target!r} has")
    if s.trim and not s.through:
        raise TrainError(f"trim = {s.trim!r} trains the circuit's detunings; set through = 'macromodel'")
    if s.through and (s.detuning_error or s.noise_convention != "wiener"):
        raise TrainError("through the circuit set detuning_error = 0 (use chip_detuning), noise_convention = 'wiener'")
    if not s.through and (s.chip_detuning or s.chip_gain):
        raise TrainError("chip_detuning and chip_gain are the circuit's; set through = 'macromodel', or both to 0")
    if s.objective == "otcfm":
        if s.through:
            raise TrainError("objective = 'otcfm' rolls nothing out, so through has no effect; use wgan or swd")
        if s.noise or s.detuning_error:
            raise TrainError("objective = 'otcfm' rolls nothing out; set noise = 0 and detuning_error = 0")


_NAMED = {
    "readout": READOUTS, "solver": SOLVERS, "noise_convention": NOISE_CONVENTIONS, "objective": OBJECTIVES,
    "critic": tuple(CRITICS), "schedule": tuple(SCHEDULES), "policy": POLICIES, "clip": CLIPS,
    "through": ("", "macromodel"), "trim": ("", "also", "only"),
}  # fmt: skip
_RANGES: dict[str, tuple[float, float]] = {
    "height": (1, 1024),
    "width": (1, 1024),
    "segments": (1, 1024),
    "duration_tau": (1e-6, 1e6),
    "start_mean": (-1e3, 1e3),
    "start_deviation": (0, 1e3),
    "layers": (1, 100),
    "layer_width": (1, 1e5),
    "step_tau": (1e-6, 1e3),
    "noise": (0, 10),
    "seed": (0, 2**31 - 1),
    "batch": (2, 1e5),
    "steps": (1, 1e8),
    "projections": (1, 1e5),
    "critic_width": (4, 1e5),
    "critic_steps": (1, 1000),
    "critic_first": (0, 1e6),
    "critic_rate": (0, 1),
    "rate": (0, 1),
    "penalty": (0, 1e6),
    "penalty_every": (1, 1000),
    "first_deviation": (0, 100),
    "average": (0, 0.999999),
    "weight_error": (0, 1),
    "detuning_error": (0, 10),
    "bits": (0, 8),
    "chip_detuning": (0, 10),
    "chip_gain": (0, 1),
    "trim_rate": (0, 1),
    "chip": (-1, 2**31 - 1),
    "judge_every": (0, 1e8),
    "save_every": (1, 1e8),
    "save_minutes": (0, 1e6),
}
