"""The ledger: the energy of one image, line by line, each with its error, provenance and source."""

from __future__ import annotations

import math
from dataclasses import dataclass

from aishw.energy.area import Site, site_of
from aishw.energy.assumed import BUFFERS, CONVERSION, IMAGES, RESTART, TRANSISTOR, WIRE
from aishw.energy.pe_power import PePower
from aishw.energy.schedules import Moves, moves_of
from aishw.energy.wires import reaching_all
from aishw.energy.work import Work
from aishw.errors import EnergyError

PROVENANCE = ("measured silicon", "simulated", "analytic", "assumed")
GROUPS = ("program", "switch", "run", "read")
LEFT_OUT = (
    "layout: parasitics inside a cell, and larger drivers for longer wires",
    "supply and bias distribution: regulators, buffers of the bias rails, losses in the supply's own wires",
    "clock generation: the reference's and the second harmonic's sources",
    "frequency trim: finding its codes, and keeping them over temperature",
    "control: the sequencer of chunks, the interface that brings weights in and images out",
    "spread: one nominal chip at the calibration's corner, temperature and supply",
)


@dataclass(frozen=True)
class Line:
    """One line. error_J: one standard deviation or, for an assumed figure, how far off it may be. scales: with what the
    line grows: "run" (the seconds of the run), "image" (nothing) or "programming" (shared by the images of one).
    """

    group: str
    name: str
    energy_J: float
    error_J: float
    provenance: str
    source: str
    scales: str = "image"

    def __post_init__(self) -> None:
        if self.group not in GROUPS or self.provenance not in PROVENANCE:
            raise EnergyError(f"a line of group {self.group!r}, {self.provenance!r} is none of a ledger's")


@dataclass(frozen=True, eq=False)
class Ledger:
    """The lines of one image, what they belong to, and what they leave out. images: for one programming."""

    work: Work
    pe: PePower
    moves: Moves
    site: Site
    lines: tuple[Line, ...]
    images: float
    left_out: tuple[str, ...] = LEFT_OUT

    def total(self, group: str | None = None) -> tuple[float, float]:
        """(J, J): of a group or of all, with its error; errors add as independent ones, those of wires as one."""
        lines = [line for line in self.lines if group in (None, line.group)]
        wires = sum(line.error_J for line in lines if "wires" in line.name)
        others = [line.error_J for line in lines if "wires" not in line.name]
        return sum(line.energy_J for line in lines), math.hypot(wires, *others)

    @property
    def image_s(self) -> float:
        """Seconds from the first write until the image is digitised."""
        return float(self.work.run_s.sum()) + self.moves.wait_s + read_s(self.work, self.pe)

    @property
    def area_m2(self) -> float:
        """Of all cores: a proxy."""
        return self.site.area_m2 * self.work.sites * self.moves.cores


def ledger(work: Work, pe: PePower, images: float | None = None) -> Ledger:
    """The ledger of one image under the work's strategy. images: for one programming (default: the assumed setting)."""
    images = IMAGES.value if images is None else images
    if not (math.isfinite(images) and images >= 1):
        raise EnergyError(f"{images:g} images for one programming cannot be; give 1 or more")
    moves = moves_of(work)
    share = work.visible / work.sites
    site = site_of(work.target, work.couplings, work.bits, moves.bank_chunks, share, work.dacs)
    lines = (
        *_program(work, pe, moves, site, images), *_switch(work, pe, moves, site), *_run(work, pe, moves, site),
        *_read(work, pe),
    )  # fmt: skip
    silent = () if pe.detector_W is not None else ("readout: phase detectors and the wait for them were not measured",)
    kept = tuple(line for line in lines if line.energy_J != 0)
    return Ledger(work, pe, moves, site, kept, images, (*silent, *LEFT_OUT))


def read_s(work: Work, pe: PePower) -> float:
    """Seconds until a detector is as near its end value as half a step of the readout."""
    return pe.settle_s * math.log(2.0 ** (work.target.timing["state_bits"] + 1))


def _program(work: Work, pe: PePower, moves: Moves, site: Site, images: float) -> list[Line]:
    bit_J = _swing_J(work, site, math.sqrt(work.sites)) * BUFFERS.value + pe.bit_switch_J
    said = (
        f"a bit drives a line along the array, {math.sqrt(work.sites) * site.pitch_m * 1e3:.2g} mm, and flips its latch"
    )
    found = []
    if moves.programmed:
        energy = moves.programmed * work.bits * bit_J / images
        text = f"{moves.programmed:,} weights for {images:,.0f} images; {said}"
        found.append(Line("program", "weights, once", energy, energy, "assumed", text, "programming"))
    if moves.writes:
        energy = moves.writes * work.bits * bit_J
        text = f"{moves.writes:,} weights in every image; {said}"
        found.append(Line("program", "weights, every image", energy, energy, "assumed", text))
    return found


