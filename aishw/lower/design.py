"""Design: a System as a Target holds it. Codes, full scales, and how long each segment takes in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from aishw.ais.system import System
from aishw.errors import ModelError
from aishw.hardware.target import Target
from aishw.identity import fingerprint
from aishw.units import TWO_PI

_LARGEST_SHIFT = 0.5  # 8 % of the frequency; what a PE is moved by is below 0.1


@dataclass(frozen=True, eq=False)
class Timeline:
    """What one image takes under a strategy.

    write_s, switch_s, run_s: (S,) per segment. writes, transfers: weight writes and saved-and-restored states per
    image. cores: arrays of PEs. storage_bits: weight bits held on chip. state_bits: resolution of a transferred state
    (0: the state is never digitised).
    """

    strategy: str
    write_s: NDArray[np.float64]
    switch_s: NDArray[np.float64]
    run_s: NDArray[np.float64]
    writes: int
    transfers: int
    cores: int
    storage_bits: int
    state_bits: int

    @property
    def image_s(self) -> float:
        """Seconds from the first write to the last phase."""
        return float(self.write_s.sum() + self.switch_s.sum() + self.run_s.sum())


@dataclass(frozen=True, eq=False)
class Design:
    """codes and full_scale by kind of injection.

    codes["coupling"]: (S, E) int; codes["shil"], codes["reference"]: (S, N) int, in -(2^(q-1)-1) .. 2^(q-1)-1.
    full_scale[kind]: (S, N) 1/tau, what the strongest code stands for at a driven site.
    cycles_per_tau: (S,) oscillator cycles that one tau takes in each segment.
    rate[kind]: (S, N) rad per cycle of the strongest code; the bias DAC gives it.
    clipped[kind]: weights beyond full scale, set to the strongest code.
    reference_shift: rad per cycle by which the reference and the 2 f clock run ahead of the PE's own frequency; phases
    are counted against that reference (`reference.common_drift`).
    """

    system: System
    target: Target
    bits: int
    policy: str
    codes: Mapping[str, NDArray[np.int8]]
    full_scale: Mapping[str, NDArray[np.float64]]
    cycles_per_tau: NDArray[np.float64]
    timeline: Timeline
    clipped: Mapping[str, int]
    reference_shift: float = 0.0

    def __post_init__(self) -> None:
        if not abs(self.reference_shift) < _LARGEST_SHIFT:
            raise ModelError(
                f"a reference shift of {self.reference_shift:.4g} rad per cycle is no small shift; allowed is "
                f"{_LARGEST_SHIFT} either way"
            )

    @property
    def code_limit(self) -> int:
        return int(2 ** (self.bits - 1) - 1)

    @cached_property
    def rate(self) -> dict[str, NDArray[np.float64]]:
        return {kind: scale / self.cycles_per_tau[:, None] for kind, scale in self.full_scale.items()}

    @cached_property
    def seconds_per_tau(self) -> NDArray[np.float64]:
        """(S,)"""
        return self.cycles_per_tau / self.target.frequency_Hz

    @property
    def cycles(self) -> float:
        """Oscillator cycles per image."""
        return float(self.cycles_per_tau @ self.system.duration_tau)

    def reference_Hz(self, frequency_Hz: float) -> float:
        """What the reference runs at beside PEs of `frequency_Hz`."""
        return frequency_Hz * (1 + self.reference_shift / TWO_PI)

    def values(self, kind: str) -> NDArray[np.float64]:
        """(S, E) or (S, N) 1/tau: what the codes of one kind stand for."""
        codes = self.codes[kind].astype(np.int64)
        levels = level_table(self.target, kind, self.bits)
        scale = self.full_scale[kind]
        if kind == "coupling":
            scale = scale[:, self.system.topology.edges[0]]
        return np.sign(codes) * levels[np.abs(codes)] * scale

    @cached_property
    def realised(self) -> System:
        """The System that the codes stand for, at nominal strength of every code."""
        terms = {name: self.values(name) for name in self.system.terms}
        name = f"{self.system.name}, {self.bits} bit"
        return replace(self.system, coupling=self.values("coupling"), terms=terms, name=name)

    @cached_property
    def id(self) -> str:
        codes = {kind: np.asarray(code) for kind, code in self.codes.items()}
        shift = [float(self.reference_shift)] if self.reference_shift else []  # ids of before there was a shift stay
        return fingerprint(
            self.system.id, self.target.name, self.target.technology.name, self.target.technology.corner, self.bits,
            self.policy, codes, dict(self.full_scale), self.cycles_per_tau, self.timeline.strategy, *shift,
        )  # fmt: skip


def level_table(target: Target, kind: str, bits: int) -> NDArray[np.float64]:
    """(2^(bits-1),) relative strength of |code|; other widths use the table at the same fraction of full scale."""
    table = target.injections[kind].levels
    top = 2 ** (bits - 1) - 1
    return np.interp(np.arange(top + 1) / top, np.arange(table.size) / (table.size - 1), table)
