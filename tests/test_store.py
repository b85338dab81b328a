"""The run file: everything back bit for bit, and nothing but one clear line for a file that is not sound."""

import dataclasses
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import pytest

from aishw import atomic, store
from aishw.ais.system import Noise, Start, System
from aishw.ais.topology import complete, grid
from aishw.engines.base import Job, Trace
from aishw.errors import AishwError, StoreError
from aishw.hardware.solver import Solver
from aishw.hardware.target import Injection, Target
from aishw.hardware.technology import Technology
from aishw.lower.design import Design, Timeline

RNG = np.random.default_rng(7)


def a_target():
    technology = Technology(
        'a "name"', 0.9, 300.15, "tt", ("tt", "ss"), "m.lib", "n", "p", {"Avt": 1.5e-9}, "µ source"
    )  # fmt: skip
    injection = Injection(np.array([0, 0.1 + 0.2, 0.7, 1]), np.array([0.3, 0.5, 0.9]), np.array([1e-4, 3e-3, 0.1]))
    return Target(
        "ring", technology, "ring", ("kurashil", "kuramoto"), 28, 28, 2, 24, 4, "offset", (3, 4), ("site",),
        ("state_stationary",), 64, 1.1e9 / 3, {k: injection for k in ("coupling", "shil", "reference")},
        {"switch_s": 1e-9, "state_bits": 8.0}, {"stages": 5.0}, "simulated",
        Solver("gear", 200, 1e-3, 7.0, True), "my/ring.toml",
    )  # fmt: skip


def a_design(system=None, note="x"):
    if system is None:
        top = grid(3, 5, "cross4", image=(3, 5))
        system = System(
            "kurashil", top, RNG.normal(size=(2, top.edges.shape[1])),
            {"shil": RNG.normal(size=(2, 15)), "reference": RNG.normal(size=(2, 15))},
            np.array([1.0, 3.0]), Start(-0.5, 0.25), "sin", Noise(0.1, "per_step"), 0.04, note,
        )  # fmt: skip
    segments, sites = system.segments, system.sites
    codes = {"coupling": RNG.integers(-7, 8, system.coupling.shape).astype(np.int8)}
    codes |= {name: RNG.integers(-7, 8, value.shape).astype(np.int8) for name, value in system.terms.items()}
    write_s, switch_s, run_s = np.zeros(segments), np.full(segments, 1e-9), np.full(segments, 1 / 3e7)
    timeline = Timeline("state_stationary", write_s, switch_s, run_s, 0, 2, 1, 99, 0)
    scale = {kind: RNG.uniform(1, 2, (segments, sites)) for kind in codes}
    cycles = RNG.uniform(50, 60, segments)
    return Design(system, a_target(), 4, "site", codes, scale, cycles, timeline, {kind: 3 for kind in codes})


def a_job(design, seed=3):
    return Job(RNG.normal(size=(2, design.system.sites)), np.array([0.0, 0.1, 4.0]), seed, True)


def a_trace(design, job, engine="ode", sites=None, **more):
    sites = np.arange(design.system.sites) if sites is None else np.asarray(sites)
    settings = {"method": "euler", "step_tau": 0.05, "order": 4}
    fields = {"settings": settings, "supply_J": np.array([1e-9, 2e-9]), "cpu_s": 0.3}
    state = RNG.normal(size=(2, 3, sites.size))
    return Trace(engine, "1.0", design.id, job.id, job.samples_tau, state, sites, np.arange(2), **(fields | more))


def same(a, b, where="noun"):
    """Bit for bit, and of the same type, through every field."""
    if dataclasses.is_dataclass(a):
        assert type(a) is type(b), where
        for field in dataclasses.fields(a):
            same(getattr(a, field.name), getattr(b, field.name), f"{where}.{field.name}")
    elif isinstance(a, Mapping):
        assert set(a) == set(b), where
        for key in a:
            same(a[key], b[key], f"{where}[{key}]")
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes(), where
    else:
        assert type(a) is type(b) and a == b, where


