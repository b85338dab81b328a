"""Gain, INL, DNL and angles of tables whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from aishw.calibrate.linearity import linearity, parabola
from aishw.errors import CardError
from aishw.hardware.calibration import HARMONICS, Table

CODES = np.arange(-7, 8)


def table(strength: np.ndarray, angle: np.ndarray | float = 0.0, offset: np.ndarray | None = None) -> Table:
    z = np.zeros((1, CODES.size, HARMONICS), dtype=complex)
    z[0, :, 0] = -1j * strength * np.exp(1j * np.asarray(angle))
    offset = np.zeros(CODES.size) if offset is None else offset
    return Table(np.array([0.05]), CODES, offset[None], z, np.zeros((1, 15)), np.zeros((1, 15)))


def test_an_ideal_coupler() -> None:
    found = linearity(table(0.007 * CODES))
    assert found.lsb == pytest.approx(0.007)
    assert np.abs(found.inl).max() < 1e-12 and np.abs(found.dnl).max() < 1e-12
    assert found.axis_rad == pytest.approx(0)
    assert np.isnan(found.alpha_rad[7])
    assert np.abs(np.delete(found.alpha_rad, 7)).max() < 1e-12


def test_a_bent_one() -> None:
    """A cubic bends the line; INL vanishes at both ends and is odd, DNL sums to the INL."""
    found = linearity(table(0.007 * CODES * (1 - 1e-3 * CODES**2)))
    assert found.inl[[0, 7, -1]] == pytest.approx(0, abs=1e-12)
    assert np.allclose(found.inl, -found.inl[::-1])
    assert np.allclose(np.cumsum(found.dnl), found.inl[1:])
    lsb = 1 - 0.049
    assert found.inl[7 + 3] == pytest.approx((3 - 0.027) / lsb - 3)


def test_angles_of_both_signs() -> None:
    """A rest at code 0 in quadrature turns small codes, + and - the other way; a common angle is the axis."""
    rest = 0.0005j * np.exp(0.1j)
    z = 0.007 * CODES * np.exp(0.1j) + rest
    found = linearity(table(np.abs(z), np.angle(z)))
    assert found.axis_rad == pytest.approx(0.1)
    assert found.alpha_rad[8] == pytest.approx(0.1 + np.arctan(0.0005 / 0.007))
    assert found.alpha_rad[6] == pytest.approx(0.1 - np.arctan(0.0005 / 0.007))
    assert np.abs(found.inl).max() < 1e-12


def test_the_offsets_parabola() -> None:
    assert parabola(table(0.007 * CODES, offset=2e-6 * CODES - 7e-6 * CODES**2)) == pytest.approx((2e-6, -7e-6))


def test_missing_codes_are_refused() -> None:
    few = Table(np.array([0.05]), np.array([-7, 0, 7]), np.zeros((1, 3)), np.zeros((1, 3, 5), complex),
                np.zeros((1, 3)), np.zeros((1, 3)))  # fmt: skip
    with pytest.raises(CardError, match="every code"):
        linearity(few)
