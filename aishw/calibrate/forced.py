"""Currents that injections push into a PE whose node is held on its steady wave: one short deck, any number of cells.

The node is an ideal source with the steady state's own wave, so cells do not see each other; each hangs on it through
an ammeter. The sources' taps stand at fixed phase differences, and one period after settling is kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aishw.calibrate.sources import BENCH, BITS, bias_sources, clock_sources, tap_sources
from aishw.calibrate.steady import tile_design
from aishw.engines import deck_replay
from aishw.engines.deck_rails import offset_bits, sign_bits
from aishw.engines.deck_transistor import chip_deck, fixed_coupler
from aishw.engines.ngspice import run_deck
from aishw.hardware.cells import cell_text, model_text, unit
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target
from aishw.units import spice_number as number

SAMPLES = 512
SETTLE = 1  # periods before the one that is kept
NODE = {"coupling": "r0", "reference": "r0", "shil": "r1"}


def forced_currents(
    target: Target,
    steady: SteadyState,
    kind: str,
    differences_rad: NDArray[np.float64],
    injections: Sequence[Sequence[str]],
    *,
    rate: float | None = None,
    text: str = "",
    solver: Solver = BENCH,
) -> NDArray[np.float64]:
    """(X, SAMPLES) A into the node over the PE's phase from 0, for each of the X `injections`.

    An injection is its instance lines, with the output on `y`; taps (p_<d>, n_<d>) or clocks (ck_<d>, ckb_<d>) stand
    for the phase difference differences_rad[d]: s_i - s_j for a coupler, 2 s_i for SHIL. rate: sets the bias (None: the
    strongest). text: further subcircuits.
    """
    f, vdd, circuit = steady.frequency_Hz, target.technology.supply_V, target.circuit
    lines, volts = bias_sources(target, kind, rate)
    sources, held = (
        clock_sources(target, differences_rad, f, steady.shil_phase_rad)
        if kind == "shil"
        else tap_sources(steady.waves, -differences_rad, f)
    )
    node = NODE[kind]
    wave = band_limited(steady.waves[node])
    lines += [*sources, deck_replay.replay_line(node, node, deck_replay.wave_table(wave, 2e-4), f, "0.0")]
    for k, injection in enumerate(injections):
        lines.append(f"va{k} {node} y{k} 0")
        for line in injection:
            name, *rest = line.split()
            lines.append(" ".join([f"{name}_{k}", *(f"y{k}" if word == "y" else word for word in rest)]))
    volts |= held | {node: float(wave[0]), "vdd": vdd, "vm": circuit["shil_low_V"]}
    volts |= {f"y{k}": float(wave[0]) for k in range(len(injections))}
    deck = chip_deck(
        tile_design(target, {}, fan_in=steady.fan_in),
        lines,
        title="aishw injections into a held node",
        models=model_text(target.technology),
        cells="\n".join([cell_text(target, BITS, 1), text]),
        solver=solver,
        stop_s=(SETTLE + 1) / f,
        start=deck_replay.start_lines(volts),
        save=" ".join(f"i(va{k})" for k in range(len(injections))),
    )
    raw = run_deck(deck, time_limit_s=900).raw
    currents = -raw.values[:, raw.columns([f"i(va{k})" for k in range(len(injections))])]
    return period_means(raw.time_s * f - SETTLE, currents)


def period_means(turns: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(X, SAMPLES) from samples (T, X) at uneven `turns` around 0..1, each the mean over the 1 / SAMPLES of a turn
    around it, so that no charge is lost between samples.
    """
    step = np.diff(turns)[:, None]
    charge = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum((values[1:] + values[:-1]) / 2 * step, axis=0)])
    edges = (np.arange(SAMPLES + 1) - 0.5) / SAMPLES
    # The half sample before 0 is the settling period's; it is as good as the one before 1.
    found = np.stack([np.interp(edges, turns, column) for column in charge.T])
    return np.diff(found, axis=1) * SAMPLES


def band_limited(wave: NDArray[np.float64], harmonics: int = 64) -> NDArray[np.float64]:
    """A ring node's wave without the scatter of its folding: its edges take a tenth of a period."""
    spectrum = np.fft.rfft(wave)
    spectrum[harmonics + 1 :] = 0.0
    return np.fft.irfft(spectrum, wave.size)


def coupler_lines(encoding: str, codes: Sequence[int], count: int, cells: str = "merged") -> list[list[str]]:
    """Couplers at every code (outer) and each of `count` phase differences; "full" cells have bits tied to rails."""
    fixed = fixed_coupler(encoding, BITS)
    weight_bits = sign_bits if encoding == "sign_magnitude" else offset_bits
    found = []
    for code in codes:
        bits = weight_bits(np.array([[code]], dtype=np.int8), BITS)[0, :, 0]
        ties = " ".join("vdd 0" if bit else "0 vdd" for bit in bits)
        for d in range(count):
            full = [f"xc n_{d} p_{d} y {ties} bn bp vdd coupler"]
            found.append(list(fixed("c", str(d), "y", "bn bp", code)) if cells == "merged" else full)
    return found


def shil_lines(codes: Sequence[int], count: int) -> list[list[str]]:
    """SHIL units at every code (none of them 0; outer) and every phase difference."""
    return [
        [f"xs {'ck' if code > 0 else 'ckb'}_{d} y bs vm shil_unit u={number(abs(code) * unit(BITS))}"]
        for code in codes
        for d in range(count)
    ]
