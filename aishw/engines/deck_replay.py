"""Everything outside the transistors of a deck: replayed taps, reference, 2 f clock, loads of couplers that are left
out.
Pure text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from aishw.lower.design import Design
from aishw.units import TWO_PI
from aishw.units import spice_number as number


def load_lines(design: Design, sites: NDArray[np.int64]) -> Iterator[str]:
    """Capacitors on both taps of each PE for the couplers it drives outside the window, and for its wires."""
    inside = np.zeros(design.system.sites, dtype=bool)
    inside[sites] = True
    driven, driving = design.system.topology.edges
    missing = np.bincount(driving[~inside[driven]], minlength=inside.size)
    circuit = design.target.circuit
    loads = {m: number(circuit["wire_F"] + m * circuit["tap_load_F"]) for m in np.unique(missing[sites]).tolist()}
    for i, m in zip(sites.tolist(), missing[sites].tolist()):
        yield f"cp{i} p_{i} 0 {loads[m]}"
        yield f"cn{i} n_{i} 0 {loads[m]}"


STEEPEST = 40.0
REPLAY_STEPS = 25
FINE = 64
Points = tuple[NDArray[np.float64], NDArray[np.float64]]


def smoothed(wave: NDArray[np.float64]) -> NDArray[np.float64]:
    """One period (M,), its edges slow enough for nearly fixed steps.

    A wave whose edges take at least a period / STEEPEST (by their steepest slope) comes back as it is: `ring28`'s taps
    do. A faster one is averaged twice over a period / REPLAY_STEPS, which keeps each edge's area and time, yet not the
    circuit: on a PE with 60 ps edges it moved the frequency by 7e-4.
    """
    return np.array(wave) if steepness(wave) <= STEEPEST else averaged(wave, REPLAY_STEPS)


def steepness(wave: NDArray[np.float64]) -> float:
    """The largest slope of one period (M,), in swings per period."""
    return float(np.abs(np.diff(np.append(wave, wave[0]))).max() * wave.size / np.ptp(wave))


def averaged(wave: NDArray[np.float64], steps_per_cycle: int) -> NDArray[np.float64]:
    """One period (M,), averaged twice over a period / `steps_per_cycle`."""
    harmonics = np.fft.rfftfreq(wave.size, 1 / wave.size)
    return np.fft.irfft(np.fft.rfft(wave) * np.sinc(harmonics / steps_per_cycle) ** 2, wave.size)


def wave_table(wave: NDArray[np.float64], tolerance_V: float = 2e-3) -> str:
    """One period (M,) as the points of a pwl() over 0..1, without those that lie on a line between their neighbours."""
    return _table(*wave_points(wave, tolerance_V))


def wave_points(wave: NDArray[np.float64], tolerance_V: float = 2e-3) -> Points:
    """The points of `wave_table`: turns (K,) from 0 to 1, and volts (K,)."""
    return _points(np.ascontiguousarray(wave, dtype=np.float64).tobytes(), tolerance_V)


@lru_cache(maxsize=64)
def _points(wave: bytes, tolerance_V: float) -> Points:
    height = np.frombuffer(wave)
    count = height.size
    height = np.append(height, height[0])
    keep, first = [0], 0
    while first < count:
        last = first + 1
        while last < count:
            inner = np.arange(first + 1, last + 1)
            line = height[first] + (height[last + 1] - height[first]) * (inner - first) / (last + 1 - first)
            if np.abs(height[inner] - line).max() > tolerance_V:
                break
            last += 1
        keep.append(last)
        first = last
    return np.array(keep) / count, height[keep]


def _table(x: NDArray[np.float64], volts: NDArray[np.float64]) -> str:
    return ",".join(f"{number(a)},{number(v)}" for a, v in zip(x.tolist(), volts.tolist()))


def timed_line(
    name: str,
    node: str,
    points: Points,
    turns: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    stop_s: float,
    frequency_Hz: float,
) -> str:
    """A source that plays a period's points (`wave_points`) from time zero to `stop_s`, as one pwl() of the time.

    turns: the rising phase at times (T,), in turns; its time at a point is interpolated from FINE times a period. The
    simulator looks such a table up by bisection, but evaluates a phase's expression at every iteration: in a window
    with 48 such sources this takes 28 % off its time.
    """
    time_s = np.linspace(0.0, stop_s + 1 / frequency_Hz, FINE * (int(stop_s * frequency_Hz) + 2))
    phase = turns(time_s)
    at, volts = points
    whole = np.arange(np.floor(phase[0]), np.floor(phase[-1]) + 1)
    inner = (whole[:, None] + at[:-1]).ravel()
    kept = (inner > phase[0] + 1e-9) & (inner < phase[-1] - 1e-9)
    ends = np.interp(phase[[0, -1]] % 1.0, at, volts)
    played_s = np.concatenate([time_s[:1], np.interp(inner[kept], phase, time_s), time_s[-1:]])
    played_V = np.concatenate([ends[:1], np.tile(volts[:-1], whole.size)[kept], ends[1:]])
    return f"b{name} {node} 0 v=pwl(time,{_table(played_s, played_V)})"


def start_lines(volts: Mapping[str, float], in_a_line: int = 40) -> list[str]:
    """`.ic` lines of node voltages. Raises ValueError for NaN and infinities."""
    if not np.isfinite(np.fromiter(volts.values(), dtype=np.float64)).all():
        raise ValueError("a start voltage is not finite")
    entries = [f"v({node})={volt!r}" for node, volt in volts.items()]
    return [f".ic {' '.join(entries[k : k + in_a_line])}" for k in range(0, len(entries), in_a_line)]


def replay_line(name: str, node: str, table: str, frequency_Hz: float, phase: str) -> str:
    """A source that plays a tap's period at 2 pi f t + phase, phase being an expression of `time` in turns."""
    turn = f"({number(frequency_Hz)}*time+{phase})"
    return f"b{name} {node} 0 v=pwl({turn}-floor({turn}),{table})"


