"""Scale: what one code is worth in seconds, and over which biases that holds.

A calibration gives each bias the strength |z_1| that was measured there, and each code its share of the strongest:

    rate[p] = |z_1(p, top) - z_1(p, -top)| / 2,   levels[k] = |z_1(p, k) - z_1(p, -k)| / 2 rate[p],

half the difference between the signs, so that what no code changes cancels. `lower` on that target then derives seconds
per tau and cycles per image (`lower`: the strongest injection sets the speed).

The valid range of a coupler's rate has two ends:
upper  the weak-injection limit. What is even in the code, (h(k) + h(-k)) / 2 - h(0) for the offset and each harmonic,
       is of second order: it grows as rate^2. Its share of the strongest code (root of the sum of squares) thus grows
       as the rate, and reaches SECOND_ORDER at `weak_injection`, along that law through the strongest bias. No rate
       above the strongest calibrated bias is valid, wherever that limit lies.
lower  the feedthrough limit. A capacitive path is as strong at every bias, so that it turns and bends a weak coupling:
       the rate below which the angle of z_1 departs from that at the strongest bias by FEEDTHROUGH_RAD, or
       |z_1| over the card's rate by FEEDTHROUGH_GAIN, between biases along the logarithm of the rate; the weakest
       bias if neither departs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aishw.calibrate.match import check_codes, check_target
from aishw.errors import CardError
from aishw.hardware.calibration import Calibration, Table
from aishw.hardware.solver import Solver
from aishw.hardware.target import Injection, Target
from aishw.lower.design import Design
from aishw.units import wrap

SECOND_ORDER = 0.02  # of the strongest code: a seventh of an LSB
FEEDTHROUGH_RAD = 0.1  # 6 degrees: a tenth of the coupling is out of phase
FEEDTHROUGH_GAIN = 0.1


@dataclass(frozen=True)
class ValidRange:
    """lowest, highest: rad per cycle of the strongest code. weak_injection: where second-order terms reach their limit,
    perhaps beyond the strongest bias. feedthrough: whether the lower end was met within the calibrated biases (else it
    is the weakest of them).
    """

    lowest: float
    highest: float
    weak_injection: float
    feedthrough: bool

    @property
    def empty(self) -> bool:
        """Whether the ends have passed each other: no bias keeps both limits."""
        return self.lowest > self.highest

    def objections(self, design: Design) -> list[str]:
        """What of the design's coupling lies outside, a line each."""
        used = design.rate["coupling"]
        used = used[used > 0]
        if self.empty:
            return [
                f"no rate is valid: second-order terms allow {self.highest:.4f} rad per cycle at most, feedthrough "
                f"{self.lowest:.4f} at least"
            ]
        said = []
        if used.size and used.max() > self.highest * (1 + 1e-9):
            said.append(f"{used.max():.4f} rad per cycle is beyond the valid {self.highest:.4f}")
        if used.size and used.min() < self.lowest:
            below = "the feedthrough limit" if self.feedthrough else "the weakest calibrated bias"
            said.append(f"{used.min():.4f} rad per cycle is below {below} {self.lowest:.4f}")
        return said


def strength(table: Table) -> NDArray[np.float64]:
    """(P, top + 1) rad per cycle: half the difference between the codes k and -k, k = 0 .. top."""
    zero, top = int(np.flatnonzero(table.codes == 0)[0]), int(table.codes[-1])
    first = table.harmonics[:, :, 0]
    return np.abs(first[:, zero : zero + top + 1] - first[:, zero - top : zero + 1][:, ::-1]) / 2


def main_row(table: Table) -> int:
    """The bias at which most codes were measured; of several the strongest."""
    measured = np.isfinite(table.residual_rad).sum(axis=1)
    return int(np.flatnonzero(measured == measured.max())[-1])


def target_of(target: Target, calibration: Calibration) -> Target:
    """`target` with the frequency, the rates and the levels that were measured.

    Raises CardError if the tables have another number of biases, or a strength that does not rise with code and bias.
    """
    labelled = calibration.labelled(target)
    injections = {kind: _measured(kind, target, labelled.table(kind)) for kind in target.injections}
    return replace(
        target,
        frequency_Hz=calibration.steady.frequency_Hz,
        injections=injections,
        source=f"{target.source}; levels, rates and frequency measured by {calibration.made_by!r}",
    )


def calibrated(
    target: Target, calibration: Calibration, fan_in: int, bits: int, solver: Solver | None = None
) -> tuple[Target, Calibration]:
    """What `lower` takes: the target as measured, and the calibration under that target's rates.

    Raises CardError for a calibration of another target, corner, temperature, fan-in, width or solver.
    """
    check_target(calibration.steady, target, fan_in, solver)
    check_codes(calibration, bits)
    measured = target_of(target, calibration)
    return measured, calibration.labelled(measured)


def _measured(kind: str, target: Target, table: Table) -> Injection:
    strengths = strength(table)
    row = strengths[main_row(table)]
    levels = row / row[-1]
    levels[0] = 0.0
    try:
        return Injection(levels, target.injections[kind].bias_V, strengths[:, -1])
    except CardError as error:
        raise CardError(f"the {kind} table of target {target.name!r} sets no scale: {error}") from None


def second_order(table: Table) -> NDArray[np.float64]:
    """(P,) what is even in the code, offset and harmonics together, as a share of the strongest code."""
    zero = int(np.flatnonzero(table.codes == 0)[0])
    terms = np.concatenate([table.offset[:, :, None], table.harmonics], axis=2)
    even = (terms[:, -1] + terms[:, 0]) / 2 - terms[:, zero]
    return np.linalg.norm(np.abs(even), axis=1) / strength(table)[:, -1]  # type: ignore[no-any-return]


def valid_range(calibration: Calibration) -> ValidRange:
    """Of the coupling; see the module. Rates are measured strengths, as `target_of` gives them."""
    table = calibration.table("coupling")
    rate = strength(table)[:, -1]
    share = max(float(second_order(table)[-1]), 1e-12)
    weak = float(rate[-1]) * SECOND_ORDER / share
    highest = min(weak, float(rate[-1]))
    angle = np.angle(table.harmonics[:, -1, 0] - table.harmonics[:, 0, 0])
    turned = np.abs(wrap(angle - angle[-1])) / FEEDTHROUGH_RAD
    bent = np.abs(rate / table.rate / (rate[-1] / table.rate[-1]) - 1) / FEEDTHROUGH_GAIN
    departed = np.maximum(turned, bent)  # 1: at the limit
    for p in range(rate.size - 2, -1, -1):
        if departed[p] > 1:
            part = (1 - departed[p + 1]) / (departed[p] - departed[p + 1])
            lowest = float(np.exp(np.log(rate[p + 1]) + part * np.log(rate[p] / rate[p + 1])))
            return ValidRange(lowest, highest, weak, True)
    return ValidRange(float(rate[0]), highest, weak, False)
