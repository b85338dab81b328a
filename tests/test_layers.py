"""Imports go one way, and importing the package loads nothing heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "aishw"

# A module imports from its own part and from rows above it, never from its own row's other parts.
ROWS = (
    ("errors", "units", "identity"),
    ("library", "atomic", "canvas"),
    ("ais", "hardware"),
    ("lower",),
    ("engines",),
    ("fields",),
    ("store",),
    ("calibrate",),
    ("energy",),  # reads calibrations, and a report shows its ledger
    ("verify", "train"),
    ("cli",),
    ("__main__",),
)
RANK = {part: rank for rank, row in enumerate(ROWS) for part in row}
HEAVY = ("torch", "matplotlib", "numba", "scipy", "networkx", "sklearn", "h5py", "PySpice", "dask", "jinja2", "pandas")
SOURCES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def imported(source: str) -> list[str]:
    """The modules of aishw that a source imports, wherever in it: 'aishw.ais.system' and the like."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "import by full name"
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            found += below if node.module == "aishw" else [node.module]
    return [name for name in found if name.split(".")[0] == "aishw"]


def upward(part: str, source: str) -> list[str]:
    """Imports that go up or sideways."""
    wrong = []
    for name in imported(source):
        other = name.split(".")[1] if "." in name else ""
        if other in ("", "__version__") or other == part:
            continue
        assert other in RANK, f"{name} has no row in this test"
        if RANK[other] >= RANK[part]:
            wrong.append(name)
    return wrong


def test_the_sources_are_found():
    assert len(SOURCES) > 20 and Path("ais/system.py") in SOURCES


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_imports_go_one_way(path):
    part = path.parts[0].removesuffix(".py")
    if part == "__init__":
        assert imported((PACKAGE / path).read_text()) == []
        return
    assert part in RANK, f"{part} has no row in this test"
    assert upward(part, (PACKAGE / path).read_text()) == []


def test_an_upward_import_would_be_seen():
    assert upward("ais", "def f():\n    from aishw.lower.design import Design") == ["aishw.lower.design"]
    assert upward("ais", "import aishw.hardware.target") == ["aishw.hardware.target"]
    assert upward("lower", "from aishw import store") == ["aishw.store"]
    assert upward("verify", "from aishw.ais.system import System\nfrom aishw import units, __version__") == []


def test_importing_the_command_line_loads_nothing_heavy():
    probe = (
        "import sys, importlib, aishw, aishw.cli; from aishw.cli.entry import COMMANDS\n"
        "[importlib.import_module(name) for name in COMMANDS.values()]\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.split()
    assert "click" in loaded and not set(loaded) & {*HEAVY, "numpy", "rich"}


def test_nouns_load_nothing_heavier_than_numpy():
    probe = (
        "import sys, aishw.store, aishw.lower.design, aishw.engines.base, aishw.hardware.cards, aishw.verify.pipeline\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.split()
    assert "numpy" in loaded and not set(loaded) & set(HEAVY)
