"""What one PE of a circuit takes, and its weight bits: from a calibration's supply figures, and the sweep elsewhere.

The calibration was measured at its own fan-in with 4-bit codes. For other couplings, widths or frequencies its parts
are multiplied by what the sweep's model says, part by part.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aishw.calibrate.calibration_file import load_steady_state, reading
from aishw.calibrate.match import check_target
from aishw.calibrate.nouns import noun_of
from aishw.calibrate.shipped import shipped_path
from aishw.errors import EnergyError
from aishw.hardware.findings import CornerFinding, PowerFinding
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target

if TYPE_CHECKING:
    from aishw.energy.sweep import Sweep
    from aishw.hardware.calibration import Calibration

Floats = NDArray[np.float64]
MEASURED_BITS = 4
NUMERIC = (
    0.01  # parts against the whole supply, and against half the step, agree to this (`aishw calibrate`'s own test)
)
BEYOND = 0.05  # what the sweep's model is held to on runs that it did not see


@dataclass(frozen=True, eq=False)
class Stored:
    """What a calibration file says about supply. sweep: of the same circuit, if there is one."""

    name: str
    steady: SteadyState
    power: PowerFinding
    corners: CornerFinding | None
    sweep: Sweep | None = None


@dataclass(frozen=True, eq=False)
class PePower:
    """One PE with `couplings` couplings of `bits` bits, W: ring, taps, a coupler by bias and code (P, Q), SHIL by code
    (Q,), and the drivers of the reference's taps. codes: (Q,). Its weight bits: J of one that changes at a chunk's
    boundary, of one that stays, W of a stored one. off: relative error of all of them. detector_W, settle_s: of the
    readout; None where it was not measured. source: in words.
    """

    couplings: int
    bits: int
    frequency_Hz: float
    codes: NDArray[np.int64]
    ring_W: float
    taps_W: float
    coupler_W: Floats
    shil_W: Floats
    reference_drive_W: float
    bit_switch_J: float
    bit_stay_J: float
    bit_leakage_W: float
    off: float
    source: str
    detector_W: float | None = None
    settle_s: float = 0.0

    def coupler_at(self, place: float, codes: NDArray[np.int8]) -> Floats:
        """W of couplers at `codes` (X,) and one bias: 0 the card's weakest, P - 1 its strongest, straight between."""
        low = int(min(max(place, 0.0), self.coupler_W.shape[0] - 1.0))
        high, part = min(low + 1, self.coupler_W.shape[0] - 1), min(max(place - low, 0.0), 1.0)
        table = (1 - part) * self.coupler_W[low] + part * self.coupler_W[high]
        return np.asarray(table[codes.astype(np.int64) - int(self.codes[0])])

    def watts(self, sites: int = 1) -> float:
        """All parts at the strongest bias, the mean over codes; SHIL at half its codes."""
        mean = float(self.coupler_W[-1].mean())
        each = (
            self.ring_W + self.taps_W + (self.couplings + 1) * mean + float(self.shil_W.mean()) + self.reference_drive_W
        )
        return sites * each


def stored_of(target: Target, fan_in: int, path: Path | None = None) -> Stored:
    """The supply figures of a calibration file (default: the shipped one of the target's own PE).

    path: one the user gave; its circuit must be the target's at `fan_in`. Raises EnergyError, with the way out, if
    there is none or it holds no supply power; CardError if it belongs to another circuit.
    """
    from aishw.energy.sweep_file import shipped_sweep

    measure = f"`aishw calibrate {target.called} --only power -o FILE` measures it, --calibration FILE takes it"
    place = path or shipped_path(target, target.fan_in)
    if path is None and not place.is_file():
        raise EnergyError(f"no supply data of target {target.name!r} is shipped; {measure}")
    steady = load_steady_state(place)
    if path is not None:
        check_target(steady, target, fan_in)
    else:
        check_target(steady, target, target.fan_in)
    power, corners = reading(place, lambda file, version: (_part(file, "power"), _part(file, "corners")))
    if power is None:
        raise EnergyError(f"the calibration {place.name} of target {target.name!r} holds no supply data; {measure}")
    return Stored(place.name, steady, power, corners, shipped_sweep(target, steady))


def stored_in(calibration: Calibration, target: Target) -> Stored:
    """The supply figures of a calibration at hand. Raises EnergyError if it holds none."""
    from aishw.energy.sweep_file import shipped_sweep

    steady = calibration.steady
    if calibration.power is None:
        raise EnergyError(f"the calibration of {steady.target!r} holds no supply data")
    name = f"{steady.target}, calibrated"
    return Stored(name, steady, calibration.power, calibration.corners, shipped_sweep(target, steady))


