"""The page of a calibration, with its pictures inside."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

from aishw.calibrate.merit import Merit, merits_of
from aishw.calibrate.summary import missing_of, number, total
from aishw.hardware.calibration import Calibration

CAPTIONS = {
    "coupling.png": "Coupling: rate against phase difference at each bias. Dots are measured (both signs of detuning "
                    "averaged), lines the fitted offset and five harmonics; below, what the fit leaves.",
    "shil.png": "Second-harmonic injection, the same against D = 2s.",
    "coupling_gain.png": "Coupling: gain, INL and DNL by code. Hollow: predicted from the phase response.",
    "shil_gain.png": "Second-harmonic injection: gain, INL and DNL by code. It compresses: a table, not a line.",
    "alpha.png": "Angle of each code against the ideal sine. Hollow: predicted from the phase response.",
    "response.png": "Phase response of the loaded PE.",
    "noise.png": "Phase noise by device, and the ensemble of transients against the phase response.",
    "mismatch.png": "Chips drawn with the card's mismatch.",
    "corners.png": "Corners and temperatures.",
    "power.png": "Power of one PE.",
}  # fmt: skip


def draw(calibration: Calibration) -> dict[str, bytes]:
    """File name -> PNG of every picture that the findings allow."""
    from aishw.calibrate import figures, figures_findings

    pictures: dict[str, bytes] = {}
    for kind, table in calibration.tables.items():
        pictures[f"{kind}.png"] = figures.table_figure(table, kind)
        pictures[f"{kind}_gain.png"] = figures.gain_figure(calibration, kind)
    if calibration.tables:
        pictures["alpha.png"] = figures.alpha_figure(calibration)
    if calibration.response is not None:
        pictures["response.png"] = figures.response_figure(calibration.response, calibration.steady)
    if calibration.noise is not None:
        pictures["noise.png"] = figures_findings.noise_figure(calibration.noise)
    if calibration.mismatch is not None:
        pictures["mismatch.png"] = figures_findings.mismatch_figure(calibration.mismatch)
    if calibration.corners is not None:
        pictures["corners.png"] = figures_findings.corners_figure(calibration.corners)
    if calibration.power is not None:
        pictures["power.png"] = figures_findings.power_figure(calibration.power, calibration.steady.fan_in)
    return pictures


def page_of(
    name: str,
    calibration: Calibration,
    pictures: Mapping[str, bytes],
    times: Mapping[str, tuple[float, float]],
    command: str,
) -> str:
    """One self-contained page: names are escaped, pictures are data URIs, its own policy forbids scripts."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, unit=lambda text: str(text).replace("rad2", "rad²"))
    groups: dict[str, list[Merit]] = {}
    for merit in merits_of(calibration):
        groups.setdefault(merit.group, []).append(merit)
    return environment.get_template("calibration.html.j2").render(
        name=name,
        calibration=calibration,
        failed=[check for check in calibration.checks if not check.passed],
        checks=calibration.checks,
        groups=groups,
        missing=missing_of(calibration),
        pictures={
            title: "data:image/png;base64," + base64.b64encode(each).decode() for title, each in pictures.items()
        },
        captions=CAPTIONS,
        times=times,
        total=total(times),
        command=command,
    )
