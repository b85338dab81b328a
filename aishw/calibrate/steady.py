"""The periodic steady state of a loaded PE, by transient: frequency, waves over a period, and the SHIL clock's
phase.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from aishw.ais.system import System
from aishw.ais.topology import NEIGHBOURHOODS, grid
from aishw.engines.deck_transistor import fixed_fingers
from aishw.engines.ngspice import Result, run_deck
from aishw.engines.phase import frequency, rising_crossings
from aishw.engines.start import pe_nodes, pe_voltages, read_name
from aishw.engines.window import chunk_deck
from aishw.errors import SimulatorError
from aishw.hardware.cells import pe_words
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import KINDS, Target
from aishw.lower.design import Design, Timeline
from aishw.units import TWO_PI

SAMPLES = 1024
SETTLE = 10  # cycles before anything is measured
# The inverter before tap p switches in 20 ps, which steps of T/140 do not resolve: waves are folded from steps of their
# own, and without `bypass`, which at such steps leaves so many transistors as they were that the frequency is 5e-4 off.
FOLDED, QUICK_FOLDED = 1120, 560  # steps a cycle
FOLDED_CYCLES, QUICK_FOLDED_CYCLES = 8, 5
QUICK_CYCLES = 20  # of the first passes, SETTLE among them
FULL_CYCLES, QUICK_FULL_CYCLES = 40, 16  # of full cells, SETTLE among them
CENTRE = 12  # the measured site of the 5x5 tile; the other 24 drive it


def tile_design(
    target: Target, codes: Mapping[str, int], rates: Mapping[str, float] | None = None, bits: int = 4, fan_in: int = 24
) -> Design:
    """A 5x5 tile whose site CENTRE is driven by `fan_in` others, at one cycle per tau.

    codes: "coupling" sits on the edge from site 0, the other couplers hold code 0; "shil" and "reference" on CENTRE.
    rates: rad per cycle of the strongest code by kind (default: each kind's strongest bias).
    """
    topology = grid(5, 5, NEIGHBOURHOODS["box5"][:fan_in])
    edges = topology.edges
    values = {kind: np.zeros((1, 25), dtype=np.int8) for kind in KINDS}
    values["coupling"] = np.zeros((1, edges.shape[1]), dtype=np.int8)
    values["coupling"][0, (edges[0] == CENTRE) & (edges[1] == 0)] = codes.get("coupling", 0)
    for kind in ("shil", "reference"):
        values[kind][0, CENTRE] = codes.get(kind, 0)
    scale = {kind: np.full((1, 25), (rates or {}).get(kind, target.injections[kind].rate_limit)) for kind in KINDS}
    zero = System(
        "kurashil",
        topology,
        np.zeros((1, edges.shape[1])),
        {k: np.zeros((1, 25)) for k in ("shil", "reference")},
        np.ones(1),
    )
    line = Timeline("state_stationary", np.zeros(1), np.zeros(1), np.ones(1) / target.frequency_Hz, 0, 0, 1, 0, 0)
    return Design(zero, target, bits, "array", values, scale, np.ones(1), line, {})


def drivers(design: Design) -> list[int]:
    """The sites that drive CENTRE, in the order of their phases; site 0 is the first."""
    driven, driving = design.system.topology.edges
    return sorted(driving[driven == CENTRE].tolist())


def run_tile(
    design: Design,
    waves: Mapping[str, NDArray[np.float64]],
    *,
    frequency_Hz: float,
    cycles: float,
    solver: Solver,
    drift: float = 0.0,
    start_V: Mapping[str, float] | None = None,
    shil_phase_rad: float = 0.0,
    clock_drift: float = 0.0,
    cells: str = "merged",
) -> Result:
    """The tile for `cycles` cycles, sources at evenly spread phases; site 0 runs faster by the fraction `drift`."""
    stop_s = cycles / frequency_Hz
    others = drivers(design)
    outside = {}
    for k, site in enumerate(others):
        turn = TWO_PI * drift * cycles if site == 0 else 0.0
        outside[site] = np.array([TWO_PI * k / len(others) + turn / 2, turn / 2])
    text = chunk_deck(
        design,
        0,
        np.array([CENTRE]),
        waves,
        frequency_Hz=frequency_Hz,
        shil_phase_rad=shil_phase_rad,
        outside=outside,
        solver=solver,
        stop_s=stop_s,
        start_V=start_V
        or {f"r0_{CENTRE}": 0.0, f"r1_{CENTRE}": design.target.technology.supply_V, f"r2_{CENTRE}": 0.2},
        title="aishw tile",
        cells=cells,
    )
    if clock_drift:
        text = _detune_clock(text, frequency_Hz, clock_drift)
    return run_deck(text, time_limit_s=1800)


def _detune_clock(text: str, frequency_Hz: float, drift: float) -> str:
    from aishw.units import spice_number

    old, new = spice_number(2 * frequency_Hz), spice_number(2 * frequency_Hz * (1 + drift))
    return "\n".join(line.replace(old, new) if line.startswith("bck") else line for line in text.split("\n"))


def steady_state(
    target: Target,
    solver: Solver | None = None,
    *,
    cycles: int = 50,
    passes: int = 3,
    shil_phase_rad: float = 0.0,
    fan_in: int = 24,
    quick: bool = False,
) -> SteadyState:
    """Measured by passes: square taps first, then the taps of the pass before, until the taps are the PE's own. Before
    the last pass, which gives the frequency, the taps are folded once more from fine steps. quick: fewer cycles in all
    but the last pass, and half the fine steps.
    """
    solver = solver or target.solver
    early, periods = (QUICK_CYCLES, QUICK_FOLDED_CYCLES) if quick else (cycles, FOLDED_CYCLES)
    fine_steps = max(QUICK_FOLDED if quick else FOLDED, solver.steps_per_cycle)
    fine = replace(solver, steps_per_cycle=fine_steps, bypass=False)
    half = target.technology.supply_V / 2
    square = np.where(np.arange(SAMPLES) < SAMPLES // 2, 2 * half, 0.0)
    waves: Mapping[str, NDArray[np.float64]] = {"p": square, "n": 2 * half - square}
    design, estimate, cpu_s = tile_design(target, {}, fan_in=fan_in), target.frequency_Hz, 0.0

    def ran(source_Hz: float, steps: Solver, count: int) -> tuple[Result, float, float]:
        """The run, its frequency and that one's error."""
        result = run_tile(
            design, waves, frequency_Hz=source_Hz, cycles=count, solver=steps, shil_phase_rad=shil_phase_rad
        )
        late = result.raw.time_s > SETTLE / source_Hz
        found = frequency(result.raw.time_s[late], result.raw.node(read_name(target, CENTRE))[late], half)
        own_Hz, error = (float(np.ravel(value)[0]) for value in found)
        return result, own_Hz, error

    for steps, count in (*((solver, early),) * (passes - 1), (fine, SETTLE + periods)):
        result, own_Hz, _ = ran(estimate, steps, count)
        waves, cpu_s = fold(result, design, own_Hz, estimate, half), cpu_s + result.cpu_s
        estimate = estimate if steps is fine else own_Hz
    result, estimate, error = ran(estimate, solver, cycles)
    cpu_s += result.cpu_s
    if target.encoding == "sign_magnitude":  # at code 0 no finger is enabled, and all hang on tap n
        signs = np.tile([4, -4], fan_in)[:fan_in]
        enabled = _with_codes(design, signs)
        result = run_tile(enabled, waves, frequency_Hz=estimate, cycles=SETTLE + periods, solver=fine)
        waves, cpu_s = {**waves, **fold_fingers(result, enabled, estimate)}, cpu_s + result.cpu_s
    # Couplers of a skewed corner may hold r0 on one side of half the supply.
    known = [node for node in ("q", "r0", "r1", "r2", "p", "n") if node in waves]
    marks = {node: _mark(waves[node], half) for node in known if waves[node].min() < half < waves[node].max()}
    return SteadyState(
        target.name,
        target.technology.corner,
        target.technology.temperature_K,
        "merged",
        solver,
        estimate,
        error,
        waves,
        marks,
        shil_phase_rad,
        f"ngspice {result.simulator.version}",
        cpu_s,
        fan_in,
    )


def _with_codes(design: Design, codes: NDArray[np.int64]) -> Design:
    """The tile with a code on each coupler of CENTRE, in the order of `drivers`."""
    held = design.codes["coupling"].copy()
    driven, driving = design.system.topology.edges
    for site, code in zip(drivers(design), codes.tolist()):
        held[0, (driven == CENTRE) & (driving == site)] = code
    return replace(design, codes={**design.codes, "coupling": held})


def full_cell_frequency(target: Target, steady: SteadyState, cycles: int = FULL_CYCLES) -> float:
    """Hz of the same PE with full cells: their multiplexers load and delay it by about a part in a thousand."""
    design = tile_design(target, {}, fan_in=steady.fan_in)
    half, f = target.technology.supply_V / 2, steady.frequency_Hz
    volts = pe_voltages(np.array([CENTRE]), steady, np.zeros(25))
    raw = run_tile(
        design,
        steady.waves,
        frequency_Hz=f,
        cycles=cycles,
        solver=steady.solver,
        start_V=volts,
        shil_phase_rad=steady.shil_phase_rad,
        cells="full",
    ).raw
    late = raw.time_s > SETTLE / f
    return float(np.ravel(frequency(raw.time_s[late], raw.node(read_name(target, CENTRE))[late], half)[0])[0])


def fold(
    result: Result, design: Design, frequency_Hz: float, source_Hz: float, half_V: float
) -> dict[str, NDArray[np.float64]]:
    """Waves over one period on SAMPLES phases: the PE's nodes over its own phase, finger nodes over their driver's."""
    raw = result.raw
    late = raw.time_s > SETTLE / frequency_Hz
    time = raw.time_s[late]
    crossings = rising_crossings(time, raw.node(read_name(design.target, CENTRE))[late], half_V)[0]
    n = np.arange(crossings.size)
    zero_s = float((crossings - n / frequency_Hz).mean())
    own = (time - zero_s) * frequency_Hz  # phase over the ring's rising crossing, in turns
    tap = folded([(own, raw[f"v(p_{CENTRE})"][late])])
    shift = _mark(tap, half_V) / TWO_PI
    waves = {}
    for node, name in pe_nodes(pe_words(design.target)).items():
        waves[node] = folded([(own - shift, raw.node(name.format(CENTRE))[late])])
    return waves | fold_fingers(result, design, source_Hz)


def fold_fingers(result: Result, design: Design, source_Hz: float) -> dict[str, NDArray[np.float64]]:
    """Waves of the coupler fingers' nodes over one period on SAMPLES phases of the tap that drives them."""
    raw, others = result.raw, drivers(design)
    late = raw.time_s > SETTLE / source_Hz
    driven, driving = design.system.topology.edges
    code_of = dict(zip(driving[driven == CENTRE].tolist(), design.codes["coupling"][0, driven == CENTRE].tolist()))
    fingers: dict[str, list[tuple[str, float]]] = {}
    for k, site in enumerate(others):
        name = f"c{CENTRE}_{site}"
        for instance, kind in fixed_fingers(design.target.encoding, design.bits, name, code_of[site]):
            fingers.setdefault(kind, []).append((instance, k / len(others)))
    waves = {}
    for kind, places in fingers.items():
        for node in "st":
            runs = [(raw.time_s[late] * source_Hz + turn, raw.node(f"{name}.{node}")[late]) for name, turn in places]
            waves[f"{kind}.{node}"] = folded(runs)
    return waves


def folded(runs: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> NDArray[np.float64]:
    """The mean period (SAMPLES,) of runs, each a rising phase in turns (T,) with volts (T,): every run is interpolated
    at the same SAMPLES phases of each of its whole periods.

    Means of the points that fall into a bin around each phase leave an edge jagged by half a bin's climb, as the steps
    happen to lie: a tap of T/30 looked like T/39, then like T/42, which `smoothed` takes for an edge too fast to play.
    """
    periods = []
    for turns, volts in runs:
        first, last = int(np.ceil(turns[0] * SAMPLES)), int(np.floor(turns[-1] * SAMPLES))
        place = np.arange(first, last + 1 - (last + 1 - first) % SAMPLES)
        if not place.size:
            raise SimulatorError("the run holds no whole period after its first cycles")
        # Each row starts at phase `first`; rolled, at phase 0.
        rows = np.interp(place / SAMPLES, turns, volts).reshape(-1, SAMPLES)
        periods.append(np.roll(rows, first % SAMPLES, axis=1))
    return np.asarray(np.concatenate(periods).mean(axis=0))


def _mark(wave: NDArray[np.float64], half_V: float) -> float:
    """The phase (rad) of the rising crossing of half the supply: of those that scatter makes, the one on the
    steepest rise.
    """
    rising = np.flatnonzero((wave < half_V) & (np.roll(wave, -1) >= half_V))
    if not rising.size:
        raise SimulatorError("a node never rises through half the supply: the PE does not oscillate")
    span = wave.size // 32
    k = int(max(rising, key=lambda at: wave[(at + span) % wave.size] - wave[(at - span) % wave.size]))
    step = (half_V - wave[k]) / (wave[(k + 1) % wave.size] - wave[k])
    return float((k + step) / wave.size * TWO_PI)
