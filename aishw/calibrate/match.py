"""Whether a calibration belongs to a design: the same circuit, corner, temperature, fan-in and solver options."""

from __future__ import annotations

from collections.abc import Sequence

from aishw.engines.base import Trace
from aishw.errors import CardError
from aishw.hardware.calibration import Calibration
from aishw.hardware.cells import cell_text, model_text
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target
from aishw.identity import fingerprint
from aishw.lower.design import Design

KELVIN = 273.15


def circuit_id(target: Target, solver: Solver, fan_in: int = 24) -> str:
    """The hash of what a steady state depends on: cells, models, corner, temperature, circuit figures, solver."""
    technology = target.technology
    return fingerprint(
        cell_text(target, max(target.bits), 1),
        model_text(technology),
        technology.supply_V,
        technology.temperature_K,
        dict(target.circuit),
        {kind: injection.bias_V for kind, injection in target.injections.items()},
        solver.numbers,
        fan_in,
    )


def check_calibration(calibration: Calibration, design: Design, solver: Solver | None = None) -> None:
    """Raises CardError, with what came, what was expected and the way out, unless `calibration` was made for the
    target, corner, temperature, fan-in, solver options, circuit and codes of `design`.
    """
    check_target(calibration.steady, design.target, design.system.topology.fan_in, solver)
    check_codes(calibration, design.bits)


def check_target(steady: SteadyState, target: Target, fan_in: int, solver: Solver | None = None) -> None:
    """The same before there is a design. solver: the options that transistor runs will use (default: the default)."""
    technology, solver = target.technology, solver or target.solver
    again = f"`aishw calibrate {target.called} --corner {technology.corner} --temperature "
    again += f"{technology.temperature_K - KELVIN:g} --fan-in {fan_in}` makes the one that fits"
    for what, came, wanted in (
        ("target", steady.target, target.name),
        ("corner", steady.corner, technology.corner),
        ("temperature", _celsius(steady.temperature_K), _celsius(technology.temperature_K)),
        ("fan-in", str(steady.fan_in), str(fan_in)),
        ("solver options", steady.solver.label, solver.label),
    ):
        if came != wanted:
            raise CardError(f"the calibration was made for {what} {came}, the design has {wanted}; {again}")
    wanted = circuit_id(target, solver, fan_in)
    if steady.circuit != wanted:
        raise CardError(
            f"the calibration was made for another circuit of target {target.name!r} ({steady.circuit or 'unnamed'}, "
            f"not {wanted}): cells, models, biases or circuit figures were changed since; {again}"
        )


def check_codes(calibration: Calibration, bits: int) -> None:
    """Raises CardError for weights of another width than the tables' codes."""
    for kind, table in calibration.tables.items():
        top = int(table.codes[-1])
        if top != 2 ** (bits - 1) - 1:
            raise CardError(
                f"the calibration's {kind} table has codes up to {top}, the design has {bits} bits (codes up to "
                f"{2 ** (bits - 1) - 1}); lower it with --bits {top.bit_length() + 1}"
            )


def check_traces(calibration: Calibration, traces: Sequence[Trace]) -> None:
    """Raises CardError if a macromodel trace was computed with another calibration."""
    wanted = tables_id(calibration)
    for trace in traces:
        came = trace.settings.get("calibration", "none that is named")
        if trace.engine == "macromodel" and came != wanted:
            raise CardError(
                f"the macromodel's trace was computed with the calibration {came}, this one is {wanted}; run the "
                "macromodel again with it (--force replaces the trace)"
            )


def calibration_for(calibration: Calibration, design: Design, solver: Solver | None = None) -> Calibration:
    """`calibration`, checked against `design`, under the rates that the design's own target gives its biases."""
    check_calibration(calibration, design, solver)
    return calibration.labelled(design.target)


def tables_id(calibration: Calibration) -> str:
    """The hash of what a macromodel computes with, whatever a card calls the biases."""
    held = {**calibration.tables, **({"reference": calibration.table("reference")} if calibration.tables else {})}
    tables = {kind: {"offset": t.offset, "harmonics": t.harmonics} for kind, t in held.items()}
    together = [vars(calibration.together)] if calibration.together else []  # ids of before there was one stay
    return fingerprint(calibration.steady.circuit, calibration.steady.frequency_Hz, tables, *together)


def _celsius(temperature_K: float) -> str:
    return f"{temperature_K - KELVIN:g} C"
