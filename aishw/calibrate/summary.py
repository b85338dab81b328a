"""A calibration in words: its checks, its figures, what it lacks, and what it took."""

from __future__ import annotations

from collections.abc import Mapping

from aishw.calibrate.merit import Merit, merits_of
from aishw.hardware.calibration import Calibration
from aishw.hardware.findings import Check

NOT_MEASURED = {
    "predicted": "prediction from the PPV", "response": "phase response", "noise": "noise", "mismatch": "mismatch",
    "corners": "corners and temperature", "power": "power", "solver": "the solver's own error",
}  # fmt: skip


def text_of(calibration: Calibration, times: Mapping[str, tuple[float, float]], command: str) -> str:
    """Command, checks, figures and times as plain text."""
    lines = [command, f"the file was made by: {calibration.made_by}", ""]
    lines += [check_line(check) for check in calibration.checks] or ["no checks"]
    missing = missing_of(calibration)
    lines += ["", "not measured: " + (", ".join(missing) or "nothing is left out"), ""]
    lines += [f"{m.group:<9} {m.name:<36} {number(m)} {m.unit}".rstrip() for m in merits_of(calibration)]
    lines += ["", "stage               wall s    CPU s"]
    lines += [f"{name:<16} {wall_s:>9.1f} {cpu_s:>8.1f}" for name, (wall_s, cpu_s) in times.items()]
    wall_s, cpu_s = total(times)
    return "\n".join([*lines, f"{'all':<16} {wall_s:>9.1f} {cpu_s:>8.1f}", ""])


def check_line(check: Check) -> str:
    """One check as a line."""
    word = "held" if check.passed else "FELL SHORT"
    return (
        f"{word}: {check.name}: {check.value:.4g} against {check.expected:.4g} {check.unit} "
        f"(error {check.error:.2g}, limit {check.limit:.2g})"
    )


def missing_of(calibration: Calibration) -> list[str]:
    """What a partial calibration lacks."""
    tables = [f"{kind} table" for kind in ("coupling", "shil") if kind not in calibration.tables]
    return tables + [title for field, title in NOT_MEASURED.items() if getattr(calibration, field) is None]


def number(merit: Merit) -> str:
    """Its value with four digits and its standard error, or its text."""
    if isinstance(merit.value, str):
        return merit.value
    digits = ".7g" if merit.unit == "MHz" else ".4g"
    return f"{merit.value:{digits}}" + (f" ± {merit.error:.1g}" if merit.error else "")


def total(times: Mapping[str, tuple[float, float]]) -> tuple[float, float]:
    """Wall and CPU seconds of all stages."""
    return sum(wall_s for wall_s, _ in times.values()), sum(cpu_s for _, cpu_s in times.values())


def closing_line(calibration: Calibration, times: Mapping[str, tuple[float, float]]) -> str:
    """Frequency, checks and time in a line."""
    steady, (wall_s, cpu_s) = calibration.steady, total(times)
    failed = [check.name for check in calibration.checks if not check.passed]
    said = f"{len(calibration.checks)} checks held" if calibration.checks else "no checks"
    said = f"{len(failed)} of {len(calibration.checks)} checks fell short ({', '.join(failed)})" if failed else said
    return (
        f"{steady.frequency_Hz / 1e6:.4f} MHz +- {steady.frequency_error_Hz:.0f} Hz, {steady.solver.label}, "
        f"{steady.simulator}; {said}; {wall_s:.0f} s, {cpu_s:.0f} CPU s"
    )