def phase_expression(coefficients: NDArray[np.float64], scale: float, shift: float, turns: float = 0.0) -> str:
    """A polynomial phase (rad) as turns: u = scale * time + shift, Horner's rule; `turns` is added."""
    c = coefficients / TWO_PI
    text = number(c[-1])
    u = f"({number(scale)}*time+{number(shift)})"
    for value in c[-2::-1]:
        text = f"({number(value)}+{u}*{text})"
    return f"({number(turns)}+{text})"


def clock_wave(edge: float, supply_V: float) -> NDArray[np.float64]:
    """One period of the 2 f clock (1024,): it rises over the first `edge` of its period and falls half a period
    later.
    """
    turn = np.arange(1024) / 1024
    return averaged(np.interp(turn, [0, edge, 0.5, 0.5 + edge, 1], [0, supply_V, supply_V, 0, 0]), 100)


def clock_lines(frequency_Hz: float, shil_phase_rad: float, wave: NDArray[np.float64], turns: float = 0.0) -> list[str]:
    """The 2 f clock ck and its complement: ck rises where 2 theta + shil_phase is a whole turn."""
    shape = wave_table(wave)
    lines = []
    for name, half in (("ck", 0.0), ("ckb", 0.5)):
        phase = number((shil_phase_rad / TWO_PI + half + 2 * turns) % 1.0)
        lines.append(replay_line(name, name, shape, 2 * frequency_Hz, phase))
    return lines


def reference_lines(
    waves: dict[str, str], frequency_Hz: float, turns: float = 0.0, quadrature: bool = False
) -> list[str]:
    """The reference's taps p_ref, n_ref: a PE's own tap waves at phase 0; with `quadrature` also a quarter turn
    ahead.
    """
    names = [("ref", turns % 1.0)] + ([("quad", (turns + 0.25) % 1.0)] if quadrature else [])
    return [
        replay_line(f"{tap}_{name}", f"{tap}_{name}", waves[tap], frequency_Hz, number(at))
        for name, at in names
        for tap in "pn"
    ]
