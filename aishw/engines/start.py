"""Node voltages at time zero: a window that starts at given phases, and a chunk that goes on where the last one
ended.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from aishw.engines.deck_transistor import fixed_fingers
from aishw.engines.ngspice import Result
from aishw.errors import SimulatorError
from aishw.hardware.cells import pe_words
from aishw.hardware.steady import SteadyState, ring_node
from aishw.hardware.target import Target
from aishw.lower.design import Design
from aishw.units import TWO_PI

_BIAS = re.compile(r"(bn|bp|bs|en|ep)(_\d+)?\Z")
_FINGER = re.compile(r"xo?(c\d+_\d+|r\d+)\.[st]\Z")
PE_NODES = {
    "r0": "r0_{}",
    "r1": "r1_{}",
    "r2": "r2_{}",
    "n": "n_{}",
    "p": "p_{}",
    **{d: f"xp{{}}.{d}" for d in ("q", "d1", "d2", "e1", "e2")},
}


def pe_nodes(known: Container[str]) -> dict[str, str]:
    """Names of a PE's nodes, with {} for its number. Node q, the ring's behind its couplers' resistor, is not in every
    target's PE: it is left out unless it is `known`.
    """
    return {node: name for node, name in PE_NODES.items() if node != "q" or node in known}


def read_names(target: Target, sites: Iterable[int]) -> list[str]:
    """The node of each PE whose crossings tell its phase: the ring's own that injections reach.

    There a drive displaces crossings least, and what it does to second order comes out smallest: of the strongest code
    of `ring28` an offset of -0.03 times its drive squared (cycles) at r0, 0.11 at r2, 0.08 and 0.15 at the taps.
    """
    name = PE_NODES[ring_node(pe_words(target))]
    return [name.format(site) for site in sites]


def read_name(target: Target, site: int) -> str:
    """The same of one PE."""
    return read_names(target, [site])[0]


def pe_voltages(sites: NDArray[np.int64], steady: SteadyState, phase_rad: NDArray[np.float64]) -> dict[str, float]:
    """Voltages of the PEs' own nodes at time zero, from the steady state at the phases (N,) of all sites."""
    volts: dict[str, float] = {}
    for node, name in pe_nodes(steady.waves).items():
        before, after = name.split("{}")
        volts.update(zip([f"{before}{i}{after}" for i in sites.tolist()], steady.at(node, phase_rad[sites]).tolist()))
    return volts


def start_voltages(
    design: Design, sites: NDArray[np.int64], steady: SteadyState, phase_rad: NDArray[np.float64]
) -> dict[str, float]:
    """Node voltages of a window of merged cells at time zero, in the first chunk: PEs and their couplers' fingers."""
    volts = pe_voltages(sites, steady, phase_rad)
    driven, driving = design.system.topology.edges
    kept = np.isin(driven, sites)
    couplers = [
        *zip([f"c{i}_{j}" for i, j in zip(driven[kept].tolist(), driving[kept].tolist())], phase_rad[driving[kept]]),
        *((f"r{i}", 0.0) for i in sites.tolist()),
    ]
    codes = np.concatenate([design.codes["coupling"][0, kept], design.codes["reference"][0, sites]]).tolist()
    fingers: dict[str, list[tuple[str, float]]] = {}
    for (name, phase), code in zip(couplers, codes):
        for instance, kind in fixed_fingers(design.target.encoding, design.bits, name, code):
            fingers.setdefault(kind, []).append((instance, phase))
    for kind, places in fingers.items():
        phases = np.array([phase for _, phase in places])
        for node in "st":
            at = steady.at(f"{kind}.{node}", phases).tolist()
            volts.update(zip([f"{instance}.{node}" for instance, _ in places], at))
    return volts


def held_voltages(
    lines: list[str], waves: Mapping[str, NDArray[np.float64]], phases: Mapping[str, float], clock_rad: float
) -> dict[str, float]:
    """Voltages at time zero of the nodes that sources hold. Without them `uic` starts the nodes at 0 V, and their
    jump to the source's value kicks every ring through the gate capacitances (measured: 0.8 rad).

    lines: the deck's body, rails before PEs. waves: one period each of taps "p" and "n" and of the clock "ck".
    phases: rad at time zero by the name of a tap pair ("ref", "12"). clock_rad: of the 2 f clock.
    """
    volts = {}
    for line in takewhile(lambda line: not line.startswith("xp"), lines):
        if line[0] == "v":
            words = line.replace("pwl(0 ", "").split()
            volts[words[1]] = float(words[3])
    for name, phase in phases.items():
        for tap in "pn":
            volts[f"{tap}_{name}"] = _at(waves[tap], phase)
    for name, half in (("ck", 0.0), ("ckb", np.pi)):
        volts[name] = _at(waves["ck"], clock_rad + half)
    return volts


def shil_voltages(lines: Iterable[str], low_V: float, bits: int) -> dict[str, float]:
    """The inner nodes of SHIL units, merged or full, at time zero: at the rail `low_V` that they switch to. At 0 V
    they draw their charge from the ring (measured on merged cells: up to 0.013 rad, by code and phase).
    """
    nodes = []
    for line in lines:
        name, cell = line.split(" ", 1)[0], line.split()
        if "shil_unit" in cell:
            nodes.append(f"{name}.s")
        elif cell[-1] == "shil":
            nodes += [f"{name}.xb{bit}.xs.s" for bit in range(bits - 1)]
    return dict.fromkeys(nodes, low_V)


def bank_voltages(lines: Iterable[str], supply_V: float) -> dict[str, float]:
    """The read nodes of latch banks whose bit is 1 in the first chunk, at time zero.

    Its latch is selected from the start: a read node at 0 V would take the charge of the latch and flip it (measured:
    every 1 of the first chunk read as 0).
    """
    return {f"{line.split(' ', 1)[0]}.a": supply_V for line in lines if " bank v0=1" in line}


def _at(wave: NDArray[np.float64], phase_rad: float) -> float:
    return float(np.interp(phase_rad / TWO_PI * wave.size, np.arange(wave.size), wave, period=wave.size))


def end_voltages(result: Result) -> dict[str, float]:
    """Every node's last voltage, for the next chunk to start from; bias and clock nodes follow their own sources."""
    volts = {}
    for column, name in enumerate(result.raw.names):
        node = name[2:-1] if name.startswith("v(") else name
        if name.startswith("i(") or "#" in name or node in {"time", "vdd", "vm", "ck", "ckb"} or _BIAS.match(node):
            continue
        volts[node] = float(result.raw.values[-1, column])
    # A switched coupler may have no enabled (xc3_4) or no disabled (xoc3_4) finger in one chunk and one in the next: it
    # then goes on where its other part ended.
    other = {(f"x{n[2:]}" if n.startswith("xo") else f"xo{n[1:]}"): v for n, v in volts.items() if _FINGER.match(n)}
    volts = other | volts
    if not volts:
        raise SimulatorError("ngspice saved no node voltages, so the next chunk cannot start from them")
    return volts