def _switch(work: Work, pe: PePower, moves: Moves, site: Site) -> list[Line]:
    found = []
    if work.strategy == "state_stationary" and work.chunks > 1:
        energy = work.changed * pe.bit_switch_J + work.kept * pe.bit_stay_J
        said = f"{work.changed:,.0f} bits change, {work.kept:,.0f} stay, over {work.chunks} boundaries; {pe.source}"
        found.append(Line("switch", "weight bits", energy, pe.off * energy, "simulated", said))
        select_J = 2 * work.chunks * _swing_J(work, site, reaching_all(work.sites)) * BUFFERS.value
        said = f"two lines of {_length(work, site)} rise at a boundary, {_PER_LENGTH}"
        found.append(Line("switch", "wires of chunk select", select_J, _wires_off(select_J), "assumed", said))
    if moves.transfers:
        detector = 0.0 if pe.detector_W is None else pe.detector_W * read_s(work, pe)
        save = moves.transfers * (detector + _conversion_J(work))
        restore = moves.transfers * RESTART.value * pe.watts() / pe.frequency_Hz
        said = f"{moves.transfers:,} states digitised"
        found.append(Line("switch", "states saved", save, save * (CONVERSION.off - 1), "assumed", said))
        said = f"{moves.transfers:,} PEs for {RESTART.value:.0f} cycles each"
        found.append(Line("switch", "states restored", restore, restore * (RESTART.off - 1), "assumed", said))
        # A core waits while states move; cores of a pipeline share the wait.
        leakage = _stored(work, moves) / moves.cores * pe.bit_leakage_W * moves.wait_s
        timing = work.target.timing
        said = (
            f"leakage for {moves.wait_s:.2g} s, PEs stopped: the card's {timing['write_s'] * 1e9:g} ns a weight and "
            f"{timing['transfer_s'] * 1e6:g} us a state, one after the other"
        )
        found.append(Line("switch", "weight bank while waiting", leakage, leakage, "assumed", said))
    return found


def _run(work: Work, pe: PePower, moves: Moves, site: Site) -> list[Line]:
    seconds, f = work.run_s, pe.frequency_Hz
    whole_s = float(seconds.sum())
    tap_F = WIRE.value * site.pitch_m * work.tap_pitches
    card_F = work.target.circuit["wire_F"]
    taps_J = work.sites * 2 * max(tap_F - card_F, 0.0) * work.target.technology.supply_V**2 * f * whole_s
    clocks_J = (2 + 2 * 2) * _swing_J(work, site, reaching_all(work.sites)) * BUFFERS.value * f * whole_s
    bias_J = float(work.bias_W @ seconds)
    rows = (
        ("rings", work.sites * pe.ring_W * whole_s, f"{work.sites:,} PEs"),
        ("taps", work.sites * pe.taps_W * whole_s, f"each drives {work.couplings} couplers"),
        ("couplers", float(work.couplers_W @ seconds), f"{work.sites * work.couplings:,} at their codes and biases"),
        ("reference", float(work.reference_W @ seconds), "a coupler a PE and the drivers of its taps"),
        ("second harmonic", float(work.shil_W @ seconds), "units, clock and rail, at the strongest bias"),
        ("weight bank", _stored(work, moves) / moves.cores * pe.bit_leakage_W * whole_s, "leakage of stored bits"),
    )
    simulated = [
        Line("run", name, joules, pe.off * abs(joules), "simulated", f"{said}; {pe.source}", "run")
        for name, joules, said in rows
    ]
    said = f"{work.tap_pitches} pitches of {site.pitch_m * 1e6:.0f} um a tap, {tap_F * 1e15:.0f} fF at {_PER_LENGTH}"
    both = f"reference and second harmonic, two lines each of {_length(work, site)}, {_PER_LENGTH}"
    return [
        *simulated,
        Line("run", "bias DACs", bias_J, 0.1 * bias_J, "analytic", "R-2R ladders of the netlist", "run"),
        Line("run", "wires of the taps", taps_J, _wires_off(taps_J), "assumed",
             f"{said}, less the card's {card_F * 1e15:.0f} fF", "run"),
        Line("run", "wires of the clocks", clocks_J, _wires_off(clocks_J), "assumed", both, "run"),
    ]  # fmt: skip


def _read(work: Work, pe: PePower) -> list[Line]:
    seconds, found = read_s(work, pe), []
    if pe.detector_W is not None:
        on_J, energy = work.sites * pe.watts() * seconds, work.visible * pe.detector_W * seconds
        said = f"{work.visible:,} detectors for {seconds * 1e9:.0f} ns; {pe.source}"
        found.append(Line("read", "phase detectors", energy, pe.off * energy, "simulated", said))
        said = f"{work.sites:,} PEs for {seconds * 1e9:.0f} ns: no cell stops them or holds a state"
        found.append(Line("read", "PEs while detectors settle", on_J, 0.5 * on_J, "assumed", said))
    convert_J = work.visible * _conversion_J(work)
    said = f"{work.visible:,} pixels of {work.target.timing['state_bits']:.0f} bits"
    found.append(Line("read", "digitising", convert_J, convert_J * (CONVERSION.off - 1), "assumed", said))
    return found


_PER_LENGTH = f"{WIRE.value * 1e9:g} fF/um"


def _conversion_J(work: Work) -> float:
    return float(CONVERSION.value * 2.0 ** work.target.timing["state_bits"])


def _stored(work: Work, moves: Moves) -> int:
    """Weight bits that leak, in all cores."""
    return work.weights * work.bits * moves.bank_chunks * moves.cores


def _swing_J(work: Work, site: Site, pitches: float) -> float:
    """C V^2 of a line of so many pitches."""
    return WIRE.value * site.pitch_m * pitches * work.target.technology.supply_V**2


def _length(work: Work, site: Site) -> str:
    return f"{reaching_all(work.sites) * site.pitch_m * 1e3:.3g} mm"


def _wires_off(energy_J: float) -> float:
    """A pitch is off by the root of what an area is off by."""
    return energy_J * (WIRE.off * math.sqrt(TRANSISTOR.off) - 1)
