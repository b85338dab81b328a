"""The sensitivity table of bench/transfer.py: the 4-bit digits on a circuit that has one non-ideality alone.

Everything else is the equation: `aishw.train.circuit_alone.ideal_tables`. A cell is the Frechet distance for start seed
1, as is and, where the phases drift together, with the reference's shift. Chips are that of seed 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from aishw import library
from aishw.ais import checkpoint
from aishw.hardware.calibration import Calibration
from aishw.lower.lower import lower
from aishw.lower.together import together_of
from aishw.train import circuit_alone as alone
from aishw.train.chip import Spread, draw_chip
from aishw.train.circuit import sampled
from aishw.train.circuit_design import Circuit, reference_shift
from aishw.units import TWO_PI

Change = Callable[[Calibration, Circuit], Calibration]


@dataclass(frozen=True)
class Case:
    """One row. change: of the ideal tables, given the circuit as measured. spread, noise (rad/sqrt(tau)), cycles: of an
    image (0: as the weights need). drifts: whether a shift of the reference can help."""

    group: str
    text: str
    change: Change | None = None
    spread: Spread = field(default_factory=Spread)
    noise: float = 0.0
    cycles: float = 0.0
    drifts: bool = True


def angle(degrees: float, bare: Calibration, _: Circuit) -> Calibration:
    return alone.with_angle(bare, np.deg2rad(degrees))


def offset(share: float, bare: Calibration, circuit: Circuit) -> Calibration:
    return alone.with_offset(bare, share, circuit.target)


def harmonics(degrees: float, bare: Calibration, circuit: Circuit) -> Calibration:
    second = alone.with_harmonic(bare, 2, 0.06, np.deg2rad(degrees), circuit.target)
    return alone.with_harmonic(second, 3, 0.07, np.deg2rad(degrees), circuit.target)


def constant(turn_degrees: float | None, bare: Calibration, circuit: Circuit) -> Calibration:
    """The couplers' code-independent second harmonic at its measured size; its phase as told, or as measured (None)."""
    share, phase = alone.constant_second(circuit.calibration)
    phase = phase if turn_degrees is None else np.deg2rad(turn_degrees)
    return alone.with_harmonic(bare, 2, share, phase, circuit.target, constant=True)


def couplers(which: tuple[int, ...], pushed: bool, bare: Calibration, circuit: Circuit) -> Calibration:
    return alone.measured_couplers(bare, circuit.calibration, which, pushed)


def shil(bare: Calibration, circuit: Circuit) -> Calibration:
    return alone.measured_shil(bare, circuit.calibration)


def together(bare: Calibration, circuit: Circuit) -> Calibration:
    return replace(bare, together=together_of(circuit.calibration))


def everything(_: Calibration, circuit: Circuit) -> Calibration:
    return circuit.calibration


def _measured() -> dict[str, Case]:
    texts: dict[str, tuple[str, Change]] = {
        "angle": ("couplers' strength and angle", partial(couplers, (1,), False)),
        "offset": ("couplers' offsets", partial(couplers, (), True)),
        "second": ("second harmonic", partial(couplers, (2,), False)),
        "constant": ("the part of it that no code moves", partial(constant, None)),
        "third": ("harmonics 3 to 5", partial(couplers, (3, 4, 5), False)),
        "shil": ("the SHIL unit", shil),
        "together": ("what injections do together", together),
        "all": ("all of it", everything),
    }
    return {f"{name} measured": Case("as measured", text, change) for name, (text, change) in texts.items()}


def _scanned() -> dict[str, Case]:
    found = {}
    for degrees in (0, 90, 180, -90):
        group = "constant second harmonic of the measured size, phase"
        found[f"constant {degrees}"] = Case(group, f"{degrees} degrees", partial(constant, degrees))
    for degrees in (-1, -3, -5, -10):
        found[f"angle {degrees}"] = Case("coupling angle", f"{degrees} degrees", partial(angle, degrees))
    for share in (0.005, 0.01, 0.03):
        found[f"offset {share}"] = Case("offset, of the gain", f"{share:.1%}", partial(offset, share))
    for degrees in (0, 180, 90, -90):
        group = "second and third harmonic of 6 and 7 %, phase"
        found[f"harmonics {degrees}"] = Case(group, f"{degrees} degrees", partial(harmonics, degrees))
    return found


def _random() -> dict[str, Case]:
    found = {}
    for cycles in (41, 163, 1000):
        for residual in (1e-5, 3e-5, 1e-4, 3e-4, 1e-3):
            if residual * cycles < 0.2:  # more leaves nothing to see
                group, spread = f"trim residual at {cycles} cycles", Spread(detuning=TWO_PI * residual)
                found[f"trim {residual:g} {cycles}"] = Case(group, f"{residual:g}", None, spread, 0, cycles, False)
    for gain in (0.01, 0.02, 0.05, 0.1):
        case = Case("gain of the couplers, sigma", f"{gain:.0%}", None, Spread(gain=gain), drifts=False)
        found[f"gain {gain}"] = case
    for noise in (0.013, 0.05, 0.1):
        found[f"noise {noise}"] = Case("noise, rad per root tau", f"{noise:g}", noise=noise, drifts=False)
    return found


CASES = {"none": Case("nothing", "the codes alone", drifts=False)} | _measured() | _scanned() | _random()
SENSITIVITY = [f"{name}{tail}" for name, case in CASES.items() for tail in ("", ", shifted")[: 1 + case.drifts]]


def alone_image(name: str, circuit: Circuit, images: int) -> NDArray[np.float64]:
    """(images, rows, columns) of one entry of SENSITIVITY."""
    case = CASES[name.removesuffix(", shifted")]
    system = checkpoint.load(library.find("models", "digits16_4bit"))
    calibration = alone.ideal_tables(circuit.calibration, circuit.target)
    if case.change is not None:
        calibration = case.change(calibration, circuit)
    design = lower(system, circuit.target)
    if case.cycles > design.cycles:
        design = lower(system, circuit.target, stretch=case.cycles / design.cycles)
    if name.endswith(", shifted"):
        design = replace(design, reference_shift=reference_shift(design, calibration))
    altered = replace(circuit, calibration=calibration, spread=case.spread, noise=case.noise)
    varied = case.spread.detuning or case.spread.gain
    return sampled(altered, design, images, 1, draw_chip(system.topology, case.spread, 1) if varied else None)


def sensitivity_table(cells: dict[str, float]) -> str:
    """Markdown: one line per group, values and distances side by side."""
    lines = ["| alone | FD as is | with the reference's shift |", "| --- | --- | --- |"]
    groups: dict[str, list[str]] = {}
    for name, case in CASES.items():
        if name in cells or f"{name}, shifted" in cells:
            groups.setdefault(case.group, []).append(name)
    for group, names in groups.items():
        apart = [[name] for name in names] if group == "as measured" else [names]
        for row in apart:
            what = " / ".join(CASES[name].text for name in row)
            plain = " / ".join(f"{cells[name]:.3g}" for name in row if name in cells)
            shifted = " / ".join(f"{cells[key]:.3g}" for name in row if (key := f"{name}, shifted") in cells)
            lines.append(f"| {group}: {what} | {plain} | {shifted} |")
    return "\n".join(lines)
