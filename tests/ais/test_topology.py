"""Grids and their edges."""

import numpy as np
import pytest
from problems import edge_of

from aishw.ais.topology import NEIGHBOURHOODS, Topology, complete, grid
from aishw.errors import GridError


def test_row_0_is_driven_and_row_1_drives():
    topology = grid(3, 4, ((0, 1),))  # every site is driven by the one to its right
    assert topology.edges[:, edge_of(topology, 5, 6)].tolist() == [5, 6]
    assert topology.edges[1, topology.edges[0] == 7].tolist() == [4]  # around the torus
    assert topology.edges.shape == (2, 12)


def test_a_row_step_goes_down():
    topology = grid(3, 4, ((1, 0),))
    assert topology.edges[1, topology.edges[0] == 1].tolist() == [5]


@pytest.mark.parametrize(("name", "count"), [("box5", 24), ("g24", 24), ("king8", 8), ("cross4", 4)])
def test_neighbourhoods_have_their_count_and_are_symmetric(name, count):
    offsets = NEIGHBOURHOODS[name]
    assert len(set(offsets)) == count
    assert {(-r, -c) for r, c in offsets} == set(offsets)


def test_g24_is_closed_under_quarter_turns():
    assert {(c, -r) for r, c in NEIGHBOURHOODS["g24"]} == set(NEIGHBOURHOODS["g24"])


def test_edges_are_sorted_by_the_driven_site_in_the_order_of_the_offsets():
    topology = grid(5, 6, "king8")
    assert (np.diff(topology.edges[0]) >= 0).all()
    row, column = divmod(13, 6)
    want = [((row + r) % 5) * 6 + (column + c) % 6 for r, c in NEIGHBOURHOODS["king8"]]
    assert topology.edges[1, topology.edges[0] == 13].tolist() == want


def test_a_pair_shares_one_parameter():
    topology = grid(4, 5, "king8", symmetric=True)
    assert topology.couplings == 4 * 5 * 8 // 2 == topology.pair.max() + 1
    assert topology.pair[edge_of(topology, 3, 8)] == topology.pair[edge_of(topology, 8, 3)]
    assert (np.bincount(topology.pair) == 2).all()


def test_visible_sites_of_the_paper():
    topology = grid(56, 56, image=(28, 28))
    assert topology.visible[:3].tolist() == [0, 2, 4] and topology.visible[28] == 112
    assert topology.image_shape == (28, 28)


def test_the_graph_points_from_the_driving_to_the_driven_site():
    graph = grid(3, 4, ((0, 1),)).graph()
    assert graph.has_edge(6, 5) and not graph.has_edge(5, 6)
    assert graph.nodes[7] == {"row": 1, "column": 3}


def test_a_complete_graph_has_every_edge_but_the_diagonal():
    topology = complete(4, visible=2)
    assert sorted(zip(*topology.edges.tolist())) == [(i, j) for i in range(4) for j in range(4) if i != j]
    assert topology.visible.tolist() == [0, 1] and topology.fan_in == 3


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: grid(4, 4, "box5"), "reach the same site"),
        (lambda: grid(3, 3, ((0, 3),)), "from a site to itself"),
        (lambda: grid(3, 3, "moore"), "known: box5, cross4, g24, king8"),
        (lambda: grid(3, 4, ((0, 1),), symmetric=True), "needs offset (0, -1)"),
        (lambda: grid(6, 6, "king8", image=(4, 3)), "does not divide"),
        (lambda: grid(3, 3, ()), "couples nothing"),
        (lambda: grid(0, 3), "0x3"),
        (lambda: complete(3, visible=4), "do not fit"),
        (lambda: Topology(2, 2, (), np.array([4])), "0..3"),
        (lambda: Topology(2, 2, (), np.array([1, 1])), "twice"),
    ],
)
def test_grids_that_do_not_fit_are_refused_in_one_line(make, says):
    with pytest.raises(GridError) as refused:
        make()
    assert says in str(refused.value) and "\n" not in str(refused.value)
