"""Supply power of cells beside a PE: couplers at every code on a held node, and the bank of one weight bit."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from aishw.calibrate.forced import band_limited, coupler_lines
from aishw.calibrate.metered import mean_between, pushed_charge
from aishw.calibrate.sources import BENCH, BITS, bias_sources, tap_sources
from aishw.calibrate.steady import tile_design
from aishw.engines import deck_replay
from aishw.engines.deck_rails import source_line
from aishw.engines.deck_transistor import chip_deck
from aishw.engines.ngspice import run_deck
from aishw.hardware.cells import cell_text, model_text
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target
from aishw.units import TWO_PI, ns
from aishw.units import spice_number as number

DIFFERENCES = 6  # even phase differences, of which the mean is taken
SETTLE = 2  # periods
CHUNK_S = 3 * ns  # long against a latch's picoseconds
BANK = Solver("trap", 300, 1e-4, 7.0)


def coupler_power(
    target: Target,
    steady: SteadyState,
    kind: str,
    rate: float,
    codes: NDArray[np.int64],
    solver: Solver = BENCH,
) -> tuple[NDArray[np.float64], float]:
    """(Q,) W that a full coupler of `kind` at each of `codes` takes from its supply, the mean over its phase; and what
    the drivers of its two taps take (the mean over codes).
    """
    f, supply_V = steady.frequency_Hz, target.technology.supply_V
    lines, volts = bias_sources(target, kind, rate)
    phases = TWO_PI * np.arange(DIFFERENCES) / DIFFERENCES
    sources, held = tap_sources(steady.waves, phases, f)
    wave = band_limited(steady.waves["r0"])
    lines += [*sources, deck_replay.replay_line("r0", "r0", deck_replay.wave_table(wave), f, "0.0")]
    instances = coupler_lines(target.encoding, codes.tolist(), DIFFERENCES, "full")
    for k, instance in enumerate(instances):
        q = k // DIFFERENCES
        for line in instance:
            name, *rest = line.split()
            words = ["r0" if word == "y" else f"vdd{q}" if word == "vdd" else word for word in rest]
            lines.append(" ".join([f"{name}_{k}", *words]))
    lines += [f"v_{q} vdd vdd{q} 0" for q in range(codes.size)]
    taps = [f"b{tap}_{d}" for tap in "pn" for d in range(DIFFERENCES)]
    volts |= held | {"r0": float(wave[0]), "vdd": supply_V} | {f"vdd{q}": supply_V for q in range(codes.size)}
    deck = chip_deck(
        tile_design(target, {}, fan_in=steady.fan_in),
        lines,
        title="aishw couplers on a held node",
        models=model_text(target.technology),
        cells=cell_text(target, BITS, 1),
        solver=solver,
        stop_s=(SETTLE + 1) / f,
        start=deck_replay.start_lines(volts),
        save=" ".join(f"i({name})" for name in [*(f"v_{q}" for q in range(codes.size)), *taps]),
    )
    raw = run_deck(deck, time_limit_s=600).raw
    span = (SETTLE / f, (SETTLE + 1) / f)
    supply = [mean_between(raw.time_s, raw[f"i(v_{q})"], *span) for q in range(codes.size)]
    pushed_C = sum(pushed_charge(raw.time_s, raw[f"i({name})"], 1 / f, *span) for name in taps)
    return supply_V * np.array(supply) / DIFFERENCES, supply_V * pushed_C * f / len(instances)


def bank_energy(target: Target, solver: Solver = BANK) -> tuple[float, float, float]:
    """J of a weight bit that changes at a chunk's boundary (the mean of both ways), J of one that stays, and W of a
    stored bit at rest: latch, selector, restored output and the coupler's own gates, with the drivers of the select
    lines. A bank's leakage is divided among its bits.
    """
    segments, supply_V, edge_s = target.segments, target.technology.supply_V, target.timing["switch_s"]
    bits = (np.arange(segments) + np.arange(segments) // 2) % 2  # 0 1 1 0 0 1 ..: every change, and bits that stay
    starts = np.arange(segments + 1, dtype=np.float64) * CHUNK_S
    high = np.eye(segments) * supply_V
    lines, volts = bias_sources(target, "coupling", None)
    for k in range(segments):
        lines += [source_line(f"sel{k}", high[k], starts, edge_s)]
        lines += [source_line(f"nsel{k}", supply_V - high[k], starts, edge_s)]
        volts |= {f"sel{k}": float(high[k, 0]), f"nsel{k}": float(supply_V - high[k, 0])}
    selects = " ".join(f"sel{k} nsel{k}" for k in range(segments))
    values = " ".join(f"v{k}={bit}" for k, bit in enumerate(bits.tolist()))
    pairs = [f"k{b} l{b}" for b in range(BITS)]
    lines += [f"xk{b} {pair} {selects} vdd_bank bank {values}" for b, pair in enumerate(pairs)]
    lines += [f"vhalf half 0 {number(supply_V / 2)}", f"xc 0 vdd half {' '.join(pairs)} bn bp vdd coupler"]
    lines += ["v_bank vdd vdd_bank 0"]
    volts |= {"vdd": supply_V, "vdd_bank": supply_V, "half": supply_V / 2}
    drivers = [f"v{node}" for node in re.findall(r"n?sel\d+", selects)]
    deck = chip_deck(
        tile_design(target, {}),
        lines,
        title="aishw weight bank",
        models=model_text(target.technology),
        cells=cell_text(target, BITS, segments),
        solver=solver,
        stop_s=float(starts[-1]),
        start=deck_replay.start_lines(volts),
        save=" ".join(f"i({name})" for name in ["v_bank", *drivers]),
    )
    raw = run_deck(deck, time_limit_s=600).raw
    time, bank = raw.time_s, raw["i(v_bank)"]
    rest_A = [mean_between(time, bank, end - CHUNK_S / 4, end - CHUNK_S / 20) for end in starts[2:]]
    leakage_A = float(np.mean(rest_A))
    spent: dict[tuple[int, int], list[float]] = {}
    for k in range(1, segments):
        span = (float(starts[k]), float(starts[k + 1]) - CHUNK_S / 20)
        mean_A = mean_between(time, bank, *span) - leakage_A
        # A select line that rises takes its charge from the supply; one that falls gives it to ground.
        mean_A += sum(max(mean_between(time, -raw[f"i({name})"], *span), 0.0) for name in drivers)
        spent.setdefault((int(bits[k - 1]), int(bits[k])), []).append(mean_A * (span[1] - span[0]))
    joules = {change: supply_V * float(np.mean(charges)) / BITS for change, charges in spent.items()}
    changes = (joules[0, 1] + joules[1, 0]) / 2
    stays = np.mean([value for (a, b), value in joules.items() if a == b])
    return changes, float(stays), supply_V * leakage_A / BITS / segments
