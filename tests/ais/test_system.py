"""What a System refuses, and the paper's parameter counts."""

from dataclasses import replace

import numpy as np
import pytest
from problems import lopsided, random_system

from aishw.ais.families import FAMILIES
from aishw.ais.system import Noise, Start, System, draw_start
from aishw.ais.topology import complete, grid
from aishw.errors import ModelError


@pytest.mark.parametrize(
    ("segments", "symmetric", "parameters", "couplings"),
    [(1, False, 81_536, 75_264), (2, False, 163_072, 75_264), (4, True, 175_616, 37_632), (4, False, 326_144, 75_264)],
)
def test_table_2_of_the_paper(segments, symmetric, parameters, couplings):
    topology = grid(56, 56, "box5", symmetric=symmetric, image=(28, 28))
    none = np.zeros((segments, topology.sites))
    coupling = np.zeros((segments, topology.edges.shape[1]))
    system = System("kurashil", topology, coupling, {"shil": none, "reference": none}, np.ones(segments))
    assert (system.parameters, topology.couplings, topology.fan_in) == (parameters, couplings, 24)


@pytest.mark.parametrize(
    ("family", "count"), [("kuramoto", 25), ("kurashil", 30), ("polynet", 25), ("tanhnet", 30), ("selunet", 30)]
)
def test_table_1_of_the_paper(family, count):
    """n = 5 sites, all coupled. PolyNet's J_ii is its k_i, so it has n^2 free parameters, not n + n^2."""
    terms = {name: np.zeros((1, 5)) for name in FAMILIES[family].term_names + FAMILIES[family].optional_terms}
    assert System(family, complete(5), np.zeros((1, 20)), terms, [1.0]).parameters == count


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"family": "ising"}, "'ising'"),
        ({"readout": "tan"}, "'tan'"),
        ({"coupling": np.zeros((2, 47))}, "(2, 47)"),
        ({"duration_tau": [1.0, 0.0]}, "positive duration"),
        ({"duration_tau": []}, "positive duration"),
        ({"step_tau": 0.0}, "step_tau"),
        ({"step_tau": np.nan}, "step_tau"),
        ({"duration_tau": [1.0, np.inf]}, "positive duration"),
    ],
)
def test_what_does_not_fit_is_refused(change, says):
    with pytest.raises(ModelError) as refused:
        replace(lopsided(), **change)
    assert says in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_none_is_named_with_its_place(value):
    system = lopsided()
    coupling = system.coupling.copy()
    coupling[1, 21] = value  # edges are sorted by driven site, four each: 21 drives site 5
    with pytest.raises(ModelError, match="segment 1, site 5 from site 4"):
        replace(system, coupling=coupling)
    shil = system.terms["shil"].copy()
    shil[0, 3] = value
    with pytest.raises(ModelError, match=r"shil at \(0, 3\)"):
        replace(system, terms={**system.terms, "shil": shil})


def test_a_symmetric_system_needs_equal_pairs():
    system = random_system(symmetric=True)
    lopped = system.coupling.copy()
    lopped[0, 0] += 1e-9
    with pytest.raises(ModelError, match="C_ij and C_ji differ"):
        replace(system, coupling=lopped)


def test_the_id_hangs_on_every_number():
    system = lopsided()
    coupling = system.coupling.copy()
    coupling[1, 5] = 1e-12
    assert replace(system, coupling=coupling).id != system.id
    assert replace(system, name="other").id == system.id
    assert replace(system, duration_tau=[0.5, 1.0]).id != system.id


def test_starts_repeat_with_their_seed():
    system = lopsided()
    first = draw_start(system, 2000, seed=4)
    assert np.array_equal(first, draw_start(system, 2000, seed=4))
    assert not np.array_equal(first, draw_start(system, 2000, seed=5))
    assert first.shape == (2000, 12) and abs(first.std() - 0.5) < 0.02 and abs(first.mean()) < 0.02


@pytest.mark.parametrize("start", [{"mean": np.nan}, {"deviation": -1.0}, {"deviation": np.inf}])
def test_impossible_starts_are_refused(start):
    with pytest.raises(ModelError, match="finite mean"):
        Start(**start)


@pytest.mark.parametrize("noise", [{"delta": -1.0}, {"delta": np.nan}, {"convention": "ito"}])
def test_impossible_noise_is_refused(noise):
    with pytest.raises(ModelError):
        Noise(**noise)
