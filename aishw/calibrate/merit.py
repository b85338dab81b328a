"""A calibration in figures: what a designer compares two circuits by, each with its standard error and unit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from aishw.calibrate.lock import lock_of
from aishw.calibrate.match import KELVIN
from aishw.calibrate.scale import second_order, strength, valid_range
from aishw.calibrate.shape import shape_of
from aishw.hardware.calibration import Calibration
from aishw.units import uW


@dataclass(frozen=True)
class Merit:
    """value: a number, or a text where there is none to compare. error: its standard error, 0 if it is not known."""

    group: str
    name: str
    value: float | str
    unit: str = ""
    error: float = 0.0


def merits_of(calibration: Calibration) -> tuple[Merit, ...]:
    """Every figure that the findings at hand give, in order."""
    return (*_circuit(calibration), *_coupling(calibration), *_shil(calibration), *_findings(calibration))


def side_by_side(calibrations: Sequence[Calibration]) -> list[tuple[Merit | None, ...]]:
    """One row a figure that any of them has, in the order of the first that has it."""
    found = [{(m.group, m.name): m for m in merits_of(each)} for each in calibrations]
    groups = dict.fromkeys(group for each in found for group, _ in each)
    names = dict.fromkeys(name for each in found for name in each)
    return [tuple(each.get(name) for each in found) for group in groups for name in names if name[0] == group]


def _circuit(calibration: Calibration) -> Iterator[Merit]:
    steady = calibration.steady
    yield Merit("circuit", "target", steady.target)
    yield Merit("circuit", "corner", steady.corner)
    yield Merit("circuit", "temperature", steady.temperature_K - KELVIN, "C")
    yield Merit("circuit", "couplers a PE", float(steady.fan_in))
    yield Merit("circuit", "frequency", steady.frequency_Hz / 1e6, "MHz", steady.frequency_error_Hz / 1e6)
    if steady.full_frequency_Hz:
        yield Merit("circuit", "full cells against merged", steady.full_frequency_Hz / steady.frequency_Hz - 1)
    yield Merit("circuit", "solver", steady.solver.label)
    yield Merit("circuit", "simulator", steady.simulator)


def _coupling(calibration: Calibration) -> Iterator[Merit]:
    if "coupling" not in calibration.tables:
        return
    group, table = "coupling", calibration.tables["coupling"]
    shape, top = shape_of(table, "coupling"), int(table.codes[-1])
    zero = int(np.flatnonzero(table.codes == 0)[0])
    valid = valid_range(calibration)
    rate = float(strength(table)[-1, -1])
    yield Merit(group, "gain", shape.gain, "rad/cycle/LSB", shape.gain_error)
    yield Merit(group, f"strongest code ({top})", rate, "rad/cycle", shape.gain_error * top)
    yield Merit(group, "cycles a tau, |C| = 1 at full scale", 1 / rate, "cycles")
    yield Merit(group, "INL", float(np.abs(shape.inl).max()), "LSB")
    yield Merit(group, "DNL", float(np.abs(shape.dnl).max()), "LSB")
    for code in (top, -top):
        yield Merit(group, f"alpha of code {code:+d}", _deg(shape.at(code)), "degrees", _deg(shape.alpha_error_rad))
    yield Merit(group, "alpha, both signs apart", _deg(shape.alpha_split_rad), "degrees")
    yield Merit(group, "offset, linear in the code", 100 * shape.offset_slope / shape.gain, "% of gain")
    yield Merit(group, "second order at the strongest code", 100 * float(second_order(table)[-1]), "%")
    yield Merit(group, "h2 at code 0", float(np.abs(table.harmonics[-1, zero, 1])) / shape.gain, "LSB")
    yield Merit(group, f"h3 at code {top}", 100 * float(np.abs(table.harmonics[-1, -1, 2])) / rate, "%")
    if valid.empty:
        yield Merit(group, "valid range", "none: no bias keeps both limits")
    yield Merit(group, "valid from", valid.lowest, "rad/cycle")
    yield Merit(group, "valid to", valid.highest, "rad/cycle")
    yield Merit(group, "weak-injection limit", valid.weak_injection, "rad/cycle")
    if np.isfinite(table.residual_rad).any():
        yield Merit(group, "worst fit residual", 1e3 * float(np.nanmax(table.residual_rad)), "mrad")


def _shil(calibration: Calibration) -> Iterator[Merit]:
    if "shil" not in calibration.tables:
        return
    table = calibration.tables["shil"]
    shape, rate = shape_of(table, "shil"), float(strength(table)[-1, -1])
    yield Merit("SHIL", f"strongest code ({int(table.codes[-1])})", rate, "rad/cycle")
    for code in (int(table.codes[-1]), int(table.codes[0])):
        lock = lock_of(table, code)
        where: float | str = "none" if lock.phase_rad is None else _deg(lock.phase_rad)
        yield Merit("SHIL", f"holds at, code {code:+d}", where, "degrees")
    yield Merit("SHIL", "comes back by", lock.rate, "rad/cycle/rad")
    yield Merit("SHIL", "lock range, PE slower", lock.slower, "of f")
    yield Merit("SHIL", "lock range, PE faster", lock.faster, "of f")
    yield Merit("SHIL", "angle of it", _deg(shape.at(int(table.codes[-1]))), "degrees")
    yield Merit("SHIL", "INL", float(np.abs(shape.inl).max()), "LSB")


def _findings(calibration: Calibration) -> Iterator[Merit]:
    noise, mismatch, power = calibration.noise, calibration.mismatch, calibration.power
    if noise is not None:
        yield Merit("noise", "thermal", 1e3 * float(np.sqrt(noise.thermal)), "mrad per root cycle")
        if "coupling" in calibration.tables:
            rate = float(strength(calibration.tables["coupling"])[-1, -1])
            yield Merit("noise", "delta, |C| = 1 at full scale", float(np.sqrt(noise.thermal / rate)), "rad/sqrt(tau)")
        yield Merit("noise", "flicker", 1e3 * float(np.sqrt(noise.flicker)), "mrad per root cycle")
    if mismatch is not None:
        chips = mismatch.frequency.size
        part = 1 / np.sqrt(2 * max(chips - 1, 1))
        top = mismatch.gain[:, -1]
        for name, values, scale, unit in (
            ("frequency, sigma", mismatch.frequency, 100.0, "%"),
            (f"gain of code {int(mismatch.codes[-1])}, sigma", top, 100.0, "%"),
            (f"alpha of code {int(mismatch.codes[-1])}, sigma", mismatch.alpha_rad[:, -1], 180 / np.pi, "degrees"),
        ):
            sigma = float(np.nanstd(values, ddof=1)) * scale if chips > 1 else float("nan")
            yield Merit("mismatch", name, sigma, unit, sigma * part)
        rms = float(np.sqrt(np.nanmean(mismatch.trim_residual**2)))
        yield Merit("mismatch", "frequency after trim, rms", rms, "of f", rms * part)
        yield Merit("mismatch", "chips drawn", float(chips))
    if power is not None:
        yield Merit("power", "ring and taps", (power.ring_W + power.taps_W) / uW, "uW")
        yield Merit("power", "a coupler, mean over codes", float(np.mean(power.coupler_W)) / uW, "uW")
        yield Merit("power", "SHIL, strongest code", float(power.shil_W[-1]) / uW, "uW")
        yield Merit("power", "reference", power.reference_W / uW, "uW")
        fan_in = calibration.steady.fan_in
        whole = power.ring_W + power.taps_W + fan_in * float(np.mean(power.coupler_W)) + power.reference_W
        yield Merit("power", f"PE with {fan_in} couplers and reference", whole / uW, "uW")
    if calibration.solver is not None:
        yield Merit("solver", "frequency against a tight run", calibration.solver.frequency)
        yield Merit("solver", "phase against a tight run, rms", 1e3 * calibration.solver.rms_rad, "mrad")


def _deg(angle_rad: float) -> float:
    return float(np.degrees(angle_rad))
