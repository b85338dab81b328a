"""What was run, as plain values: the system, its codes, the timeline and the target of one design."""

from __future__ import annotations

from typing import Any

import numpy as np

from aishw.ais.families import FAMILIES
from aishw.lower.design import Design


def design_record(design: Design, provenance: str) -> dict[str, Any]:
    """system, design, timeline and target; `provenance` is the word for the target card's own figures."""
    return {
        "system": _system(design),
        "design": _design(design),
        "timeline": _timeline(design),
        "target": _target(design, provenance),
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
