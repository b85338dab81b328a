"""plan: the stages of a calibration in their order, each from the findings of those before it.

    steady -> solver, response -> coupling, shil -> predicted -> noise, mismatch, corners, power -> checks

A stage is a function `measure_X(target, steady, ...) -> finding`. Of the settings (seed, quick, workers, chips,
on_point, remember) it is given those that it names.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aishw.calibrate.checks import checks_of
from aishw.calibrate.match import KELVIN, circuit_id
from aishw.calibrate.parts import Parts, code_id, content_id
from aishw.errors import CardError, SimulatorError
from aishw.hardware import findings
from aishw.hardware.calibration import Calibration, Table
from aishw.hardware.solver import Solver
from aishw.hardware.steady import SteadyState
from aishw.hardware.target import Target
from aishw.identity import fingerprint

TABLES = ("coupling", "shil")
STAGES = ("steady", "solver", "response", *TABLES, "predicted", "noise", "mismatch", "corners", "power")
NEEDS = {"shil": ("coupling",), "predicted": ("response", *TABLES), "noise": ("response",), "mismatch": ("response",)}
CHIPS, FEW_CHIPS = 64, 16
Tell = Callable[[str, float], None]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """fan_in: couplers of the PE. seed: of drawn chips and noise. quick: fewer points and draws. workers: simulator
    processes side by side. only: stages to measure beside the steady state (the others are left out). steps: of a
    period, in every run behind the tables (None: as the target's solver has it).
    """

    fan_in: int = 24
    seed: int = 0
    quick: bool = False
    workers: int = 2
    only: tuple[str, ...] = STAGES
    steps: int | None = None

    def solver(self, target: Target) -> Solver:
        """How the runs behind the tables are integrated."""
        return target.solver if self.steps is None else replace(target.solver, steps_per_cycle=self.steps)


def made_by(target: Target, settings: Settings) -> str:
    """The command that makes this calibration, without what does not change it."""
    technology = target.technology
    words = ["aishw calibrate", target.name, "--corner", technology.corner, "--temperature"]
    words += [f"{technology.temperature_K - KELVIN:g}", "--fan-in", str(settings.fan_in), "--seed", str(settings.seed)]
    words += ["--quick"] * settings.quick
    steps = settings.solver(target).steps_per_cycle
    words += [] if steps == target.solver.steps_per_cycle else ["--steps", str(steps)]
    words += [] if set(settings.only) >= set(STAGES) else ["--only", ",".join(settings.only)]
    return " ".join(words)


def parts_of(folder: Path, target: Target, settings: Settings, simulator: str) -> Parts:
    """The parts of this calibration; they are refused if its netlist or models are changed while it is measured."""
    circuit = circuit_id(target, settings.solver(target), settings.fan_in)

    def guard() -> None:
        if circuit_id(target, settings.solver(target), settings.fan_in) != circuit:
            raise CardError(
                f"the netlist or the models of target {target.name!r} were changed while it was measured; leave them "
                "alone and give the command again"
            )

    rates = {kind: injection.rate for kind, injection in target.injections.items()}
    chip = (target.name, circuit, target.frequency_Hz, rates, dict(target.technology.mismatch))
    return Parts(folder, fingerprint(*chip, settings.seed, settings.quick, simulator), guard)


def calibrate(target: Target, settings: Settings, parts: Parts, tell: Tell, say: Say) -> Calibration:
    """Measures what `parts` does not hold yet, stage by stage.

    tell: a stage's name, 0 at its begin and 1 at its end. say: a line for each point. Raises SimulatorError that names
    the stage.
    """
    from aishw.calibrate.circuit import circuit_steady

    def run(name: str, made: type, function: Callable[..., Any], *given: Any, kind: str = "") -> Any:
        """One stage; `given` are its positional arguments, findings among them."""
        depends = [code_id(function), kind, *(content_id(each) for each in given if _is_finding(each))]
        offered = {
            "seed": settings.seed, "quick": settings.quick, "workers": settings.workers, "fan_in": settings.fan_in,
            "chips": FEW_CHIPS if settings.quick else CHIPS, "on_point": say,
            "remember": parts.remember(name, *depends),
        }  # fmt: skip
        if name in ("steady", "corners"):  # the others take the steady state's, or a bench's own
            offered["solver"] = settings.solver(target)
        named = {k: v for k, v in offered.items() if k in inspect.signature(function).parameters}
        tell(name, 0.0)
        try:
            found = parts.stage(name, made, lambda: function(target, *given, **named), *depends)
        except SimulatorError as error:
            said = f"stage {name} of target {target.name!r}: {error}"
            if parts.empty:
                parts.close()
            else:
                said += f"; what was measured before is kept in {parts.folder}"
            raise SimulatorError(said, error.kept, error.tail) from error
        tell(name, 1.0)
        return found

    steady = run("steady", SteadyState, circuit_steady)
    wanted = {*settings.only, *(need for name in settings.only for need in NEEDS.get(name, ()))}
    found: dict[str, Any] = {}
    tables: dict[str, Table] = {}
    if "solver" in wanted:
        from aishw.calibrate.solver_error import measure_solver

        found["solver"] = run("solver", findings.SolverFinding, measure_solver, steady)
    if "response" in wanted:
        from aishw.calibrate.response import measure_response

        found["response"] = run("response", findings.PhaseResponse, measure_response, steady)
    for kind in [kind for kind in TABLES if kind in wanted]:
        from aishw.calibrate.coupling import measure_table

        before = [tables["coupling"]] if kind == "shil" and "coupling" in tables else []
        tables[kind] = run(kind, Table, measure_table, steady, kind, *before, kind=kind)
    if "predicted" in wanted:
        from aishw.calibrate.projection import predict_table

        found["predicted"] = {
            kind: run(f"predicted-{kind}", Table, predict_table, steady, found["response"], kind, kind=kind)
            for kind in tables
        }
    if "noise" in wanted:
        from aishw.calibrate.noise import measure_noise

        found["noise"] = run("noise", findings.NoiseFinding, measure_noise, steady, found["response"])
    if "mismatch" in wanted:
        from aishw.calibrate.mismatch import measure_mismatch

        found["mismatch"] = run("mismatch", findings.MismatchFinding, measure_mismatch, steady, found["response"])
    if "corners" in wanted:
        from aishw.calibrate.corners import measure_corners

        found["corners"] = run("corners", findings.CornerFinding, measure_corners)
    if "power" in wanted:
        from aishw.calibrate.power import measure_power

        found["power"] = run("power", findings.PowerFinding, measure_power, steady)
    whole = Calibration(steady, tables, made_by(target, settings), settings.seed, settings.quick, **found)
    return replace(whole, checks=checks_of(whole))


def _is_finding(value: Any) -> bool:
    return isinstance(value, SteadyState | Table | findings.PhaseResponse)
