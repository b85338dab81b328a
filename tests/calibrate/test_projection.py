"""Projection of currents by a phase response: closed forms, and the conventions of a table."""

from __future__ import annotations

import numpy as np
import pytest

from aishw.calibrate.forced import SAMPLES, band_limited, coupler_lines, period_means, shil_lines
from aishw.calibrate.projection import all_shil_codes, between, current_error, predict_table, project, resampled, series
from aishw.errors import CardError
from aishw.hardware.calibration import MEASURED

F = 1e8
THETA = 2 * np.pi * np.arange(SAMPLES) / SAMPLES
D = 2 * np.pi * np.arange(16) / 16


def test_projection_of_sines() -> None:
    """Gamma = a cos(theta), I = b cos(theta - D + c): H = a b / (2 f) cos(D - c)."""
    gamma = 3e12 * np.cos(2 * np.pi * np.arange(32) / 32)
    current = 2e-7 * np.cos(THETA - D[:, None] + 0.3)
    rate = project(gamma, current, F)
    assert np.allclose(rate, 3e12 * 2e-7 / 2 / F * np.cos(D - 0.3), atol=1e-12)
    offset, z = series(rate)
    assert offset == pytest.approx(0, abs=1e-12)
    assert z[0] == pytest.approx(3e12 * 2e-7 / 2 / F * np.exp(-0.3j))
    assert np.abs(z[1:]).max() < 1e-12


def test_series_is_the_tables_convention() -> None:
    """H(D) = offset + sum Re[z_k exp(ikD)]; an ideal coupler's z_1 is -i rate."""
    z = np.array([-0.05j, 0.01 * np.exp(0.4j), 0.002, 0, 0.001j])
    h = -0.003 + sum((z[k] * np.exp(1j * (k + 1) * D)).real for k in range(MEASURED))
    offset, found = series(h)
    assert offset == pytest.approx(-0.003)
    assert np.allclose(found, z)
    assert np.allclose(series(0.05 * np.sin(D))[1][0], -0.05j)


def test_resampling_keeps_harmonics() -> None:
    coarse = 2 * np.pi * np.arange(32) / 32
    values = 1 + np.cos(coarse - 0.2) + 0.3 * np.sin(7 * coarse)
    assert np.allclose(resampled(values, SAMPLES), 1 + np.cos(THETA - 0.2) + 0.3 * np.sin(7 * THETA))


def test_codes_between_held_ones() -> None:
    held, codes = np.array([-7, -1, 0, 7]), np.arange(-7, 8)
    line = np.array([2.0, -1.0])
    assert np.allclose(between(held, held[:, None] * line + 3, codes), codes[:, None] * line + 3)
    assert np.allclose(between(codes, codes[:, None] ** 2 * line, codes), codes[:, None] ** 2 * line)


def test_negative_shil_codes() -> None:
    """Half a clock period later, D is half a turn on: odd harmonics change sign, the offset does not."""
    z = np.arange(1, 6) * np.exp(1j * np.arange(5))
    points = [(np.array([0.1 * c]), c * z[None], np.array([1e-4 * c])) for c in (2, 4, 7)]
    offset, found, error = all_shil_codes(np.array([2, 4, 7]), points, np.arange(-7, 8))
    assert np.allclose(offset, 0.1 * np.abs(np.arange(-7, 8)))
    assert np.allclose(found[7 + 3], 3 * z)
    assert not found[7].any() and error[7] == 0
    turned = [(found[7 + 5] * np.exp(1j * np.arange(1, 6) * (d + np.pi))).sum().real for d in D]
    direct = [(found[7 - 5] * np.exp(1j * np.arange(1, 6) * d)).sum().real for d in D]
    assert np.allclose(turned, direct)


def test_the_error_is_the_scatter_of_noisy_responses() -> None:
    rng = np.random.default_rng(0)
    current = 1e-6 * (2 + np.cos(THETA - D[:, None]) + 0.5 * np.cos(2 * (THETA - D[:, None])))[None]
    expected = current_error(current, 1e11, 32, F)[0]
    noise = [series(project(rng.normal(0, 1e11, 32), current[0], F))[1] for _ in range(400)]
    scatter = np.sqrt(np.mean(np.abs(np.array(noise)[:, :2].sum(axis=1)) ** 2))
    assert 0.5 < scatter / expected < 2


def test_no_charge_is_lost_between_samples() -> None:
    turns = np.sort(np.random.default_rng(0).uniform(-0.5, 1.5, 4000))
    spike = np.exp(-(((turns - 0.4) / 1e-3) ** 2))  # narrower than a sample
    found = period_means(turns, np.stack([spike, np.ones_like(turns)], axis=1))
    assert found.shape == (2, SAMPLES)
    inside = (turns > -0.2) & (turns < 0.9)
    assert found[0].mean() == pytest.approx(np.trapezoid(spike[inside], turns[inside]), rel=1e-3)
    assert np.allclose(found[1], 1)
    assert found[0].argmax() == round(0.4 * SAMPLES)


def test_band_limit() -> None:
    wave = np.cos(THETA) + 0.01 * np.cos(200 * THETA)
    assert np.allclose(band_limited(wave), np.cos(THETA))


def test_lines_of_one_lopsided_code() -> None:
    """A positive code conducts more on its source's tap n; a negative SHIL code hangs on the complement."""
    (line,) = coupler_lines("offset", [5], 3)[2]
    assert line.split()[1:4] == ["n_2", "p_2", "y"]
    assert "up=13.0" in line and "un=3.0" in line
    (full,) = coupler_lines("offset", [5], 1, "full")[0]
    assert full.split()[4:12] == ["vdd", "0", "vdd", "0", "0", "vdd", "vdd", "0"]  # 5 + 8 = 1101
    assert shil_lines([-3], 1) == [["xs ckb_0 y bs vm shil_unit u=3.0"]]


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(CardError, match="known: coupling, shil"):
        predict_table(None, None, None, "reference")  # type: ignore[arg-type]
