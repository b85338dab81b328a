"""What stands beside a ledger: the law and its variants, nodes of silicon, and other generators, with their sources."""

from __future__ import annotations

from dataclasses import dataclass

from aishw.energy import law
from aishw.energy.ledger import Ledger

DTM_CELLS, DTM_STEPS, DTM_CELL_J, Z1_CELL_J = 80 * 80 * 4, 600, 2e-15, 7.09e-15
DIGITAL_J = (7e-3, 79e-3)
PAPER_J = 23e-6


@dataclass(frozen=True)
class Beside:
    """One figure for an image: low and high J (equal if it is one), where it comes from."""

    name: str
    low_J: float
    high_J: float
    provenance: str
    source: str


def beside(book: Ledger) -> list[Beside]:
    """For the ledger's own sites, couplings and bits, and figures that hold for their own sizes."""
    work = book.work
    watts = {name: law.array_W(work.sites, work.couplings, work.bits, name) for name in law.VARIANTS}
    paper_s, run_s = law.PAPER_CYCLES / law.PAPER_HZ, float(work.run_s.sum())
    chip = "figures of a 28-nm chip (Graber and Hofmann 2024) as arXiv 2606.27294, section 4.3, extrapolates them"
    here = f"at this run's {work.cycles:.0f} cycles"
    rows = [
        ("the law, 1000 cycles at 100 MHz", watts["paper"] * paper_s, chip),
        (f"the law, {here}", watts["paper"] * run_s, chip),
        (f"the law, {here}, bits for couplers alone", watts["coupler_bits"] * run_s, chip),
        (f"the law, {here}, injections counted", watts["injections"] * run_s, chip),
        (f"the law on Moy's node, {here}", watts["moy"] * run_s,
         "42 mW for 1968 nodes of 8 couplings and 5 levels in 65 nm (Moy et al. 2022), the law's shape"),
    ]  # fmt: skip
    found = [Beside(name, joules, joules, "analytic", source) for name, joules, source in rows]
    cells = DTM_CELLS * DTM_STEPS
    return [
        *found,
        Beside("the paper's image, 56x56 sites of 24 couplings", PAPER_J, PAPER_J, "analytic", chip),
        Beside("a denoising thermodynamic model, 80x80x4 cells, 600 steps", cells * DTM_CELL_J, cells * Z1_CELL_J,
               "analytic", "2 fJ a cell and step (arXiv 2510.23972) to 7.09 fJ (arXiv 2608.01615, second hand); at a "
               "worse Frechet distance in the paper's Table 3 (107.8 against 27.6, MNIST)"),
        Beside("digital generators", *DIGITAL_J, "analytic",
               "estimates of Chen et al. 2025, as quoted by arXiv 2606.27294"),
    ]  # fmt: skip


def nodes(book: Ledger) -> list[Node]:
    """The ledger's node while it runs, the law's, and silicon."""
    work = book.work
    ours = book.total("run")[0] / float(work.run_s.sum()) / work.sites
    paper = law.node_W(work.couplings, work.bits)
    wireless = sum(line.energy_J for line in book.lines if line.group == "run" and line.provenance == "simulated")
    return [
        Node("this PE, simulated alone", wireless / float(work.run_s.sum()) / work.sites, "simulated", "without wires"),
        Node("this PE with wires and bias", ours, "assumed", "its wires are assumed"),
        Node("the law", paper, "analytic", "arXiv 2606.27294, equation 9 and the bit factor of equation 13"),
        Node("28-nm chip, 8 couplings, 4 bits", law.REFERENCE_W, "measured silicon",
             "460.3 mW for 1440 nodes (Graber and Hofmann 2024)"),
        Node("65-nm chip, 8 couplings, 5 levels", law.MOY_W / law.MOY_NODES, "measured silicon",
             "42 mW for 1968 nodes (Moy et al. 2022)"),
    ]  # fmt: skip


@dataclass(frozen=True)
class Node:
    """Power of one node, W."""

    name: str
    watts: float
    provenance: str
    source: str
