"""Company: runs of a circuit whose numbers are known give them back; a stored result holds for its own tables only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aishw.calibrate import company_runs
from aishw.calibrate.calibration_file import load_calibration
from aishw.calibrate.closed import FAN_IN, network
from aishw.calibrate.company import (
    ARRAY,
    NUMBERS,
    ONE_PE,
    PULLS,
    RIPPLE,
    SWITCH,
    Company,
    company_path,
    load_company,
    save_company,
)
from aishw.calibrate.company_fit import fit_company, superposed
from aishw.calibrate.company_runs import CYCLES, measure_company
from aishw.calibrate.courses import FINE, Course, Run, adrift, along, array, courses_of, gathered, slipping
from aishw.calibrate.match import tables_id
from aishw.calibrate.shipped import calibration_of, shipped_path, tables_of
from aishw.calibrate.switches import switches_of, with_switches
from aishw.engines.base import Job
from aishw.engines.macromodel import Macromodel
from aishw.errors import CardError, SimulatorError, StoreError
from aishw.hardware.calibration import Calibration
from aishw.hardware.cards import load_target
from aishw.hardware.solver import Solver
from aishw.hardware.together import Together
from aishw.lower.circuit import seen_by_neighbours
from aishw.lower.together import alone, quadratic

RING28, ARRAYS = load_target("ring28"), Solver(steps_per_cycle=280)
TABLES = tables_of(RING28, FAN_IN, ARRAYS)
TRUE = {"drift": 3e-4, "product00_im": -0.2, "conjugate02_re": 0.1, "conjugate01_im": 0.3, "shil_load": -0.04,
        "load": -5e-6, "skew_re": 4e-4, "idle1_re": 5e-3, "odd2_im": -2e-3, "cubic_im": 0.5, "bias6_re": 2e-3,
        "weight4_im": 1e-3, "shil3_re": 0.02}  # fmt: skip


def made(values: dict[str, float]) -> Company:
    assert TABLES is not None
    return Company(values, {}, 2e-3, 1e-3, 3, 0.1, tables_id(TABLES), "a test")


def courses(seed: int, values: dict[str, float], calibration: Calibration | None = None, skip: int = 0) -> list[Course]:
    """A 3x3 array that is what the macromodel with these numbers, or with a calibration as it is, says; without the
    first `skip` points of a chunk (ripples change where codes do)."""
    assert TABLES is not None
    calibration = calibration or made(values).applied(TABLES)
    design, x0 = network(RING28, seed, cycles=40, chunks=2)
    cycles = np.arange(40 * FINE + 1) / FINE
    state = Macromodel(calibration).run(design, Job(x0, cycles / 20)).state[0]
    half = 20 * FINE
    return [
        Course(design, k, np.arange(9), cycles[at], state[at])
        for k, at in enumerate((slice(skip, half + 1), slice(half + skip, None)))
    ]


def test_the_fit_gives_back_the_numbers_behind_the_phases() -> None:
    assert TABLES is not None
    found = fit_company([courses(seed, TRUE) for seed in (1, 2, 3, 4)], TABLES, tuple(TRUE))
    assert found.after < 1e-5 < found.before and found.runs == 4
    for name, value in TRUE.items():
        assert found.values[name] == pytest.approx(value, rel=0.02), name
        assert abs(found.values[name] - value) < 0.02 * abs(value) + 5 * found.errors[name]


def test_ripples_are_taken_off_and_told_apart_from_what_adds_up() -> None:
    assert TABLES is not None
    true = {"product00_im": -0.2, "ripple0_re": 0.05, "ripple0_im": -0.08, "ripple1_im": 0.03, "ripple_shil_re": 0.1}
    groups = [courses(seed, true, skip=FINE) for seed in (1, 2, 3, 4)]
    found = fit_company(groups, TABLES, ("product00_re", "product00_im"))
    assert found.after < 2e-5
    assert found.values["product00_im"] == pytest.approx(-0.2, rel=0.02) and {*found.values} >= {*RIPPLE}
    for name in RIPPLE:
        assert found.values[name] == pytest.approx(true.get(name, 0.0), abs=4e-3), name


def test_pulls_are_found_in_a_window_whose_outside_goes_as_neighbours_see_it() -> None:
    """Three PEs of an array are a window, the others replay; pulls of those others count no more."""
    assert TABLES is not None
    true = {"pull_re": -0.2, "pull_im": 0.3, "pull_shil_re": 0.2, "ripple0_re": 0.05}
    calibration, own, groups = made(true).applied(TABLES), np.array([0, 1, 3]), []
    for seed in (1, 2, 3, 4):
        whole = courses(seed, true, skip=FINE)
        design, inside = whole[0].design, np.isin(np.arange(9), own)
        seen = []
        for course in whole:
            theirs = seen_by_neighbours(design, calibration, course.cycles / 20, course.phase_rad[None])[0]
            phase = np.where(inside, course.phase_rad, theirs)
            seen.append(replace(course, phase_rad=phase, sites=own))
        groups.append(seen)
    found = fit_company(groups, TABLES, PULLS)
    assert found.after < 0.1 * found.before
    for name in PULLS:
        assert found.values[name] == pytest.approx(true.get(name, 0.0), abs=0.02), name


def test_tables_that_add_up_have_slope_one_against_their_sum() -> None:
    assert TABLES is not None
    adds = replace(TABLES, together=Together())
    slope, residual, moved = superposed([courses(seed, {}, adds) for seed in (1, 2)], TABLES)
    assert abs(slope - 1) < 1e-4 and residual < 1e-3 * moved
    assert superposed([courses(seed, TRUE) for seed in (1, 2)], TABLES)[1] > 10 * residual


def test_jumps_at_a_change_of_codes_are_found() -> None:
    """Arrays that are what a macromodel with such numbers says, read back from phases and starts."""
    assert TABLES is not None
    true = {"switch0_re": 0.09, "switch0_im": -0.06, "switch1_re": -0.07, "switch1_im": 0.04, "switch2_re": 0.05}
    groups = []
    for seed in (11, 12, 13):
        design, x0 = network(RING28, seed, cycles=40, chunks=2)
        groups.append(switches_of(array(design, x0[0]), courses(seed, true), TABLES))
    found = with_switches(made({}), groups, 6)
    assert (
        found.jump_before > 5e-3 and found.jump_after < 0.25 * found.jump_before
    )  # a course jumps over a quarter of a cycle
    assert {*found.values} == {*SWITCH[:6]}
    for name in SWITCH[:6]:
        assert found.values[name] == pytest.approx(true.get(name, 0.0), abs=0.02), name


def test_numbers_of_arrays_are_not_sought_where_neighbours_are_replayed() -> None:
    assert TABLES is not None
    alone_ = [[replace(each, sites=np.array([4])) for each in courses(seed, {})] for seed in (1, 2)]
    found = fit_company(alone_, TABLES, NUMBERS)
    assert all(found.values[name] == 0 for name in ARRAY) and any(found.values[name] for name in ONE_PE)


def test_crossings_become_the_phases_that_they_came_from() -> None:
    """Phases of a known drift: crossings of a wave at f (1 + slope / 2 pi), chunk by chunk."""
    assert TABLES is not None
    steady = TABLES.steady
    design, x0 = network(RING28, 5, cycles=40, chunks=2)
    f, slopes = steady.frequency_Hz, np.linspace(-0.1, 0.1, 9)
    # marks + 2 pi (n - f t) = x0 + slope f t
    times = [
        (np.arange(-2, 45) + (steady.marks_rad["r0"] - a) / (2 * np.pi)) / f / (1 + b / 2 / np.pi)
        for a, b in zip(x0[0], slopes)
    ]
    times = [each[each > 0] for each in times]
    for course in courses_of(array(design, x0[0]), times, steady):
        expected = x0[0] + np.outer(course.cycles, slopes)
        assert course.cycles[0] >= 2 + 20 * course.segment and course.cycles[-1] <= 20 * (1 + course.segment)
        turns = (course.phase_rad - expected) / (2 * np.pi)
        assert np.abs(turns - np.round(turns[0])).max() < 1e-9


def test_runs_are_the_same_again_and_replay_what_they_say() -> None:
    assert TABLES is not None
    design, x0 = network(RING28, 7, cycles=40)
    for make in (lambda s: adrift(design, x0[0], s), lambda s: slipping(design, s), lambda s: gathered(design, s)):
        one, same, other = make(3), make(3), make(4)
        assert np.array_equal(one.phase_rad, same.phase_rad) and not np.array_equal(one.phase_rad, other.phase_rad)
        assert one.sites.size == 1 and np.abs(np.diff(one.phase_rad, 2, axis=0)).max() < 1e-9
    run: Run = along(design, TABLES, x0[0], np.array([4]))
    assert run.phase_rad[0] == pytest.approx(x0[0]) and run.sites.tolist() == [4]


def test_a_single_coupler_is_its_part_of_the_quadratic_form() -> None:
    """alone() along D is v Q v of one source, by the sums' own definition."""
    draw = np.random.default_rng(0)
    products, conjugates = np.triu(draw.normal(size=(2, 3, 3)) + 1j * draw.normal(size=(2, 3, 3)))
    products[1, 1] = conjugates[1, 1] = 0
    np.fill_diagonal(conjugates, conjugates.diagonal().real)
    together, w, r, angle = Together(products, conjugates), 0.3, 0.7, np.linspace(-3, 3, 9)
    sums = [w * np.exp(1j * angle), w * np.exp(3j * angle), r * np.exp(2j * angle)]
    v = np.stack([part for each in sums for part in (each.real, each.imag)])
    form = np.einsum("at,ab,bt->t", v, quadratic(together), v)
    z = alone(together, np.array([w]), np.array([r]))[0]
    assert form == pytest.approx((z @ np.exp(1j * np.outer(np.arange(7), angle))).real, rel=1e-12)
    by_hand = sum(
        (products[m, n] * sums[m] * sums[n] + conjugates[m, n] * sums[n] * sums[m].conj()).real
        for m in range(3) for n in range(m, 3)
    )  # fmt: skip
    assert form == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize(
    "wrong",
    [
        {"products": np.ones((3, 3))},
        {"conjugates": np.eye(3)},
        {"products": np.full((3, 3), np.nan)},
        {"closed": np.zeros(3)},
    ],
)
def test_numbers_of_another_shape_are_refused(wrong: dict) -> None:
    with pytest.raises(CardError):
        Together(**wrong)


