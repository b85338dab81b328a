"""Flicker noise in the macromodel: a detuning that an image keeps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_macromodel import ideal, idle

from aishw.ais.system import System
from aishw.engines.base import Job, sample_times
from aishw.engines.macromodel import Macromodel
from aishw.hardware.findings import NoiseFinding


def test_flicker_is_a_detuning_that_an_image_keeps() -> None:
    """flicker = 1e-4 rad^2 per cycle over 25 cycles: 2e-3 rad per cycle, so phases grow as a line, site by site."""
    d = idle()
    system: System = d.system
    noise = NoiseFinding(0.0, 1e-4, {}, 0.0, 0.0, 0.0, 0.0, image_cycles=25.0)
    asked = Job(np.zeros((300, system.sites)), sample_times(system, 2), seed=5, noise=True)
    trace = Macromodel(replace(ideal(d), noise=noise)).run(d, asked)
    cycles = np.interp(
        asked.samples_tau, system.boundaries_tau, np.append(0.0, np.cumsum(d.cycles_per_tau * system.duration_tau))
    )
    pace = trace.state[:, -1] / cycles[-1]
    assert pace.std() == pytest.approx(2e-3, rel=0.05)
    assert np.abs(trace.state - pace[:, None] * cycles[:, None]).max() < 1e-9
    assert trace.settings["wander"] == pytest.approx(2e-3)