@pytest.fixture
def run_file(tmp_path):
    """A file with two traces of one job, and what was put into it."""
    path, design = tmp_path / "run.h5", a_design()
    job = a_job(design)
    traces = [a_trace(design, job, "spice-behavioural"), a_trace(design, job, "ode", supply_J=None)]
    store.save_design(path, design)
    for trace in traces:
        store.add_trace(path, trace, job)
    return path, design, job, traces


def test_every_field_of_every_noun_is_on_its_list():
    from aishw.fields import Noun, Table, noun

    def check(kind):
        if isinstance(kind, Noun):
            assert {f.name for f in kind.fields} == {f.name for f in dataclasses.fields(kind.make)}, kind.make
            for field in kind.fields:
                check(field.kind)
        elif isinstance(kind, Table):
            check(kind.entry)

    for name in ("design", "job", "trace"):
        check(noun(name))


def test_everything_comes_back_bit_for_bit_and_in_order(run_file):
    path, design, job, traces = run_file
    back = store.load_design(path)
    same(design, back)
    assert back.id == design.id and back.system.id == design.system.id
    same(job, store.load_jobs(path)[job.id])
    for old, new in zip(traces, store.load_traces(path), strict=True):
        same(old, new)
    assert [t.engine for t in store.load_traces(path, "ode")] == ["ode"]
    assert store.load_traces(path, "nosuch") == []


def test_a_reference_shift_comes_back_and_a_design_without_one_is_written_as_before(tmp_path):
    plain = a_design()
    shifted = dataclasses.replace(plain, reference_shift=-0.0066869741815)
    for name, design in (("plain", plain), ("shifted", shifted)):
        store.save_design(tmp_path / name, design)
        loaded = store.load_design(tmp_path / name)
        assert loaded.reference_shift == design.reference_shift and loaded.id == design.id
    with h5py.File(tmp_path / "plain") as old, h5py.File(tmp_path / "shifted") as new:
        assert "reference_shift" not in old["design"]
        assert new["design/reference_shift"].attrs["units"] == "rad/cycle"


def test_other_families_and_graphs_come_back(tmp_path):
    top = complete(6, visible=2, symmetric=False)
    system = System("kuramoto", top, RNG.normal(size=(1, 30)), {"detuning": RNG.normal(size=(1, 6))}, np.array([4.0]))
    design = a_design(system)
    store.save_design(tmp_path / "a.h5", design)
    same(design, store.load_design(tmp_path / "a.h5"))


def test_large_arrays_are_compressed_and_still_exact(tmp_path):
    design = a_design()
    job = Job(RNG.normal(size=(2, 15)), np.linspace(0, 4, 400))
    state = RNG.normal(size=(2, 400, 15))
    trace = Trace("ode", "1", design.id, job.id, job.samples_tau, state, np.arange(15), np.arange(2))
    store.save_design(tmp_path / "a.h5", design)
    store.add_trace(tmp_path / "a.h5", trace, job)
    same(trace, store.load_traces(tmp_path / "a.h5")[0])
    with h5py.File(tmp_path / "a.h5") as file:
        state = next(iter(file["traces"].values()))["state"]
        assert state.compression == "lzf" and state.fletcher32


def test_units_stand_beside_the_numbers(run_file):
    with h5py.File(run_file[0]) as file:
        assert file["design/system/coupling"].attrs["units"] == "1/tau"
        assert file["design/system/duration_tau"].attrs["units"] == "tau"
        assert file["design/target/frequency_Hz"].attrs["units"] == "Hz"
        assert file["design/target/timing/switch_s"].attrs["units"] == "s"
        assert file["design/target/injections/shil/bias_V"].attrs["units"] == "V"
        assert file["design/codes/coupling"].attrs["units"] == ""
        for trace in file["traces"].values():
            assert trace["state"].attrs["units"] == "rad"


def test_an_existing_file_stays_unless_told(run_file):
    path, design, *_ = run_file
    before = path.read_bytes()
    with pytest.raises(StoreError, match="exists"):
        store.save_design(path, design)
    assert path.read_bytes() == before
    store.save_design(path, design, overwrite=True)
    assert store.load_traces(path) == []


