"""The whole array as phase integrators, in real seconds: the netlist itself, without devices. Pure text.

Node `s<i>` carries the phase of site i, 1 V = 1 rad, on a capacitor of `tref` farads, so that 1 A is 1/tau:

    tref ds_i/dt = sum_j c_ij(t) sin(s_i - s_j) - h_i(t) sin(2 s_i) + r_i(t) sin(s_i)

    Cs5 s5 0 {tref} ic=0.25                      site 5 and its start phase
    Xc5_6 s5 s6 coupler0 k0=cp3 k1=cn2           driven by site 6: code +3 in chunk 0, -2 in chunk 1
    Xh5 s5 shil0 k0=hp0 k1=hp7                   its SHIL; Xr5 ... reference0 is its reference

`cp3` is what code 3 is worth against the strongest code, from the target's table; `cn3` is -cp3. `coupler0` holds the
full scales of the sites that share them. In every unit one source is code times full scale in each chunk and 0 between
chunks: chunk k acts from `b<k>` to `e<k>` seconds, with straight edges centred on them that begin at `m<k>` and end at
`n<k>`, in the gap. The area is exact, all units of a chunk share the edge, and so no edge changes what a chunk does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aishw.engines.names import title_line
from aishw.errors import DeckError
from aishw.lower.design import Design, level_table
from aishw.units import spice_number as number

LETTER = {"coupling": "c", "shil": "h", "reference": "r"}
SUBCIRCUIT = {"coupling": "coupler", "shil": "shil", "reference": "reference"}
PORTS = {"coupling": "si sj", "shil": "s", "reference": "s"}
CURRENT = {
    "coupling": "Bk 0 si I=V(k)*sin(V(si)-V(sj))",
    "shil": "Bk s 0 I=V(k)*sin(2*V(s))",
    "reference": "Bk 0 s I=V(k)*sin(V(s))",
}
SHORTEST_GAP = 1e-3  # of the shortest run: the gap where the timeline has none; all phases rest in it
# Of the shortest run. ngspice takes the first step behind every corner by backward Euler, at a tenth of the edge or of
# the step before it, so that a rising and a falling edge are wrong by different shares of their width.
LONGEST_EDGE = 1e-4


@dataclass(frozen=True)
class BehaviouralSolver:
    """How ngspice integrates: with steps of `step_tau` of the fastest chunk, shorter behind an edge only.

    A trtol this large turns step control off: equal steps make an error that halving them shows (see
    `spice_behavioural`). reltol is Newton's: ngspice keeps the charge of the last iterate but one, so that every step
    adds up to reltol times the phase, where the iterate before it happens to lie within (at 1e-6 up to 2e-4 rad in all,
    with one step and not with the next; at 1e-8 a hundredth of that, at the same cost).
    """

    step_tau: float = 0.016
    method: str = "trap"
    reltol: float = 1e-8
    trtol: float = 1e6


@dataclass(frozen=True, eq=False)
class Clock:
    """When chunks act, all (S,) seconds: the first edge starts at `rise`, the drive is 0 again at `fall`."""

    rise_s: NDArray[np.float64]
    begin_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    fall_s: NDArray[np.float64]

    @property
    def corners_s(self) -> NDArray[np.float64]:
        """(S, 4): where the edges of each chunk begin and end, in time order."""
        return np.stack(
            [self.rise_s, 2 * self.begin_s - self.rise_s, 2 * self.end_s - self.fall_s, self.fall_s], axis=1
        )

    def at(self, chunk: int, run_s: ArrayLike) -> NDArray[np.float64]:
        """Circuit seconds at which chunk number `chunk` of the deck has acted for `run_s`, edges included."""
        run = np.asarray(run_s, dtype=np.float64)
        begin, end = float(self.begin_s[chunk]), float(self.end_s[chunk])
        up, down = begin - float(self.rise_s[chunk]), float(self.fall_s[chunk]) - end
        left = np.maximum(end - begin - run, 0.0)
        early = begin - up + 2 * np.sqrt(up * np.maximum(run, 0.0))
        late = end + down - 2 * np.sqrt(down * left)
        return np.where(run < up, early, np.where(left < down, late, begin + run))


def clock(design: Design, segments: ArrayLike | None = None) -> Clock:
    """The chunks of a deck, one after the other with the timeline's gaps; what comes before the first is left out."""
    at = _chosen(design, segments)
    run = (design.seconds_per_tau * design.system.duration_tau)[at]
    gap = (design.timeline.switch_s + design.timeline.write_s)[at]
    gap = np.maximum(gap, SHORTEST_GAP * run.min())
    half = np.minimum(gap / 2, LONGEST_EDGE * run.min())
    gap[0] = half[0]
    end = np.cumsum(gap + run)
    begin = end - run
    rise = begin - half
    rise[0] = 0.0
    fall = end + np.append(half[1:], half[0])
    # One point where two edges meet: ngspice 39 loses all later corners behind two that are a rounding error apart.
    met = np.abs(fall[:-1] - rise[1:]) < 1e-3 * half[1:]
    fall[:-1] = np.where(met, rise[1:], fall[:-1])
    return Clock(rise, begin, end, fall)


