"""Monte Carlo over the card's mismatch: a PE's frequency, a coupler's gain, angle and offset by code, and the trim.

Every chip is one drawn PE under couplers drawn too, run free for its frequency, and one coupler whose drawn fingers
push their currents into the nominal PE's held node. On a held node currents add, so each finger is run once in each of
its states and the codes are sums. Gain and angle are ratios to the nominal coupler.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from aishw.calibrate.drawn import drawn_copy, mismatch_of
from aishw.calibrate.forced import forced_currents
from aishw.calibrate.loaded import Load, load_cells, load_of, loaded_deck, run_loaded
from aishw.calibrate.projection import TOP, project
from aishw.calibrate.sources import BENCH, BITS
from aishw.calibrate.state import slope
from aishw.engines.deck_rails import offset_bits, sign_bits
from aishw.engines.deck_transistor import MIDDLE_TRIM
from aishw.engines.executor import run_all
from aishw.hardware.cells import cell_text, unit
from aishw.hardware.findings import MismatchFinding, PhaseResponse
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target
from aishw.units import TWO_PI
from aishw.units import spice_number as number

CYCLES, SETTLE = 14, 4
DIFFERENCES = 4  # the third harmonic folds back onto the first: 2 % of it, in chip and nominal alike
BATCH = 8  # chips in one deck of fingers
TRIM_BITS = 9
TRIM_CODES = (0, *(1 << b for b in range(TRIM_BITS)), (1 << TRIM_BITS) - 1)
State = tuple[int, str, bool]  # a finger's number, the source's tap that drives it, whether it is biased


def measure_mismatch(
    target: Target, steady: SteadyState, response: PhaseResponse, *, chips: int = 64, seed: int = 0, workers: int = 2,
    on_point: Callable[[str], None] | None = None,
) -> MismatchFinding:  # fmt: skip
    """`chips` drawn at the strongest bias; a chip's draw depends on the seed and its number alone.

    gain: strength along the nominal angle, relative to nominal; at code 0, where the nominal coupler has none, in LSB.
    alpha_rad: 0 at code 0. offset: what the chip adds to the nominal coupler's, against code 0. Raises CardError if the
    card has no mismatch.
    """
    mismatch_of(target.technology)
    load = load_of(steady)
    frequency_runs = [partial(period_of, target, steady, load, chip, seed) for chip in (None, *range(chips))]
    trim_runs = [partial(period_of, target, steady, load, trim=code) for code in TRIM_CODES]
    batches: list[Sequence[int | None]] = [(None,)]  # the nominal coupler, then the chips
    batches += [range(first, min(first + BATCH, chips)) for first in range(0, chips, BATCH)]
    finger_runs = [partial(finger_rates, target, steady, response, batch, seed) for batch in batches]

    def told(k: int, period_s: float) -> None:
        if on_point and 0 < k <= chips:
            on_point(f"chip {k} of {chips}: {1e-6 / period_s:.3f} MHz")

    period_s = np.array(run_all([*frequency_runs, *trim_runs], workers, on_result=told))
    rates = np.concatenate(run_all(finger_runs, workers))
    frequency = period_s[0] / period_s[1 : chips + 1] - 1
    trim_step = trim_steps(period_s[chips + 1], period_s[chips + 2 : -1], float(period_s[-1]))
    codes = np.arange(-TOP, TOP + 1)
    gain, alpha, offset = against_nominal(by_code(rates, target.encoding, codes), codes)
    residual = trim_residual(frequency, trim_step)
    return MismatchFinding(seed, frequency, codes, gain, alpha, offset, trim_step, residual)


def period_of(
    target: Target, steady: SteadyState, load: Load, chip: int | None = None, seed: int = 0, trim: int = MIDDLE_TRIM
) -> float:
    """Period (s) of a drawn PE under drawn couplers, the nominal ones for no chip."""
    rename, text = {}, []
    if chip is not None:
        draw, mismatch = np.random.default_rng([seed, chip, 0]), mismatch_of(target.technology)
        for instance, cell in load_cells(target, load.groups).items():
            rename[instance], lines = drawn_copy(cell_text(target, BITS, 1), cell, instance, mismatch, draw)
            text += lines
    deck = loaded_deck(target, load, BENCH, CYCLES, start=steady, trim=trim, rename=rename, cells="\n".join(text))
    return slope(run_loaded(deck, target)[1][SETTLE:])[0]


def finger_rates(
    target: Target, steady: SteadyState, response: PhaseResponse, chips: Sequence[int | None], seed: int
) -> NDArray[np.float64]:
    """(D, F, DIFFERENCES) rad per cycle of every finger of the chips' couplers in each of its F states."""
    cells, mismatch = cell_text(target, BITS, 1), mismatch_of(target.technology)
    units, states = finger_states(target.encoding)
    text: list[str] = []
    injections = []
    for chip in chips:
        names = ["finger"] * len(units)
        if chip is not None:
            draw = np.random.default_rng([seed, chip, 1])
            for k in range(len(units)):
                names[k], lines = drawn_copy(cells, "finger", f"{chip}_{k}", mismatch, draw)
                text += lines
        for k, tap, on in states:
            bias = "bn bp" if on else "0 vdd"
            for d in range(DIFFERENCES):
                injections.append([f"xf {tap}_{d} y {bias} vdd {names[k]} u={number(units[k])}"])
    differences = TWO_PI * np.arange(DIFFERENCES) / DIFFERENCES
    current = forced_currents(target, steady, "coupling", differences, injections, text="\n".join(text))
    rate = project(response.r0, current, steady.frequency_Hz)
    return rate.reshape(len(chips), len(states), DIFFERENCES)


