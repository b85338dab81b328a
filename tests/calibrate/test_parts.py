"""Parts of an unfinished calibration: kept once, found again, never under another key; points within a stage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from aishw.calibrate.parts import Parts, content_id
from aishw.errors import CardError, StoreError
from aishw.hardware.findings import SolverFinding


@dataclass(frozen=True, eq=False)
class Point:
    offset: float
    harmonics: NDArray[np.complex128]


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    made = Parts(tmp_path / "c.h5.parts", "base")
    made.open()
    return made


def finding(rms: float = 0.1) -> SolverFinding:
    return SolverFinding("tight", 40.0, 1e-3, rms, 0.2)


def test_a_stage_is_measured_once(parts: Parts) -> None:
    calls = []

    def measure() -> SolverFinding:
        calls.append(1)
        return finding()

    first = parts.stage("solver", SolverFinding, measure, "a")
    again = Parts(parts.folder, "base").stage("solver", SolverFinding, measure, "a")
    assert calls == [1] and vars(first) == vars(again)
    parts.stage("solver", SolverFinding, measure, "b")  # it starts from other findings
    Parts(parts.folder, "another").stage("solver", SolverFinding, measure, "b")
    assert calls == [1, 1, 1]


def test_a_damaged_part_is_measured_again(parts: Parts) -> None:
    parts.stage("solver", SolverFinding, finding)
    whole = (parts.folder / "solver.h5").read_bytes()
    (parts.folder / "solver.h5").write_bytes(whole[: len(whole) // 2])
    assert parts.stage("solver", SolverFinding, lambda: finding(0.7)).rms_rad == 0.7


def test_points_are_remembered_by_their_plain_arguments(parts: Parts) -> None:
    calls = []

    def point(target: object, kind: str, code: int, drift: float = 0.1) -> Point:
        calls.append((kind, code, drift))
        return Point(0.5 * code, np.array([1j * code, drift]))

    kept = parts.remember("coupling")(point)
    found = kept(object(), "coupling", 3)
    assert np.array_equal(found.harmonics, [3j, 0.1])
    again = Parts(parts.folder, "base").remember("coupling")(point)(object(), "coupling", 3)
    assert calls == [("coupling", 3, 0.1)] and np.array_equal(again.harmonics, found.harmonics)
    kept(object(), "coupling", 3, drift=0.2), kept(object(), "coupling", -3), kept(object(), "shil", 3)
    parts.remember("coupling", "other steady state")(point)(object(), "coupling", 3)
    assert len(calls) == 5


def test_times_add_up_over_commands_even_over_a_failure(parts: Parts) -> None:
    def fails() -> SolverFinding:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        parts.stage("solver", SolverFinding, fails)
    first = parts.times()["solver"]
    Parts(parts.folder, "base").stage("solver", SolverFinding, finding)
    assert parts.times()["solver"][0] >= first[0] >= 0
    before = parts.times()
    parts.stage("solver", SolverFinding, fails)  # held, so it takes no time
    assert parts.times() == before


def test_what_was_measured_on_a_changed_circuit_is_not_kept(tmp_path: Path) -> None:
    def changed() -> None:
        raise CardError("the netlist was changed")

    parts = Parts(tmp_path / "c.h5.parts", "base", changed)
    parts.open()
    with pytest.raises(CardError):
        parts.stage("solver", SolverFinding, finding)

    def point(code: int) -> SolverFinding:
        return finding()

    with pytest.raises(CardError):
        parts.remember("coupling")(point)(3)
    assert not list(parts.folder.glob("*.h5"))


def test_a_folder_of_someone_else_stays(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "file").write_text("x")
    with pytest.raises(StoreError, match="holds something else"):
        Parts(tmp_path / "theirs", "base").open()
    Parts(tmp_path / "theirs", "base").close()
    assert (tmp_path / "theirs" / "file").exists()


def test_close_removes_the_folder(parts: Parts) -> None:
    parts.stage("solver", SolverFinding, finding)
    parts.close()
    assert not parts.folder.exists()


def test_content_id_tells_findings_apart() -> None:
    assert content_id(finding()) == content_id(finding()) != content_id(finding(0.2))
