"""The raw file reader on files made here, whole and damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fake_ngspice import raw_bytes, waves

from aishw.engines.rawfile import last_time_s, layout, read_raw
from aishw.errors import SimulatorError


def written(tmp_path: Path, content: bytes) -> Path:
    (tmp_path / "out.raw").write_bytes(content)
    return tmp_path / "out.raw"


def test_waveforms_by_name_in_any_case(tmp_path: Path) -> None:
    table = waves(points=7)
    raw = read_raw(written(tmp_path, raw_bytes(table, ("time", "V(Out)", "i(V1)"))))
    assert raw.names == ("v(out)", "i(v1)")
    assert np.array_equal(raw.time_s, table[:, 0])
    assert np.array_equal(raw["v(OUT)"], table[:, 1])
    assert np.array_equal(raw.values[:, raw.columns(["i(v1)", "v(out)"])], table[:, [2, 1]])
    assert "V(out)" in raw and "v(in)" not in raw
    with pytest.raises(SimulatorError, match=r"no 'v\(in\)'; it holds v\(out\), i\(v1\)"):
        raw["v(in)"]


def test_the_last_plot_counts(tmp_path: Path) -> None:
    first = raw_bytes(np.ones((1, 2)), ("v(a)", "v(b)"), plot="Operating Point", extra="Command: ngspice-46\n")
    raw = read_raw(written(tmp_path, first + raw_bytes(waves(points=5))))
    assert raw.time_s.size == 5
    with pytest.raises(SimulatorError, match="'Operating Point'"):
        read_raw(written(tmp_path, raw_bytes(waves(points=5)) + first))


DAMAGED = {
    "empty": (b"", "missing or empty"),
    "text": (b"hello\nworld\n", "not an ngspice raw file"),
    "binary": (bytes(range(256)) * 40, "not an ngspice raw file"),
    "header only": (raw_bytes(waves())[:120], "not an ngspice raw file, or its header is cut off"),
    "cut": (raw_bytes(waves())[:-1], "truncated: 100 points .* says 101"),
    "unfinished": (raw_bytes(waves(), points=0), "truncated: 101 points .* says 0"),
    "complex": (raw_bytes(waves(), flags="complex"), "expected a real transient"),
    "ac": (raw_bytes(waves(), ("frequency", "v(a)", "v(b)"), plot="AC Analysis"), "over 'frequency'"),
    "ascii": (raw_bytes(waves()).replace(b"Binary:", b"Values:"), "is ASCII"),
    "names": (raw_bytes(waves()).replace(b"No. Variables: 3", b"No. Variables: 4"), "4 variables, 3 names"),
    "points": (raw_bytes(waves()).replace(b"No. Points: 101", b"No. Points: -11"), "damaged header"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files(name: str, tmp_path: Path) -> None:
    content, message = DAMAGED[name]
    with pytest.raises(SimulatorError, match=message) as caught:
        read_raw(written(tmp_path, content))
    assert "\n" not in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match="missing or empty"):
        read_raw(tmp_path / "none.raw")


def test_a_file_that_still_grows(tmp_path: Path) -> None:
    table = waves()
    whole = raw_bytes(table, points=0)
    path = written(tmp_path, whole[:60])
    assert layout(path) is None
    path = written(tmp_path, whole[: len(whole) - 30 * 24 - 5])
    shape = layout(path)
    assert shape is not None and shape[0] == 3
    assert last_time_s(path, *shape) == table[101 - 31 - 1, 0]
    assert last_time_s(written(tmp_path, whole[: shape[1] + 5]), *shape) is None
    assert layout(tmp_path / "none.raw") is None
