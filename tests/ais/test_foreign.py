"""Foreign state dicts: every layout of one lopsided weight, signs, and refusals in one line."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import edge_of, random_system

from aishw.ais.foreign import import_foreign
from aishw.ais.foreign_axes import segments_first, to_edges
from aishw.ais.rollout import rollout
from aishw.ais.topology import complete, grid
from aishw.errors import CheckpointError, ModelError

EXAMPLE = Path(__file__).parents[2] / "examples" / "foreign_map.toml"
TOPOLOGY = grid(3, 4, "cross4")
MAP = """
family = "kurashil"
duration_tau = [1.0, 0.5]
[topology]
height = 3
width = 4
neighbourhood = "cross4"
[coupling]
key = "K"
axes = "{axes}"
sign = "{sign}"
{more}
[terms.shil]
key = "l0"
axes = "SN"
[terms.reference]
value = 0.25
"""
SHIL = np.arange(24.0).reshape(2, 12)


def read(tmp_path, tensors, text):
    torch.save({name: torch.tensor(value) for name, value in tensors.items()}, tmp_path / "gan.pt")
    (tmp_path / "map.toml").write_text(text)
    return import_foreign(tmp_path / "gan.pt", tmp_path / "map.toml")


def lone(axes: str) -> np.ndarray:
    """0.8 in segment 0 where site 5 (row 1, column 1) is driven by site 6, which is the step (0, 1)."""
    steps = [list(offset) for offset in TOPOLOGY.offsets]
    place = {"S": 0, "N": 5, "M": 6, "K": steps.index([0, -1] if "MK" in axes else [0, 1]), "H": 1, "W": 1, "1": 0}
    sizes = {"S": 2, "N": 12, "M": 12, "K": 4, "H": 3, "W": 4, "1": 1}
    out = np.zeros([sizes[axis] for axis in axes])
    out[tuple(place[axis] for axis in axes)] = 0.8
    return out


@pytest.mark.parametrize("axes", ["SNK", "KNS", "SNM", "SMN", "NMS", "SMK", "SHWK", "KSHW", "S1NM", "WHKS", "MSHW"])
def test_every_layout_lands_on_the_same_edge(tmp_path, axes):
    system = read(tmp_path, {"K": lone(axes), "l0": SHIL}, MAP.format(axes=axes, sign="repulsive", more=""))
    assert np.argwhere(system.coupling).tolist() == [[0, edge_of(system.topology, 5, 6)]]
    assert system.coupling.max() == 0.8
    assert np.array_equal(system.terms["shil"], SHIL) and (system.terms["reference"] == 0.25).all()
    assert system.duration_tau.tolist() == [1.0, 0.5] and system.name == "gan"


def test_the_sign_turns_and_the_scale_multiplies(tmp_path):
    tensors = {"K": lone("SNK"), "l0": SHIL}
    system = read(tmp_path, tensors, MAP.format(axes="SNK", sign="attractive", more="scale = 2.0"))
    assert system.coupling.min() == -1.6 and system.coupling.max() == 0


@pytest.mark.parametrize(("family", "sign", "turned"), [
    ("kurashil", "attractive", -1), ("kurashil", "repulsive", 1),
    ("kuramoto", "attractive", 1), ("kuramoto", "repulsive", -1),
])  # fmt: skip
def test_the_import_behaves_as_the_foreign_equation(tmp_path, family, sign, turned):
    """One Euler step against K sin(theta_j - theta_i) or C sin(theta_i - theta_j), dense."""
    draw = np.random.default_rng(0)
    weights, h = draw.normal(size=(1, 5, 5)), 0.01
    np.fill_diagonal(weights[0], 0)
    term = {"kurashil": "shil", "kuramoto": "detuning"}[family]
    text = f"""
