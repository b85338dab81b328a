"""Chips against nominal: fingers add up to codes, trims to frequencies; spreads know how sure they are."""

from __future__ import annotations

import numpy as np
import pytest

from aishw.calibrate.mismatch import (
    DIFFERENCES,
    against_nominal,
    by_code,
    finger_states,
    states_of,
    trim_residual,
    trim_steps,
)
from aishw.calibrate.spread import chip_dnl, chip_inl, needed_trim, out_of_trim, spread, strengths
from aishw.errors import CardError
from aishw.hardware.cells import fixed_units, switched_units
from aishw.hardware.findings import MismatchFinding

CODES = np.arange(-7, 8)
D = 2 * np.pi * np.arange(DIFFERENCES) / DIFFERENCES


@pytest.mark.parametrize("code", CODES.tolist())
def test_fingers_add_up_to_the_merged_coupler(code: int) -> None:
    """A coupler's p pin sits on its source's tap n."""
    units, _ = finger_states("offset")
    taps = {"n": 0.0, "p": 0.0}
    for k, tap, on in states_of("offset", code):
        assert on
        taps[tap] += units[k]
    assert (taps["n"], taps["p"]) == fixed_units(code, 4)
    units, _ = finger_states("sign_magnitude")
    states = states_of("sign_magnitude", code)
    on, off = (sum(units[k] for k, _, lit in states if lit == wanted) for wanted in (True, False))
    assert (on, off) == switched_units(code, 4)
    assert {tap for _, tap, _ in states} == {"n" if code >= 0 else "p"}


def couplers(error: np.ndarray) -> np.ndarray:
    """(D, F, 4) rates of fingers that move the PE by 0.0035 units sin(D) on tap n and the opposite on tap p."""
    units, states = finger_states("offset")
    sign = np.array([1 if tap == "n" else -1 for _, tap, _ in states])
    size = np.array([units[k] for k, _, _ in states])
    place = [k for k, _, _ in states]
    return (0.0035 * sign * size * (1 + error[:, place]))[..., None] * np.sin(D)


def test_a_chip_like_the_nominal_one() -> None:
    rate = by_code(couplers(np.zeros((3, 5))), "offset", CODES)
    assert np.allclose(rate[0], 0.007 * CODES[:, None] * np.sin(D))
    gain, alpha, offset = against_nominal(rate, CODES)
    assert np.allclose(gain, np.where(CODES == 0, 0, 1)) and np.allclose(alpha, 0) and np.allclose(offset, 0)


def test_one_strong_finger_shows_where_it_should() -> None:
    """The largest finger (8 half LSB) 5 % too strong: 0.2 LSB more where its bit is set, as much less elsewhere."""
    error = np.zeros((2, 5))
    error[1, 0] = 0.05
    gain, alpha, _ = against_nominal(by_code(couplers(error), "offset", CODES), CODES)
    expected = CODES + np.where(CODES >= 0, 0.2, -0.2)
    idle = CODES == 0
    assert gain[0, ~idle] == pytest.approx((expected / np.where(idle, 1, CODES))[~idle])
    assert gain[0, idle] == pytest.approx(0.2)
    assert np.allclose(alpha, 0, atol=1e-9)
    finding = MismatchFinding(0, np.zeros(1), CODES, gain, alpha, 0 * gain, np.zeros(1), np.zeros(1))
    assert strengths(finding)[0] == pytest.approx(expected)
    step = 1 + 0.4 * (np.arange(14) == 6)
    assert chip_dnl(finding)[0] == pytest.approx(step / step.mean() - 1)
    assert chip_inl(finding)[0, [0, -1]] == pytest.approx(0, abs=1e-9)


def test_a_turned_chip() -> None:
    rate = by_code(couplers(np.zeros((2, 5))), "offset", CODES)
    rate[1] = 0.9 * 0.007 * CODES[:, None] * np.sin(D + 0.1) + 1e-5 * CODES[:, None] ** 2
    gain, alpha, offset = against_nominal(rate, CODES)
    assert gain[0, -1] == pytest.approx(0.9 * np.cos(0.1))
    assert alpha[0, -1] == pytest.approx(0.1) == alpha[0, 0]
    assert offset[0] == pytest.approx(1e-5 * CODES**2)


def test_trim() -> None:
    """Each capacitor adds its time; a chip is set to within half a step of nominal."""
    bits = 10e-9 * 1e-4 * 2.0 ** np.arange(9)
    step = trim_steps(10e-9, 10e-9 + bits, 10e-9 + bits.sum())
    assert step.size == 512 and step[256] == 0
    assert (np.diff(step) < 0).all()  # more capacitance is slower
    assert step[0] == pytest.approx(0.0256)
    chips = np.random.default_rng(0).uniform(-0.02, 0.02, 200)
    assert np.abs(trim_residual(chips, step)).max() < 0.55e-4
    assert trim_residual(np.array([0.05]), step)[0] == pytest.approx(1.05 * (1 + step[-1]) - 1)


def test_a_bent_trim() -> None:
    """Bits that are worth more on top of each other: every code comes out, not the measured ones alone."""
    parts = -1e-12 * 2.0 ** np.arange(9)

    def period(code: int) -> float:
        total = sum(parts[b] for b in range(9) if code >> b & 1)
        return 1e-8 + total + 1e8 * total**2

    step = trim_steps(period(0), np.array([period(1 << b) for b in range(9)]), period(511))
    assert step == pytest.approx([period(256) / period(code) - 1 for code in range(512)], abs=1e-9)


def test_spreads() -> None:
    values = np.random.default_rng(1).normal(0.1, 0.02, 64)
    found = spread(values)
    assert found.low < 0.02 < found.high
    assert found.sigma == pytest.approx(values.std(ddof=1))
    assert 0.2 < (found.high - found.low) / found.sigma < 0.6  # sigma of 64 draws is known to 9 %
    assert spread(values) == found
    with pytest.raises(CardError, match="at least 8"):
        spread(values[:5])


def test_the_interval_holds_what_it_says() -> None:
    held = 0
    for seed in range(100):
        found = spread(np.random.default_rng(seed).normal(0, 1, 40), level=0.9, seed=seed)
        held += found.low < 1 < found.high
    assert 78 <= held <= 97


def test_needed_trim() -> None:
    frequency = np.random.default_rng(0).normal(0, 0.004, 4000)
    step = np.linspace(0.008, -0.008, 161)
    left = trim_residual(frequency, step)
    finding = MismatchFinding(0, frequency, CODES, *(np.zeros((1, 15)),) * 3, step, left)
    assert needed_trim(finding, 0.997) == pytest.approx(0.0119, rel=0.05)
    assert 0.03 < out_of_trim(finding) / 4000 < 0.06  # two sigma reach
