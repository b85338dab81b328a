"""Models out of a user's kit: a tiny one made here, and every way in which a kit can be wrong."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from aishw import library
from aishw.engines.ngspice import run_deck
from aishw.errors import CardError
from aishw.hardware.cards import load_technology
from aishw.hardware.cells import model_text
from aishw.hardware.technology import Technology

LIBRARY = """* a kit of two transistors, one of them binned, and things that a ring does not use
.LIB typical
  .lib 'tiny.lib'  nmos_t
  .lib "tiny.lib" pmos_t
* a comment between
 .param tiny_vto = 0.5
 .include 'more.inc'
.ENDL
.LIB ss
  .lib 'tiny.lib' nmos_t
  .lib 'tiny.lib' pmos_t
 .param tiny_vto = 0.6
.ENDL

.lib nmos_t
.subckt other d g s b w=1u
.param inner=1
mx d g s b nx w='w'
.ends
.model  nx.0 nmos
+ level = 54 lmin=1e-7 lmax=1e-5 wmin=1e-7 wmax=1e-5

* a comment inside of a card
+ vth0 = {tiny_vto + shift}
.model  other nmos level=1
+ vto = 9
.ENDL nmos_t
.lib pmos_t
.model px pmos level=1 vto={-tiny_vto}
.subckt px d g s b w=1e-6
.param mis = agauss(0,1,1)
mx d g s b px w='w'
.ends px
.endl
.lib no_p
.model nx nmos level=1
.endl
.lib circle
.lib 'tiny.lib' circle
.endl
.lib astray
.lib 'tiny.lib' nowhere
.endl
.lib loose
r1 a b 1
.endl
.lib control
.control
.endl
"""
SWITCHES = "* switches\n.param\n+ shift = 1 seed_of=2\n+ big_shift = 3\n"
CARD = """name = "tiny"
supply_V = 1.8
temperature_K = 300
corner = "tt"
corners = ["tt", "ss", "a", "b", "c", "d", "e", "f"]
models = "tiny.lib"
nmos = "nx"
pmos = "px"
source = "made here"
[kit]
root = "TINY_ROOT"
folders = ["tiny/models", "tinyB/libs.tech/ngspice"]
switches = "switches.inc"
[kit.sections]
tt = "typical"
ss = "ss"
a = "no_p"
b = "circle"
c = "astray"
d = "absent"
e = "loose"
f = "control"
[kit.parameters]
shift = 0
"""


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a tiny kit's models."""
    folder = tmp_path / "tiny" / "models"
    folder.mkdir(parents=True)
    (folder / "tiny.lib").write_text(LIBRARY)
    (folder / "more.inc").write_text("* more\n.param more=1\n")
    (folder / "switches.inc").write_text(SWITCHES)
    (tmp_path / "tiny.toml").write_text(CARD)
    monkeypatch.setenv("TINY_ROOT", str(tmp_path))
    return folder


def technology(folder: Path, corner: str = "tt") -> Technology:
    return load_technology(folder.parents[1] / "tiny.toml", corner=corner)


def test_only_parameters_and_the_two_devices_stay(tiny: Path) -> None:
    text = model_text(technology(tiny))
    assert "other" not in text and "inner" not in text and "vto = 9" not in text
    assert "more=1" in text and "tiny_vto = 0.5" in text and "+ vth0 = {tiny_vto + shift}" in text
    assert text.count(".model") == 2 and text.count(".subckt px") == text.count(".ends") == 1
    assert ".lib" not in text.lower() and ".inc" not in text.lower() and str(tiny.parent) not in text


def test_the_cards_parameters_replace_the_switches_and_no_others(tiny: Path) -> None:
    text = model_text(technology(tiny))
    assert "+ shift=0.0 seed_of=2" in text and "+ big_shift = 3" in text


def test_the_text_follows_the_kit(tiny: Path) -> None:
    first = model_text(technology(tiny))
    assert model_text(technology(tiny)) == first != model_text(technology(tiny, "ss"))
    (tiny / "tiny.lib").write_text(LIBRARY.replace("tiny_vto = 0.5", "tiny_vto = 0.55"))
    assert model_text(technology(tiny)) != first


