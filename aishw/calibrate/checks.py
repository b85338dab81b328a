"""The checks of a calibration: numbers found two ways, and promises that a circuit makes. A failed one is reported.

The sweeps are held against the phase response at the bias where most codes were measured.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from aishw.calibrate.scale import main_row, strength
from aishw.calibrate.shape import Shape, shape_of
from aishw.engines.deck_replay import STEEPEST, steepness
from aishw.hardware.calibration import Calibration
from aishw.hardware.findings import Check

GAIN = 0.03  # sweeps against the PPV, relative
ALPHA_DEG = 2.0
NOISE = 0.10  # ensemble against the PPV, relative
OFFSET = 0.002  # the offset's part linear in the code, of the gain
SPLIT_DEG = 1.0  # between the angles of both signs
LINEAR = 0.005  # of the gain
SOLVER_RAD = 0.02


def checks_of(calibration: Calibration) -> tuple[Check, ...]:
    """Every check that the findings at hand allow, in order."""
    return (*_projection(calibration), *_coupler(calibration), *_findings(calibration), _replay(calibration))


def _projection(calibration: Calibration) -> Iterator[Check]:
    for kind, predicted in (calibration.predicted or {}).items():
        # A quick prediction leaves out what a SHIL unit does to the PE's state: a quarter of its strength.
        if kind not in calibration.tables or (kind == "shil" and calibration.quick):
            continue
        row = main_row(calibration.tables[kind])
        here, there = shape_of(calibration.tables[kind], kind, row), shape_of(predicted, kind, row)
        error = _both(here.gain_error, there.gain_error)
        top = int(here.codes[-1])
        # The strongest code, which both measured: slopes would compare what each makes of the codes between.
        found, expected = (float(strength(table)[row, -1]) / top for table in (calibration.tables[kind], predicted))
        yield Check(f"{kind} gain, sweeps against PPV", found, expected, error, GAIN * expected, "rad/cycle/LSB")
        yield Check(
            f"{kind} angle of code {top}, sweeps against PPV", _deg(here.at(top)), _deg(there.at(top)),
            _deg(_both(here.alpha_error_rad, there.alpha_error_rad)), ALPHA_DEG, "degrees",
        )  # fmt: skip


def _coupler(calibration: Calibration) -> Iterator[Check]:
    if "coupling" not in calibration.tables:
        return
    shape: Shape = shape_of(calibration.tables["coupling"], "coupling")
    relative = shape.gain_error / shape.gain
    yield Check("offset linear in the code", shape.offset_slope / shape.gain, 0.0, relative, OFFSET, "of the gain")
    yield Check("angles of both signs", _deg(shape.alpha_split_rad), 0.0, _deg(shape.alpha_error_rad), SPLIT_DEG,
                "degrees")  # fmt: skip
    yield Check("gain over the codes", shape.nonlinearity, 0.0, relative, LINEAR, "of the gain")


def _findings(calibration: Calibration) -> Iterator[Check]:
    noise, solver = calibration.noise, calibration.solver
    if noise is not None:
        yield Check("noise, ensemble against PPV", noise.ensemble, noise.predicted, noise.ensemble_error,
                    NOISE * noise.predicted, "rad2/cycle")  # fmt: skip
    if solver is not None:
        yield Check("solver against a tight run", solver.rms_rad, 0.0, 0.0, SOLVER_RAD, "rad")


def _replay(calibration: Calibration) -> Check:
    """Sweeps and windows replay taps steeper than this smoothed: their tables would be another circuit's."""
    slope = max(steepness(calibration.steady.waves[tap]) for tap in "pn")
    return Check("taps replayed as they are, steepest edge", slope, 0.0, 0.0, STEEPEST, "swings a period")


def _both(a: float, b: float) -> float:
    """The standard error of a difference; one that is not known counts as none."""
    return float(np.hypot(*np.nan_to_num([a, b])))


def _deg(angle_rad: float) -> float:
    return float(np.degrees(angle_rad))
