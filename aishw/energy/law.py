"""The published power law of a coupled-oscillator array, from silicon figures of a 28-nm chip, and its variants.

    P_node(L, q) = (113.3 uW + 23 uW * L * 1.1) * 2^(q - 4),    E = M P_node cycles / f

113.3 uW an oscillator and about 23 uW a coupler are the chip's own breakdown at 4 bits, 1.1 is for global routing, and
each bit more doubles the drive elements. Source: arXiv 2606.27294, section 4.3, from Graber and Hofmann, Commun. Eng.
3:116 (2024): 1440 nodes of 8 couplings take 460.3 mW. The variants differ in what they count:

| name         | what it changes |
| ------------ | --- |
| paper        | nothing; the bit factor doubles the oscillator, too |
| coupler_bits | the bit factor for couplers alone: an oscillator has no weight |
| injections   | couplers are L + 2: reference and second harmonic of each site count as one each |
| moy          | the paper's, scaled so that a node with 8 couplings takes the 42 mW / 1968 of Moy et al. 2022 (65 nm) |
"""

from __future__ import annotations

import math
from collections.abc import Callable

from aishw.errors import EnergyError
from aishw.units import MHz, mW, uW

OSCILLATOR_W, COUPLER_W, ROUTING, LAW_BITS = 113.3 * uW, 23 * uW, 1.1, 4
CHIP_W, CHIP_NODES, CHIP_COUPLINGS = 460.3 * mW, 1440, 8
REFERENCE_W = CHIP_W / CHIP_NODES
MOY_W, MOY_NODES, MOY_COUPLINGS = 42 * mW, 1968, 8  # a King's graph
PAPER_HZ, PAPER_CYCLES = 100 * MHz, 1000
INJECTIONS = 2  # a site and chunk: reference and second harmonic
MOST_SITES, MOST_BITS = 10**9, 16


def node_W(couplings: int, bits: int = LAW_BITS, variant: str = "paper") -> float:
    """Power of one node, W. Raises EnergyError for sizes out of range and an unknown variant."""
    check_sizes(None, couplings, bits)
    return _named(variant)(couplings, bits)


def array_W(sites: int, couplings: int, bits: int = LAW_BITS, variant: str = "paper") -> float:
    """Power of `sites` nodes, W."""
    check_sites(sites, couplings, bits)
    return sites * _named(variant)(couplings, bits)


def image_J(
    sites: int,
    couplings: int,
    bits: int = LAW_BITS,
    *,
    cycles: float = PAPER_CYCLES,
    frequency_Hz: float = PAPER_HZ,
    variant: str = "paper",
) -> float:
    """Energy of one image of `cycles` whole cycles, J. Raises EnergyError for what cannot be."""
    check_cycles(cycles)
    check_frequency(frequency_Hz)
    return array_W(sites, couplings, bits, variant) * cycles / frequency_Hz


def check_sizes(sites: int | None, couplings: int, bits: int) -> None:
    """Raises EnergyError unless 0 <= couplings < sites and 1 <= bits <= 16."""
    if sites is not None and not 1 <= sites <= MOST_SITES:
        raise EnergyError(f"an array of {sites} sites cannot be; give 1 to {MOST_SITES:,}")
    most = (sites or MOST_SITES) - 1
    if not 0 <= couplings <= most:
        array = "any array" if sites is None else f"{sites} sites"
        raise EnergyError(f"{couplings} couplings a node cannot be on {array}; give 0 to {most:,} (all to all)")
    if not 1 <= bits <= MOST_BITS:
        raise EnergyError(f"weights of {bits} bits cannot be; give 1 to {MOST_BITS}")


def check_sites(sites: int, couplings: int, bits: int) -> None:
    """`check_sizes` for an array that is there."""
    if sites is None or sites < 1:
        raise EnergyError(f"an array of {sites} sites cannot be; give 1 to {MOST_SITES:,}")
    check_sizes(sites, couplings, bits)


def check_cycles(cycles: float) -> None:
    """Raises EnergyError for a number of cycles that is not whole: supply power is a mean over whole cycles."""
    if not (math.isfinite(cycles) and 1 <= cycles <= 1e12):
        raise EnergyError(f"an image of {cycles:g} cycles cannot be; give 1 to 1e12")
    if cycles != int(cycles):
        way_out = f"give {math.floor(cycles)} or {math.ceil(cycles)}"
        raise EnergyError(f"{cycles:g} cycles are not whole ones, and power is a mean over whole cycles; {way_out}")


def check_frequency(frequency_Hz: float) -> None:
    """Raises EnergyError outside 1 kHz .. 1 THz."""
    if not (math.isfinite(frequency_Hz) and 1e3 <= frequency_Hz <= 1e12):
        raise EnergyError(f"a frequency of {frequency_Hz:g} Hz cannot be; give 1e3 to 1e12")


def _paper(couplings: int, bits: int) -> float:
    return float((OSCILLATOR_W + COUPLER_W * couplings * ROUTING) * 2.0 ** (bits - LAW_BITS))


def _coupler_bits(couplings: int, bits: int) -> float:
    return float(OSCILLATOR_W + COUPLER_W * couplings * ROUTING * 2.0 ** (bits - LAW_BITS))


def _injections(couplings: int, bits: int) -> float:
    return _paper(couplings + INJECTIONS, bits)


def _moy(couplings: int, bits: int) -> float:
    return MOY_W / MOY_NODES * _paper(couplings, bits) / _paper(MOY_COUPLINGS, LAW_BITS)


VARIANTS: dict[str, Callable[[int, int], float]] = {
    "paper": _paper, "coupler_bits": _coupler_bits, "injections": _injections, "moy": _moy,
}  # fmt: skip


def _named(variant: str) -> Callable[[int, int], float]:
    if variant not in VARIANTS:
        raise EnergyError(f"the law has no variant {variant!r}; it has {', '.join(VARIANTS)}")
    return VARIANTS[variant]
