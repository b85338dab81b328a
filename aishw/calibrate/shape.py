"""What a table says about a coupler in a designer's words: gain per LSB, INL, DNL, angle, what the offset does.

Along the axis of the strongest codes, u = (z_1(top) - z_1(-top)) / |...|, code k is worth s(k) = Re[z_1(k) conj(u)];
the gain is the slope of s through the codes. An ideal coupler has z_1 = -i gain k, an ideal SHIL unit z_1 = +i gain k;
alpha is the angle against that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aishw.hardware.calibration import Table
from aishw.units import wrap

Floats = NDArray[np.float64]
FEWEST_CODE = 2  # |k| from which an angle is judged: below, a coupler is as strong as its own faults


@dataclass(frozen=True, eq=False)
class Shape:
    """One bias of a table. codes: (Q,). gain: rad per cycle and LSB. steps: (Q,) s(k) less s(0), in LSB. inl, dnl:
    (Q,), (Q-1,) LSB. alpha_rad: (Q,), NaN at code 0. offset_slope: rad per cycle and LSB. gain_error, alpha_error_rad:
    standard errors of gain and angle of the strongest code. angled: (Q,) whether a code's angle is judged.
    """

    codes: NDArray[np.int64]
    gain: float
    steps: Floats
    inl: Floats
    dnl: Floats
    alpha_rad: Floats
    offset_slope: float
    gain_error: float
    alpha_error_rad: float
    angled: NDArray[np.bool_]

    def at(self, code: int) -> float:
        """alpha (rad) of one code."""
        return float(self.alpha_rad[np.flatnonzero(self.codes == code)[0]])

    @property
    def alpha_split_rad(self) -> float:
        """The largest difference of angle between k and -k, |k| of at least FEWEST_CODE.

        Where one pair and code 0 were measured, the fit goes through all three and hands the whole error of code 0 to
        those between: only the pair is judged then.
        """
        split = wrap(self.alpha_rad - self.alpha_rad[::-1])[self.angled & (self.codes > 0)]
        return float(split[np.abs(split).argmax()])

    @property
    def nonlinearity(self) -> float:
        """The largest relative departure of a code's step from gain times code, |k| of at least FEWEST_CODE."""
        judged = np.abs(self.codes) >= min(FEWEST_CODE, int(self.codes[-1]))
        bent = self.steps[judged] / self.codes[judged] - 1
        return float(bent[np.abs(bent).argmax()])


def shape_of(table: Table, kind: str, row: int = -1) -> Shape:
    """The shape of one bias, by default the strongest. kind: "coupling" (also "reference") or "shil"."""
    codes, first = table.codes, table.harmonics[row, :, 0]
    axis = first[-1] - first[0]
    along = (first * np.conj(axis / np.abs(axis))).real
    gain = float(codes @ along / (codes @ codes))
    steps = (along - along[codes == 0]) / gain
    ideal = (1j if kind == "shil" else -1j) * np.sign(codes)
    alpha = np.where(codes == 0, np.nan, np.angle(first * np.conj(ideal)))
    errors = table.error[row] if table.harmonics_error is None else table.harmonics_error[row, :, 0]
    top_error = float(np.hypot(errors[0], errors[-1]) / 2)
    measured = np.isfinite(table.residual_rad[row])
    judged = np.abs(codes) >= min(FEWEST_CODE, int(codes[-1]))
    pairs = judged & measured & measured[::-1]
    return Shape(
        codes=codes,
        gain=gain,
        steps=steps,
        inl=steps - codes,
        dnl=np.diff(steps) / np.diff(codes) - 1,
        alpha_rad=alpha,
        offset_slope=float(codes @ (table.offset[row] - table.offset[row].mean()) / (codes @ codes)),
        gain_error=top_error / float(codes[-1]),
        alpha_error_rad=top_error / (gain * float(codes[-1])),
        angled=pairs if pairs.sum() == 2 else judged,
    )