def test_a_deck_needs_nothing_beside_the_text(tiny: Path) -> None:
    """The section's threshold and the card's switch reach the binned transistor as if they were written down."""
    texts = model_text(technology(tiny)), ".model nx nmos level=54 vth0=0.5", ".model nx nmos level=54 vth0=1.5"
    rest = "vd d 0 1.8\nvg g 0 1.5\nm1 d g 0 0 nx w=2e-6 l=1e-6\n.tran 1n 2n\n.save all\n.end\n"
    ours, same, unswitched = (-run_deck(f"* one\n{text}\n{rest}", time_limit_s=20).raw["i(vd)"][-1] for text in texts)
    assert ours == pytest.approx(same, rel=1e-9)
    assert ours > 5 * unswitched > 0


def test_the_layout_of_an_installed_kit_is_found_too(tiny: Path) -> None:
    first = model_text(technology(tiny))
    other = tiny.parents[1] / "tinyB" / "libs.tech"
    other.mkdir(parents=True)
    tiny.rename(other / "ngspice")
    assert model_text(technology(tiny)) == first


@pytest.mark.parametrize(
    ("corner", "says"),
    [
        ("a", "section 'no_p' has no device 'px'"),
        ("b", "leads in a circle"),
        ("c", "no section 'nowhere'"),
        ("d", "no section 'absent'"),
        ("e", "'r1 a b 1' cannot be taken over"),
        ("f", "'.control' cannot be taken over"),
    ],
)
def test_a_wrong_section_is_one_line(tiny: Path, corner: str, says: str) -> None:
    with pytest.raises(CardError, match=says) as error:
        model_text(technology(tiny, corner))
    assert "\n" not in str(error.value)


def test_a_missing_kit_is_one_line_that_says_what_to_set(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = technology(tiny)
    for value in (None, "", str(tiny), "/dev/null", "\udcff"):
        monkeypatch.delenv("TINY_ROOT") if value is None else monkeypatch.setenv("TINY_ROOT", value)
        with pytest.raises(CardError, match="set TINY_ROOT to the folder above the kit") as error:
            model_text(card)
        assert "$TINY_ROOT/tiny/models or $TINY_ROOT/tinyB/libs.tech/ngspice" in str(error.value)
        assert "\n" not in str(error.value)
        monkeypatch.setenv("TINY_ROOT", "")


def test_a_missing_file_or_switch_is_one_line(tiny: Path) -> None:
    card = technology(tiny)
    (tiny / "switches.inc").write_text("* none\n.param big_shift = 3\n")
    with pytest.raises(CardError, match="no switch 'shift'"):
        model_text(card)
    (tiny / "switches.inc").write_text(".param shift=1\n.shell true\n")
    with pytest.raises(CardError, match=r"'\.shell true' is no parameter"):
        model_text(card)
    (tiny / "switches.inc").unlink()
    with pytest.raises(CardError, match=r"switches\.inc cannot be read \(No such file"):
        model_text(card)
    (tiny / "more.inc").unlink()
    with pytest.raises(CardError, match=r"more\.inc cannot be read"):
        model_text(card)


def test_a_kit_without_switches(tiny: Path) -> None:
    card = technology(tiny)
    assert card.kit is not None
    text = model_text(replace(card, kit=replace(card.kit, switches="", parameters={})))
    assert "shift =" not in text


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('root = "TINY_ROOT"\n', "", "lacks the field 'kit.root'"),
        ('tt = "typical"\n', "", "kit.sections names no section for corner tt"),
        ('folders = ["tiny/models", "tinyB/libs.tech/ngspice"]', "folders = []", "kit.folders must be a list"),
        ('ss = "ss"', "ss = 1", "kit.sections.ss must be a text"),
        ("shift = 0", 'shift = "a"', "kit.parameters.shift must be a finite number"),
    ],
)
def test_a_wrong_card_is_one_line(tiny: Path, old: str, new: str, says: str) -> None:
    path = tiny.parents[1] / "tiny.toml"
    path.write_text(CARD.replace(old, new))
    with pytest.raises(CardError, match=says) as error:
        load_technology(path)
    assert "\n" not in str(error.value)


def test_the_foundry_card_itself_needs_no_kit_and_carries_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PDK_ROOT", raising=False)
    card = load_technology("gf180mcu", corner="ss")
    assert card.kit is not None and card.kit.sections[card.corner] == "ss"
    with pytest.raises(CardError, match="set PDK_ROOT to the folder above the kit"):
        model_text(card)
    shipped = list(library.folder("models/technologies").iterdir())
    assert shipped and not any("level = 54" in path.read_text() for path in shipped if "gf180" in path.name)
    assert os.environ.get("PDK_ROOT") is None