def test_a_trace_is_not_silently_replaced(run_file):
    path, design, job, _ = run_file
    again = a_trace(design, job, "ode")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="already holds a trace of ode"):
        store.add_trace(path, again, job)
    assert path.read_bytes() == before
    store.add_trace(path, again, job, overwrite=True)
    same(again, store.load_traces(path, "ode")[0])
    assert len(store.load_traces(path)) == 2
    # Another window of the same engine and job is another trace.
    store.add_trace(path, a_trace(design, job, "ode", sites=[3]), job)
    assert len(store.load_traces(path, "ode")) == 2


def test_a_trace_of_something_else_is_refused(run_file):
    path, design, job, _ = run_file
    other = a_design()
    with pytest.raises(StoreError, match="holds design"):
        store.add_trace(path, a_trace(other, job), job)
    with pytest.raises(StoreError, match="is of job"):
        store.add_trace(path, a_trace(design, job, "new"), a_job(design, seed=99))


def damaged(path, how):
    whole = path.read_bytes()
    if how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_text("not HDF5\n" * 100)
    elif how == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif how == "tail cut":
        path.write_bytes(whole[:-7])
    elif how == "folder":
        path.unlink()
        path.mkdir()
    elif how == "missing":
        path.unlink()
    elif how == "foreign":
        path.unlink()
        with h5py.File(path, "w") as file:
            file["x"] = 1
    else:
        with h5py.File(path, "r+") as file:
            if how == "version":
                file.attrs["version"] = 99
            elif how == "units":
                file["design/system/coupling"].attrs["units"] = "1/s"
            elif how == "no units":
                del file["design/system/coupling"].attrs["units"]
            elif how == "field gone":
                del file["design/target/fan_in"]
            elif how == "number changed":
                file["design/codes/coupling"][0, 0] = (file["design/codes/coupling"][0, 0] + 1) % 7
            elif how == "not a number":
                file["design/system/coupling"][0, 0] = np.nan
            elif how == "group for array":
                del file["design/system/coupling"]
                file.create_group("design/system/coupling")
            elif how == "array for group":
                del file["design/system/terms"]
                file["design/system/terms"] = 3.0
            elif how == "wrong shape":
                del file["design/system/coupling"]
                file["design/system/coupling"] = np.zeros(3)
                file["design/system/coupling"].attrs["units"] = "1/tau"


HOWS = ("empty", "text", "truncated", "tail cut", "folder", "missing", "foreign", "version", "units", "no units",
        "field gone", "number changed", "not a number", "group for array", "array for group",
        "wrong shape")  # fmt: skip


@pytest.mark.parametrize("how", HOWS)
def test_an_unsound_file_is_one_clear_line(run_file, how):
    path, design, job, _ = run_file
    damaged(path, how)
    with pytest.raises(StoreError) as caught:
        store.load_design(path)
    assert "\n" not in str(caught.value) and path.name in str(caught.value)
    if how in ("empty", "text", "truncated", "folder", "missing", "foreign", "version"):
        for action in (store.load_traces, store.load_jobs, lambda p: store.add_trace(p, a_trace(design, job), job)):
            with pytest.raises(StoreError):
                action(path)


def test_random_damage_is_refused_or_harmless(run_file):
    path, design, _, traces = run_file
    whole = bytearray(path.read_bytes())
    refused = 0
    for _ in range(90):
        at = int(RNG.integers(len(whole)))
        hurt = bytearray(whole)
        hurt[at] ^= 1 << int(RNG.integers(8))
        path.write_bytes(hurt)
        try:
            back, seen = store.load_design(path), store.load_traces(path)
        except AishwError as error:
            assert "\n" not in str(error)
            refused += 1
        else:
            same(design, back)
            for old, new in zip(traces, seen):
                same(old, new)
    assert refused > 5


def test_names_from_a_checkpoint_are_kept_as_they_are(tmp_path):
    note = "a'b\"c\n.control\nshell rm\t☃" + "x" * 300
    design = a_design(note=note)
    store.save_design(tmp_path / "a.h5", design)
    assert store.load_design(tmp_path / "a.h5").system.name == note


def test_a_name_that_hdf5_cannot_hold_is_refused(tmp_path):
    with pytest.raises(StoreError):
        store.save_design(tmp_path / "a.h5", a_design(note="a\0b"))
    assert os.listdir(tmp_path) == []


