"""The shipped 16x16 digits in ngspice, phase integrators for PEs, against the equation of the codes.

The reference is scipy's DOP853 at rtol = atol = 1e-10. Limit: 1e-3 rad at the end, every site.
"""

from __future__ import annotations

import numpy as np

from aishw import library
from aishw.ais.checkpoint import load
from aishw.ais.system import draw_start
from aishw.engines.base import Job, sample_times
from aishw.engines.ngspice import find_simulator
from aishw.engines.ode import OdeEngine
from aishw.engines.spice_behavioural import SpiceBehavioural
from aishw.hardware.cards import load_target
from aishw.lower import lower

LIMIT_RAD = 1e-3


def main() -> int:
    system = load(library.find("models", "digits16_4bit"))
    design = lower(system, load_target(library.DEFAULT_TARGET))
    job = Job(draw_start(system, 2, 0), sample_times(system))
    exact = OdeEngine("realised").run(design, job)
    spice = SpiceBehavioural().run(design, job)
    error = np.abs(spice.state - exact.state)
    worst = error[:, -1].max(axis=1)
    print(f"ngspice {find_simulator().version}, 2 images, 256 sites, 4 chunks: {spice.cpu_s / 2:.0f} CPU s an image")
    print(f"worst site at the end: {', '.join(f'{w:.1e}' for w in worst)} rad   [at most {LIMIT_RAD:g}]")
    return int(worst.max() > LIMIT_RAD)


if __name__ == "__main__":
    raise SystemExit(main())
