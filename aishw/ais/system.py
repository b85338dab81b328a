"""System: what was trained. Numbers only; the equations are in `families`, the solver in `rollout`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from aishw.ais.families import FAMILIES
from aishw.ais.topology import Topology
from aishw.errors import ModelError
from aishw.identity import fingerprint

READOUTS = ("sin", "cos", "identity")
NOISE_CONVENTIONS = ("wiener", "per_step")


@dataclass(frozen=True)
class Start:
    """The start state: every site is drawn from N(mean, deviation^2), in rad (or units of x)."""

    mean: float = 0.0
    deviation: float = 0.5

    def __post_init__(self) -> None:
        if not (np.isfinite(self.mean) and np.isfinite(self.deviation) and self.deviation >= 0):
            raise ModelError(f"start states need a finite mean and a deviation >= 0, got {self.mean}, {self.deviation}")


@dataclass(frozen=True)
class Noise:
    """Noise of strength `delta`.

    wiener: ds = f dtau + delta dW, delta in rad/sqrt(tau) (Euler-Maruyama; the default).
    per_step: every solver step adds delta N(0, 1), delta in rad; the other reading of the paper.
    """

    delta: float = 0.0
    convention: str = "wiener"

    def __post_init__(self) -> None:
        if self.convention not in NOISE_CONVENTIONS:
            raise ModelError(f"noise convention {self.convention!r} is unknown; known: {', '.join(NOISE_CONVENTIONS)}")
        if not (np.isfinite(self.delta) and self.delta >= 0):
            raise ModelError(f"noise strength must be finite and not negative, got {self.delta}")


@dataclass(frozen=True, eq=False)
class System:
    """A trained analog interaction system.

    family: a name in `families.FAMILIES`.
    topology: sites, edges, visible sites.
    coupling: (S, E) 1/tau, one value per segment (time chunk) and directed edge; C > 0 repels (KuraSHIL).
    terms: the family's other arrays by name, each (S, N) 1/tau (the MLP keeps its layers here).
    duration_tau: (S,) length of each segment in model time.
    start, readout, noise: how the state begins, what a pixel is, the noise it was trained with.
    step_tau: the Euler step it was trained with.
    name: a label for reports; never reaches a deck unescaped.

    Raises ModelError for shapes that do not fit, NaN or infinite values, and unknown names.
    """

    family: str
    topology: Topology
    coupling: NDArray[np.float64]
    terms: Mapping[str, NDArray[np.float64]]
    duration_tau: NDArray[np.float64]
    start: Start = field(default_factory=Start)
    readout: str = "sin"
    noise: Noise = field(default_factory=Noise)
    step_tau: float = 0.05
    name: str = "unnamed"

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ModelError(f"unknown family {self.family!r}; known: {', '.join(FAMILIES)}")
        if self.readout not in READOUTS:
            raise ModelError(f"unknown readout {self.readout!r}; known: {', '.join(READOUTS)}")
        if not 0 < self.step_tau < np.inf:
            raise ModelError(f"step_tau must be positive, got {self.step_tau}")
        family = FAMILIES[self.family]
        duration = np.array(self.duration_tau, dtype=np.float64).reshape(-1)
        coupling = np.array(self.coupling, dtype=np.float64)
        terms = {name: np.array(value, dtype=np.float64) for name, value in self.terms.items()}
        object.__setattr__(self, "duration_tau", duration)
        object.__setattr__(self, "coupling", coupling)
        object.__setattr__(self, "terms", terms)
        segments, edges = duration.size, self.topology.edges.shape[1] if family.coupled else 0
        if segments < 1 or not (np.isfinite(duration).all() and (duration > 0).all()):
            raise ModelError(f"every segment needs a positive duration in tau, got {duration.tolist()}")
        if coupling.shape != (segments, edges):
            raise ModelError(f"coupling is {coupling.shape}, expected (segments, edges) = {(segments, edges)}")
        if not np.isfinite(coupling).all():
            segment, edge = np.argwhere(~np.isfinite(coupling))[0]
            i, j = self.topology.edges[:, edge]
            raise ModelError(f"coupling of segment {segment}, site {i} from site {j} is {coupling[segment, edge]}")
        if coupling.size and self.topology.symmetric:
            _, first = np.unique(self.topology.pair, return_index=True)
            if not np.array_equal(coupling, coupling[:, first][:, self.topology.pair]):
                raise ModelError("the topology is symmetric, but C_ij and C_ji differ")
        family.check_terms(terms, segments, self.topology)
        for name, value in terms.items():
            if not np.isfinite(value).all():
                where = tuple(int(k) for k in np.argwhere(~np.isfinite(value))[0])
                raise ModelError(f"{name} at {where} is {value[where]}")

    @property
    def segments(self) -> int:
        return int(self.duration_tau.size)

    @property
    def sites(self) -> int:
        return self.topology.sites

    @cached_property
    def boundaries_tau(self) -> NDArray[np.float64]:
        """(S + 1,): the start of the run, then the end of every segment."""
        return np.concatenate([[0.0], np.cumsum(self.duration_tau)])

    @property
    def parameters(self) -> int:
        """Free parameters, as the paper's Table 2 counts them: couplings and terms of all segments."""
        couplings = self.segments * self.topology.couplings if FAMILIES[self.family].coupled else 0
        return couplings + sum(value.size for value in self.terms.values())

    @cached_property
    def id(self) -> str:
        """The hash of everything that decides a trajectory."""
        top = self.topology
        return fingerprint(
            self.family, top.height, top.width, top.edges, top.visible, self.coupling, self.terms, self.duration_tau,
            self.readout,
        )  # fmt: skip


def pixels(state: NDArray[np.float64], readout: str) -> NDArray[np.float64]:
    """What the phase detector sees: sin s, cos s, or s itself, in [-1, 1] for the first two; any shape.

    The inverse on the detector's own range is arcsin (s in [-pi/2, pi/2]) or arccos (s in [0, pi]): `state_of`.
    The trainer applies the same function to torch tensors (`families.read`).
    """
    if readout == "identity":
        return np.asarray(state)
    return np.sin(state) if readout == "sin" else np.cos(state)


def state_of(pixel: NDArray[np.float64], readout: str) -> NDArray[np.float64]:
    """The inverse of `pixels` on the detector's own range."""
    if readout == "identity":
        return np.asarray(pixel)
    return np.arcsin(pixel) if readout == "sin" else np.arccos(pixel)


def draw_start(system: System, images: int, seed: int) -> NDArray[np.float64]:
    """(B, N) start states from N(mean, deviation^2); the same seed gives the same states."""
    generator = np.random.default_rng(seed)
    return generator.normal(system.start.mean, system.start.deviation, (images, system.sites))