def _part(file: object, name: str) -> object | None:
    from aishw.fields import decode
    from aishw.store import read_tree

    noun = noun_of({"power": PowerFinding, "corners": CornerFinding}[name])
    content = file["content"]  # type: ignore[index]
    return decode(noun, read_tree(content[name], noun, "", name), name) if name in content else None


def pe_power(stored: Stored, couplings: int, bits: int, frequency_Hz: float | None = None) -> PePower:
    """The parts at `couplings`, `bits` and a frequency (default: the measured one).

    Raises EnergyError if they were not measured and no sweep tells, or it does not reach so far.
    """
    power, steady = stored.power, stored.steady
    by_bias = power.coupler_W[None] if power.coupler_by_bias_W is None else power.coupler_by_bias_W
    drive_W = power.reference_W - float(by_bias[-1].mean())
    stay_J = power.bit_switch_J if power.bit_stay_J is None else power.bit_stay_J
    detector = stored.sweep.detector if stored.sweep else None
    ready = (None, 0.0) if detector is None else (detector.watts, detector.settle_s)
    rest = (power.bit_switch_J, stay_J, power.bit_leakage_W)
    f = frequency_Hz or steady.frequency_Hz
    measured = (couplings, bits) == (steady.fan_in, MEASURED_BITS)
    if measured and abs(f / steady.frequency_Hz - 1) < NUMERIC:
        return PePower(
            couplings, bits, steady.frequency_Hz, power.codes, power.ring_W, power.taps_W, by_bias, power.shil_W,
            drive_W, *rest, NUMERIC, f"{stored.name}, {steady.simulator}", *ready,
        )  # fmt: skip
    if stored.sweep is None:
        raise EnergyError(
            f"supply power was measured for {steady.fan_in} couplings of {MEASURED_BITS} bits at "
            f"{steady.frequency_Hz / 1e6:.4g} MHz, not for {couplings} of {bits} at {f / 1e6:.4g} MHz, and no sweep of "
            f"{steady.target!r} is shipped"
        )
    return _elsewhere(stored, stored.sweep, couplings, bits, f, by_bias, drive_W, rest, ready)


def _elsewhere(
    stored: Stored, sweep: Sweep, couplings: int, bits: int, f: float, by_bias: Floats, drive_W: float,
    rest: tuple[float, float, float], ready: tuple[float | None, float],
) -> PePower:  # fmt: skip
    from aishw.energy.bench import Point
    from aishw.energy.model import fit_model

    model, power, steady = fit_model(sweep), stored.power, stored.steady
    check_reach(sweep, couplings, bits, f)
    there = model.parts(Point(couplings, bits), f)
    here = model.parts(Point(steady.fan_in, MEASURED_BITS), steady.frequency_Hz)
    ratio = {part: there[part][0] / here[part][0] for part in there}
    each = ratio["couplers_W"] * (steady.fan_in + 1) / (couplings + 1)
    top = 2 ** (bits - 1) - 1
    codes = np.arange(-top, top + 1)
    level, measured = codes / top, power.codes / power.codes[-1]
    return PePower(
        couplings, bits, f, codes, power.ring_W * ratio["ring_W"], power.taps_W * ratio["taps_W"],
        each * np.array([np.interp(level, measured, row) for row in by_bias]), np.interp(level, measured, power.shil_W),
        drive_W * each, *rest, BEYOND, f"{stored.name} and its sweep's model, {steady.simulator}", *ready,
    )  # fmt: skip


def check_reach(sweep: Sweep, couplings: int, bits: int, frequency_Hz: float) -> None:
    """Raises EnergyError for what lies beyond the sweep's runs."""
    fitted = sweep.frequency_Hz[sweep.nominal & (sweep.use == 0)]
    low, high = float(fitted.min()), float(fitted.max())
    for what, value, least, most, scale, unit in (
        ("couplings", couplings, int(sweep.couplings.min()), int(sweep.couplings.max()), 1, ""),
        ("bits", bits, int(sweep.bits.min()), int(sweep.bits.max()), 1, ""),
        ("frequency", frequency_Hz, low * (1 - NUMERIC), high * (1 + NUMERIC), 1e6, " MHz"),
    ):
        if not least <= value <= most:
            raise EnergyError(
                f"the sweep of {sweep.target!r} covers {what} of {least / scale:.4g} to {most / scale:.4g}{unit}, "
                f"{value / scale:.4g} were asked for; beyond it there is the law alone"
            )
