"""Tables from points: codes and biases that were not measured follow from those that were."""

from __future__ import annotations

import numpy as np
import pytest

from aishw.calibrate.coupling import fill
from aishw.calibrate.drift import BINS, Point
from aishw.hardware.calibration import MEASURED

CODES = np.arange(-7, 8)


def point(code: int, scale: float = 1.0, turn: float = 0.0) -> Point:
    z = np.zeros(MEASURED, dtype=complex)
    z[0] = -0.007j * code * scale * np.exp(1j * turn)
    z[1] = (0.001 + 1e-5 * code**2) * scale * np.exp(2j * turn)
    blank = np.full(BINS, np.nan)
    return Point(1e-5 * code**2, z, 1e-5, np.full(MEASURED, 2e-5), 1e-4, 10.0, 11.0, blank)


def test_couplers_are_a_parabola_in_the_code() -> None:
    rates = np.array([0.02, 0.049])
    points = {(p, c): point(c, 0.4 + 0.6 * p) for p in (0, 1) for c in (-7, 0, 4, 7)}
    table = fill(rates, CODES, points, "coupling", 1)
    assert table.harmonics[1, 7 + 3, 0] == pytest.approx(-0.021j)
    assert table.harmonics[1, 7 - 5, 1] == pytest.approx(0.00125)
    assert table.harmonics[0, 7 - 5, 1] == pytest.approx(0.4 * 0.00125)
    assert table.offset[1, 7 + 2] == pytest.approx(4e-5)
    assert np.isnan(table.residual_rad[1, 7 + 2]) and table.residual_rad[1, 7 + 4] == 1e-4


def test_shil_signs_are_half_a_clock_period_apart() -> None:
    table = fill(np.array([0.049]), CODES, {(0, c): point(c) for c in range(1, 8)}, "shil", 0)
    assert table.harmonics[0, 7 - 4, 0] == pytest.approx(-table.harmonics[0, 7 + 4, 0])
    assert table.harmonics[0, 7 - 4, 1] == pytest.approx(table.harmonics[0, 7 + 4, 1])
    assert table.offset[0, 7 - 4] == pytest.approx(table.offset[0, 7 + 4]) == pytest.approx(16e-5)
    assert abs(table.harmonics[0, 7]).max() == 0 and table.offset[0, 7] == 0


def test_shil_at_another_bias_keeps_the_shape_of_the_main_one() -> None:
    """Half as strong and turned by 0.3 rad at every code: two codes tell, the other codes follow."""
    points = {(0, c): point(c, 0.5, 0.3) for c in (4, 7)} | {(1, c): point(c) for c in range(1, 8)}
    table = fill(np.array([0.02, 0.049]), CODES, points, "shil", 1)
    for code in (1, 2, 5, 6):
        assert table.harmonics[0, 7 + code, 0] == pytest.approx(point(code, 0.5, 0.3).harmonics[0], rel=1e-6)
        assert table.harmonics[0, 7 - code, 0] == pytest.approx(-table.harmonics[0, 7 + code, 0])
    for code in (4, 7):
        assert table.harmonics[0, 7 + code] == pytest.approx(points[0, code].harmonics)
