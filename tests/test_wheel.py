"""An installed wheel brings its cards, netlists and checkpoints along, and finds them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds the wheel's content and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    build = [*pip, "wheel", str(TOP), "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(folder / "site"), str(wheel)], check=True)
    return folder / "site"


def test_a_wheel_finds_what_it_ships(installed, tmp_path):
    probe = (
        "import aishw, json; from aishw import library\n"
        "from aishw.hardware.cards import load_target; from aishw.ais.checkpoint import load\n"
        "kinds = ('netlists', 'models', 'models/targets', 'models/technologies', 'models/extractors', 'calibration')\n"
        "target, system = load_target('ring28'), load(library.find('models', 'digits16_4bit'))\n"
        "found = {kind: library.names(kind) for kind in kinds}\n"
        "print(json.dumps([aishw.__file__, str(library.folder('models')), target.sites, system.sites, found]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    import json

    from aishw import library

    package, models, target_sites, system_sites, found = json.loads(done.stdout)
    assert Path(package).is_relative_to(installed) and Path(models).is_relative_to(installed)
    assert target_sites == 56 * 56 and system_sites == 256
    assert found == {kind: library.names(kind) for kind in found}
    assert found["netlists"] and found["models/technologies"] and found["models/extractors"]


def test_a_wheel_has_its_templates_and_its_command(installed):
    for part in ("verify", "calibrate"):
        assert list((installed / "aishw" / part / "templates").glob("*.j2"))
    assert (installed / "bin" / "aishw").exists()
