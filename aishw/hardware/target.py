"""Target: the chip as a buyer of it sees it. What it holds, how it encodes a weight, and its nominal figures."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aishw.errors import CardError
from aishw.hardware.solver import Solver
from aishw.hardware.technology import Technology

ENCODINGS = ("offset", "sign_magnitude")
POLICIES = ("array", "chunk", "site")
STRATEGIES = ("state_stationary", "save_and_reprogram", "weight_stationary")
KINDS = ("coupling", "shil", "reference")


@dataclass(frozen=True, eq=False)
class Injection:
    """One kind of injection into a PE, at fixed temperature and corner.

    levels: (Q,) strength of |code| = 0..Q-1 relative to the strongest code, measured; levels[0] = 0, levels[-1] = 1.
    bias_V, rate: (P,) the strongest code's strength in rad per cycle against the bias voltage, ascending; the bias DAC
        picks a point between them (linear in the logarithm of the rate).
    """

    levels: NDArray[np.float64]
    bias_V: NDArray[np.float64]
    rate: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("levels", "bias_V", "rate"):
            value = np.array(getattr(self, name), dtype=np.float64)
            object.__setattr__(self, name, value)
            if value.ndim != 1 or value.size < 2 or not (np.diff(value) > 0).all():
                raise CardError(f"an injection's {name} must be a rising list, got {value.tolist()}")
        if self.rate[0] <= 0:
            raise CardError(f"an injection's rates must be above 0, got {self.rate[0]}")
        if self.bias_V.size != self.rate.size:
            raise CardError("an injection needs as many rates as bias voltages")

    @property
    def rate_limit(self) -> float:
        """rad per cycle of the strongest code at the highest bias."""
        return float(self.rate[-1])

    def bias_for(self, rate: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """The bias voltage at which the strongest code gives `rate` rad per cycle; the lowest one for rate 0.

        Below the table the bias is extrapolated along its first two points. Raises CardError above the table.
        """
        wanted = np.asarray(rate, dtype=np.float64)
        if (wanted > self.rate[-1] * (1 + 1e-9)).any():
            raise CardError(f"{wanted.max():.4g} rad per cycle is above the strongest bias ({self.rate[-1]:.4g})")
        log_rate = np.log(self.rate)
        asked = np.log(np.maximum(wanted, self.rate[0] * 1e-2))
        slope = (self.bias_V[1] - self.bias_V[0]) / (log_rate[1] - log_rate[0])
        inside = np.interp(asked, log_rate, self.bias_V)
        return np.where(asked < log_rate[0], self.bias_V[0] + slope * (asked - log_rate[0]), inside)


@dataclass(frozen=True, eq=False)
class Target:
    """What a chip can hold.

    height, width: largest grid; reach: longest offset a wire spans, in sites; fan_in: couplers a PE has.
    families: the families its physics realises. bits: weight widths its DACs come in. encoding: how a coupler writes a
    signed code ("offset": k + 2^(q-1) in binary; "sign_magnitude"). policies, strategies: names it supports.
    segments: chunks its weight bank holds; bias_levels: steps of a bias DAC.
    frequency_Hz: the loaded PE. injections: by kind ("coupling", "shil", "reference").
    timing: switch_s (chunk switching), write_s (one weight), transfer_s (one state), state_bits (readout resolution).
    netlist: folder of its subcircuit templates. source: where the figures come from. solver: how its transistor runs
    are integrated, unless told. card: what to call it by on the command line, the path of a card that is not shipped.
    """

    name: str
    technology: Technology
    netlist: str
    families: tuple[str, ...]
    height: int
    width: int
    reach: int
    fan_in: int
    segments: int
    encoding: str
    bits: tuple[int, ...]
    policies: tuple[str, ...]
    strategies: tuple[str, ...]
    bias_levels: int
    frequency_Hz: float
    injections: dict[str, Injection]
    timing: dict[str, float]
    circuit: dict[str, float]
    source: str
    solver: Solver = field(default_factory=Solver)
    card: str = ""

    @property
    def called(self) -> str:
        """As a command takes it: a shipped name, or a path."""
        return self.card or self.name

    def __post_init__(self) -> None:
        if self.encoding not in ENCODINGS:
            raise CardError(
                f"target {self.name!r}: encoding {self.encoding!r} is unknown; known: {', '.join(ENCODINGS)}"
            )
        for name, allowed in (("policies", POLICIES), ("strategies", STRATEGIES)):
            for value in getattr(self, name):
                if value not in allowed:
                    raise CardError(f"target {self.name!r}: {value!r} is not one of {name} {', '.join(allowed)}")
        if set(self.injections) != set(KINDS):
            raise CardError(
                f"target {self.name!r}: injections must be {', '.join(KINDS)}, got {', '.join(self.injections)}"
            )
        if not 1e3 < self.frequency_Hz < 1e12:
            raise CardError(f"target {self.name!r}: frequency_Hz = {self.frequency_Hz} is outside 1e3..1e12")

    @property
    def sites(self) -> int:
        return self.height * self.width