family = "{family}"
duration_tau = [{h}]
[topology]
height = 1
width = 5
complete = true
[coupling]
key = "w"
axes = "SNM"
sign = "{sign}"
[terms.{term}]
value = 0.0
""" + ("[terms.reference]\nvalue = 0.0\n" if family == "kurashil" else "")
    system = read(tmp_path, {"w": weights}, text)
    assert np.allclose(system.coupling[0], turned * weights[0][~np.eye(5, dtype=bool)])
    x = draw.normal(size=5)
    gap = x[None, :] - x[:, None]  # theta_j - theta_i
    slope = (weights[0] * np.sin(gap if sign == "attractive" else -gap)).sum(axis=1)
    assert np.allclose(rollout(system, x[None], step_tau=h)[0], x + h * slope, atol=1e-14)


def test_another_order_of_neighbours(tmp_path):
    tensors = {"K": np.zeros((2, 12, 4)), "l0": SHIL}
    tensors["K"][1, 5, 2] = 0.3
    more = "neighbours = [[0, 1], [1, 0], [-1, 0], [0, -1]]"
    system = read(tmp_path, tensors, MAP.format(axes="SNK", sign="repulsive", more=more))
    assert np.argwhere(system.coupling).tolist() == [[1, edge_of(system.topology, 5, 1)]]


def test_one_tensor_for_all_segments_or_one_for_each(tmp_path):
    text = MAP.format(axes="NK", sign="repulsive", more="")
    both = read(tmp_path, {"K": lone("SNK")[0], "l0": SHIL}, text)
    assert (both.coupling[:, edge_of(TOPOLOGY, 5, 6)] == 0.8).all()
    text = text.replace('key = "K"', 'keys = ["k.0", "k.1"]')
    each = read(tmp_path, {"k.0": lone("SNK")[0], "k.1": lone("SNK")[1], "l0": SHIL}, text)
    assert each.coupling[:, edge_of(TOPOLOGY, 5, 6)].tolist() == [0.8, 0.0]


def test_nested_dicts_single_precision_and_safetensors(tmp_path):
    from safetensors.torch import save_file

    tensors = {"K": torch.tensor(lone("SNK")).bfloat16(), "l0": torch.tensor(SHIL).float()}
    text = MAP.format(axes="SNK", sign="repulsive", more="").replace('"K"', '"net.K"').replace('"l0"', '"net.l0"')
    (tmp_path / "map.toml").write_text(text)
    torch.save({"net": tensors, "epoch": 3}, tmp_path / "a.pt")
    save_file({f"net.{name}": value for name, value in tensors.items()}, tmp_path / "a.safetensors")
    one, other = (import_foreign(tmp_path / f"a.{suffix}", tmp_path / "map.toml") for suffix in ("pt", "safetensors"))
    assert one.id == other.id and abs(one.coupling.max() - 0.8) < 2e-3


@pytest.mark.parametrize("family", ["polynet", "tanhnet", "selunet", "kurashil"])
def test_a_diagonal_becomes_the_sites_own_weight(tmp_path, family):
    weights = np.diag(np.arange(1.0, 4.0))[None]
    own = {"polynet": "gain", "tanhnet": "bias", "selunet": "bias", "kurashil": "shil"}[family]
    text = f"""
