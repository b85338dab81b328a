"""Areas are counted, wires are trees, ladders divide voltages: each against a closed form or a second way."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from aishw.ais.topology import NEIGHBOURHOODS
from aishw.energy.area import content, shortest_gate_m, site_of
from aishw.energy.bias import _conductance, ladder_W
from aishw.energy.wires import tree_length
from aishw.energy.work import nearest
from aishw.errors import CardError
from aishw.hardware.cards import load_target
from aishw.hardware.cells import cell_text

TARGET = load_target("ring28")


def test_devices_are_counted_through_cells_and_multiplicity() -> None:
    text = cell_text(TARGET, 4, 8)
    assert content(text, "inv").transistors == 2
    # Five multiplexers of 4, and 16 half-LSB units of a finger's 4.
    assert content(text, "coupler").transistors == pytest.approx(5 * 4 + 16 * 4)
    assert content(text, "bank").transistors == 8 * (4 + 2) + 4
    assert content(text, "pe").capacitance_F == pytest.approx((42 + 56 + 95 + 25) * 1e-15)
    assert content(text, "phase_detector").capacitance_F == pytest.approx(1e-12)
    assert shortest_gate_m(text) == 30e-9
    with pytest.raises(CardError, match="no cell 'amplifier'"):
        content(text, "amplifier")


@pytest.mark.parametrize("name", ["ring28", "ring28_switched", "ring180"])
def test_a_site_grows_with_what_it_holds(name) -> None:
    target = load_target(name)
    areas = [site_of(target, *sizes, 0.25, 0.0).area_m2 for sizes in ((4, 4, 1), (24, 4, 1), (24, 4, 8), (24, 6, 8))]
    assert np.all(np.diff(areas) > 0)
    assert site_of(target, 24, 4, 8, 0.25, 5.0).area_m2 > areas[2]


def test_a_tree_joins_a_box_with_one_pitch_a_site() -> None:
    assert tree_length(NEIGHBOURHOODS["box5"]) == 24
    assert tree_length(NEIGHBOURHOODS["king8"]) == 8
    assert tree_length(NEIGHBOURHOODS["cross4"]) == 4
    assert tree_length([]) == 0 and tree_length([(3, 4)]) == 7
    assert tree_length(NEIGHBOURHOODS["g24"]) > 100
    assert tree_length([(-r, -c) for r, c in NEIGHBOURHOODS["g24"]]) == tree_length(NEIGHBOURHOODS["g24"])
    assert sorted(nearest(4)) == sorted(NEIGHBOURHOODS["cross4"]) and len(set(nearest(24))) == 24


def test_a_tree_is_the_shortest_of_all_orders() -> None:
    """Joining points one by one to their nearest is no worse than any order of joining, for five points."""
    points = [(0, 3), (2, 2), (-1, -2), (4, 0), (1, -3)]

    def joined(order) -> int:
        inside, total = [(0, 0)], 0
        for r, c in order:
            total += min(abs(r - a) + abs(c - b) for a, b in inside)
            inside.append((r, c))
        return total

    assert tree_length(points) == min(map(joined, itertools.permutations(points)))


def test_a_ladder_divides_by_1024() -> None:
    codes = np.array([0, 1, 2, 410, 512, 1023])
    bits = (codes[:, None] >> np.arange(10)) & 1
    volts = bits @ np.linalg.inv(_conductance()).T / 2
    assert volts[:, -1] == pytest.approx(codes / 1024)


def test_a_ladder_draws_what_its_resistors_say() -> None:
    # The highest rung alone: 2 r into a ladder that looks like 2 r to ground.
    assert ladder_W(np.array([512]), 0.9, 50e3) == pytest.approx(0.9**2 / (4 * 50e3))
    assert ladder_W(np.array([0]), 0.9, 50e3) == 0
    codes = np.arange(1024)
    power = ladder_W(codes, 0.9, 50e3)
    assert (power >= 0).all() and ladder_W(codes, 0.9, 100e3) == pytest.approx(power / 2)
    assert ladder_W(codes, 1.8, 50e3) == pytest.approx(4 * power)
