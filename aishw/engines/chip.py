"""Decks of full cells over all chunks: the whole chip, or a window of it. What `aishw netlist --level transistor`
writes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aishw.engines import deck_rails, deck_replay
from aishw.engines import deck_transistor as deck
from aishw.engines.base import Trace
from aishw.engines.start import bank_voltages, held_voltages, pe_voltages, read_names, shil_voltages
from aishw.engines.window import Window, outside_sites, phase_polynomials, samples_of
from aishw.errors import CompareError
from aishw.hardware.cells import cell_text, model_text
from aishw.hardware.steady import SteadyState
from aishw.lower.design import Design
from aishw.units import spice_number as number


def transistor_deck(
    design: Design,
    steady: SteadyState,
    x0: NDArray[np.float64],
    *,
    window: Window | None = None,
    outside: Trace | None = None,
    image: int = 0,
    storage: str = "ideal",
    bias: str = "ideal",
    readout: bool = False,
    trim: NDArray[np.int64] | None = None,
    save: str = "phases",
) -> str:
    """The deck of full cells: every coupler with its bits, all chunks in one run.

    x0: (N,) start phases. window: only these sites are transistors; the others replay `outside`, a trace over all
    sites.
    storage: "ideal" switched rails or "latch" banks. bias: "ideal" sources or "dac" ladders. readout: a phase
    detector on
    every visible site. save: "phases" (r0 and supply) or "all". Raises CompareError for a window without a trace.
    """
    top = design.system.topology
    sites = np.arange(top.sites) if window is None else window.sites(top.height, top.width)
    technology = design.target.technology
    taps = {tap: deck_replay.smoothed(steady.waves[tap]) for tap in ("p", "n")}
    tables = {tap: deck_replay.wave_table(wave) for tap, wave in taps.items()}
    f = design.reference_Hz(steady.full_frequency_Hz or steady.frequency_Hz)
    clock = deck_replay.clock_wave(design.target.circuit["clock_edge"], technology.supply_V)
    starts = deck_rails.chunk_starts_s(design)
    body = list(deck.full_body(design, storage=storage, bias=bias, trim=trim, sites=sites, readout=readout))
    body += deck_replay.load_lines(design, sites)
    body += deck_replay.clock_lines(f, steady.shil_phase_rad, clock)
    body += deck_replay.reference_lines(tables, f, quadrature=readout)
    for site, phase in _outside(design, sites, starts, outside, image).items():
        body += [deck_replay.replay_line(f"{tap}_{site}", f"{tap}_{site}", tables[tap], f, phase) for tap in "pn"]
    phases = {
        "ref": 0.0,
        **({"quad": np.pi / 2} if readout else {}),
        **{str(j): float(x0[j]) for j in outside_sites(design, sites)},
    }
    volts = held_voltages(body, {**taps, "ck": clock}, phases, steady.shil_phase_rad)
    low_V = design.target.circuit["shil_low_V"]
    volts |= {"vdd": technology.supply_V, "vm": low_V} | shil_voltages(body, low_V, design.bits)
    volts |= pe_voltages(sites, steady, np.asarray(x0, dtype=np.float64))
    volts |= bank_voltages(body, technology.supply_V)
    start = deck_replay.start_lines(volts)
    kind = "chip" if window is None else "window"
    read = read_names(design.target, sites.tolist())
    shown = "all" if save == "all" else " ".join(f"v({name})" for name in read) + " i(vdd)"
    return deck.chip_deck(
        design,
        body,
        title=f"aishw {kind} deck: {top.height}x{top.width}, {sites.size} PEs, {design.system.segments} chunks",
        models=model_text(design.target.technology),
        cells=cell_text(design.target, design.bits, design.system.segments),
        solver=steady.solver,
        stop_s=float(starts[-1]),
        start=start,
        save=shown,
    )


def _outside(
    design: Design, sites: NDArray[np.int64], starts: NDArray[np.float64], trace: Trace | None, image: int
) -> dict[int, str]:
    """Phase expressions (turns) of the sites outside: one polynomial a chunk, chosen by time."""
    others = outside_sites(design, sites)
    if not others.size:
        return {}
    if trace is None or trace.sites.size != design.system.sites:
        raise CompareError(
            "a window needs a recorded trace of all sites for what lies outside it; run a lower rung first"
        )
    state = trace.state[int(np.flatnonzero(trace.images == image)[0])][:, np.argsort(trace.sites)]
    bounds = design.system.boundaries_tau
    expressions: dict[int, str] = {}
    pieces = []
    for k in range(design.system.segments):
        run_s = float(starts[k + 1] - starts[k])
        inside = samples_of(trace.times_tau, bounds, k)
        local = (trace.times_tau[inside] - bounds[k]) / (bounds[k + 1] - bounds[k]) * run_s
        power, _ = phase_polynomials(local, state[inside][:, others], run_s)
        pieces.append((power, 2 / run_s, -1 - 2 * float(starts[k]) / run_s))
    for column, site in enumerate(others.tolist()):
        texts = [deck_replay.phase_expression(power[:, column], scale, shift) for power, scale, shift in pieces]
        # u() is ngspice's unit step; it refuses a ?: inside the pwl() that this becomes part of.
        gates = [number(float(at)) for at in starts[1:-1]]
        terms = [f"{text}*u({gates[k]}-time)" if k == 0 and gates else text for k, text in enumerate(texts)]
        for k, gate in enumerate(gates, start=1):
            closing = f"*u({gates[k]}-time)" if k < len(gates) else ""
            terms[k] = f"{texts[k]}*u(time-{gate}){closing}"
        expressions[site] = f"({'+'.join(terms)})"
    return expressions
