"""ring180: a ring on a foundry's models. Tests of the devices need the GF180MCU kit, the others do not."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from problems import tiny_kurashil

from aishw import library
from aishw.engines.ngspice import run_deck
from aishw.engines.phase import rising_crossings
from aishw.errors import CardError
from aishw.hardware.cards import load_target, load_technology
from aishw.hardware.cells import cell_text, fixed_units, model_text
from aishw.hardware.kit import kit_folder
from aishw.lower import lower

TECHNOLOGY = load_technology("gf180mcu")


def _kit() -> Path | None:
    try:
        return kit_folder(TECHNOLOGY, TECHNOLOGY.kit)  # type: ignore[arg-type]
    except CardError:
        return None


KIT = _kit()
needs_kit = pytest.mark.skipif(KIT is None, reason="needs the GF180MCU kit, which is not ours to ship: set PDK_ROOT")


def headers(netlist: str) -> dict[str, list[str]]:
    """Pins of every subcircuit of a netlist folder."""
    text = (Path(library.find("netlists", netlist)) / "cells.cir").read_text()
    found = [line.split()[1:] for line in text.splitlines() if line.startswith(".subckt ")]
    return {name: [pin for pin in pins if "=" not in pin] for name, *pins in found}


def test_its_cells_have_the_names_and_pins_that_decks_rely_on() -> None:
    ours, theirs = headers("ring180"), headers("ring28")
    assert {name: ours.get(name) for name in theirs} == theirs and len(theirs) > 15


def test_a_system_is_lowered_without_the_kit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PDK_ROOT", raising=False)
    target = load_target("ring180", corner="ss", temperature_C=85.0)
    design = lower(tiny_kurashil(4, 4), target)
    assert design.target.technology.kit is not None and design.target.technology.corner == "ss"
    assert "level=3.3" in cell_text(target, 4, 2)
    with pytest.raises(CardError, match="PDK_ROOT"):
        model_text(target.technology)


def deck(body: str, tran: str, corner: str = "tt", options: str = "method=gear reltol=1e-4") -> str:
    target = load_target("ring180", corner=corner)
    head = f"* ring180\n{model_text(target.technology)}\n{cell_text(target, 4, 1)}\nvdd vdd 0 3.3\n"
    return f"{head}{body}\n.options {options}\n.tran {tran} uic\n.save all\n.end\n"


def ring_Hz(corner: str, trim: int = 256) -> float:
    """Frequency of a PE with capacitors in place of its couplers."""
    circuit = load_target("ring180").circuit
    ties = " ".join("vdd" if trim >> b & 1 else "0" for b in range(9))
    tap_F = circuit["wire_F"] + 24 * circuit["tap_load_F"]
    body = (
        f"xp r0 r1 r2 n p vdd pe\nxt r1 {ties} trim\ncl r0 0 {25 * circuit['coupler_F']!r}\n"
        f"cn n 0 {tap_F!r}\ncp p 0 {tap_F!r}\n.ic v(r0)=0 v(r1)=3.3 v(r2)=0.7"
    )
    raw = run_deck(deck(body, "100p 150n 0 100p", corner), time_limit_s=60).raw
    at = rising_crossings(raw.time_s, raw["v(r0)"], 1.65)[0][4:]
    return float((at.size - 1) / (at[-1] - at[0]))


@needs_kit
def test_the_models_are_read_in_a_blink_and_are_the_kits_own() -> None:
    """A five-stage ring on the flattened models against the kit's subcircuits, in the mode that the kit asks for."""
    stages = list(zip("abcde", "bcdea"))
    drawn = "ad=0.3p as=0.3p pd=2u ps=2u"  # left out, the kit's subcircuits have none and a bare transistor its model's
    rest = "vdd vdd 0 3.3\n.ic v(a)=0 v(b)=3.3\n.tran 5p 4n uic\n.save v(a)\n.end\n"

    def period(head: str, prefix: str, ngbehavior: str | None) -> tuple[float, float]:
        wires = [
            f"{prefix}n{i} {y} {a} 0 0 nmos_3p3 w=0.5u l=0.28u {drawn}\n"
            f"{prefix}p{i} {y} {a} vdd vdd pmos_3p3 w=1u l=0.28u {drawn}"
            for i, (a, y) in enumerate(stages)
        ]
        run = run_deck(f"* ring\n{head}\n" + "\n".join(wires) + f"\n{rest}", ngbehavior=ngbehavior, time_limit_s=60)
        at = rising_crossings(run.raw.time_s, run.raw["v(a)"], 1.65)[0]
        return float(at[-1] - at[-2]), run.cpu_s

    ours, cpu_s = period(model_text(TECHNOLOGY), "m", None)
    assert KIT is not None
    files = f'.include "{KIT}/design.ngspice"\n.param sw_stat_mismatch=0\n.lib "{KIT}/sm141064.ngspice" typical'
    theirs, _ = period(files, "x", "hsa")
    assert ours == pytest.approx(theirs, rel=1e-6)
    assert cpu_s < 1


