"""Names and paths: what the library takes for which."""

from pathlib import Path

import pytest

from aishw import library
from aishw.errors import CardError, CheckpointError, DeckError, StoreError, TrainError

ERRORS = {
    "netlists": DeckError,
    "models/technologies": CardError,
    "models/targets": CardError,
    "models/extractors": TrainError,
    "models": CheckpointError,
    "calibration": StoreError,
}


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A library of our own, so that the tests pin the rules and not today's files."""
    monkeypatch.setattr(library, "__file__", str(tmp_path / "site" / "aishw" / "library.py"))
    for name in (
        "models/targets/ring.toml",
        "models/targets/note.txt",
        "models/targets/.hidden.toml",
        "models/digits.pt",
        "models/other.safetensors",
        "netlists/ring/pe.cir",
    ):
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "site"


def test_names_are_the_files_of_the_kind(shelf):
    assert library.names("models/targets") == ["ring"]
    assert library.names("models") == ["digits", "other"]
    assert library.names("netlists") == ["ring"]
    assert library.names("calibration") == []


def test_a_bare_name_is_shipped_with_or_without_suffix(shelf):
    assert library.find("models", "digits") == shelf / "models/digits.pt"
    assert library.find("models", "digits.pt") == shelf / "models/digits.pt"
    assert library.find("models", "other") == shelf / "models/other.safetensors"
    assert library.find("netlists", "ring") == shelf / "netlists/ring"


@pytest.mark.parametrize("name", ["./digits", "models/digits.pt", "../digits.pt", "..", "/etc/passwd", "a\\b"])
def test_a_path_is_the_users_own(shelf, name):
    assert library.find("models", name) == Path(name)


def test_a_file_here_wins_over_the_shipped_one_but_a_folder_here_does_not(shelf):
    Path("digits.pt").write_text("mine")
    Path("ring").mkdir()
    assert library.find("models", "digits.pt") == Path("digits.pt")
    assert library.find("models", "digits") == shelf / "models/digits.pt"
    assert library.find("models/targets", "ring") == shelf / "models/targets/ring.toml"


@pytest.mark.parametrize("kind, error", ERRORS.items())
@pytest.mark.parametrize("name", ["nosuch", "", " ", "a\0b", "x" * 5000, "note", "a\nb"])
def test_an_unknown_name_is_the_kinds_own_error_in_one_line(shelf, kind, error, name):
    with pytest.raises(error) as caught:
        library.find(kind, name)
    assert "\n" not in str(caught.value)
    assert "known: " in str(caught.value)


def test_a_wheel_reads_its_share(shelf):
    share = shelf / "aishw" / "_share"
    (share / "models").mkdir(parents=True)
    assert library.folder("models") == share / "models"


def test_an_unknown_kind_is_a_bug():
    with pytest.raises(ValueError, match="no kind"):
        library.folder("datasets")


def test_this_checkout_has_every_folder():
    assert ERRORS.keys()
    for kind in ERRORS:
        assert library.folder(kind).parent.exists()