def behavioural_deck(
    design: Design,
    x0: NDArray[np.float64],
    *,
    segments: Sequence[int] | None = None,
    solver: BehaviouralSolver | None = None,
    options: str = "",
) -> str:
    """The deck of a KuraSHIL design from start phases x0 (N,), for the chunks `segments` (default: all).

    options: further words of the `.options` line, e.g. "klu". Raises DeckError for another family and for start phases
    that do not fit.
    """
    system = design.system
    if system.family != "kurashil":
        raise DeckError(f"a behavioural deck holds kurashil arrays, got {system.family!r}; run it on the ode engine")
    start = np.asarray(x0, dtype=np.float64)
    if start.shape != (system.sites,) or not np.isfinite(start).all():
        raise DeckError(f"start phases are {start.shape}, expected ({system.sites},) finite numbers")
    at = _chosen(design, segments)
    solver = solver or BehaviouralSolver()
    time = clock(design, at)
    tau_s = design.seconds_per_tau[at]
    top = system.topology
    lines = [title_line(f"behavioural array {top.height}x{top.width} {at.size} chunks {system.name}")]
    lines += _times(time, tau_s)
    group = {}
    for kind in LETTER:
        lines += _levels(design, kind)
        group[kind], rows = _shared(design.full_scale[kind][at])
        for g, row in enumerate(rows):
            lines += full_scale_line(kind, g, row)
            lines += subcircuit(kind, g, time)
    lines += [f"Cs{i} s{i} 0 {{tref}} ic={number(v)}" for i, v in enumerate(start)]
    lines += _units(design, at, group)
    lines += [f".save {' '.join(f'v(s{i})' for i in part)}" for part in _parts(system.sites, 40)]
    step = number(solver.step_tau * float(tau_s.min()))
    lines += [
        f".options method={solver.method} reltol={number(solver.reltol)} trtol={number(solver.trtol)} vntol=1e-09 "
        f"{options}".rstrip(),
        f".tran {step} {number(time.fall_s[-1])} 0 {step} uic",
        ".end",
    ]
    return "\n".join(lines) + "\n"


def full_scale_line(kind: str, group: int, row: NDArray[np.float64]) -> list[str]:
    """Full scales of one group in every chunk, in units of 1/tau of chunk 0: a slower chunk has more seconds a tau."""
    letter = LETTER[kind]
    return [".param " + " ".join(f"{letter}{group}f{k}={{{number(v)}*tref/tau{k}}}" for k, v in enumerate(row))]


def subcircuit(kind: str, group: int, time: Clock) -> list[str]:
    """One kind of unit: a source that is code times full scale in each chunk, and the current it scales."""
    chunks = range(time.begin_s.size)
    points = []
    for k in chunks:
        if k == 0 or time.rise_s[k] > time.fall_s[k - 1]:
            points.append(f"{{m{k}}} 0")
        value = f"{{k{k}*{LETTER[kind]}{group}f{k}}}"
        points.append(f"{{2*b{k}-m{k}}} {value} {{2*e{k}-n{k}}} {value} {{n{k}}} 0")
    return [
        f".subckt {SUBCIRCUIT[kind]}{group} {PORTS[kind]} params: {' '.join(f'k{k}=0' for k in chunks)}",
        f"Vk k 0 PWL({' '.join(points)})",
        CURRENT[kind],
        ".ends",
    ]


def level_lines(kind: str, levels: NDArray[np.float64]) -> list[str]:
    """`cp<q>` and `cn<q>` for every code of a kind."""
    letter = LETTER[kind]
    return [
        ".param " + " ".join(f"{letter}p{q}={number(v)}" for q, v in enumerate(levels)),
        ".param " + " ".join(f"{letter}n{q}={{-{letter}p{q}}}" for q in range(1, levels.size)),
    ]


def _chosen(design: Design, segments: ArrayLike | None) -> NDArray[np.int64]:
    return np.arange(design.system.segments) if segments is None else np.asarray(segments, dtype=np.int64)


def _times(time: Clock, tau_s: NDArray[np.float64]) -> list[str]:
    lines = [f".param tref={number(tau_s[0])}"]
    for k in range(tau_s.size):
        points = (time.rise_s[k], time.begin_s[k], time.end_s[k], time.fall_s[k])
        named = " ".join(f"{letter}{k}={number(v)}" for letter, v in zip("mben", points))
        lines.append(f".param tau{k}={number(tau_s[k])} {named}")
    return lines


def _levels(design: Design, kind: str) -> list[str]:
    return level_lines(kind, level_table(design.target, kind, design.bits))


def _shared(scale: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(N,) the group of each site, and (G, S) the full scales of each group, in the order of the sites."""
    rows, first, group = np.unique(scale.T, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    return rank[group.reshape(-1)].astype(np.int64), rows[order]


def _units(design: Design, at: NDArray[np.int64], group: dict[str, NDArray[np.int64]]) -> list[str]:
    names = {kind: _code_names(kind, design.codes[kind][at]) for kind in LETTER}
    driven, driving = design.system.topology.edges
    shared = group["coupling"][driven].tolist()
    lines = [
        f"Xc{i}_{j} s{i} s{j} coupler{g} {codes}"
        for i, j, g, codes in zip(driven.tolist(), driving.tolist(), shared, names["coupling"])
    ]
    for kind in ("shil", "reference"):
        each = zip(group[kind].tolist(), names[kind])
        lines += [f"X{LETTER[kind]}{i} s{i} {SUBCIRCUIT[kind]}{g} {codes}" for i, (g, codes) in enumerate(each)]
    return lines


def _code_names(kind: str, codes: NDArray[np.int8]) -> list[str]:
    """(W,) `k0=cp3 k1=cn2 ...` for codes (S, W)."""
    letter = LETTER[kind]
    top = int(np.abs(codes.astype(np.int64)).max(initial=0))
    known = {q: f"{letter}{'p' if q >= 0 else 'n'}{abs(q)}" for q in range(-top, top + 1)}
    rows = [[f"k{k}={known[q]}" for q in row] for k, row in enumerate(codes.tolist())]
    return [" ".join(each) for each in zip(*rows)]


def _parts(count: int, size: int) -> list[range]:
    return [range(k, min(k + size, count)) for k in range(0, count, size)]