def test_a_stored_result_comes_back_and_is_applied_to_its_own_tables_only(tmp_path: Path) -> None:
    assert TABLES is not None
    path = tmp_path / "x_company.json"
    save_company(path, made(TRUE))
    found = load_company(path)
    assert found.values == TRUE
    applied = found.applied(TABLES)
    assert applied.together is not None and applied.together.drift_error == 1e-3
    assert tables_id(applied) != tables_id(TABLES) == found.tables
    path.write_text('{"format": "something else"}')
    with pytest.raises(StoreError, match=r"no company file .* make it again"):
        load_company(path)


@pytest.mark.parametrize(("fan_in", "solver"), [(4, ARRAYS), (24, None)])
def test_the_shipped_results_belong_to_the_shipped_tables(fan_in: int, solver: Solver | None) -> None:
    whole, bare = calibration_of(RING28, fan_in, solver), tables_of(RING28, fan_in, solver)
    company = load_company(company_path(shipped_path(RING28, fan_in)))
    assert bare is not None and whole is not None
    assert company.tables == tables_id(bare) and company.after < 0.6 * company.before
    assert whole.together is not None and bare.together is None
    assert whole.together.pulls and bool(whole.together.closed[2:].any()) == (fan_in == FAN_IN)
    assert abs(whole.together.pull[0]) > 10 * company.errors["pull_re"]  # taps of PEs count at either fan-in


