"""Shell scripts that pretend to be ngspice, and raw files for them to write."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from aishw.engines.ngspice import Simulator, find_simulator

DECK = "* test\nV1 a 0 SIN(0 1 1000.0)\nR1 a 0 1.0\n.tran 1e-05 0.001 0 1e-05 uic\n.end\n"
NAMES = ("time", "v(a)", "i(v1)")


def raw_bytes(table: np.ndarray, names: tuple[str, ...] = NAMES, *, points: int | None = None, flags: str = "real",
              plot: str = "Transient Analysis", extra: str = "") -> bytes:  # fmt: skip
    """A binary raw file as ngspice writes it; `points` overrides the header's count."""
    count = len(table) if points is None else points
    header = f"Title: * test\nDate: today\n{extra}Plotname: {plot}\nFlags: {flags}\n"
    header += f"No. Variables: {len(names)}\nNo. Points: {count}       \nVariables:\n"
    header += "".join(f"\t{k}\t{name}\t{'time' if name == 'time' else 'voltage'}\n" for k, name in enumerate(names))
    return header.encode() + b"Binary:\n" + np.asarray(table, dtype="<f8").tobytes()


def waves(stop_s: float = 1e-3, points: int = 101) -> np.ndarray:
    time = np.linspace(0, stop_s, points)
    return np.stack([time, np.sin(2 * np.pi * 1e3 * time), -np.sin(2 * np.pi * 1e3 * time)], axis=1)


def fake(folder: Path, body: str, version: str = "ngspice-42", name: str = "ngspice") -> Simulator:
    """A script that answers --version and otherwise does `body` ($raw: a whole raw file that it may copy)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "good.raw").write_bytes(raw_bytes(waves()))
    path = folder / name
    path.write_text(
        f'#!/bin/sh\nif [ "$1" = "--version" ]; then echo "** {version} : Circuit level simulation"; exit 0; fi\n'
        f'raw="{folder}/good.raw"\n{body}\n'
    )
    path.chmod(0o755)
    return find_simulator(path)
