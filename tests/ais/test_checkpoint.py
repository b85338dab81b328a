"""Checkpoints: what goes in comes out bit for bit, and nothing else gets in."""

import json
import os
import pickle
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from problems import lopsided, random_system, tiny_kurashil

from aishw.ais import checkpoint
from aishw.ais.families import FAMILIES
from aishw.ais.system import READOUTS, Noise, Start, System
from aishw.ais.tensorfile import pt_bytes, read_tensors
from aishw.ais.topology import complete, grid
from aishw.errors import CheckpointError, StoreError

SUFFIXES = ["pt", "safetensors"]
FINITE = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | FINITE | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def systems(draw):
    symmetric = draw(st.booleans())
    topology = draw(
        st.sampled_from([
            grid(3, 4, "cross4", symmetric=symmetric, image=(3, 2)),
            grid(5, 5, "box5", symmetric=symmetric, visible=np.array([7, 3])),
            complete(4, visible=2, symmetric=symmetric),
        ])
    )  # fmt: skip
    name, segments = draw(st.sampled_from([n for n, f in FAMILIES.items() if f.coupled])), draw(st.integers(1, 3))
    coupling = draw(arrays(np.float64, (segments, topology.couplings), elements=FINITE))
    shape = (segments, topology.sites)
    terms = {term: draw(arrays(np.float64, shape, elements=FINITE)) for term in FAMILIES[name].term_names}
    duration = draw(arrays(np.float64, segments, elements=st.floats(1e-6, 1e6)))
    return System(
        name, topology, coupling[:, topology.pair], terms, duration,
        start=Start(draw(FINITE), draw(st.floats(0, 1e6))), readout=draw(st.sampled_from(READOUTS)),
        noise=Noise(draw(st.floats(0, 10)), draw(st.sampled_from(["wiener", "per_step"]))),
        step_tau=draw(st.floats(1e-6, 10)), name=draw(st.text(max_size=20)),
    )  # fmt: skip


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(system=systems(), stated=st.dictionaries(st.text(max_size=5), PLAIN, max_size=3))
def test_round_trip(tmp_path_factory, suffix, system, stated):
    path = tmp_path_factory.mktemp("trip") / f"a b.{suffix}"
    checkpoint.save(system, path, stated)
    back = checkpoint.load(path)
    assert back.id == system.id
    for field in ("start", "readout", "noise", "step_tau", "name"):
        assert getattr(back, field) == getattr(system, field)
    assert back.topology.offsets == system.topology.offsets and back.topology.symmetric == system.topology.symmetric
    assert back.topology.neighbourhood == system.topology.neighbourhood
    for name, value in system.terms.items():
        assert back.terms[name].tobytes() == value.tobytes()
    assert checkpoint.made_by(path) == stated


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("family", ["mlp", "tanhnet"])
def test_layers_and_optional_terms_come_back(tmp_path, suffix, family):
    system = random_system(3, 3, family, "cross4")
    if family == "tanhnet":
        system = replace(system, terms={**system.terms, "self_weight": np.ones((2, 9))})
    checkpoint.save(system, tmp_path / f"a.{suffix}", "one line")
    assert checkpoint.load(tmp_path / f"a.{suffix}").id == system.id
    assert checkpoint.made_by(tmp_path / f"a.{suffix}") == {"command": "one line"}


def test_a_symmetric_file_holds_each_pair_once(tmp_path):
    for symmetric in (False, True):
        checkpoint.save(random_system(symmetric=symmetric), tmp_path / f"{symmetric}.pt")
    held = [read_tensors(tmp_path / f"{symmetric}.pt")["arrays"]["coupling"].shape for symmetric in (False, True)]
    assert held == [(2, 160), (2, 80)]