def crossing(run: Run, calibration: Calibration) -> list[np.ndarray]:
    """What transistors would tell that are what the macromodel says: times (s) of rising crossings."""
    steady, design = calibration.steady, run.design
    cycles = np.arange(int(design.cycles) * 8 + 1) / 8
    job = Job(run.phase_rad[:1], np.interp(cycles, np.append(0, np.cumsum(design.cycles_per_tau)), range(4)))
    state, time = Macromodel(calibration).run(design, job).state[0], cycles / steady.frequency_Hz
    reference = design.reference_Hz(steady.frequency_Hz) * time
    turns = (state - steady.marks_rad[steady.read]) / (2 * np.pi) + reference[:, None]
    return [np.interp(np.arange(np.ceil(each[0]), each[-1]), each, time) for each in turns.T]


def test_a_measurement_killed_half_way_goes_on_and_its_numbers_are_applied(tmp_path, monkeypatch) -> None:
    assert TABLES is not None
    true, runs = made({"product00_im": -0.2, "pull_im": 0.2}).applied(TABLES), []
    designs = [network(RING28, seed, cycles=CYCLES, chunks=3) for seed in (1, 2, 3)]
    monkeypatch.setattr(company_runs, "small", lambda target: {
        f"array{k}": array(design, start[0]) for k, (design, start) in enumerate(designs)
    })  # fmt: skip

    def counted(run: Run, steady) -> list[np.ndarray]:
        runs.append(run)
        if len(runs) == 2:
            raise SimulatorError("killed")
        return crossing(run, true)

    monkeypatch.setattr(company_runs, "crossings_of", counted)
    bare = shipped_path(RING28, FAN_IN)
    with pytest.raises(SimulatorError):
        measure_company(RING28, load_calibration(bare), tmp_path, workers=1)
    (tmp_path / "array2.npz").write_bytes(b"cut short")
    found, line = measure_company(RING28, load_calibration(bare), tmp_path, workers=1, made_by="a test")
    ids = [run.design.id for run in runs]
    assert ids.count(ids[0]) == 1 and "slope" in line  # the first run of the first attempt was kept
    assert ids.count(designs[1][0].id) == 2
    assert found.values["product00_im"] == pytest.approx(-0.2, abs=0.03) and found.made_by == "a test"
    assert found.values["pull_im"] == pytest.approx(0.2, abs=0.03) and found.after < 0.2 * found.before
    assert found.tables == tables_id(TABLES) and found.rates["coupling"] == TABLES.tables["coupling"].rate.tolist()
    with pytest.raises(CardError, match="planned for 4 and 24 couplers, the calibration is for 8"):
        measure_company(RING28, replace(TABLES, steady=replace(TABLES.steady, fan_in=8)), tmp_path)


def test_numbers_are_applied_under_the_rates_they_were_fitted_with() -> None:
    assert TABLES is not None
    company = replace(made(TRUE), rates={k: t.rate.tolist() for k, t in TABLES.tables.items()})
    doubled = replace(TABLES, tables={k: replace(t, rate=2 * t.rate) for k, t in TABLES.tables.items()})
    one, other = company.applied(TABLES), company.applied(doubled)
    for kind, table in one.tables.items():
        assert np.array_equal(table.harmonics, other.tables[kind].harmonics)
        assert np.array_equal(2 * table.rate, other.tables[kind].rate)
    third = made(TRUE).applied(doubled).tables["coupling"]
    assert not np.array_equal(one.tables["coupling"].harmonics, third.harmonics)
