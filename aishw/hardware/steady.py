"""SteadyState: one period of a loaded PE, as a circuit run left it. Start states and replayed taps come from here."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aishw.errors import CardError
from aishw.hardware.solver import Solver


@dataclass(frozen=True, eq=False)
class SteadyState:
    """A PE with all its couplers (`fan_in`) at code 0, driven by taps whose phases are spread evenly over the circle.

    Spread phases make every harmonic of every coupler cancel, so `frequency_Hz` is the PE's own under a toggling load.
    waves: (M,) volts over one period by node, folded from fine steps (`calibrate.steady`); phase 0 is
    where tap p rises through half the supply. Nodes of a coupler finger (`finger.s`, `finger.t`) are given over the
    phase of the tap that drives it.
    marks_rad: the phase at which a node's wave rises through half the supply, of nodes whose wave does.
    target, corner, temperature_K, cells (merged or full), solver: what it was measured on; a run with others is
    refused.
    simulator: name and version. cpu_s: what it took. fan_in: couplers of the PE. full_frequency_Hz: the
    same PE with full cells (0: not measured). circuit: hash of the cells, models and solver it was measured with.
    """

    target: str
    corner: str
    temperature_K: float
    cells: str
    solver: Solver
    frequency_Hz: float
    frequency_error_Hz: float
    waves: Mapping[str, NDArray[np.float64]]
    marks_rad: Mapping[str, float]
    shil_phase_rad: float
    simulator: str
    cpu_s: float
    fan_in: int = 24
    full_frequency_Hz: float = 0.0
    circuit: str = ""

    @property
    def read(self) -> str:
        """The node whose crossings tell a phase."""
        return ring_node(self.waves)

    def at(self, node: str, phase_rad: ArrayLike) -> NDArray[np.float64]:
        """Volts of `node` at phases of any shape, interpolated around the period. Raises CardError for an unknown
        node.
        """
        if node not in self.waves:
            raise CardError(f"the steady state of {self.target!r} has no node {node!r}")
        wave = self.waves[node]
        return np.interp(np.asarray(phase_rad) / (2 * np.pi) * wave.size, np.arange(wave.size), wave, period=wave.size)


def ring_node(nodes: Container[str]) -> str:
    """Of a PE's nodes the ring's that couplers inject into: q, where a resistor parts it from r0, else r0 itself."""
    return "q" if "q" in nodes else "r0"
