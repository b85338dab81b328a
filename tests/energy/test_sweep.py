"""Decks hold what a point says, a partial period is refused, a killed sweep goes on, and a file comes back whole."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from energy_problems import TARGET, made_sweep

from aishw.calibrate.calibration_file import load_steady_state
from aishw.calibrate.shipped import shipped_path
from aishw.calibrate.sources import BENCH
from aishw.energy import bench
from aishw.energy import sweep as sweeps
from aishw.energy.bench import Point, Split, bit_ties, held_element, measure_point, point_deck, sized_cells
from aishw.energy.conditions import FINE
from aishw.energy.readout import DetectorFinding
from aishw.energy.sweep_file import load_sweep, parts_of, save_sweep
from aishw.energy.sweep_plan import plan
from aishw.errors import EnergyError, SimulatorError, StoreError
from aishw.hardware.cells import cell_text

STEADY = load_steady_state(shipped_path(TARGET, TARGET.fan_in))


def test_a_deck_has_the_couplers_of_its_point() -> None:
    deck = point_deck(TARGET, STEADY, Point(10, 5, level=1.0, slower=0.25), BENCH, 11)
    lines = deck.splitlines()
    driving = [line for line in lines if re.match(r"xc\d ", line)]
    driven = [line for line in lines if re.match(r"xd\d ", line)]
    assert len(driving) == len(driven) == bench.GROUPS
    assert all(line.count(" vdd 0") == 5 for line in driving)  # code +15 is all bits high
    assert "m={2.2*(u)}" in deck and "m={2.0*(u)}" in deck  # (10 + 1) / 5 that drive it, 10 / 5 that it drives
    assert any(line.startswith("xp0 ") and line.endswith("dc=0.25") for line in lines)
    assert all(f"v_{part} vdd vdd_{part} 0" in lines for part in bench.PARTS)
    alone = point_deck(TARGET, STEADY, Point(0), BENCH, 11)
    assert "xd0 " not in alone and "m={0.2*(u)}" in alone


def test_bits_and_sizes() -> None:
    assert bit_ties("offset", 0, 4) == "vdd 0 0 vdd 0 vdd 0 vdd"  # 1000
    assert bit_ties("sign_magnitude", -1, 3) == "0 vdd 0 vdd vdd 0"
    text = cell_text(TARGET, 6, 1)
    found = re.search(r"\.subckt coupler .*?\.ends", sized_cells(text, held_element(6)), re.DOTALL)[0]
    units = sorted(float(u) for u in re.findall(r"u=(\S+)", found))
    assert units == pytest.approx([1, 1, 2, 4, 8, 16, 32])  # the smallest finger is that of 4 bits
    assert sized_cells(text, 1.0).replace(".0", "") == text.replace(".0", "")
    assert Point(4, 6, level=-1.0).code == -31


@pytest.mark.parametrize("fields", [{"couplings": -1}, {"bits": 1}, {"level": 1.5}, {"size": 0.0}, {"slower": -1.0}])
def test_points_that_cannot_be(fields) -> None:
    with pytest.raises(EnergyError):
        Point(**{"couplings": 4, **fields})


def test_partial_cycles_are_refused(monkeypatch) -> None:
    """A run that ends in its sixth cycle gives no mean over whole ones."""
    f = STEADY.frequency_Hz
    time = np.linspace(0, 6.5 / f, 4000)
    columns = {"v(r0_0)": 0.45 + 0.45 * np.sin(2 * np.pi * f * time)}

    class Raw(dict):
        time_s = time

        def __missing__(self, name):
            return np.ones_like(time) * 1e-6

        def node(self, name):
            return self[f"v({name})"]

    monkeypatch.setattr(bench, "run_deck", lambda deck, **more: SimpleNamespace(raw=Raw(columns)))
    with pytest.raises(EnergyError, match="whole cycles"):
        measure_point(TARGET, STEADY, Point(4))


@pytest.fixture
def simulated(monkeypatch):
    """Calls of the measuring functions; the one numbered `fail` is spoilt."""
    made = SimpleNamespace(calls=[], fail=-1)
    truth = made_sweep()

    def run_one(target, steady, corner, celsius, fine, *point) -> Split:
        made.calls.append(point)
        if len(made.calls) - 1 == made.fail:
            raise SimulatorError("ngspice stopped")
        k = next(k for k, p in enumerate(truth.points()) if sweeps._plain(p) == point)
        return Split(*(getattr(truth, name)[k].item() for name in sweeps.FIELDS))

    run_one.__module__ = sweeps.__name__
    monkeypatch.setattr(sweeps, "run_one", run_one)
    monkeypatch.setattr(sweeps, "measure_detector", lambda target, steady: DetectorFinding(2e-6, 1e-7))
    return made


def test_a_killed_sweep_goes_on(simulated, tmp_path) -> None:
    parts = parts_of(tmp_path / "s.h5.parts", TARGET, STEADY, "ngspice 39")
    parts.open()
    simulated.fail = 2
    with pytest.raises(SimulatorError):
        sweeps.sweep(TARGET, STEADY, parts, quick=True)
    simulated.fail, kept = -1, len(simulated.calls)
    found = sweeps.sweep(TARGET, STEADY, parts, quick=True)
    assert len(simulated.calls) == kept + 1  # the spoilt one alone
    assert found.couplings.tolist() == [0, 24, 12] and found.detector.watts == 2e-6
    before = len(simulated.calls)
    sweeps.sweep(TARGET, STEADY, parts, quick=True)
    assert len(simulated.calls) == before


def test_a_plan_sees_what_a_fit_needs() -> None:
    runs = plan(TARGET)
    assert {point.couplings for point, *_ in runs} >= {0, 24} and {point.bits for point, *_ in runs} == {2, 3, 4, 5, 6}
    assert len({(corner, celsius) for _, corner, celsius, _ in runs}) == 9
    small = replace(TARGET, fan_in=4)
    assert all(point.couplings <= 4 for point, *_ in plan(small))


def test_a_file_comes_back(tmp_path) -> None:
    made = made_sweep(0.01)
    save_sweep(tmp_path / "s.h5", made)
    read = load_sweep(tmp_path / "s.h5")
    assert read.points() == made.points() and np.array_equal(read.taps_W, made.taps_W) and read.corner == made.corner
    (tmp_path / "bad.h5").write_bytes((tmp_path / "s.h5").read_bytes()[:2000])
    for name in ("bad.h5", "none.h5"):
        with pytest.raises(StoreError, match=name):
            load_sweep(tmp_path / name)


@pytest.mark.slow
def test_half_the_step_and_the_whole_supply() -> None:
    """One real PE of 8 couplings: parts sum to the supply's own current, and half the step moves the whole by less than
    1 %. (Its taps alone move by 1.0 %: with few couplings their edges take few steps; with 24 it is 0.4 %.)
    """
    coarse, fine = (measure_point(TARGET, STEADY, Point(8), solver) for solver in (BENCH, FINE))
    for found in (coarse, fine):
        assert found.ring_W + found.taps_W + found.couplers_W == pytest.approx(found.whole_W, rel=0.01)
    assert fine.whole_W == pytest.approx(coarse.whole_W, rel=0.01)
    assert fine.ring_W == pytest.approx(coarse.ring_W, rel=0.01)
    assert fine.couplers_W == pytest.approx(coarse.couplers_W, rel=0.01)
    assert fine.taps_W == pytest.approx(coarse.taps_W, rel=0.015)
