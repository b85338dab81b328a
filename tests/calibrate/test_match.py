"""Which calibration belongs to which design: each thing that may differ is named, with the way out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from calibration_problems import GAIN, STRENGTH, tables_only
from problems import tiny_kurashil

from aishw import library
from aishw.calibrate.match import calibration_for, check_calibration, check_target, check_traces, circuit_id, tables_id
from aishw.calibrate.scale import target_of
from aishw.engines.base import Job, sample_times
from aishw.engines.macromodel import Macromodel
from aishw.errors import CardError
from aishw.hardware.cards import load_target
from aishw.hardware.solver import Solver
from aishw.lower import lower

RING28 = load_target("ring28")
FINER = replace(Solver(), steps_per_cycle=500)
DESIGN = lower(tiny_kurashil(), RING28)  # 4 couplings a site
FITTING = tables_only(RING28, fan_in=4)


def test_the_one_that_was_made_for_it_passes() -> None:
    check_calibration(FITTING, DESIGN)
    with pytest.raises(CardError):
        check_calibration(FITTING, DESIGN, FINER)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"target": "ring30"}, ("target ring30", "has ring28")),
        ({"corner": "ss"}, ("corner ss", "has tt", "--corner tt")),
        ({"temperature_K": 358.15}, ("temperature 85 C", "has 27 C")),
        ({"fan_in": 24}, ("fan-in 24", "has 4", "--fan-in 4")),
        ({"solver": FINER}, (f"solver options {FINER.label}", f"has {Solver().label}")),
        ({"circuit": "0123456789abcdef"}, ("another circuit", "0123456789abcdef", "aishw calibrate ring28")),
        ({"circuit": ""}, ("unnamed",)),
    ],
)
def test_what_differs_is_named(fields: dict[str, object], words: tuple[str, ...]) -> None:
    other = replace(FITTING, steady=replace(FITTING.steady, **fields))
    with pytest.raises(CardError) as refused:
        check_calibration(other, DESIGN)
    assert all(word in str(refused.value) for word in words), refused.value


def test_the_way_out_calls_a_card_of_ones_own_by_its_path(tmp_path: Path) -> None:
    """By its name, which a copy shares with the shipped card, another circuit would be measured."""
    path = tmp_path / "mine.toml"
    path.write_text(Path(library.find("models/targets", "ring28")).read_text().replace("wire_F = 20", "wire_F = 21"))
    with pytest.raises(CardError, match=f"another circuit.*aishw calibrate {path} --corner tt"):
        check_target(FITTING.steady, load_target(path), 4)


def test_codes_of_another_width_are_refused() -> None:
    with pytest.raises(CardError, match=r"codes up to 7, the design has 3 bits .* --bits 4"):
        check_calibration(FITTING, lower(tiny_kurashil(), RING28, bits=3))


def test_a_changed_bias_is_another_circuit() -> None:
    coupling = RING28.injections["coupling"]
    moved = replace(coupling, bias_V=coupling.bias_V + 0.001)
    other = replace(RING28, injections={**RING28.injections, "coupling": moved})
    assert circuit_id(other, Solver(), 4) != circuit_id(RING28, Solver(), 4)
    louder = replace(coupling, rate=coupling.rate * 1.1)  # what the card calls a bias is not the circuit
    named = replace(RING28, injections={**RING28.injections, "coupling": louder})
    assert circuit_id(named, Solver(), 4) == circuit_id(RING28, Solver(), 4)


def test_a_row_belongs_to_its_bias_whatever_the_card_calls_it() -> None:
    """Two cards of one circuit: the same codes at the same bias voltages give the same macromodel."""
    measured = target_of(RING28, FITTING)
    assert not np.allclose(measured.injections["coupling"].rate, RING28.injections["coupling"].rate)
    again = replace(
        DESIGN,
        target=measured,
        full_scale={kind: scale * measured.injections[kind].rate[-1] / RING28.injections[kind].rate[-1]
                    if kind == "coupling" else scale for kind, scale in DESIGN.full_scale.items()},
    )  # fmt: skip
    at = {d: calibration_for(FITTING, d).table("coupling").at(float(d.rate["coupling"].max())) for d in (DESIGN, again)}
    assert DESIGN.rate["coupling"].max() == pytest.approx(RING28.injections["coupling"].rate[-1])
    assert np.allclose(at[DESIGN][1], at[again][1])
    assert abs(at[again][1][-1, 0]) == pytest.approx(7 * GAIN * STRENGTH[-1])


def test_traces_name_their_calibration() -> None:
    job = Job(np.zeros((1, 9)), sample_times(DESIGN.system, 2))
    trace = Macromodel(calibration_for(FITTING, DESIGN)).run(DESIGN, job)
    with pytest.raises(CardError, match=r"none that is named.*--force"):
        check_traces(FITTING, [trace])
    named = replace(trace, settings={**trace.settings, "calibration": tables_id(FITTING)})
    check_traces(FITTING.labelled(target_of(RING28, FITTING)), [named])  # labels are no content
    table = FITTING.tables["coupling"]
    other = replace(FITTING, tables={**FITTING.tables, "coupling": replace(table, offset=table.offset * 1.01)})
    with pytest.raises(CardError, match="was computed with the calibration"):
        check_traces(other, [named])