def finger_states(encoding: str) -> tuple[list[float], list[State]]:
    """Units of each finger of a coupler, and every state that some code puts it in."""
    powers = [unit(BITS) * 2**b for b in range(BITS - 1, -1, -1)]
    units = powers[1:] if encoding == "sign_magnitude" else [*powers, unit(BITS)]
    used = {state for code in range(-TOP, TOP + 1) for state in states_of(encoding, code)}
    return units, sorted(used)


def states_of(encoding: str, code: int) -> list[State]:
    """The state of each finger at a code. A coupler's p pin sits on its source's tap n."""
    word = np.array([[code]], dtype=np.int8)
    if encoding == "sign_magnitude":
        sign, *bits = sign_bits(word, BITS)[0, :, 0].tolist()
        return [(k, "n" if sign else "p", bool(bit)) for k, bit in enumerate(bits)]
    bits = offset_bits(word, BITS)[0, :, 0].tolist()
    return [*((k, "n" if bit else "p", True) for k, bit in enumerate(bits)), (len(bits), "p", True)]


def by_code(rates: NDArray[np.float64], encoding: str, codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """(D, Q, DIFFERENCES) of whole couplers, from their fingers' states (D, F, DIFFERENCES)."""
    states = finger_states(encoding)[1]
    places = [[states.index(state) for state in states_of(encoding, int(code))] for code in codes]
    return np.stack([rates[:, place].sum(axis=1) for place in places], axis=1)


def against_nominal(
    rate: NDArray[np.float64], codes: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Relative gain, angle and offset (D, Q) of couplers (1 + D, Q, DIFFERENCES), the first of them the nominal one."""
    spectrum = np.fft.rfft(rate, axis=-1) / rate.shape[-1]
    offset, z = spectrum[..., 0].real, spectrum[..., 1]
    lsb = (z[0, -1] - z[0, 0]) / (codes[-1] - codes[0])
    idle = codes == 0
    ratio = z[1:] / np.where(idle, 1.0, z[0])
    gain = np.where(idle, ((z[1:] - z[0]) / lsb).real, ratio.real)
    alpha = np.where(idle, 0.0, np.angle(ratio))
    own = offset - offset[:, idle]
    return gain, alpha, (own[1:] - own[0])


def trim_steps(period_0_s: float, period_bit_s: NDArray[np.float64], period_all_s: float) -> NDArray[np.float64]:
    """(2^bits,) frequency by trim code relative to the middle one, from code 0, every single bit and all of them.

    With S the sum of the bits' parts, the period moves by S + c S^2: a varactor at a faster node is worth more.
    """
    single, whole, c = period_bit_s - period_0_s, period_all_s - period_0_s, 0.0
    for _ in range(40):
        part = 2 * single / (1 + np.sqrt(1 + 4 * c * single))  # the root of part + c part^2 = single
        c = (whole - part.sum()) / part.sum() ** 2
    codes = np.arange(1 << period_bit_s.size)
    total = (codes[:, None] >> np.arange(period_bit_s.size) & 1) @ part
    period = period_0_s + total + c * total**2
    return np.asarray(period[MIDDLE_TRIM] / period - 1)


def trim_residual(frequency: NDArray[np.float64], trim_step: NDArray[np.float64]) -> NDArray[np.float64]:
    """(D,) relative frequency left after each chip's best trim code, towards the nominal middle."""
    left = (1 + frequency[:, None]) * (1 + trim_step) - 1
    best = np.abs(left).argmin(axis=1)
    return np.asarray(left[np.arange(frequency.size), best])
