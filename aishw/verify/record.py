"""What a report says, as plain values: every number once, with its unit in its name and a word for its origin."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from aishw import __version__
from aishw.ais.families import FAMILIES
from aishw.engines.base import Job
from aishw.errors import CompareError
from aishw.lower.design import Design
from aishw.verify.compare import Comparison
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
        "system": _system(design),
        "design": _design(design),
        "timeline": _timeline(design),
        "target": _target(design, report.target_provenance),
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
    names = ("images", "real", "dataset", "extractor", "floor", "noise", "ratio", "limit", "passed")
    return {
        **{name: getattr(scored, name) for name in names},
        "lines": [{**vars(line), "mean": line.mean} for line in scored.lines],
        "provenance": "simulated",
    }


def _system(design: Design) -> dict[str, Any]:
    system, top = design.system, design.system.topology
    return {
        "name": system.name,
        "family": system.family,
        "equation": FAMILIES[system.family].equation,
        "gauge": FAMILIES[system.family].symmetry(system.terms),
        "height": top.height,
        "width": top.width,
        "neighbourhood": top.neighbourhood,
        "couplings_per_site": top.fan_in,
        "couplings": top.couplings,
        "symmetric": top.symmetric,
        "visible_sites": top.visible.size,
        "image_rows": top.image_shape[0],
        "image_columns": top.image_shape[1],
        "segments": system.segments,
        "duration_tau": system.duration_tau,
        "parameters": system.parameters,
        "readout": system.readout,
        "start_mean_rad": system.start.mean,
        "start_deviation_rad": system.start.deviation,
        "noise_delta": system.noise.delta,
        "noise_convention": system.noise.convention,
    }


def _design(design: Design) -> dict[str, Any]:
    return {
        "bits": design.bits,
        "policy": design.policy,
        "code_limit": design.code_limit,
        "codes_written": {kind: np.size(codes) for kind, codes in design.codes.items()},
        "clipped": design.clipped,
        "full_scale_min_per_tau": {
            kind: scale.min() for kind, scale in design.full_scale.items() if scale.size
        },
        "full_scale_max_per_tau": {
            kind: scale.max() for kind, scale in design.full_scale.items() if scale.size
        },
        "cycles_per_tau": design.cycles_per_tau,
        "cycles_per_image": design.cycles,
        "tau_s": design.seconds_per_tau,
        "provenance": "analytic",
    }


def _timeline(design: Design) -> dict[str, Any]:
    line = design.timeline
    return {
        "strategy": line.strategy,
        "write_s": line.write_s,
        "switch_s": line.switch_s,
        "run_s": line.run_s,
        "image_s": line.image_s,
        "writes": line.writes,
        "transfers": line.transfers,
        "cores": line.cores,
        "storage_bits": line.storage_bits,
        "state_bits": line.state_bits,
        "provenance": "analytic",
    }


def _target(design: Design, word: str) -> dict[str, Any]:
    target, technology = design.target, design.target.technology
    return {
        "name": target.name,
        "height": target.height,
        "width": target.width,
        "reach": target.reach,
        "fan_in": target.fan_in,
        "encoding": target.encoding,
        "frequency_Hz": target.frequency_Hz,
        "rate_limit_rad_per_cycle": {
            kind: injection.rate_limit for kind, injection in target.injections.items()
        },
        "timing": target.timing,
        "circuit": target.circuit,
        "source": target.source,
        "provenance": word,
        "technology": {
            "name": technology.name,
            "supply_V": technology.supply_V,
            "temperature_K": technology.temperature_K,
            "corner": technology.corner,
            "mismatch": technology.mismatch,
            "source": technology.source,
        },
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
