"""The steady state that stands behind a target's transistor runs, from the calibrations that are shipped."""

from __future__ import annotations

from aishw import library
from aishw.calibrate.steady_file import load_steady
from aishw.errors import CardError
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target


def steady_of(target: Target) -> SteadyState:
    """The shipped steady state of a target. Raises CardError if there is none for its corner and temperature."""
    names = library.names("calibration")
    technology = target.technology
    if target.name not in names:
        raise CardError(
            f"no steady state of target {target.name!r} is shipped; transistors can run on {', '.join(names) or 'none'}"
        )
    steady = load_steady(library.find("calibration", target.name))
    if (steady.corner, steady.temperature_K) != (technology.corner, technology.temperature_K):
        raise CardError(
            f"target {target.name!r} was measured at corner {steady.corner}, {steady.temperature_K - 273.15:g} C, not"
            f" at {technology.corner}, {technology.temperature_K - 273.15:g} C; leave the transistors out (--no-window)"
        )
    return steady
