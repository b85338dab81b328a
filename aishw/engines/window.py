"""Windows: a few transistor PEs with all their couplers; every site outside plays its recorded phase as tap waves.

One chunk is one deck of merged cells. The next chunk starts from the node voltages the last one ended with, so the
phases run on. The outside's phase is a polynomial in time over the chunk, fitted to the recorded trace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from aishw.engines import deck_replay
from aishw.engines import deck_transistor as deck
from aishw.engines.base import Progress
from aishw.engines.ngspice import run_deck
from aishw.engines.start import end_voltages, held_voltages, read_names, shil_voltages, start_voltages
from aishw.errors import GridError
from aishw.hardware.cells import cell_text, model_text
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.lower.design import Design
from aishw.units import TWO_PI

LARGEST_DEGREE = 14
FIT_RAD = 2e-4
FEWEST = 4


@dataclass(frozen=True)
class Window:
    """A rectangle of sites: top row, left column, height, width; it may wrap around the torus."""

    row: int
    column: int
    height: int
    width: int

    def sites(self, rows: int, columns: int) -> NDArray[np.int64]:
        """Site numbers, row by row. Raises GridError for a window that leaves the grid or is larger than it."""
        text = f"{self.row},{self.column},{self.height},{self.width}"
        if not (0 <= self.row < rows and 0 <= self.column < columns):
            raise GridError(f"window {text} starts off the {rows}x{columns} grid")
        if not (1 <= self.height <= rows and 1 <= self.width <= columns):
            raise GridError(
                f"window {text} does not fit the {rows}x{columns} grid; height and width are 1..{rows} and 1..{columns}"
            )
        row = (self.row + np.arange(self.height)) % rows
        column = (self.column + np.arange(self.width)) % columns
        return (row[:, None] * columns + column).reshape(-1)

    @staticmethod
    def parse(text: str) -> Window:
        """`R,C,H,W` as a command line gives it. Raises GridError."""
        try:
            row, column, height, width = (int(word) for word in text.split(","))
        except ValueError:
            raise GridError(f"a window is R,C,H,W (row, column, height, width), got {text!r}") from None
        return Window(row, column, height, width)


def outside_sites(design: Design, sites: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sites outside the window that drive a site in it."""
    if sites.size == design.system.sites:
        return np.empty(0, dtype=np.int64)
    driven, driving = design.system.topology.edges
    drivers = np.unique(driving[np.isin(driven, sites)])
    return drivers[~np.isin(drivers, sites)]


def phase_polynomials(
    time_s: NDArray[np.float64], phase_rad: NDArray[np.float64], stop_s: float
) -> tuple[NDArray[np.float64], float]:
    """Power coefficients (D + 1, M) in u = 2 t / stop - 1 of phases (T, M) sampled at `time_s`, and the worst
    residual in rad.

    The degree rises until the residual is under FIT_RAD; samples near both chunk ends keep the fit inside its range.
    """
    u = 2 * time_s / stop_s - 1
    for degree in range(1, min(LARGEST_DEGREE, time_s.size - 1) + 1):
        fit = chebyshev.chebfit(u, phase_rad, degree)
        residual = float(np.abs(chebyshev.chebval(u, fit).T - phase_rad).max(initial=0.0))
        if residual < FIT_RAD:
            break
    power = np.zeros((degree + 1, phase_rad.shape[1]))
    for column in range(phase_rad.shape[1]):
        c = chebyshev.cheb2poly(fit[:, column])
        power[: c.size, column] = c
    return power, residual


def samples_of(times_tau: NDArray[np.float64], bounds_tau: NDArray[np.float64], segment: int) -> NDArray[np.bool_]:
    """Which samples (T,) tell of a segment. The one on its first boundary is from before its codes, whose coming moves
    phases at once: it counts where fewer than FEWEST others are left.
    """
    begin, end = bounds_tau[segment : segment + 2]
    inside = (times_tau >= begin - 1e-9) & (times_tau <= end + 1e-9)
    after = inside & (times_tau > begin + 1e-9)
    return after if after.sum() >= FEWEST else inside


