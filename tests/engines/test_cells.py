"""The cells themselves in ngspice: bias ladder, weight bank, phase detector, trim, and full against merged."""

from __future__ import annotations

import numpy as np
import pytest

from aishw.engines.deck_replay import start_lines
from aishw.engines.deck_transistor import fixed_coupler
from aishw.engines.ngspice import run_deck
from aishw.engines.rawfile import Raw
from aishw.engines.start import bank_voltages
from aishw.hardware.cards import load_target
from aishw.hardware.cells import cell_text, fixed_units, model_text
from aishw.hardware.target import Target

TARGET = load_target("ring28")
SWITCHED = load_target("ring28_switched")


def head(target: Target) -> str:
    return f"* cells\n{model_text(target.technology)}\n{cell_text(target, 4, 2)}\nvdd vdd 0 0.9\n"


def run(body: str, tran: str, target: Target = TARGET) -> Raw:
    return run_deck(
        f"{head(target)}{body}\n.options method=gear\n.tran {tran} uic\n.save all\n.end\n", time_limit_s=120
    ).raw


@pytest.mark.parametrize("code", [1, 341, 682, 1023])
def test_bias_ladder_gives_its_code(code: int) -> None:
    pins = " ".join("vdd 0" if code >> b & 1 else "0 vdd" for b in range(9, -1, -1))
    raw = run(f"xd v vdd {pins} vdd bias_dac", "1n 2u")
    assert raw["v(v)"][-1] == pytest.approx(0.9 * code / 1024, abs=0.9 / 1024)


@pytest.mark.parametrize("bits", [(0, 1), (1, 0), (1, 1)])
def test_bank_hands_out_what_was_written_in_each_chunk(bits: tuple[int, int]) -> None:
    """Chunk 0 is selected at time zero, where a deck starts its rails and its banks' read nodes."""
    bank = f"xk y yb s0 t0 s1 t1 vdd bank v0={bits[0]} v1={bits[1]}"
    body = (
        "vs0 s0 0 pwl(0 0.9 5e-9 0.9 5.2e-9 0)\nvt0 t0 0 pwl(0 0 5e-9 0 5.2e-9 0.9)\n"
        "vs1 s1 0 pwl(0 0 5e-9 0 5.2e-9 0.9)\nvt1 t1 0 pwl(0 0.9 5e-9 0.9 5.2e-9 0)\n"
    )
    start = {"vdd": 0.9, "s0": 0.9, "t1": 0.9} | bank_voltages([bank], 0.9)
    raw = run("\n".join([body + bank, *start_lines(start)]), "20p 10n")
    at = [4e-9, 9e-9]
    assert np.interp(at, raw.time_s, raw["v(y)"]) == pytest.approx([0.9 * bit for bit in bits], abs=0.02)
    assert np.interp(at, raw.time_s, raw["v(yb)"]) == pytest.approx([0.9 * (1 - bit) for bit in bits], abs=0.02)


@pytest.mark.parametrize("phase", [-1.2, -0.4, 0.5, 1.2])
def test_phase_detector_is_the_triangle_of_the_docstring(phase: float) -> None:
    def square(name: str, at: float) -> str:
        turn = f"(1e8*time+{at / (2 * np.pi)!r})"
        return f"b{name} {name} 0 v=pwl({turn}-floor({turn}),0,0,0.01,0.9,0.5,0.9,0.51,0,1,0)\n"

    quarter = np.pi / 2
    body = square("p", phase) + square("n", phase + np.pi) + square("q", quarter) + square("qb", quarter + np.pi)
    raw = run(body + "xq p n q qb v vdd phase_detector", "100p 600n")
    late = raw.time_s > 500e-9
    assert raw["v(v)"][late].mean() == pytest.approx(0.9 * (0.5 - phase / np.pi), abs=0.02)


@pytest.mark.parametrize("code", [-7, -1, 0, 4])
def test_full_and_merged_couplers_give_the_same_current(code: int) -> None:
    """Both drive a held node from square taps: the mean currents over a half period agree to 2 %."""
    taps = "vp p 0 pulse(0 0.9 1n 50p 50p 4.95n 10n)\nvn n 0 pulse(0.9 0 1n 50p 50p 4.95n 10n)\n"
    taps += "vbn bn 0 0.36\nvbp bp 0 0.54\n"
    bits = " ".join("vdd 0" if code + 8 >> b & 1 else "0 vdd" for b in (3, 2, 1, 0))
    up, un = fixed_units(code, 4)
    full = run(f"{taps}vy y 0 0.45\nxc p n y {bits} bn bp vdd coupler", "20p 30n")
    merged = run(f"{taps}vy y 0 0.45\nxc p n y bn bp vdd coupler_fixed up={up} un={un}", "20p 30n")
    currents = []
    for raw in (full, merged):
        currents.append(half_period_current(raw))
    one = 0.5 * abs(full_scale_current())
    assert currents[0] == pytest.approx(currents[1], abs=0.02 * 14 * one)
    if code:
        assert np.sign(currents[0]) == -np.sign(code)  # tap p is high: the finger on it pulls the node down


@pytest.mark.parametrize("code", [-7, -1, 0, 4])
def test_full_and_merged_switched_couplers_give_the_same_current(code: int) -> None:
    """As above, mean over a half period in which tap p_0 is high: a positive code sits on n_0 and pulls the node up.
    Codes give k / 7 of the strongest one, disabled fingers nothing, within 2 %."""
    held = "vp p_0 0 pulse(0 0.9 1n 50p 50p 4.95n 10n)\nvn n_0 0 pulse(0.9 0 1n 50p 50p 4.95n 10n)\n"
    held += "vbn bn 0 0.44\nvbp bp 0 0.46\nvy y 0 0.45\n"
    bits = " ".join("vdd 0" if bit else "0 vdd" for bit in (code >= 0, *(abs(code) >> b & 1 for b in (2, 1, 0))))
    merged = fixed_coupler("sign_magnitude", 4)
    strongest, *currents = (
        half_period_current(run(held + "\n".join(lines), "20p 30n", SWITCHED))
        for lines in (
            merged("c1_0", "0", "y", "bn bp", 7 if code >= 0 else -7),
            [f"xc n_0 p_0 y {bits} bn bp vdd coupler"],
            merged("c1_0", "0", "y", "bn bp", code),
        )
    )
    share = np.array(currents) / strongest
    assert share[0] == pytest.approx(share[1], abs=0.02)
    assert share[0] == pytest.approx(abs(code) / 7, abs=0.02)
    assert np.sign(strongest) == (1 if code >= 0 else -1)


def half_period_current(raw: Raw) -> float:
    """Mean current into the source that holds node y, over 12 to 15.5 ns (tap p high)."""
    window = (raw.time_s > 12e-9) & (raw.time_s < 15.5e-9)
    return float(np.trapezoid(raw["i(vy)"][window], raw.time_s[window])) / 3.5e-9


def full_scale_current() -> float:
    """Current of one half-LSB unit, A: both taps of a code-7 coupler differ by 14 units."""
    taps = "vp p 0 0\nvn n 0 0.9\nvbn bn 0 0.36\nvbp bp 0 0.54\n"
    raw = run(f"{taps}vy y 0 0.45\nxc p n y bn bp vdd coupler_fixed up=15 un=1", "1n 20n")
    return float(raw["i(vy)"][-1]) / 14