class Trap:
    """Pickles to a call that would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def refused(path) -> str:
    with pytest.raises(CheckpointError) as error:
        checkpoint.load(path)
    message = str(error.value)
    assert "\n" not in message and len(message) < 500
    return message


@pytest.mark.parametrize("where", ["zip", "pickle", "inside"])
def test_code_in_a_file_does_not_run(tmp_path, where):
    path, trap = tmp_path / "evil.pt", Trap(str(tmp_path / "ran"))
    if where == "pickle":
        path.write_bytes(pickle.dumps(trap))
    else:
        tree = read_pt(tmp_path)
        torch.save(trap if where == "zip" else {**tree, "made_by": {"note": trap}}, path)
    assert "could run code" in refused(path) and str(path) in refused(path)
    assert not (tmp_path / "ran").exists()


def read_pt(folder, system=None) -> dict:
    checkpoint.save(system or lopsided(), folder / "sound.pt", {"seed": 1}, overwrite=True)
    return torch.load(folder / "sound.pt", weights_only=True)


def test_files_that_are_none(tmp_path):
    assert "there is no checkpoint" in refused(tmp_path / "none.pt")
    assert "is a folder" in refused(tmp_path)
    (tmp_path / "folder.pt").mkdir()
    assert "is a folder" in refused(tmp_path / "folder.pt")
    (tmp_path / "notes.txt").write_text("x")
    assert ".pt or .safetensors" in refused(tmp_path / "notes.txt")
    assert "regular file" in refused("/dev/null")
    assert "file name too long" in refused("n" * 5000 + ".pt")
    assert "\\n" in refused("two\nlines.pt")
    assert refused("null\0.pt")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission(tmp_path):
    checkpoint.save(lopsided(), tmp_path / "a.pt")
    (tmp_path / "a.pt").chmod(0)
    assert "permission denied" in refused(tmp_path / "a.pt")


def test_a_failing_read_says_why(tmp_path, monkeypatch):
    checkpoint.save(lopsided(), tmp_path / "a.pt")

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", denied)
    assert "permission denied" in refused(tmp_path / "a.pt")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_empty_foreign_and_truncated_files(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(b"")
    assert "is empty" in refused(path)
    for junk in (b"hello, I am a text\n" * 20, os.urandom(400), b"PK\x03\x04" + bytes(300), b"\x80\x02junk"):
        path.write_bytes(junk)
        refused(path)
    checkpoint.save(lopsided(), path, overwrite=True)
    whole = path.read_bytes()
    for length in range(1, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:length])
        refused(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_flipped_bit_is_found_or_changes_nothing(tmp_path, suffix):
    system, path = tiny_kurashil(), tmp_path / f"a.{suffix}"
    checkpoint.save(system, path, {"seed": 1})
    whole = path.read_bytes()
    found = 0
    for at in np.random.default_rng(0).integers(0, len(whole), 150):
        broken = bytearray(whole)
        broken[at] ^= 1 << int(at % 8)
        path.write_bytes(broken)
        try:
            back = checkpoint.load(path)
        except CheckpointError as error:
            assert "\n" not in str(error)
            found += 1
        else:  # padding, or the zip's own checksums
            assert back.id == system.id and back.start == system.start and checkpoint.made_by(path) == {"seed": 1}
    assert found > 50


def test_weights_of_someone_else_are_pointed_to_import(tmp_path):
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "a.pt")
    assert "aishw import" in refused(tmp_path / "a.pt") and "'weight'" in refused(tmp_path / "a.pt")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "a.pt")
    assert "could run code" in refused(tmp_path / "a.pt")
    torch.save([torch.zeros(2)], tmp_path / "a.pt")
    assert "holds a list" in refused(tmp_path / "a.pt")
    torch.save({"x": torch.zeros(1).expand(10**6, 10**6)}, tmp_path / "a.pt")
    assert "dense" in refused(tmp_path / "a.pt")
    torch.save({"x": torch.zeros(3, dtype=torch.complex64)}, tmp_path / "a.pt")
    assert "real" in refused(tmp_path / "a.pt")
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(2)}, tmp_path / "a.safetensors")
    assert "aishw import" in refused(tmp_path / "a.safetensors")


def rehashed(tree: dict) -> bytes:
    """The tree as a file whose hash fits, so that the check behind it is reached."""
    from aishw.identity import fingerprint

    numbers = {key: torch.as_tensor(value).numpy() for key, value in tree["arrays"].items()}
    header = {key: value for key, value in tree.items() if key not in ("arrays", "hash")}
    return pt_bytes({**header, "hash": fingerprint(header, numbers), "arrays": numbers})


def spoiled(array, at, value):
    out = array.numpy().copy()
    out[at] = value
    return out


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda h, a: h.update(version=2), "update aishw"),
        (lambda h, a: h.update(family="ising"), "'ising'"),
        (lambda h, a: h.update(family=3), "family is '3'"),
        (lambda h, a: h.pop("readout"), "readout"),
        (lambda h, a: h.update(height=True), "height"),
        (lambda h, a: h.update(height=0), "coupling"),
        (lambda h, a: h.update(height=10**9, width=10**9), "expected (segments, 4000000000000000000)"),
        (lambda h, a: h.update(offsets=[[0, 1], [1]]), "pairs"),
        (lambda h, a: h.update(offsets=[[0, 1], [0, 1], [1, 0], [-1, 0]]), "reach the same site"),
        (lambda h, a: h.update(start_mean=float("nan")), "finite"),
        (lambda h, a: h.update(step_tau=0.0), "step_tau"),
        (lambda h, a: h.update(noise_convention="ito"), "'ito'"),
        (lambda h, a: a.pop("duration_tau"), "lacks the array 'duration_tau'"),
        (lambda h, a: a.pop("terms.shil"), "'shil'"),
        (lambda h, a: a.update({"terms.two\nlines": np.zeros((2, 12))}), "two\\nlines"),
        (lambda h, a: a.update(coupling=np.zeros((2, 47))), "(2, 47)"),
        (lambda h, a: a.update(coupling=np.zeros((3, 48))), "(3, 48)"),
        (lambda h, a: a.update({"terms.shil": np.zeros((12, 2))}), "(12, 2)"),
        (lambda h, a: a.update(visible=np.array([12])), "0..11"),
        (lambda h, a: a.update(visible=np.array([0.5])), "visible"),
        (lambda h, a: a.update(coupling=spoiled(a["coupling"], (0, 3), np.nan)), "nan"),
        (lambda h, a: a.update({"terms.reference": spoiled(a["terms.reference"], (1, 4), np.inf)}), "inf"),
        (lambda h, a: a.update(duration_tau=np.array([1.0, -1.0])), "positive duration"),
    ],
)
def test_contents_that_make_no_system(tmp_path, change, says):
    tree = read_pt(tmp_path)
    change(tree, tree["arrays"])
    (tmp_path / "a.pt").write_bytes(rehashed(tree))
    message = refused(tmp_path / "a.pt")
    assert says in message and str(tmp_path / "a.pt") in message
    assert ";" in message or "update" in message  # the way out


def test_a_changed_number_without_its_hash_is_damage(tmp_path):
    tree = read_pt(tmp_path)
    tree["arrays"]["coupling"][0, 0] += 1
    torch.save(tree, tmp_path / "a.pt")
    assert "does not match" in refused(tmp_path / "a.pt") or "do not match" in refused(tmp_path / "a.pt")


def test_a_safetensors_header_that_is_no_json(tmp_path):
    text = json.dumps({"__metadata__": {"header": "{"}}).encode()
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(text)) + text)
    assert "JSON" in refused(tmp_path / "a.safetensors")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_is_overwritten_unasked_and_nothing_is_left_half(tmp_path, suffix, monkeypatch):
    path = tmp_path / f"a.{suffix}"
    checkpoint.save(lopsided(), path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="exists"):
        checkpoint.save(tiny_kurashil(), path)
    assert path.read_bytes() == before

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            checkpoint.save(tiny_kurashil(), path, overwrite=True)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == [path.name]
    checkpoint.save(tiny_kurashil(), path, overwrite=True)
    assert checkpoint.load(path).id == tiny_kurashil().id


@pytest.mark.parametrize("stated", [{"path": os}, {"x": {1, 2}}, {"array": np.zeros(2)}])
def test_made_by_is_plain(tmp_path, stated):
    with pytest.raises(CheckpointError, match="made_by"):
        checkpoint.save(lopsided(), tmp_path / "a.pt", stated)
    assert not (tmp_path / "a.pt").exists()


@pytest.mark.parametrize("name", ["a.bin", "a", "a.pth"])
def test_other_suffixes_are_refused_before_anything_is_written(tmp_path, name):
    with pytest.raises(CheckpointError, match="safetensors"):
        checkpoint.save(lopsided(), tmp_path / name)
    assert not list(tmp_path.iterdir())
