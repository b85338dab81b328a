"""Noise currents of every transistor of a loaded PE along its cycle, from the card's own noise model.

One run gives each node's voltage over a cycle. At each phase every node is then held there and `.noise` says what each
transistor sends into the ring's nodes (A^2 per Hz, one-sided): channel noise (BSIM4's tnoimod, 4 k T gamma g for long
channels), access resistances and flicker (fnoimod, noia ..), whatever the card chooses; and 4 k T / R of a resistor.

Nodes inside a cell are held through an inductor, a short for the operating point and open for the noise, so that a
coupler's tail and its input switch share a noise current as their conductances tell. Sources, rails, clocks and taps
are taken as noiseless: tap noise moves a tap's edges and is forgotten, it does not diffuse.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from aishw.calibrate.loaded import Load, loaded_deck, run_loaded
from aishw.calibrate.sources import BENCH
from aishw.engines.deck_replay import start_lines
from aishw.engines.executor import run_all
from aishw.engines.ngspice import run_deck
from aishw.engines.start import pe_nodes
from aishw.errors import SimulatorError
from aishw.hardware.cells import pe_words
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target
from aishw.units import TWO_PI
from aishw.units import spice_number as number

THERMAL_HZ = 1e6  # far above what the inductors short, far below what a coupler's inner nodes (0.1 GHz) shunt
FLICKER_HZ = 1e3  # between an image (1e6) and a chip's last trim (1e-4); the law 1/f is put through this point
SETTLE = 6  # cycles before the one whose voltages are taken
INDUCTOR_H = 1e9
_ANALYSIS = re.compile(r"(?i)\.(tran|save|ic|end\s*$)")
_NOISE = re.compile(r"^onoise[._]((?:m|r\.)\S*?)([._]1overf)? = (\S+)$", re.MULTILINE)


@dataclass(frozen=True, eq=False)
class DeviceNoise:
    """Densities into the ring's nodes by device along the cycle. phase_rad: (M,) even. thermal: (X, Z, M) A^2/Hz,
    white; flicker: (X, Z, M) A^2/Hz at 1 Hz, falling as 1/f. names: (X,) as `m.xp0.x0.mn`. nodes: (Z,) as `r0`.
    """

    names: tuple[str, ...]
    nodes: tuple[str, ...]
    phase_rad: NDArray[np.float64]
    thermal: NDArray[np.float64]
    flicker: NDArray[np.float64]


def ring_nodes(target: Target) -> dict[str, str]:
    """The ring's nodes and their names in a loaded deck: r0, r1, r2, and q if a resistor stands between it and r0."""
    return {node: name.format(0) for node, name in pe_nodes(pe_words(target)).items() if node[0] in "rq"}


def device_noise(target: Target, steady: SteadyState, load: Load, phases: int, workers: int = 2) -> DeviceNoise:
    """Every transistor of the loaded bench at `phases` even phases from 0."""
    deck = loaded_deck(target, load, BENCH, SETTLE + 2.5, start=steady, save="all")
    result, times = run_loaded(deck, target)
    first = int(np.searchsorted(times, (SETTLE - 0.5) / load.frequency_Hz))
    at = (TWO_PI * np.arange(phases) / phases - steady.marks_rad[steady.read]) % TWO_PI / TWO_PI
    at_s = times[first] + at * (times[first + 1] - times[first])
    raw = result.raw
    nodes = {n.removeprefix("v(").removesuffix(")"): n for n in raw.names if n != "time" and not _is_current(n)}
    volts = {node: np.interp(at_s, raw.time_s, raw[name]) for node, name in nodes.items()}
    ring = ring_nodes(target)
    decks = [
        held_deck(deck, {node: float(v[m]) for node, v in volts.items()}, list(ring.values())) for m in range(phases)
    ]
    found = run_all([partial(_densities, text, len(ring)) for text in decks], workers)
    names = tuple(found[0])
    both = np.array([[each[name] for name in names] for each in found])  # (M, X, node, kind)
    thermal, flicker = np.moveaxis(both, 0, -1).swapaxes(1, 2).swapaxes(0, 1)
    return DeviceNoise(names, tuple(ring), TWO_PI * np.arange(phases) / phases, thermal, flicker)


def held_deck(deck: str, volts: Mapping[str, float], ring: Sequence[str]) -> str:
    """The same circuit with every node of `volts` held, and for each of the nodes `ring` two `.noise` analyses,
    printed.
    """
    lines = [line for line in deck.splitlines() if not _ANALYSIS.match(line) and not line.startswith("b")]
    driven = {line.split()[1] for line in lines if line.startswith("v")}
    meters = {}
    for k, (node, volt) in enumerate(volts.items()):
        if node in driven:
            continue
        meters[node] = f"vhold{k}"
        inner = f"hold{k}" if "." in node and node not in ring else node
        lines.append(f"vhold{k} {inner} 0 dc {number(volt)}")
        if inner != node:
            lines.append(f"lhold{k} {node} {inner} {number(INDUCTOR_H)}")
    lines += [f"hout{k} out{k} 0 {meters[node]} 1" for k, node in enumerate(ring)]
    lines += ["vnone none 0 dc 0 ac 1", "rnone none 0 1", ".control", "set numdgt=12"]
    for k in range(len(ring)):
        for f in (THERMAL_HZ, FLICKER_HZ):
            lines += [
                f"noise v(out{k}) vnone lin 1 {number(f)} {number(f)} 1",
                f"echo begin {k} {number(f)}",
                "print all",
            ]
    # The runner wants a transient: two picoseconds of the circuit let go.
    return "\n".join([*lines, ".endc", *start_lines(volts), ".tran 1e-12 2e-12 uic", ".end", ""])


def _densities(deck: str, nodes: int) -> dict[str, NDArray[np.float64]]:
    """(nodes, 2) thermal and flicker densities by device."""
    log = run_deck(deck).log
    found: dict[str, NDArray[np.float64]] = {}
    for part in log.split("begin ")[1:]:
        node, frequency = part.split()[:2]
        values = {(name, bool(flicker)): float(value) ** 2 for name, flicker, value in _NOISE.findall(part)}
        for (name, flicker), density in values.items():
            if flicker or (name, True) not in values:  # a part of a transistor's noise, such as its gate resistance
                continue
            both, slow = found.setdefault(name, np.zeros((nodes, 2))), values[name, True]
            if float(frequency) == THERMAL_HZ:
                both[int(node), 0] = density - slow
            else:
                both[int(node), 1] = slow * FLICKER_HZ
    if not found:
        raise SimulatorError("ngspice printed no noise of any transistor; its version may name them otherwise")
    return found


def _is_current(name: str) -> bool:
    return name.startswith(("i(", "@")) or "#" in name
