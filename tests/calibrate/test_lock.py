"""Binary lock: told by a table, and on transistors."""

from __future__ import annotations

import numpy as np
import pytest

from aishw.calibrate.lock import lock_of
from aishw.calibrate.shipped import tables_of
from aishw.calibrate.steady import CENTRE, drivers, run_tile, tile_design
from aishw.engines.phase import rising_crossings
from aishw.engines.start import read_name, start_voltages
from aishw.hardware.calibration import Table
from aishw.hardware.cards import load_target

RING28 = load_target("ring28")
CALIBRATION = tables_of(RING28)
assert CALIBRATION is not None
SHIL = CALIBRATION.tables["shil"]


def a_table(offset: float, harmonic: complex) -> Table:
    """Codes -1, 0, 1 at one bias: no drift at 0, `offset` and a first harmonic of either sign beside it."""
    z = np.array([-harmonic, 0, harmonic])[None, :, None]
    nothing, codes = np.zeros((1, 3)), np.array([-1, 0, 1])
    return Table(np.array([abs(harmonic)]), codes, np.array([[offset, 0, offset]]), z, nothing, nothing)


def test_a_pure_second_harmonic_holds_at_0_and_half_a_turn() -> None:
    """ds/dcycle = -G sin 2s comes back by 2G a rad; an offset d shifts it to sin 2s = d / G and the range with it."""
    lock = lock_of(a_table(0.0, 0.1j), 1)
    assert lock.phase_rad == pytest.approx(0, abs=1e-6) and lock.rate == pytest.approx(0.2, rel=1e-3)
    assert lock.slower == lock.faster == pytest.approx(0.1 / (2 * np.pi), rel=1e-4)
    shifted = lock_of(a_table(0.05, 0.1j), 1)
    assert shifted.phase_rad == pytest.approx(np.arcsin(0.5) / 2, rel=1e-4)
    assert (shifted.slower, shifted.faster) == pytest.approx((0.15 / (2 * np.pi), 0.05 / (2 * np.pi)), rel=1e-3)
    assert lock_of(a_table(0.0, 0.1j), -1).phase_rad == pytest.approx(np.pi / 2, abs=1e-3) or (
        lock_of(a_table(0.0, 0.1j), -1).phase_rad == pytest.approx(-np.pi / 2, abs=1e-3)
    )


def test_an_offset_above_the_strength_holds_nothing() -> None:
    lock = lock_of(a_table(0.2, 0.1j), 1)
    assert lock.phase_rad is None and lock.faster < 0 < lock.slower


def test_the_first_ring_is_held_a_degree_off_and_less_far_above_than_below() -> None:
    for code, near in ((7, 0.0), (-7, np.pi / 2)):
        lock = lock_of(SHIL, code)
        assert lock.phase_rad is not None
        assert abs((lock.phase_rad - near + np.pi / 2) % np.pi - np.pi / 2) < np.radians(3)
        assert 0.005 < lock.slower < lock.faster < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("code", [-7, 7])
def test_transistors_are_held_where_the_table_says(code: int) -> None:
    """From four phases to two, half a turn apart; about a minute."""
    assert CALIBRATION is not None
    steady, lock = CALIBRATION.steady, lock_of(SHIL, code)
    strongest = RING28.injections["shil"].rate_limit
    design = tile_design(RING28, {"shil": code}, {"shil": strongest}, fan_in=24)
    assert lock.phase_rad is not None
    held = []
    for begin in np.radians([-130, -50, 40, 140]):
        start = np.zeros(25)
        start[drivers(design)] = 2 * np.pi * np.arange(24) / 24
        start[CENTRE] = begin
        raw = run_tile(
            design, steady.waves, frequency_Hz=steady.frequency_Hz, cycles=60, solver=steady.solver,
            start_V=start_voltages(design, np.array([CENTRE]), steady, start), shil_phase_rad=steady.shil_phase_rad,
        ).raw  # fmt: skip
        times = rising_crossings(raw.time_s, raw.node(read_name(RING28, CENTRE)), 0.45)[0]
        phase = steady.marks_rad[steady.read] + 2 * np.pi * (np.arange(times.size) - steady.frequency_Hz * times)
        assert np.ptp(phase[-8:]) < 0.02  # it stands
        held.append(phase[-1] % (2 * np.pi))
        off = (phase[-1] - lock.phase_rad + np.pi / 2) % np.pi - np.pi / 2
        assert abs(np.degrees(off)) < 3, f"{np.degrees(off):.1f} degrees from {np.degrees(lock.phase_rad):.1f}"
    assert np.ptp(held) == pytest.approx(np.pi, abs=0.05)
