"""The common drift: closed forms on tables that do one thing, and what lower makes of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_lower import a_system, a_target

from aishw.hardware.calibration import HARMONICS, Calibration, Table
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.hardware.together import Together
from aishw.lower import lower
from aishw.lower.reference import common_drift

STEADY = SteadyState("small", "tt", 300.0, "merged", Solver(), 1e8, 1.0, {}, {}, 0.0, "none", 0.0)
CODES = np.arange(-7, 8)
RATES = np.array([1e-4, 1.0])


def table(z1: complex, levels: np.ndarray, per_code: float = 0.0, z2: complex = 0.0) -> Table:
    """z_1 = z1 * rate * level(code); per_code: rad per cycle of offset for each step of |code|, and a z_2 that no code
    changes, both at rate 1."""
    harmonics = np.zeros((2, 15, HARMONICS), dtype=complex)
    strength = np.sign(CODES) * levels[np.abs(CODES)]
    harmonics[:, :, 0] = z1 * RATES[:, None] * strength
    harmonics[:, :, 1] = z2 * RATES[:, None]
    zero = np.zeros((2, 15))
    return Table(RATES, CODES, per_code * RATES[:, None] * np.abs(CODES), harmonics, zero, zero)


def calibration(target, **changes):
    levels = {kind: injection.levels for kind, injection in target.injections.items()}
    coupling = table(-1j, levels["coupling"], **changes)
    tables = {"coupling": coupling, "reference": table(-1j, levels["reference"]), "shil": table(1j, levels["shil"])}
    return Calibration(STEADY, tables)


def test_an_ideal_circuit_has_no_common_drift():
    target = a_target()
    assert lower(a_system(), target, calibration=calibration(target)).reference_shift == pytest.approx(0, abs=1e-12)


def test_offsets_add_up_over_the_couplers():
    """rate * |code| * 0.01 a coupler, averaged over sites and, by cycles, over segments of 0.5 and 1.5 tau."""
    target = a_target()
    d = lower(a_system(), target, calibration=calibration(target, per_code=0.01))
    codes = np.abs(d.codes["coupling"].astype(float)).sum(axis=1) / d.system.sites
    cycles = d.cycles_per_tau * d.system.duration_tau
    expected = (0.01 * codes * d.rate["coupling"][:, 0]) @ cycles / cycles.sum()
    assert expected > 1e-4
    assert d.reference_shift == pytest.approx(expected, rel=1e-6)


def test_an_even_harmonic_counts_where_the_neighbours_agree():
    """One phase for all sites and no weights that tell them apart: a constant z_2 drifts by 4 Re z_2 a site."""
    target, system = a_target(), a_system(segments=1)
    same = replace(system, coupling=np.full_like(system.coupling, 0.5),
                   terms={name: np.zeros_like(value) for name, value in system.terms.items()})  # fmt: skip
    cal, d = calibration(target, z2=0.02 * np.exp(0.3j)), lower(same, target)
    found = common_drift(d, cal, np.full((3, system.sites), 0.7))
    assert found == pytest.approx(4 * 0.02 * np.cos(0.3) * d.rate["coupling"][0, 0], rel=1e-9)


def test_jumps_at_changes_of_codes_are_drift():
    """All sites in phase and one strength of coupling: the first codes move each by Re[switch_0] times four drives."""
    target, system = a_target(), a_system(segments=1)
    same = replace(system, coupling=np.full_like(system.coupling, 0.5),
                   terms={name: np.zeros_like(value) for name, value in system.terms.items()})  # fmt: skip
    d, x0 = lower(same, target), np.full((3, system.sites), 0.7)
    jumps = np.zeros_like(Together().switch)
    jumps[0] = 0.2 + 0.3j
    jumping = replace(calibration(target), together=Together(switch=jumps))
    expected = 0.2 * 4 * d.rate["coupling"][0, 0] / d.cycles
    assert expected > 1e-4 and common_drift(d, jumping, x0) == pytest.approx(expected, rel=1e-9)
    shifted = replace(d, reference_shift=0.01)
    assert common_drift(shifted, jumping, x0) == pytest.approx(expected, rel=1e-9)


def test_the_shift_is_found_whatever_the_design_has_and_changes_nothing_else():
    target, system = a_target(), a_system()
    cal = calibration(target, per_code=0.01)
    plain, shifted = lower(system, target), lower(system, target, calibration=cal)
    x0 = np.random.default_rng(0).normal(0, 0.5, (2, system.sites))
    assert common_drift(shifted, cal, x0) == pytest.approx(common_drift(plain, cal, x0), rel=1e-12)
    assert plain.reference_shift == 0 and shifted.id != plain.id
    assert replace(shifted, reference_shift=0.0).id == plain.id
