"""What an image asks of an array is counted from its codes, and a ledger is the sum of its lines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from energy_problems import TARGET, known_pe
from problems import random_system

from aishw.energy.beside import beside, nodes
from aishw.energy.ledger import GROUPS, PROVENANCE, Line, ledger
from aishw.energy.record import ledger_record
from aishw.energy.schedules import image_s, moves_of
from aishw.energy.strategies import energy_at, side_by_side, winners
from aishw.energy.work import bias_place, bit_changes, work_of, work_of_sizes
from aishw.errors import EnergyError
from aishw.hardware.target import STRATEGIES
from aishw.lower.lower import lower
from aishw.lower.schedule import timeline
from aishw.units import uW

SYSTEM = random_system(4, 5, segments=3, seed=1)
DESIGN = lower(SYSTEM, TARGET)
PE = known_pe(couplings=8)
WORK = work_of(DESIGN, PE)


def test_couplers_are_counted_one_by_one() -> None:
    edges, found = SYSTEM.topology.edges[0], np.zeros(3)
    for s in range(3):
        place = bias_place(TARGET, "coupling", DESIGN.rate["coupling"][s])
        for e, site in enumerate(edges):
            code, p = int(DESIGN.codes["coupling"][s, e]), float(place[site])
            strength = np.interp(p, [0, 1, 2], [0.1, 0.3, 0.5]) + 0.01 * code
            found[s] += strength * uW
    assert WORK.couplers_W == pytest.approx(found, rel=1e-9)
    assert WORK.shil_W == pytest.approx(0.1 * uW * np.abs(DESIGN.codes["shil"].astype(int)).sum(axis=1))


def test_bits_that_change_are_counted() -> None:
    same = replace(DESIGN, codes={kind: np.repeat(code[:1], 3, axis=0) for kind, code in DESIGN.codes.items()})
    changed, kept = bit_changes(same)
    weights = SYSTEM.topology.edges.shape[1] + 2 * SYSTEM.sites
    assert changed == 0 and kept == 3 * weights * 4
    one = {kind: code.copy() for kind, code in same.codes.items()}
    one["coupling"][1, 0] = one["coupling"][0, 0] ^ 1  # the last bit of one weight: it changes, and changes back
    assert bit_changes(replace(same, codes=one)) == (2, 3 * weights * 4 - 2)
    assert sum(bit_changes(DESIGN)) == 3 * weights * 4
    alone = lower(random_system(4, 5, segments=1), TARGET)
    assert bit_changes(alone) == (0, 0)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_moves_are_those_of_the_timeline(strategy) -> None:
    line = timeline(SYSTEM, TARGET, 4, DESIGN.cycles_per_tau, strategy)
    work = work_of(DESIGN, PE, strategy)
    moves = moves_of(work)
    assert (moves.writes, moves.transfers, moves.cores) == (line.writes, line.transfers, line.cores)
    assert moves.storage_bits == line.storage_bits
    assert image_s(work) == pytest.approx(line.image_s)


def test_a_ledger_is_the_sum_of_its_lines() -> None:
    book = ledger(WORK, PE)
    assert {line.group for line in book.lines} == set(GROUPS)
    assert all(line.provenance in PROVENANCE and line.source and line.energy_J > 0 for line in book.lines)
    assert sum(book.total(group)[0] for group in GROUPS) == pytest.approx(book.total()[0])
    run_s = float(WORK.run_s.sum())
    by_name = {line.name: line for line in book.lines}
    assert by_name["rings"].energy_J == pytest.approx(20 * 30 * uW * run_s)
    assert by_name["weight bits"].energy_J == pytest.approx(WORK.changed * 2e-15 + WORK.kept * 0.2e-15)
    assert by_name["weight bank"].energy_J == pytest.approx(20 * 10 * 4 * 8 * 1.6e-9 * run_s)  # 8 chunks, used or not
    assert 0 < book.total()[1] < book.total()[0]
    assert ledger_record(book)["image_J"] == book.total()[0]
    assert all(word in " ".join(book.left_out) for word in ("layout", "bias distribution", "clock"))


def test_lines_scale_as_they_say() -> None:
    book, twice = ledger(WORK, PE), ledger(replace(WORK, run_s=2 * WORK.run_s, cycles=2 * WORK.cycles), PE)
    assert energy_at(book, 2 * WORK.cycles, book.images) == pytest.approx(twice.total()[0], rel=1e-9)
    assert energy_at(book, WORK.cycles, 10.0) == pytest.approx(ledger(WORK, PE, 10.0).total()[0], rel=1e-9)


def test_schedules_pay_for_what_they_do() -> None:
    books = side_by_side(WORK, PE)
    assert set(books) == set(STRATEGIES)
    names = {name: {line.name for line in book.lines} for name, book in books.items()}
    assert "weight bits" in names["state_stationary"] and "states saved" not in names["state_stationary"]
    assert "weights, every image" in names["save_and_reprogram"]
    assert "states saved" in names["weight_stationary"] and "weights, once" in names["weight_stationary"]
    area = {name: book.area_m2 for name, book in books.items()}
    assert area["weight_stationary"] == pytest.approx(3 * area["save_and_reprogram"])
    assert area["save_and_reprogram"] < area["state_stationary"]
    grid = winners(books)
    assert all(each.energy_J[each.strategy] == min(each.energy_J.values()) for each in grid)
    # Long runs favour small sites and their short wires; a short image has no time to move states about.
    assert grid[0].strategy == "state_stationary"


def test_bare_sizes_are_an_average_design() -> None:
    work = work_of_sizes(TARGET, known_pe(), 3136, 24, 4)
    assert work.cycles == np.ceil(8 / TARGET.injections["coupling"].rate_limit)
    assert "derived" in work.derived and work.weights == 81536
    book = ledger(work, known_pe())
    node = next(each for each in nodes(book) if each.name == "this PE, simulated alone").watts
    assert node == pytest.approx((30 + 25 + 25 * 0.5 + 0.8 + 0.1 * 56 / 15 + 26 * 4 * 8 * 1.6e-3) * uW, rel=1e-6)
    rows = {each.name: each for each in beside(book)}
    assert rows["the law, 1000 cycles at 100 MHz"].low_J == pytest.approx(22.6e-6, rel=1e-2)
    assert rows["digital generators"].low_J == 7e-3 and rows["digital generators"].high_J == 79e-3
    model = rows["a denoising thermodynamic model, 80x80x4 cells, 600 steps"]
    assert f"{model.low_J * 1e9:.0f} {model.high_J * 1e9:.0f}" == "31 109"


def test_what_cannot_be_is_refused() -> None:
    narrow = replace(TARGET, strategies=("state_stationary",))
    with pytest.raises(EnergyError, match="cannot hold the strategy 'weight_stationary'; it holds state_stationary"):
        work_of_sizes(narrow, known_pe(), 100, 8, 4, strategy="weight_stationary")
    with pytest.raises(EnergyError, match="1 to 8 chunks, 9 were asked for"):
        work_of_sizes(TARGET, known_pe(), 100, 8, 4, chunks=9)
    with pytest.raises(EnergyError, match="strategy 'none' is unknown"):
        work_of(DESIGN, PE, "none")
    with pytest.raises(EnergyError, match="not whole"):
        work_of_sizes(TARGET, known_pe(), 100, 8, 4, cycles=40.5)
    with pytest.raises(EnergyError, match="images for one programming"):
        ledger(WORK, PE, 0.5)
    with pytest.raises(EnergyError, match="none of a ledger's"):
        Line("run", "x", 1.0, 0.0, "guessed", "")
