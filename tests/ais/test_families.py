"""The six equations, and the refusal of terms that do not fit them. Reference: loops over sites, written out again."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from problems import lopsided, random_system

from aishw.ais.families import FAMILIES, read
from aishw.ais.rollout import rollout
from aishw.ais.system import System, pixels, state_of
from aishw.ais.topology import complete, grid
from aishw.errors import ModelError

COUPLED = [name for name, family in FAMILIES.items() if family.coupled]
SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772


def by_hand(system: System, x: np.ndarray, segment: int) -> np.ndarray:
    """dx/dtau of one start (N,), edge by edge."""
    term = {name: value[segment] for name, value in system.terms.items()}
    if system.family == "mlp":
        return term["w2"] @ np.tanh(term["w1"] @ x + term["b1"]) + term["b2"]
    out = np.zeros_like(x)
    for (i, j), weight in zip(system.topology.edges.T, system.coupling[segment]):
        if system.family == "kuramoto":
            out[i] += weight * np.sin(x[j] - x[i])
        elif system.family == "kurashil":
            out[i] += weight * np.sin(x[i] - x[j])
        else:
            out[i] += weight * x[j]
    if system.family == "kuramoto":
        return out + term["detuning"]
    if system.family == "kurashil":
        return out - term["shil"] * np.sin(2 * x) + term["reference"] * np.sin(x)
    if system.family == "polynet":
        return out + term["gain"] * x - x**3
    inner = out + term["bias"] + term.get("self_weight", 0) * x
    if system.family == "tanhnet":
        return np.tanh(inner) - x
    return SCALE * np.where(inner > 0, inner, ALPHA * np.expm1(inner))


@pytest.mark.parametrize("coupling", ["kernel", "gather"])
@pytest.mark.parametrize("name", list(FAMILIES))
def test_one_euler_step_is_the_equation(name, coupling):
    system = random_system(3, 4, name, "cross4", segments=2, seed=3)
    x0 = np.random.default_rng(1).normal(0, 1.5, (2, 12))
    h = 0.01
    one = System(name, system.topology, system.coupling[1:], {k: v[1:] for k, v in system.terms.items()}, [h])
    slope = (rollout(one, x0, step_tau=h, coupling=coupling).numpy() - x0) / h
    assert np.allclose(slope, [by_hand(system, x, 1) for x in x0], atol=1e-12)


@pytest.mark.parametrize("name", ["tanhnet", "selunet"])
def test_the_optional_self_weight_acts_inside(name):
    system = random_system(3, 4, name, "cross4", segments=1, seed=3)
    terms = {**system.terms, "self_weight": np.linspace(-1, 1, 12)[None]}
    system = System(name, system.topology, system.coupling, terms, [0.01])
    x0 = np.random.default_rng(1).normal(0, 1.5, (1, 12))
    slope = (rollout(system, x0, step_tau=0.01).numpy() - x0) / 0.01
    assert np.allclose(slope[0], by_hand(system, x0[0], 0), atol=1e-12)


def test_a_positive_kurashil_coupling_repels_and_a_positive_kuramoto_coupling_attracts():
    x0 = np.array([[0.3, 0.0]])
    for name, moves in (("kurashil", 1), ("kuramoto", -1)):
        terms = {term: np.zeros((1, 2)) for term in FAMILIES[name].term_names}
        coupling = np.zeros((1, 2))
        coupling[0, 0] = 0.5  # site 0 from site 1
        end = rollout(System(name, complete(2), coupling, terms, [0.1]), x0)
        assert np.sign(end[0, 0].item() - 0.3) == moves and end[0, 1] == 0


def test_symmetry_and_gauge():
    assert FAMILIES["kuramoto"].gauge == "turn" and FAMILIES["kurashil"].gauge == "half_turn"
    assert FAMILIES["kurashil"].symmetry(lopsided().terms) == "none"
    alone = {"shil": np.ones((1, 2)), "reference": np.zeros((1, 2))}
    assert FAMILIES["kurashil"].symmetry(alone) == "half_turn"
    assert all(FAMILIES[name].gauge == "none" for name in ("polynet", "tanhnet", "selunet", "mlp"))


@pytest.mark.parametrize("readout", ["sin", "cos", "identity"])
def test_read_is_pixels_and_state_of_is_its_inverse(readout):
    state = np.linspace(0.01, 1.5, 7).reshape(1, 7)
    assert np.allclose(read(torch.tensor(state), readout).numpy(), pixels(state, readout), atol=1e-15)
    assert np.allclose(state_of(pixels(state, readout), readout), state)
    with pytest.raises(ModelError, match="tan"):
        read(torch.tensor(state), "tan")


@pytest.mark.parametrize("name", COUPLED)
def test_missing_unknown_and_misshapen_terms_are_refused(name):
    system = random_system(3, 4, name, "cross4")
    family, first = FAMILIES[name], FAMILIES[name].term_names[0]
    rest = {key: value for key, value in system.terms.items() if key != first}
    for terms, says in (
        (rest, repr(first)),
        ({**system.terms, "ghost": np.zeros((2, 12))}, "'ghost'"),
        ({**system.terms, first: np.zeros((12, 2))}, "(12, 2)"),
    ):
        with pytest.raises(ModelError) as refused:
            family.check_terms(terms, 2, system.topology)
        assert says in str(refused.value) and "\n" not in str(refused.value)


def test_layers_of_an_mlp_must_chain():
    good = dict(random_system(3, 4, "mlp", "cross4").terms)
    family, topology = FAMILIES["mlp"], grid(3, 4, "cross4")
    family.check_terms(good, 2, topology)
    for broken in (
        {key: value for key, value in good.items() if key != "b1"},
        {},
        {**good, "w2": np.zeros((2, 12, 7))},
        {**good, "b2": np.zeros((2, 11))},
        {**good, "w1": np.zeros((2, 15))},
        {**good, "w3": np.zeros((2, 12, 12)), "b4": np.zeros((2, 12))},
    ):
        with pytest.raises(ModelError):
            family.check_terms(broken, 2, topology)


def test_importing_the_package_loads_no_torch():
    code = "import sys, aishw.ais; assert not {'torch', 'numba', 'safetensors'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
