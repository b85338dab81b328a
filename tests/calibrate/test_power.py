"""Supplies that are told apart, charges that are counted right, and (slow) a split that is the whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aishw.calibrate.loaded import Load, load_of
from aishw.calibrate.metered import Split, many_cells, mean_between, metered_pe, pushed_charge, split_power
from aishw.calibrate.power import measure_power
from aishw.calibrate.power_cells import bank_energy
from aishw.calibrate.sources import BENCH
from aishw.calibrate.state import state_under
from aishw.errors import SimulatorError
from aishw.hardware.cards import load_target
from aishw.hardware.cells import cell_text
from aishw.hardware.solver import Solver

TARGET = load_target("ring28")
CELLS = """.subckt inv a y vdd wn=1
mn y a 0 0 nch w={wn} l=1
.ends
.subckt pe r0 r1 r2 n p vdd c0=1 wb=2
x0 r0 r1 vdd inv
x1 r1 r2 vdd inv wn=3
xb r2 d1 vdd inv
xp d1 p vdd inv wn={wb}
.ends
.subckt pair a b vdd u=1
xa a b vdd inv wn={u}
ma a b 0 0 nch w=1 l=1 m={u}
.ends"""


def test_the_ring_gets_a_supply_of_its_own() -> None:
    lines = metered_pe(CELLS).splitlines()
    assert lines[0] == ".subckt pe_metered r0 r1 r2 n p vdd vring c0=1 wb=2"
    assert lines[1:3] == ["x0 r0 r1 vring inv", "x1 r1 r2 vring inv wn=3"]
    assert lines[3:] == ["xb r2 d1 vdd inv", "xp d1 p vdd inv wn={wb}", ".ends"]
    for name in ("ring28", "ring28_switched"):
        assert metered_pe(cell_text(load_target(name), 4, 1)).count(" vring ") == 4
    with pytest.raises(SimulatorError, match="no cell between r0, r1 and r2"):
        metered_pe(CELLS.replace("r1 vdd", "d2 vdd").replace("r1 r2", "d2 r2"))


def test_many_cells_are_as_many_transistors() -> None:
    lines = many_cells(CELLS, 4.8).splitlines()
    assert "mn y a 0 0 nch w={wn} l=1 m={4.8*(1)}" in lines
    assert "ma a b 0 0 nch w=1 l=1  m={4.8*(u)}" in lines
    assert "xa a b vdd inv_many wn={u}" in lines
    assert ".subckt pair_many a b vdd u=1" in lines


def test_means_begin_and_end_between_samples() -> None:
    time = np.array([0.0, 1.0, 4.0, 5.0])
    assert mean_between(time, 2 * time, 0.5, 4.5) == pytest.approx(5.0)
    assert mean_between(time, np.ones(4), 1.25, 1.5) == pytest.approx(1.0)


def test_a_pushed_charge_does_not_see_ringing() -> None:
    """Pulses of 3 fC out and in again, twice a period of 10 ns, under a ringing from step to step as large as they."""
    time = np.linspace(0, 60e-9, 6001)
    current = 3e-15 * np.cos(2 * np.pi * time / 10e-9) * np.pi / 10e-9
    ringing = np.where(np.arange(time.size) % 2, 1.0, -1.0) * np.abs(current).max()
    for seen in (current, current + ringing):
        assert pushed_charge(time, seen, 10e-9, 10e-9, 50e-9) == pytest.approx(3e-15, rel=0.02)


def test_a_bank_pays_for_changes() -> None:
    changes, stays, leakage = bank_energy(TARGET)
    assert changes > 2 * stays > 0
    assert leakage > 0
    fewer = bank_energy(replace(TARGET, segments=4))
    assert fewer[0] < changes  # less hangs on the selected node
    assert fewer[2] == pytest.approx(leakage, rel=0.5)  # the restored output is shared by fewer bits


@pytest.mark.slow
def test_the_split_is_the_whole() -> None:
    """Parts found in runs of their own sum to one supply's within 1 %; half the step changes no part by 1 %."""
    supply_V = TARGET.technology.supply_V
    square = np.where(np.arange(1024) < 512, supply_V, 0.0)
    load = Load({"p": square, "n": supply_V - square}, TARGET.frequency_Hz, TARGET.fan_in)
    first, _ = state_under(TARGET, load, cycles=12)
    steady, _ = state_under(TARGET, load_of(first), start=first)
    power = measure_power(TARGET, steady, quick=True)
    top = int(power.codes[-1])
    whole: Split = split_power(TARGET, steady, replace(load_of(steady), shil_code=top))
    idle = float(power.coupler_W[power.codes == 0][0])
    parts = power.ring_W + power.taps_W + (steady.fan_in + 1) * idle + float(power.shil_W[-1])
    assert parts == pytest.approx(whole.whole_W + whole.drive_W, rel=0.01)
    finer = split_power(TARGET, steady, load_of(steady), Solver(BENCH.method, 2 * BENCH.steps_per_cycle, 1e-4, 7.0))
    assert finer.ring_W == pytest.approx(power.ring_W, rel=0.01)
    assert finer.taps_W == pytest.approx(power.taps_W, rel=0.01)
    assert power.coupler_by_bias_W is not None
    assert (np.diff(power.coupler_by_bias_W, axis=0) > 0).all()
    assert np.array_equal(power.coupler_by_bias_W[-1], power.coupler_W)
