"""Company: what injections do together, and what the tables' means are off by, as runs of all at once tell it.

A result of its own beside a shipped calibration, good for the very tables that it was fitted to (`company_fit`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aishw.atomic import write_whole
from aishw.calibrate.match import tables_id
from aishw.errors import StoreError
from aishw.hardware.calibration import HARMONICS, Calibration, Table
from aishw.hardware.together import Together
from aishw.lower.together import alone

FORMAT = "aishw company 1"
_PAIRS = [(m, n) for m in range(3) for n in range(m, 3) if (m, n) != (1, 1)]
_PARTS = ("re", "im")
_BESIDE = {"bias1": 1, "bias6": 6, "weight2": 2, "weight4": 4}  # what tables lack: a harmonic of r or w
ONE_PE = (
    "drift", "shil_load", *(f"{kind}_{part}" for kind in ("coupling", "shil") for part in _PARTS),
    *(f"product{m}{n}_{part}" for m, n in _PAIRS for part in _PARTS),
    *(f"conjugate{m}{n}_{part}" for m, n in _PAIRS for part in _PARTS if m != n or part == "re"),
    *(f"{what}_{part}" for what in ("cubic", *_BESIDE, "shil3") for part in _PARTS),
)  # fmt: skip
RIPPLE = tuple(f"ripple{k}_{part}" for k in (0, 1, 2, "_shil") for part in _PARTS)
PULLS = tuple(f"{what}_{part}" for what in ("pull", "pull_shil") for part in _PARTS)
TAPS = ("odd0", *(f"{what}_{part}" for what in ("idle1", "idle2", "odd2") for part in _PARTS))
ARRAY = ("load", "delay", *PULLS, *(f"skew_{part}" for part in _PARTS), *TAPS)
SWITCH = tuple(f"switch{k}_{part}" for k in range(6) for part in _PARTS)
NUMBERS = ONE_PE + ARRAY


@dataclass(frozen=True, eq=False)
class Company:
    """values, errors: by the names of NUMBERS, SWITCH and RIPPLE, absent ones 0. drift: rad per cycle; shil_load: rad
    per cycle of offset for each of SHIL's own drive; coupling, shil: what is added to a factor of 1 on first harmonics;
    bias1, bias6, weight2, weight4: what couplers have besides in that harmonic, r or w = r code / top times; shil3:
    SHIL in its third, its first times; idle1, idle2, odd0, odd2: what couplers whose taps are PEs' have besides, in
    harmonics 1 and 2 r times, whatever the code, and in the offset and harmonic 2 r code / top times; the others as in
    `hardware.together`. before, after: rad per cycle, rms over sites and chunks of the mean drift's error, with the
    tables alone, and in runs that were left out of the fit. strongest: rad per cycle, largest first-order drive of the
    runs. tables: hash of the tables that are corrected. jump_before, jump_after: rad rms, what phases jump by where
    codes change, and what the numbers of SWITCH leave of it in runs that were left out of their fit. rates: per kind,
    what the tables' biases were called when the numbers were fitted (rad per cycle).
    """

    values: dict[str, float]
    errors: dict[str, float]
    before: float
    after: float
    runs: int
    strongest: float
    tables: str
    made_by: str
    jump_before: float = 0.0
    jump_after: float = 0.0
    rates: dict[str, list[float]] = field(default_factory=dict)

    def applied(self, calibration: Calibration) -> Calibration:
        """The calibration so corrected."""

        def number(name: str) -> complex:
            return complex(self.values.get(f"{name}_re", 0.0), self.values.get(f"{name}_im", 0.0))

        products, conjugates = np.zeros((3, 3), dtype=complex), np.zeros((3, 3), dtype=complex)
        cubic = np.array([number("cubic")])
        for m, n in _PAIRS:
            products[m, n], conjugates[m, n] = number(f"product{m}{n}"), number(f"conjugate{m}{n}")
        closed = np.array(
            [*map(number, ("pull", "pull_shil", "skew")), *(self.values.get(name, 0.0) for name in ("load", "delay"))]
        )
        called = {kind: table.rate for kind, table in calibration.tables.items()}
        of_fit = {k: replace(t, rate=np.array(self.rates.get(k, t.rate))) for k, t in calibration.tables.items()}
        calibration = replace(calibration, tables=of_fit)
        made = corrected(
            calibration, self.values.get("drift", 0.0), 1 + number("coupling"), 1 + number("shil"),
            self.values.get("shil_load", 0.0),
        )  # fmt: skip
        switch = np.array([number(f"switch{k}") for k in range(6)])
        ripple = np.array([number(name) for name in ("ripple0", "ripple1", "ripple2", "ripple_shil")])
        together = Together(products, conjugates, closed, self.after, switch, cubic, ripple)
        tables = {
            kind: _third(t, number("shil3")) if kind == "shil" else _beside(_squared(t, together), number)
            for kind, t in made.tables.items()
        }
        tables.setdefault("reference", tables["coupling"])  # its taps are ideal sources'
        tables["coupling"] = _tapped(
            tables["coupling"], (number("idle1"), number("idle2")), self.values.get("odd0", 0.0), number("odd2")
        )
        tables = {k: replace(t, rate=called.get(k, called["coupling"])) for k, t in tables.items()}
        return replace(made, tables=tables, together=together)


def corrected(
    calibration: Calibration, drift: float, coupling: complex, shil: complex, shil_load: float = 0.0
) -> Calibration:
    """Tables with `drift` (rad per cycle) on every PE, factors on first harmonics, and on SHIL's offset `shil_load` for
    each rad per cycle of its own drive."""
    tables = dict(calibration.tables)
    for kind in [kind for kind in tables if kind != "shil"]:
        tables[kind] = replace(_turned(tables[kind], coupling), offset=tables[kind].offset + drift)
    own = tables["shil"]
    tables["shil"] = replace(_turned(own, shil), offset=own.offset + shil_load * np.abs(own.harmonics[:, :, 0]))
    return replace(calibration, tables=tables)


def _turned(table: Table, first: complex) -> Table:
    factor = np.ones(table.harmonics.shape[2], dtype=complex)
    factor[0] = first
    return replace(table, harmonics=table.harmonics * factor)


def _squared(table: Table, together: Together) -> Table:
    """What is even in the code is of second order, and a single coupler's that of all of them: in place of what a fast
    slip has shown of it (`ring28`: offset 5 times, second harmonic 0.6 times as large)."""
    zero, top = int(np.flatnonzero(table.codes == 0)[0]), float(table.codes[-1])
    offset = (table.offset - table.offset[:, ::-1]) / 2 + table.offset[:, [zero]]
    harmonics = (table.harmonics - table.harmonics[:, ::-1]) / 2 + table.harmonics[:, [zero]]
    weight = np.outer(table.rate, table.codes / top).ravel()
    even = replace(together, cubic=0 * together.cubic)  # the cubic is odd in the code: the table has it
    own = alone(even, weight, 0 * weight).reshape(*table.offset.shape, -1)
    return replace(table, offset=offset + own[..., 0].real, harmonics=own[..., 1:] + _whole(harmonics))


def _whole(harmonics: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """(P, Q, HARMONICS), with zeros where a fit ends earlier."""
    return np.pad(harmonics, ((0, 0), (0, 0), (0, HARMONICS - harmonics.shape[2])))


def _beside(table: Table, number: Callable[[str], complex]) -> Table:
    rate, code = table.rate[:, None], table.codes / float(table.codes[-1])
    harmonics = table.harmonics.copy()
    for name, k in _BESIDE.items():
        harmonics[..., k - 1] += number(name) * rate * (code if name.startswith("weight") else 1.0)
    return replace(table, harmonics=harmonics)


def _third(shil: Table, factor: complex) -> Table:
    harmonics = shil.harmonics.copy()
    harmonics[..., 2] += factor * harmonics[..., 0]
    return replace(shil, harmonics=harmonics)


def _tapped(table: Table, idle: tuple[complex, complex], odd0: float, odd2: complex) -> Table:
    rate, code = table.rate[:, None], table.codes / float(table.codes[-1])
    harmonics = table.harmonics.copy()
    harmonics[..., 0] += rate * idle[0]
    harmonics[..., 1] += rate * (idle[1] + code * odd2)
    return replace(table, offset=table.offset + rate * code * odd0, harmonics=harmonics)


def company_path(calibration: Path) -> Path:
    """NAME_company.json beside a calibration NAME.h5."""
    return calibration.with_name(f"{calibration.stem}_company.json")


def with_company(calibration: Calibration, path: Path) -> Calibration:
    """A calibration with what lies beside its file; as it is, if nothing does or that is of other tables."""
    beside = company_path(path)
    if not beside.exists():
        return calibration
    company = load_company(beside)
    return company.applied(calibration) if company.tables == tables_id(calibration) else calibration


def save_company(path: Path, company: Company) -> None:
    """Writes the file whole or not at all."""
    write_whole(path, json.dumps({"format": FORMAT, **vars(company)}, indent=1).encode(), True)


def load_company(path: Path) -> Company:
    """Reads it back. Raises StoreError for a missing, damaged or foreign file."""
    again = f"{path} is no company file of this aishw; remove it, or make it again with `aishw company`"
    try:
        kept = json.loads(path.read_text())
        if kept.pop("format") != FORMAT or not {*kept["values"]} <= {*NUMBERS, *SWITCH, *RIPPLE}:
            raise StoreError(again)
        return Company(**kept)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise StoreError(again) from None