family = "{family}"
duration_tau = [1.0]
[topology]
height = 1
width = 3
complete = true
[coupling]
key = "J"
axes = "SNM"
{'sign = "repulsive"' if family == "kurashil" else ""}
[terms.{own}]
value = 0.5
{"[terms.reference]" if family == "kurashil" else ""}
{"value = 0.0" if family == "kurashil" else ""}
"""
    system = read(tmp_path, {"J": weights}, text)
    assert not system.coupling.any()
    expected = {"polynet": ("gain", [1.5, 2.5, 3.5]), "kurashil": ("shil", [0.5] * 3)}
    name, values = expected.get(family, ("self_weight", [1.0, 2.0, 3.0]))
    assert system.terms[name][0].tolist() == values


def test_the_example_map_fits_what_it_says(tmp_path):
    draw = np.random.default_rng(1)
    foreign = {"gen.K": draw.normal(size=(4, 64, 4)), "gen.lam0": draw.normal(size=(4, 8, 8)), "critic.w": np.zeros(3)}
    system = read(tmp_path, foreign, EXAMPLE.read_text())
    up = edge_of(system.topology, 9, 1)
    down = edge_of(system.topology, 9, 17)
    assert system.coupling[2, [up, down]].tolist() == (-foreign["gen.K"][2, 9, [0, 1]]).tolist()
    assert system.terms["shil"][3, 10] == foreign["gen.lam0"][3, 1, 2]
    assert system.start.mean == -0.5 and system.topology.visible.tolist()[:5] == [0, 2, 4, 6, 16]


GOOD = {"K": np.zeros((2, 12, 4)), "l0": SHIL}
TEXT = MAP.format(axes="SNK", sign="repulsive", more="")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("[coupling]", "[coupling"), "is not TOML"),
        (('family = "kurashil"', ""), "needs the entry 'family'"),
        (('"kurashil"', '"ising"'), "known: kuramoto"),
        (('"kurashil"', '"mlp"'), "known: kuramoto"),
        (('"kurashil"', "3"), "family = '3' is of the wrong type"),
        (('key = "K"', 'key = "k.K"'), "asks for 'k.K'; the file has 'K'"),
        (('key = "K"', 'key = "K"\nkeys = ["K"]'), "either key or keys"),
        (('key = "K"', 'keys = ["K"]'), "leave S out"),
        (('"SNK"', '"SKN"'), "(2, 12, 4) in the file, axes 'SKN' say (2, 4, 12)"),
        (('"SNK"', '"SNX"'), "may hold each of S, N, M, K, H, W once"),
        (('"SNK"', '"SNN"'), "may hold each of S, N, M, K, H, W once"),
        (('"SNK"', '"SHK"'), "as N or as H and W"),
        (('"SN"', '"NS"'), "[terms.shil] is (2, 12)"),
        (('"repulsive"', '"positive"'), "say 'attractive'"),
        (('sign = "repulsive"', ""), "say 'attractive'"),
        (('sign = "repulsive"', 'sign = "repulsive"\nneighbours = [[0, 1]]'), "axes 'SNK' say (2, 12, 1)"),
        (
            ('sign = "repulsive"', 'sign = "repulsive"\nneighbours = [[0, 1], [0, 2], [1, 0], [-1, 0]]'),
            "are not the 4 offsets",
        ),
        (('sign = "repulsive"', 'sign = "repulsive"\nneighbours = [[0, 1.5]]'), "pairs [row, column]"),
        (("height = 3", "height = 4"), "(2, 12, 4) in the file"),
        (("height = 3", "depth = 3"), "no entry 'depth'"),
        (("height = 3", ""), "needs the entry 'height'"),
        (('"cross4"', '"moore"'), "unknown neighbourhood"),
        (('"cross4"', '"cross4"\nimage = [3]'), "image must be"),
        (('"cross4"', '"cross4"\nvisible = ["a"]'), "wrong kind"),
        (("[1.0, 0.5]", "[1.0]"), "axes 'SNK' say (1, 12, 4)"),
        (("[1.0, 0.5]", '["a", "b"]'), "wrong kind"),
        (("[1.0, 0.5]", "[1.0, -0.5]"), "positive duration"),
        (("[terms.shil]", "[terms.kerr]"), "'shil'"),
        (('key = "l0"\naxes = "SN"', "value = 0.0"), "leaves 'l0' unused"),
        (("value = 0.25", 'value = "a"'), "wrong type"),
        (("[topology]", '[start]\nmean = "a"\n[topology]'), "wrong type"),
        (("[topology]", '[noise]\nconvention = "ito"\n[topology]'), "'ito'"),
        (("[topology]", 'readout = "tan"\n[topology]'), "'tan'"),
    ],
)
def test_wrong_maps_are_refused_in_one_line(tmp_path, change, says):
    assert change[0] in TEXT
    with pytest.raises(ModelError) as refused:
        read(tmp_path, GOOD, TEXT.replace(*change))
    message = str(refused.value)
    assert says in message and "\n" not in message and "map.toml" in message


def test_weights_that_the_topology_lacks_are_refused(tmp_path):
    dense = lone("SNM")
    dense[1, 5, 11] = 0.1
    for axes, value in (("SNM", dense), ("SMN", dense.transpose(0, 2, 1))):
        with pytest.raises(ModelError, match="couples site 5 from site 11"):
            read(tmp_path, {"K": value, "l0": SHIL}, MAP.format(axes=axes, sign="repulsive", more=""))


def test_numbers_that_are_none_are_refused(tmp_path):
    with pytest.raises(ModelError, match="site 0 from site"):
        read(tmp_path, {"K": np.full((2, 12, 4), np.nan), "l0": SHIL}, TEXT)


def test_unreadable_files_and_maps(tmp_path):
    (tmp_path / "map.toml").write_text(TEXT)
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        import_foreign(tmp_path / "none.pt", tmp_path / "map.toml")
    with pytest.raises(ModelError, match="no such file"):
        import_foreign(tmp_path / "none.pt", tmp_path / "none.toml")
    with pytest.raises(ModelError, match="is a directory"):
        import_foreign(tmp_path / "none.pt", tmp_path)
    (tmp_path / "map.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match="not text"):
        import_foreign(tmp_path / "none.pt", tmp_path / "map.toml")


@settings(max_examples=60, deadline=None)
@given(order=st.permutations("SNM") | st.permutations("SNK") | st.permutations("SMK"), seed=st.integers(0, 99))
def test_any_order_of_axes_gives_the_system_back(order, seed):
    """Written out in a random layout and read again."""
    system = random_system(3, 4, neighbourhood="cross4", seed=seed)
    topology, axes = system.topology, "".join(order)
    driven, driving = topology.edges
    index = {"N": driven, "M": driving}
    step = np.tile(np.arange(4), 12)
    if "K" in axes:
        back = [topology.offsets.index((-r, -c)) for r, c in topology.offsets]
        index["K"] = np.array(back)[step] if "M" in axes else step
    first, second = (axis for axis in axes if axis != "S")
    sizes = {"N": 12, "M": 12, "K": 4}
    raw = np.zeros((2, sizes[first], sizes[second]))
    raw[:, index[first], index[second]] = system.coupling
    raw = np.moveaxis(raw, 0, axes.index("S"))
    values, rest = segments_first(raw, axes, topology, 2, 4, "here")
    coupling, diagonal = to_edges(values, rest, topology, topology.offsets, "here")
    assert np.array_equal(coupling, system.coupling) and not diagonal.any()


def test_a_complete_graph_has_no_neighbour_axis():
    with pytest.raises(ModelError, match="no edge"):
        to_edges(np.zeros((1, 3, 0)), "NK", complete(3), (), "here")
