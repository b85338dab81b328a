"""What a report says, as plain values: every number once, with its unit in its name and a word for its origin."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from aishw import __version__
from aishw.engines.base import Job
from aishw.errors import CompareError
from aishw.lower.design import Design
from aishw.verify.compare import Comparison
from aishw.verify.design_record import design_record
from aishw.verify.distribution import Distribution
from aishw.verify.figures import Waveform
from aishw.verify.ladder import Rung, Verdict
from aishw.verify.sensitivity import Sensitivity

SCHEMA = "aishw-report/1"
PROVENANCE = ("measured", "simulated", "analytic", "assumed")


@dataclass(frozen=True)
class EnergyLine:
    """One line of an energy ledger, per image: what, how much in J, where the figure comes from, how."""

    name: str
    energy_J: float
    provenance: str
    note: str = ""
    error_J: float | None = None

    def __post_init__(self) -> None:
        _check_word(self.provenance)


@dataclass(frozen=True, eq=False)
class Report:
    """What `write_report` shows.

    command: the command line to repeat it, as a list. seeds: by use. versions: of simulators and libraries.
    growth: the measured sensitivity. waveforms: of windows. energy: a ledger, if there is one, with figures to
    set beside it and what it leaves out (or, without lines, why there is none).
    target_provenance: where the target card's own figures come from, one of PROVENANCE. images_shown: in figures.
    distribution: scores of images made through the circuit, if there are any.
    """

    design: Design
    job: Job
    rungs: tuple[Rung, ...]
    verdict: Verdict
    command: tuple[str, ...]
    seeds: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    growth: Sensitivity | None = None
    waveforms: tuple[Waveform, ...] = ()
    energy: tuple[EnergyLine, ...] = ()
    energy_beside: tuple[EnergyLine, ...] = ()
    energy_left_out: tuple[str, ...] = ()
    target_provenance: str = "assumed"
    images_shown: int = 4
    distribution: Distribution | None = None

    def __post_init__(self) -> None:
        _check_word(self.target_provenance)
        if not self.rungs:
            raise CompareError("a report needs at least one rung")
        if self.images_shown < 1:
            raise CompareError(f"a report shows at least one image, got {self.images_shown}")


def record(report: Report) -> dict[str, Any]:
    """The content of report.json: strings, booleans, None and finite numbers in lists and dicts.

    A figure that is not finite (the PSNR of equal images) is None.
    """
    verdict, design = report.verdict, report.design
    plain = {
        "schema": SCHEMA,
        "aishw_version": __version__,
        "verdict": {
            "headline": verdict.headline,
            "passed": verdict.passed,
            "complete": verdict.complete,
            "failed_rungs": verdict.failed,
            "parts": [{"name": part.name, "state": part.state, "reason": part.reason} for part in verdict.parts],
        },
        "rungs": [_rung(rung, design.system.topology.width) for rung in report.rungs],
        "sensitivity": _sensitivity(report.growth),
        "distribution": _distribution(report.distribution),
        **design_record(design, report.target_provenance),
        "energy": [vars(line) for line in report.energy],
        "energy_beside": [vars(line) for line in report.energy_beside],
        "energy_left_out": report.energy_left_out,
        "reproduce": {
            "command": report.command,
            "seeds": {"job": report.job.seed, **report.seeds},
            "noise": report.job.noise,
            "images": report.job.x0.shape[0],
            "versions": {
                "aishw": __version__, "python": platform.python_version(), "numpy": np.__version__, **report.versions
            },
            "system_id": design.system.id,
            "design_id": design.id,
            "job_id": report.job.id,
        },
    }  # fmt: skip
    return _plain(plain)


def _rung(rung: Rung, width: int) -> dict[str, Any]:
    trace = rung.trace
    return {
        "name": rung.name,
        "engine": rung.engine,
        "engine_version": trace.version,
        "shows": rung.shows,
        "provenance": "simulated",
        "sites": trace.sites.size,
        "images": trace.images,
        "samples": trace.times_tau.size,
        "end_tau": trace.times_tau[-1],
        "limit_rad": rung.limit_rad,
        "passed": rung.passed,
        "note": rung.note,
        "cpu_s": rung.cpu_s,
        "cpu_provenance": "measured",
        "supply_J": trace.supply_J,
        "settings": trace.settings,
        "design_id": trace.design_id,
        "job_id": trace.job_id,
        "above_name": rung.above_name,
        "above": comparison_record(rung.above, width),
        "first": comparison_record(rung.first, width),
    }


def comparison_record(comparison: Comparison | None, width: int) -> dict[str, Any] | None:
    """A Comparison as plain values; `width` of the grid gives worst sites and slips their (row, column)."""
    if comparison is None:
        return None
    c = comparison
    values = {
        "reference": c.reference,
        "candidate": c.candidate,
        "images": c.images,
        "sites": c.sites,
        "times_tau": c.times_tau,
        "interpolated": c.interpolated,
        "gauge": c.gauge,
        "gauge_max_rad": np.abs(c.gauge_rad).max(),
        "rms_rad": c.rms_rad,
        "rms_unwrapped_rad": c.rms_unwrapped_rad,
        "site_rms_rad": c.site_rms_rad,
        "chunk_rms_rad": c.chunk_rms_rad,
        "end_rms_rad": c.end_rms_rad,
        "end_rms_unwrapped_rad": c.end_rms_unwrapped_rad,
        "end_max_rad": c.end_max_rad,
        "max_rad": c.max_rad,
        "worst_sites": [
            {"site": site, "row": site // width, "column": site % width, "error_rad": rad}
            for site, rad in c.worst_sites
        ],
        "slips": [
            {
                "image": s.image,
                "site": s.site,
                "row": s.site // width,
                "column": s.site % width,
                "turns": s.turns,
            }
            for s in c.slips
        ],
        "psnr_dB": c.psnr_dB,
        "judged": c.judged,
        "judged_rad": c.judged_rad,
        "limit_rad": c.limit_rad,
        "passed": c.passed,
    }
    return dict(_plain(values))


def _sensitivity(growth: Sensitivity | None) -> dict[str, Any] | None:
    if growth is None:
        return None
    return {
        "median_growth": growth.median,
        "images_that_grew": growth.grown,
        "growth": growth.growth[:, -1],
        "site_growth": growth.site_growth,
        "epsilon_rad": growth.epsilon_rad,
        "seed": growth.seed,
        "provenance": "simulated",
    }


def _distribution(scored: Distribution | None) -> dict[str, Any] | None:
    if scored is None:
        return None
    names = ("images", "real", "dataset", "extractor", "floor", "noise", "ratio", "ended", "limit", "passed")
    return {
        **{name: getattr(scored, name) for name in names},
        "yardstick": scored.yardstick[0],
        "lines": [{**vars(line), "mean": line.mean} for line in scored.lines],
        "provenance": "simulated",
    }


def _check_word(word: str) -> None:
    if word not in PROVENANCE:
        raise CompareError(f"a figure's origin is one of {', '.join(PROVENANCE)}, got {word!r}")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)
