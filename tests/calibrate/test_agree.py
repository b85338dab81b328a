"""Two calibrations of one circuit: alike within error bars, or not, and where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calibration_problems import everything, tables_only

from aishw.calibrate.agree import LIMIT, agreement, hidden
from aishw.errors import CardError
from aishw.hardware.calibration import Calibration
from aishw.hardware.cards import load_target
from aishw.hardware.findings import SolverFinding

RING28 = load_target("ring28")
WHOLE = replace(everything(RING28), solver=None)


def moved(field: str, standard_errors: float) -> Calibration:
    """One entry of the coupling table moved by so many standard errors of the difference."""
    table = WHOLE.tables["coupling"]
    values, errors = getattr(table, field).copy(), table.error if field == "offset" else table.harmonics_error
    assert errors is not None
    values[(2, 3, 0)[: values.ndim]] += standard_errors * np.sqrt(2) * errors.flat[0]
    return replace(WHOLE, tables={**WHOLE.tables, "coupling": replace(table, **{field: values})})


def test_a_calibration_agrees_with_itself() -> None:
    checks = agreement(WHOLE, WHOLE)
    assert len(checks) == 7 and all(check.passed and check.value == 0 for check in checks)
    assert len(agreement(WHOLE, tables_only(RING28))) == 5


@pytest.mark.parametrize(
    "field, name", [("offset", "coupling offsets of both"), ("harmonics", "coupling harmonics of both")]
)
def test_one_number_apart_is_found(field: str, name: str) -> None:
    for standard_errors in (0.9 * LIMIT, 1.1 * LIMIT):
        checks = {check.name: check for check in agreement(WHOLE, moved(field, standard_errors))}
        assert checks[name].value == pytest.approx(standard_errors)
        assert checks[name].passed == (standard_errors < LIMIT)
        assert all(check.passed for other, check in checks.items() if other != name)


def test_another_circuit_is_refused() -> None:
    other = replace(WHOLE, steady=replace(WHOLE.steady, circuit="0123456789abcdef"))
    with pytest.raises(CardError, match=r"different circuits.*without --agree"):
        agreement(WHOLE, other)


def test_the_simulators_own_error_is_no_disagreement() -> None:
    """A drift that its phase error may hide passes, one twice as large does not."""
    solver = SolverFinding("tight", 40.0, 0.0, 1e-3, 2e-3)
    first = replace(WHOLE, solver=solver)
    known = hidden(first, first)
    assert known == pytest.approx(np.sqrt(2) * np.sqrt(12) * 1e-3 / 40)
    for factor, passed in ((1.0, True), (2.0, False)):
        table = first.tables["coupling"]
        table = replace(table, offset=table.offset + factor * known)
        other = replace(first, tables={**first.tables, "coupling": table})
        checks = {check.name: check for check in agreement(first, other)}
        assert checks["coupling offsets of both"].passed == passed
