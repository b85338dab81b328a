"""Tables: what they refuse at construction, and what a row is called under another card."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calibration_problems import coupling_table, everything, tables_only

from aishw.errors import CardError
from aishw.hardware.calibration import Calibration
from aishw.hardware.cards import load_target

RING28 = load_target("ring28")
TABLE = coupling_table(RING28)


@pytest.mark.parametrize("field", ["offset", "harmonics", "error", "residual_rad", "curve", "harmonics_error"])
def test_shapes_must_agree(field: str) -> None:
    with pytest.raises(CardError, match=f"holds {field} of shape"):
        replace(TABLE, **{field: getattr(TABLE, field)[:, 1:]})
    with pytest.raises(CardError, match=f"holds {field} of shape"):
        replace(TABLE, **{field: getattr(TABLE, field)[..., None]})


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_must_be_finite(value: float) -> None:
    for field in ("offset", "harmonics"):
        spoiled = getattr(TABLE, field).copy()
        spoiled[1, 9] = value
        with pytest.raises(CardError, match=f"holds {field} .* at bias 1, code 2; measure it again"):
            replace(TABLE, **{field: spoiled})
    replace(TABLE, residual_rad=np.full_like(TABLE.residual_rad, np.nan))  # a point that was not measured


def test_rates_and_codes_must_rise() -> None:
    for rate in (TABLE.rate[::-1], TABLE.rate * 0, np.append(TABLE.rate[:2], np.nan)):
        with pytest.raises(CardError, match="above 0 and rise"):
            replace(TABLE, rate=rate)
    for codes in (TABLE.codes[::-1], TABLE.codes + 20):
        with pytest.raises(CardError, match="must rise and hold 0"):
            replace(TABLE, codes=codes)


def test_a_missing_table_is_named() -> None:
    calibration = Calibration(tables_only(RING28).steady, {"coupling": TABLE})
    assert calibration.table("reference") is TABLE
    with pytest.raises(CardError, match="of 'ring28' holds no shil table; `aishw calibrate` makes one"):
        calibration.table("shil")
    with pytest.raises(CardError, match="holds a table 'shill'; known: coupling, shil, reference"):
        Calibration(calibration.steady, {"shill": TABLE})


def test_labels_follow_the_card() -> None:
    injections = {kind: replace(i, rate=i.rate * (1 + k)) for k, (kind, i) in enumerate(RING28.injections.items())}
    named = tables_only(RING28).labelled(replace(RING28, injections=injections))
    for kind, injection in injections.items():
        assert np.array_equal(named.table(kind).rate, injection.rate)
        assert np.array_equal(named.table(kind).harmonics, tables_only(RING28).table(kind).harmonics)
    two = replace(RING28.injections["shil"], bias_V=[0.4, 0.5], rate=[0.01, 0.02])
    with pytest.raises(CardError, match=r"shil table has 3 biases, target 'ring28' has 2; calibrate the target again"):
        tables_only(RING28).labelled(replace(RING28, injections={**RING28.injections, "shil": two}))


def test_findings_refuse_arrays_that_do_not_belong_together() -> None:
    whole = everything(RING28)
    for field, change, words in (
        ("mismatch", {"gain": whole.mismatch.gain[:, :1]}, "gain is"),
        ("mismatch", {"trim_residual": whole.mismatch.trim_residual[1:]}, "trim_residual is"),
        ("corners", {"corner": ("tt",)}, "temperature_C is"),
        ("response", {"r1": whole.response.r1[None]}, "r1 has 2 axes, expected 1"),
        ("power", {"shil_W": whole.power.shil_W[1:]}, "shil_W is"),
    ):
        with pytest.raises(CardError, match=words):
            replace(getattr(whole, field), **change)