def chunk_deck(
    design: Design,
    segment: int,
    sites: NDArray[np.int64],
    steady_waves: Mapping[str, NDArray[np.float64]],
    *,
    frequency_Hz: float,
    shil_phase_rad: float,
    outside: Mapping[int, NDArray[np.float64]],
    solver: Solver,
    stop_s: float,
    turns: float = 0.0,
    start_V: Mapping[str, float] | None = None,
    trim: NDArray[np.int64] | None = None,
    title: str = "aishw window",
    save: str = "all",
    cells: str = "merged",
) -> str:
    """The deck of one chunk of a window with merged cells; a design of one chunk can also have its full ones.

    outside: power coefficients in u = 2 t / stop - 1 for each outside site. turns: the reference's phase at the start.
    start_V: node voltages at time zero.
    """
    taps = {tap: deck_replay.smoothed(steady_waves[tap]) for tap in ("p", "n")}
    points = {tap: deck_replay.wave_points(wave) for tap, wave in taps.items()}
    tables = {tap: deck_replay.wave_table(wave) for tap, wave in taps.items()}
    vdd = design.target.technology.supply_V
    clock = deck_replay.clock_wave(design.target.circuit["clock_edge"], vdd)
    body = (
        deck.full_body(design, trim=trim, sites=sites)
        if cells == "full"
        else deck.merged_body(design, segment, sites, trim)
    )
    lines = [*body, *deck_replay.load_lines(design, sites)]
    lines += deck_replay.clock_lines(frequency_Hz, shil_phase_rad, clock, turns)
    lines += deck_replay.reference_lines(tables, frequency_Hz, turns)
    for site, coefficients in outside.items():
        told = partial(_turns, coefficients, stop_s, frequency_Hz, turns % 1.0)
        for tap in "pn":
            node = f"{tap}_{site}"
            lines.append(deck_replay.timed_line(node, node, points[tap], told, stop_s, frequency_Hz))
    phases = {
        "ref": TWO_PI * turns,
        **{str(site): TWO_PI * turns + float(np.polynomial.polynomial.polyval(-1.0, c)) for site, c in outside.items()},
    }
    held = held_voltages(lines, {**taps, "ck": clock}, phases, 2 * TWO_PI * turns + shil_phase_rad)
    low_V = design.target.circuit["shil_low_V"]
    held |= {"vdd": vdd, "vm": low_V} | shil_voltages(lines, low_V, design.bits)
    start = deck_replay.start_lines(held | dict(start_V or {}))
    return deck.chip_deck(
        design,
        lines,
        title=title,
        models=model_text(design.target.technology),
        cells=cell_text(design.target, design.bits, design.system.segments),
        solver=solver,
        stop_s=stop_s,
        start=start,
        save=save,
    )


def _turns(
    coefficients: NDArray[np.float64], stop_s: float, frequency_Hz: float, turns: float, time_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    u = np.minimum(2 * time_s / stop_s - 1, 1.0)  # beyond the run a polynomial may go anywhere
    phase = np.polynomial.polynomial.polyval(u, coefficients)
    return np.asarray(turns + frequency_Hz * time_s + phase / TWO_PI)


@dataclass(frozen=True, eq=False)
class WindowRun:
    """Waves of the window's r0 nodes over the whole run, and what the outside's fit left."""

    time_s: NDArray[np.float64]
    wave_V: NDArray[np.float64]
    residual_rad: float
    energy_J: float
    cpu_s: float
    simulator: str


def run_window(
    design: Design,
    sites: NDArray[np.int64],
    steady: SteadyState,
    times_tau: NDArray[np.float64],
    phase_rad: NDArray[np.float64],
    *,
    trim: NDArray[np.int64] | None = None,
    time_limit_s: float = 3600.0,
    cancel: Event | None = None,
    progress: Progress | None = None,
    keep: Path | None = None,
) -> WindowRun:
    """The window's transistors through all chunks, driven by the recorded trace phase_rad (T, N) at times_tau (T,).

    The window's own start phases are the trace's first row. Seconds follow from cycles at the steady state's frequency;
    reference, clock and replayed taps run at the design's reference frequency beside it.
    Raises SimulatorError (with the deck kept) if a chunk fails.
    """
    bounds, outside = design.system.boundaries_tau, outside_sites(design, sites)
    start = start_voltages(design, sites, steady, phase_rad[0])
    times, waves, residual, turns, begin_s, energy, cpu_s = [], [], 0.0, 0.0, 0.0, 0.0, 0.0
    nodes, reference_Hz = read_names(design.target, sites.tolist()), design.reference_Hz(steady.frequency_Hz)
    for segment, cycles in enumerate(design.cycles_per_tau * design.system.duration_tau):
        stop_s = float(cycles / steady.frequency_Hz)
        inside = samples_of(times_tau, bounds, segment)
        local_s = (times_tau[inside] - bounds[segment]) * design.cycles_per_tau[segment] / steady.frequency_Hz
        power, left = phase_polynomials(local_s, phase_rad[inside][:, outside], stop_s)
        text = chunk_deck(
            design,
            segment,
            sites,
            steady.waves,
            frequency_Hz=reference_Hz,
            shil_phase_rad=steady.shil_phase_rad,
            outside={int(j): power[:, k] for k, j in enumerate(outside)},
            solver=steady.solver,
            stop_s=stop_s,
            turns=turns,
            start_V=start,
            trim=trim,
            title=f"aishw window, chunk {segment}",
        )
        share = _share(progress, segment, design.system.segments)
        result = run_deck(text, time_limit_s=time_limit_s, cancel=cancel, progress=share, keep=keep)
        raw = result.raw
        times.append(begin_s + raw.time_s)
        waves.append(np.stack([raw.node(node) for node in nodes], axis=1))
        current = -raw["i(vdd)"]
        energy += float(np.trapezoid(current, raw.time_s)) * design.target.technology.supply_V
        start = end_voltages(result)
        residual, cpu_s = max(residual, left), cpu_s + result.cpu_s
        begin_s, turns = begin_s + stop_s, (turns + stop_s * reference_Hz) % 1.0
    cut = [slice(None)] + [slice(1, None)] * (len(times) - 1)
    return WindowRun(
        np.concatenate([t[c] for t, c in zip(times, cut)]),
        np.concatenate([w[c] for w, c in zip(waves, cut)]),
        residual,
        energy,
        cpu_s,
        f"ngspice {result.simulator.version}",
    )


def _share(progress: Progress | None, segment: int, segments: int) -> Progress | None:
    return None if progress is None else lambda fraction: progress((segment + fraction) / segments)
