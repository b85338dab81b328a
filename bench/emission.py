"""The transistor deck of a 56x56 array (24 couplings, 4 bits, 4 chunks): seconds, memory, PySpice's objects beside it.

    .venv/bin/python bench/emission.py            both run in this process, processor seconds
    .venv/bin/python bench/emission.py --load     also load the deck into ngspice (minutes, several GB)
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np

from aishw.ais.system import System
from aishw.ais.topology import grid
from aishw.calibrate.shipped import steady_of
from aishw.engines.chip import transistor_deck
from aishw.engines.deck_reader import read_transistor
from aishw.engines.deck_replay import load_lines
from aishw.engines.deck_transistor import full_body
from aishw.engines.pyspice_circuit import add_element
from aishw.hardware.cards import load_target
from aishw.library import DEFAULT_TARGET
from aishw.lower.lower import lower

SIDE, CHUNKS = 56, 4


def element_lines(text: str) -> list[str]:
    """The deck's top-level elements: what PySpice holds as objects."""
    depth, kept = 0, []
    for line in text.splitlines()[1:]:
        depth += line.startswith(".subckt") - line.startswith(".ends")
        if depth == 0 and line and line[0] in "xvbc":
            kept.append(line)
    return kept


def main() -> None:
    rng = np.random.default_rng(0)
    top = grid(SIDE, SIDE, "g24")
    terms = {name: rng.normal(0, 1, (CHUNKS, top.sites)) for name in ("shil", "reference")}
    system = System("kurashil", top, rng.normal(0, 0.6, (CHUNKS, top.edges.shape[1])), terms, np.ones(CHUNKS))
    target = load_target(DEFAULT_TARGET)
    design, steady = lower(system, target), steady_of(target)
    x0 = rng.normal(-0.5, 0.5, top.sites)
    ours = []
    for _ in range(3):
        begin = time.process_time()
        text = transistor_deck(design, steady, x0)
        ours.append(time.process_time() - begin)
    peak_MB = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    lines = element_lines(text)
    reading = read_transistor(text)
    assert np.array_equal(reading.coupling, design.codes["coupling"])

    alone = []
    for _ in range(3):
        begin = time.process_time()
        "\n".join([*full_body(design), *load_lines(design, np.arange(top.sites))])
        alone.append(time.process_time() - begin)

    import logging

    logging.getLogger("PySpice").setLevel(logging.ERROR)
    from PySpice.Spice.Netlist import Circuit

    begin = time.process_time()
    circuit = Circuit("side by side")
    for line in lines:
        add_element(circuit, line)
    built = time.process_time() - begin
    str(circuit)
    pyspice = time.process_time() - begin
    best, elements = min(ours), min(alone)
    print(f"elements              {len(lines):,} ({len(text) / 1e6:.1f} MB of text, codes read back equal)")
    print(f"aishw, text           {best:.3f} s (best of 3), peak {peak_MB:.0f} MB   [limit 3 s, 1000 MB]")
    print(f"PySpice, objects      {pyspice:.2f} s ({built:.2f} to build, the rest to print)")
    print(f"same elements, text   {elements:.3f} s: ratio {pyspice / elements:.0f}   [at least 50]")
    print(f"whole deck            with models, cells, start voltages: ratio {pyspice / best:.0f}")
    if "--load" in sys.argv:
        load(text)


def load(text: str) -> None:
    """Parse and flatten the deck in ngspice, without an analysis (ngspice 46 crashes on `quit` before one, so none)."""
    import subprocess
    import tempfile
    from pathlib import Path

    from aishw.engines.ngspice import find_simulator

    head = text.split("\n.tran")[0]
    simulator = find_simulator()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "deck.cir").write_text(head + "\n.control\necho the deck is loaded\n.endc\n.end\n")
        Path(folder, ".spiceinit").write_text("set num_threads=1\n")
        begin = time.perf_counter()
        run = subprocess.run([simulator.path, "-b", "deck.cir"], cwd=folder, capture_output=True, text=True)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
    loaded = "the deck is loaded" in run.stdout
    print(
        f"ngspice {simulator.version}            {'loads it' if loaded else 'FAILS'}: "
        f"{time.perf_counter() - begin:.0f} s, "
        f"{used.ru_maxrss / 2**20:.1f} GB"
    )


if __name__ == "__main__":
    main()
