"""A made-up PE whose every figure is known, and sweeps of it with and without scatter."""

from __future__ import annotations

import numpy as np

from aishw.energy.bench import Point
from aishw.energy.model import PARTS, rows
from aishw.energy.pe_power import PePower
from aishw.energy.sweep import Sweep
from aishw.energy.sweep_plan import plan
from aishw.hardware.cards import load_target
from aishw.hardware.target import Target
from aishw.units import uW

TARGET = load_target("ring28")
TRUTH = {
    "ring_W": np.array([20.0, 10.0]) * uW,
    "taps_W": np.array([8.0, 0.07, 0.5]) * uW,
    "couplers_W": np.array([0.4, 0.2, 0.08, 0.0, 0.01, 0.1]) * uW,
}


def known_pe(target: Target = TARGET, couplings: int = 24, **fields: object) -> PePower:
    """30 uW of ring, 25 of taps, a coupler of 0.1 uW at the weakest bias and 0.5 at the strongest, 0.01 more a code."""
    codes = np.arange(-7, 8)
    coupler = (np.array([0.1, 0.3, 0.5])[:, None] + 0.01 * codes) * uW
    given = {
        "couplings": couplings, "bits": 4, "frequency_Hz": 1e8, "codes": codes, "ring_W": 30 * uW, "taps_W": 25 * uW,
        "coupler_W": coupler, "shil_W": 0.1 * np.abs(codes) * uW, "reference_drive_W": 0.8 * uW, "bit_switch_J": 2e-15,
        "bit_stay_J": 0.2e-15, "bit_leakage_W": 1.6e-9, "off": 0.01, "source": "made up", "detector_W": 2 * uW,
        "settle_s": 1e-7,
    }  # fmt: skip
    return PePower(**{**given, **fields})  # type: ignore[arg-type]


def made_sweep(scatter: float = 0.0, seed: int = 0) -> Sweep:
    """What a PE that keeps TRUTH would give, with a relative scatter of each part."""
    runs = plan(TARGET)
    points = [point for point, *_ in runs]
    f = np.array([1 / (1 + 0.5 * point.slower) for point in points])
    draw = np.random.default_rng(seed)
    watts = {part: matrix @ TRUTH[part] for part, matrix in rows(points, f, 3).items()}
    watts = {part: value * (1 + scatter * draw.normal(size=value.size)) for part, value in watts.items()}
    column = {name: np.array([getattr(point, name) for point in points]) for name in Point.__dataclass_fields__}
    return Sweep(
        "ring28", "made up", 0.9, "ngspice 39", np.array([0.049, 0.023, 0.0105]), 24, **column,
        corner=tuple(corner for _, corner, _, _ in runs), temperature_C=np.array([each for _, _, each, _ in runs]),
        use=np.array([use for *_, use in runs]), frequency_Hz=1e8 * f, **watts, driven_W=np.zeros(f.size),
        source_W=np.zeros(f.size), whole_W=sum(watts[part] for part in PARTS), cycles=np.full(f.size, 6),
    )  # fmt: skip