@needs_kit
def test_mismatch_is_what_the_kit_says() -> None:
    text = model_text(TECHNOLOGY)
    for kind in "np":
        cell = re.search(rf"^\.subckt {kind}mos_3p3 .*?^\.ends", text, re.MULTILINE | re.DOTALL)
        assert cell is not None
        par = {name: float(value) for name, value in re.findall(r"(par_\w+)=(-?[\d.e-]+)$", cell.group(0), re.M)}
        card = TECHNOLOGY.mismatch
        assert card[f"avt_{kind}_Vm"] == pytest.approx(0.7071e-6 * par["par_vth"], rel=1e-4)
        assert (card["dl_m"], card["dw_m"]) == pytest.approx((par["par_l"], -par["par_w"]))


@needs_kit
def test_every_corner_oscillates_in_its_order() -> None:
    f = {corner: ring_Hz(corner) for corner in TECHNOLOGY.corners}
    assert f["tt"] == pytest.approx(load_target("ring180").frequency_Hz, rel=0.03)
    assert 0.6 * f["tt"] < f["ss"] < min(f["sf"], f["fs"]) < max(f["sf"], f["fs"]) < f["ff"] < 1.5 * f["tt"]


@needs_kit
def test_trim_raises_the_frequency() -> None:
    """All bits against none: 511 half steps of about 1e-4 add 3 to 6 %."""
    low, high = ring_Hz("tt", 0), ring_Hz("tt", 511)
    assert 0.03 < high / low - 1 < 0.06


@needs_kit
def test_the_smallest_trim_steps_are_in_order() -> None:
    """Code 4's bit is worth more than the half step and code 1 together with it, code 8's more than all three."""
    f = {trim: ring_Hz("tt", trim) for trim in (0, 3, 4, 7, 8)}
    assert f[0] < f[3] < f[4] < f[7] < f[8]


@needs_kit
@pytest.mark.parametrize("code", [-7, 3])
def test_full_and_merged_couplers_give_the_same_current(code: int) -> None:
    """Both drive a held node from square taps: the mean currents over a half period agree to 2 % of code 7."""
    taps = "vp p 0 pulse(0 3.3 1n 200p 200p 4.8n 10n)\nvn n 0 pulse(3.3 0 1n 200p 200p 4.8n 10n)\n"
    taps += "vbn bn 0 0.78\nvbp bp 0 2.52\n"
    bits = " ".join("vdd 0" if code + 8 >> b & 1 else "0 vdd" for b in (3, 2, 1, 0))
    up, un = fixed_units(code, 4)
    cells = f"xc p n y {bits} bn bp vdd coupler", f"xc p n y bn bp vdd coupler_fixed up={up} un={un}"
    currents = []
    for cell in cells:
        raw = run_deck(deck(f"{taps}vy y 0 1.65\n{cell}", "50p 30n"), time_limit_s=60).raw
        window = (raw.time_s > 12e-9) & (raw.time_s < 15.5e-9)
        currents.append(np.trapezoid(raw["i(vy)"][window], raw.time_s[window]) / 3.5e-9)
    assert currents[0] == pytest.approx(currents[1], abs=0.02 * abs(currents[1]) * 7 / abs(code))
    assert np.sign(currents[0]) == -np.sign(code)  # tap p is high: the finger on it pulls the node down
