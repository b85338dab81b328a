"""Sources of a bench: tap pairs and 2 f clocks at fixed phases, and biases; and how a bench integrates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from aishw.engines import deck_replay
from aishw.hardware.solver import Solver
from aishw.hardware.target import Target
from aishw.units import TWO_PI
from aishw.units import spice_number as number

BITS = 4
# Nearly fixed steps, finer than a window's, for responses and currents are small differences.
BENCH = Solver("trap", 200, 1e-4, 50.0)


def source_phases(groups: int) -> NDArray[np.float64]:
    return TWO_PI * np.arange(groups) / groups


def tap_sources(
    waves: Mapping[str, NDArray[np.float64]],
    phases_rad: NDArray[np.float64],
    frequency_Hz: float,
) -> tuple[list[str], dict[str, float]]:
    """Sources of the tap pairs p_<k>, n_<k> at fixed phases, and the voltages they hold at time zero."""
    lines, volts = [], {}
    for tap in "pn":
        wave = deck_replay.smoothed(waves[tap])
        table = deck_replay.wave_table(wave)
        for k, phase in enumerate(phases_rad.tolist()):
            turns = (phase / TWO_PI) % 1.0
            lines.append(deck_replay.replay_line(f"{tap}_{k}", f"{tap}_{k}", table, frequency_Hz, number(turns)))
            volts[f"{tap}_{k}"] = float(np.interp(turns * wave.size, np.arange(wave.size), wave, period=wave.size))
    return lines, volts


def clock_sources(
    target: Target, differences_rad: NDArray[np.float64], frequency_Hz: float, shil_phase_rad: float
) -> tuple[list[str], dict[str, float]]:
    """2 f clocks ck_<d> and complements as they stand for a PE whose 2 s is differences_rad[d], the PE at phase 0."""
    wave = deck_replay.clock_wave(target.circuit["clock_edge"], target.technology.supply_V)
    table = deck_replay.wave_table(wave)
    lines, volts = [], {}
    for d, difference in enumerate(differences_rad.tolist()):
        for name, half in (("ck", 0.0), ("ckb", 0.5)):
            turns = ((shil_phase_rad - difference) / TWO_PI + half) % 1.0
            node = f"{name}_{d}"
            lines.append(deck_replay.replay_line(node, node, table, 2 * frequency_Hz, number(turns)))
            volts[node] = float(np.interp(turns * wave.size, np.arange(wave.size), wave, period=wave.size))
    return lines, volts


def bias_sources(target: Target, kind: str, rate: float | None) -> tuple[list[str], dict[str, float]]:
    """The bias rails of one kind at the bias for `rate` (None: the strongest), and their voltages."""
    injection = target.injections[kind]
    high = float(injection.bias_for(injection.rate_limit if rate is None else rate))
    rails = {"bs": high} if kind == "shil" else {"bn": high, "bp": target.technology.supply_V - high}
    return [f"v{name} {name} 0 {number(volt)}" for name, volt in rails.items()], rails
