"""Device noise against thermodynamics, the ensemble's arithmetic against drawn noise, and (slow) all of it."""

from __future__ import annotations

import numpy as np
import pytest

from aishw.calibrate.device_noise import DeviceNoise, _densities, held_deck, ring_nodes
from aishw.calibrate.loaded import Load, load_of
from aishw.calibrate.noise import by_group, group_of, measure_noise
from aishw.calibrate.noise_ensemble import drive_lines, filtered_diffusion, variance_growth
from aishw.calibrate.response import measure_response
from aishw.calibrate.state import state_under
from aishw.engines.ngspice import run_deck
from aishw.hardware.cards import load_target
from aishw.hardware.cells import model_text

TARGET = load_target("ring28")
KT = 1.380649e-23 * TARGET.technology.temperature_K
STACK = [
    "aishw a stack of two transistors at rest",
    model_text(TARGET.technology),
    ".subckt stack y g",
    "ma y g x 0 nch w=0.4e-6 l=0.5e-6 m=3",
    "mb x g 0 0 nch w=0.4e-6 l=0.25e-6",
    ".ends",
    f".temp {TARGET.technology.temperature_K - 273.15}",
    "vdd vdd 0 0.9",
    "xp0 r0_0 vdd stack",
    "r1 r1_0 0 1e3",
    "r2 r2_0 0 1e3",
]


RING = ["r0_0", "r1_0", "r2_0"]


def conductance() -> float:
    """Of the stack at rest, from the current at 2 mV."""
    deck = [*STACK, "vd r0_0 0 2e-3", "vn1 r1_0 0 0", "vn2 r2_0 0 0", ".tran 1e-9 2e-8", ".save i(vd)", ".end", ""]
    return -float(run_deck("\n".join(deck)).raw["i(vd)"][-1]) / 2e-3


def test_a_stack_at_rest_has_the_noise_of_its_conductance() -> None:
    """Nyquist: 4 k T g of both in series, which needs the node between them to share out the currents."""
    held = held_deck("\n".join(STACK), {"r0_0": 0.0, "r1_0": 0.0, "r2_0": 0.0, "vdd": 0.9, "xp0.x": 0.0}, RING)
    found = _densities(held, 3)
    assert set(found) == {"m.xp0.ma", "m.xp0.mb"}
    assert sum(both[0, 0] for both in found.values()) == pytest.approx(4 * KT * conductance(), rel=0.05)
    assert all((both[1:] == 0).all() for both in found.values())
    share = found["m.xp0.mb"][0, 0] / found["m.xp0.ma"][0, 0]
    assert share == pytest.approx(1.5, rel=0.2)  # resistances of 1/0.25 and 1.5/0.5 squares add, and so do their noises


def test_a_resistor_inside_a_cell_has_the_noise_of_its_conductance_at_both_ends() -> None:
    """4 k T / R, as seen by r0 and by the inner node q that is held too."""
    temperature = f".temp {TARGET.technology.temperature_K - 273.15}"
    lines = ["aishw a resistor", ".subckt pe r0", "rq q r0 10e3", ".ends", temperature, "xp0 r0_0 pe"]
    found = _densities(held_deck("\n".join(lines), {"r0_0": 0.0, "xp0.q": 0.0}, ["r0_0", "xp0.q"]), 2)
    assert found["r.xp0.rq"][:, 0] == pytest.approx(4 * KT / 10e3, rel=1e-3)


def test_the_ring_has_the_nodes_that_its_cell_names() -> None:
    assert ring_nodes(load_target("ring28_isolated")) == {"r0": "r0_0", "r1": "r1_0", "r2": "r2_0", "q": "xp0.q"}
    assert "q" not in ring_nodes(TARGET)


def test_groups() -> None:
    assert group_of("m.xp0.x0.mn") == "ring x0.mn"
    assert group_of("m.xc3.xn.mnt") == group_of("m.xoc1.mnt") == "couplers mnt"
    assert group_of("m.xs4.ms") == "SHIL ms"
    names = ("m.xc0.xp.mnt", "m.xc1.xp.mnt", "m.xp0.x0.mn", "m.xt0.x1.mv")
    devices = DeviceNoise(names, ("r0", "r1", "r2"), np.zeros(1), np.zeros((4, 3, 1)), np.zeros((4, 3, 1)))
    found = by_group(devices, np.array([1.0, 2.0, 4.0, 1e-4]))
    assert list(found) == ["ring x0.mn", "couplers mnt", "others"]
    assert sum(found.values()) == pytest.approx(7.0001)


def test_variance_growth_does_not_see_jitter() -> None:
    rng = np.random.default_rng(1)
    walk, jitter = rng.normal(0, 0.02, 50000), rng.normal(0, 0.03, 50001)
    assert variance_growth(walk + np.diff(jitter)) == pytest.approx(4e-4, rel=0.1)


def test_filtered_diffusion_is_the_variance_of_joined_samples() -> None:
    """Samples on straight lines, drawn and integrated with a response that has a fifth harmonic."""
    rng = np.random.default_rng(2)
    f, sample_s, density, cycles = 1e8, 1 / (11.3 * 1e8), 1e-22, 6000
    turn = np.arange(64) / 64
    gamma = 1e13 * (np.sin(2 * np.pi * turn) + 0.5 * np.cos(10 * np.pi * turn))
    time = np.arange(cycles * 128) / 128 / f
    drawn = rng.standard_normal(int(cycles * 11.3) + 2) * np.sqrt(density / 2 / sample_s)
    current = np.interp(time, np.arange(drawn.size) * sample_s, drawn)
    seen = 1e13 * (np.sin(2 * np.pi * f * time) + 0.5 * np.cos(10 * np.pi * f * time))
    moved = (seen * current).reshape(cycles, 128).mean(axis=1) / f
    expected = filtered_diffusion(gamma[None], density, f, sample_s)
    assert variance_growth(moved) == pytest.approx(expected, rel=0.08)
    white = filtered_diffusion(gamma[None], density, f, sample_s * 1e-3)
    assert expected < 0.9 * white == pytest.approx(0.9 * 0.5e26 * 1.25 * density / 2 / f, rel=1e-3)


def test_drives_are_drawn_points_in_short_lines() -> None:
    lines = drive_lines(np.array([[0.0, 0.5, -1.0]]), 1e-10)
    assert lines == ["vz0 z0 0 pwl(", "+ 0.0 0.0 1e-10 0.5 2e-10 -1.0", "+ )"]
    assert max(map(len, drive_lines(np.ones((1, 5000)), 1 / 3e9))) < 1000


@pytest.mark.slow
def test_noise_of_ring28() -> None:
    """The ensemble agrees with the phase response within 10 %, twice the same, and a seed changes nothing else."""
    supply_V = TARGET.technology.supply_V
    square = np.where(np.arange(1024) < 512, supply_V, 0.0)
    load = Load({"p": square, "n": supply_V - square}, TARGET.frequency_Hz, TARGET.fan_in)
    first, _ = state_under(TARGET, load, cycles=12)
    steady, _ = state_under(TARGET, load_of(first), start=first)
    response = measure_response(TARGET, steady, phases=16)
    found = measure_noise(TARGET, steady, response, quick=True, seed=1)
    assert abs(found.ensemble - found.predicted) < 0.1 * found.predicted
    assert 0 < found.ensemble_error < 0.06 * found.predicted
    assert sum(found.by_device.values()) == pytest.approx(found.thermal)
    again = measure_noise(TARGET, steady, response, quick=True, seed=2)
    assert again.thermal == found.thermal and again.flicker == found.flicker
    assert again.ensemble != found.ensemble