def test_an_interrupt_while_writing_keeps_the_old_file(run_file, monkeypatch):
    path, design, job, _ = run_file
    before = path.read_bytes()
    for place in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(atomic.os, place, lambda *a: (_ for _ in ()).throw(KeyboardInterrupt()))
            with pytest.raises(KeyboardInterrupt):
                store.add_trace(path, a_trace(design, job, "late"), job)
        assert path.read_bytes() == before
        assert os.listdir(path.parent) == [path.name]


def test_a_full_disk_is_one_line_and_keeps_the_old_file(run_file):
    path, design, job, _ = run_file
    before = path.read_bytes()
    import resource
    import signal

    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old[1]))
    try:
        with pytest.raises(StoreError, match="cannot write"):
            store.add_trace(path, a_trace(design, job, "late"), job)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before and os.listdir(path.parent) == [path.name]


def test_killed_in_the_middle_of_many_writes_leaves_a_sound_file(run_file):
    path, *_ = run_file
    script = (
        "import sys, itertools; sys.path[:0] = sys.argv[2:]\n"
        "from aishw import store; import test_store as t\n"
        "path = sys.argv[1]; design = store.load_design(path); print('go', flush=True)\n"
        "for n in itertools.count():\n"
        "    job = t.a_job(design, n); store.add_trace(path, t.a_trace(design, job), job)\n"
    )
    here = str(Path(__file__).parent)
    child = subprocess.Popen([sys.executable, "-c", script, str(path), here], stdout=subprocess.PIPE)
    try:
        assert child.stdout.readline() == b"go\n"
        time.sleep(0.25)
    finally:
        child.kill()
        child.wait()
    assert len(store.load_traces(path)) >= 2
    store.load_design(path)


def test_two_writers_lose_nothing(run_file):
    path, design, _, _ = run_file
    jobs = [a_job(design, seed) for seed in range(8)]
    traces = [a_trace(design, job) for job in jobs]
    errors = []

    def write(k):
        try:
            store.add_trace(path, traces[k], jobs[k])
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [] and len(store.load_traces(path)) == 10 and len(store.load_jobs(path)) == 9


def test_a_lock_that_is_held_is_one_clear_line(run_file):
    path = run_file[0]
    with atomic.locked(path), pytest.raises(StoreError, match="another aishw process"), atomic.locked(path, wait_s=0.1):
        pass


def test_a_new_file_that_appears_meanwhile_is_kept(tmp_path):
    (tmp_path / "other").write_text("first")
    real = os.link

    def late(a, b):
        Path(b).write_text("faster")
        real(a, b)

    os.link = late
    try:
        with pytest.raises(StoreError, match="exists"):
            atomic.write_whole(tmp_path / "new", b"slower")
    finally:
        os.link = real
    assert (tmp_path / "new").read_text() == "faster" and len(os.listdir(tmp_path)) == 2


def test_outputs_are_checked_before_any_work(tmp_path):
    (tmp_path / "file").write_text("x")
    cases = [("file", "exists"), (".", "is a folder"), ("no/such/run.h5", "there is no folder"),
             ("file/run.h5", "no folder"), ("x" * 300, "too long"), ("a\0b", "null")]  # fmt: skip
    for name, said in cases:
        with pytest.raises(StoreError, match=said):
            atomic.check_output(tmp_path / name)
    for device in ("/dev/null", "/dev/full"):  # a rename would put a file in the device's place
        with pytest.raises(StoreError, match="device"):
            atomic.check_output(device, overwrite=True)
    atomic.check_output(tmp_path / "file", overwrite=True)
    with pytest.raises(StoreError, match="is a file"):
        atomic.check_folder(tmp_path / "file")
    with pytest.raises(StoreError, match="not empty"):
        atomic.check_folder(tmp_path)
    with pytest.raises(StoreError, match="cannot write into"):
        atomic.check_folder(tmp_path / "file" / "report")
    atomic.check_folder(tmp_path, overwrite=True)
    atomic.check_folder(tmp_path / "new" / "deep")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="permission denied"):
        atomic.check_output(tmp_path / "a")


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    atomic.write_whole(tmp_path / "link", "new", overwrite=True)
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == "new"
