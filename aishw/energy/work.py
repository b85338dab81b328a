"""Work: what one image asks of an array, in numbers that an energy needs: of a Design's own codes, or of bare sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aishw.energy.bias import RAILS, bias_W, dacs_a_site, ladder_ohm, ladder_W
from aishw.energy.law import check_cycles, check_frequency, check_sites
from aishw.energy.pe_power import PePower
from aishw.energy.wires import tree_length
from aishw.engines.deck_rails import offset_bits, sign_bits
from aishw.errors import EnergyError
from aishw.hardware.target import STRATEGIES, Target
from aishw.lower.design import Design
from aishw.lower.schedule import weights_per_segment

Floats = NDArray[np.float64]
FULL_SCALE, DURATION_TAU, CHUNKS = (
    2.0,
    4.0,
    4,
)  # of an image where no design tells: couplings up to 2 per tau over 4 tau


@dataclass(frozen=True, eq=False)
class Work:
    """One image. sites, couplings, bits, chunks: the array; visible: sites read out. weights: codes of one chunk.

    cycles, run_s: oscillator cycles and seconds (S,) of the chunks; derived: how the cycles came about. couplers_W,
    reference_W, shil_W, bias_W: (S,) of the whole array in each chunk. changed, kept: weight bits that change and that
    stay, over all chunk boundaries of an image, the one to the next image included. tap_pitches: wire of one tap, in
    pitches of the array; dacs: bias DACs of one site.
    """

    name: str
    target: Target
    sites: int
    couplings: int
    bits: int
    visible: int
    weights: int
    strategy: str
    cycles: float
    derived: str
    run_s: Floats
    couplers_W: Floats
    reference_W: Floats
    shil_W: Floats
    bias_W: Floats
    changed: float
    kept: float
    tap_pitches: int
    dacs: float

    @property
    def chunks(self) -> int:
        return int(self.run_s.size)


def work_of(design: Design, pe: PePower, strategy: str | None = None) -> Work:
    """What the design's own codes, biases and cycles ask for. strategy: another one than the design's.

    Raises EnergyError for a strategy that the target cannot hold.
    """
    system, target = design.system, design.target
    strategy = strategy or design.timeline.strategy
    check_strategy(target, strategy, system.segments)
    driven = system.topology.edges[0]
    couplers, reference, shil = (np.zeros(system.segments) for _ in range(3))
    for s in range(system.segments):
        for kind, sites, total in (("coupling", driven, couplers), ("reference", None, reference)):
            place = bias_place(target, kind, design.rate[kind][s])
            place = place if sites is None else place[sites]
            for value in np.unique(place):
                total[s] += pe.coupler_at(float(value), design.codes[kind][s][place == value]).sum()
        shil[s] = pe.shil_W[design.codes["shil"][s].astype(int) - int(pe.codes[0])].sum()
    changed, kept = bit_changes(design)
    return Work(
        system.name, target, system.sites, system.topology.fan_in, design.bits, int(system.topology.visible.size),
        weights_per_segment(system), strategy, design.cycles,
        "derived: full scale of the codes over the calibrated rate of the strongest one",
        design.cycles_per_tau * system.duration_tau / target.frequency_Hz, couplers,
        reference + system.sites * pe.reference_drive_W, shil, bias_W(design), changed, kept,
        tree_length(system.topology.offsets) if system.topology.offsets else system.sites - 1, dacs_a_site(design),
    )  # fmt: skip


def work_of_sizes(
    target: Target, pe: PePower, sites: int, couplings: int, bits: int, *, chunks: int = CHUNKS,
    cycles: float | None = None, frequency_Hz: float | None = None, strategy: str = "state_stationary",
) -> Work:  # fmt: skip
    """An array of bare sizes: couplers at the mean over codes and the strongest bias, half of the weight bits changing
    at a boundary, a quarter of the sites read out, neighbours as near as can be.

    cycles: default as many as the target's calibrated rate takes for couplings up to FULL_SCALE over DURATION_TAU.
    """
    check_sites(sites, couplings, bits)
    check_strategy(target, strategy, chunks)
    frequency_Hz = frequency_Hz or target.frequency_Hz
    check_frequency(frequency_Hz)
    derived = "given"
    if cycles is None:
        cycles = float(math.ceil(FULL_SCALE * DURATION_TAU / target.injections["coupling"].rate_limit))
        derived = f"derived: couplings up to {FULL_SCALE:g} per tau, {DURATION_TAU:g} tau, the strongest code's rate"
    check_cycles(cycles)
    weights = sites * (couplings + 2)
    even = np.ones(chunks)
    mean = float(pe.coupler_W[-1].mean())
    boundaries = chunks if chunks > 1 else 0
    return Work(
        f"{sites} sites, {couplings} couplings, {bits} bit", target, sites, couplings, bits, max(sites // 4, 1),
        weights, strategy, cycles, derived, even * cycles / frequency_Hz / chunks, even * sites * couplings * mean,
        even * sites * (mean + pe.reference_drive_W), even * sites * float(pe.shil_W.mean()),
        even * _shared_bias_W(target),
        boundaries * weights * bits / 2, boundaries * weights * bits / 2, tree_length(nearest(couplings)), 0.0,
    )  # fmt: skip


def check_strategy(target: Target, strategy: str, chunks: int) -> None:
    """Raises EnergyError for an unknown strategy, one that the target does not have, and more chunks than it holds."""
    if strategy not in STRATEGIES:
        raise EnergyError(f"strategy {strategy!r} is unknown; known: {', '.join(STRATEGIES)}")
    if strategy not in target.strategies:
        raise EnergyError(
            f"target {target.name!r} cannot hold the strategy {strategy!r}; it holds {', '.join(target.strategies)}"
        )
    if strategy == "state_stationary" and not 1 <= chunks <= target.segments:
        raise EnergyError(
            f"a weight bank of target {target.name!r} holds 1 to {target.segments} chunks, {chunks} were asked for; "
            "take fewer chunks, or another strategy"
        )
    if chunks < 1:
        raise EnergyError(f"an image of {chunks} chunks cannot be; give 1 or more")


def bit_changes(design: Design) -> tuple[float, float]:
    """(changed, kept) weight bits over the chunk boundaries of one image, the one back to the first chunk included."""
    if design.system.segments == 1:
        return 0.0, 0.0
    changed = total = 0
    for kind, codes in design.codes.items():
        signed = kind == "shil" or design.target.encoding == "sign_magnitude"
        bits = (sign_bits if signed else offset_bits)(codes, design.bits)
        changed += int((bits != np.roll(bits, 1, axis=-1)).sum())
        total += bits.size
    return float(changed), float(total - changed)


def bias_place(target: Target, kind: str, rate: Floats) -> Floats:
    """Where rates lie among the card's biases: 0 the weakest, P - 1 the strongest, straight in the rate between."""
    known = target.injections[kind].rate
    return np.interp(rate, known, np.arange(known.size))


def nearest(couplings: int) -> list[tuple[int, int]]:
    """The `couplings` offsets of least length, right-angled."""
    reach = math.isqrt(couplings) + 2
    span = range(-reach, reach + 1)
    every = sorted(((r, c) for r in span for c in span if (r, c) != (0, 0)), key=lambda o: (abs(o[0]) + abs(o[1]), o))
    return every[:couplings]


def _shared_bias_W(target: Target) -> float:
    """One ladder for each rail of the array, at half scale."""
    r_ohm = ladder_ohm(target)
    return float(sum(RAILS.values()) * ladder_W(np.array(512), target.technology.supply_V, r_ohm)) if r_ohm else 0.0
