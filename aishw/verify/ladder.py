"""The ladder: one run at several fidelities, each rung compared with the one above, and the verdict over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from aishw.ais.system import System
from aishw.engines.base import Trace
from aishw.errors import CompareError
from aishw.verify.compare import Comparison, compare
from aishw.verify.sensitivity import Sensitivity

NOT_THE_CIRCUIT = "the equation is not the circuit; calibrate to close the gap"
STATES = ("held", "fell short", "not judged")


@dataclass(frozen=True, eq=False)
class Step:
    """One run to put on the ladder.

    name: what a reader calls the rung; shows: what the step from the rung above shows.
    limit_rad: the rung's share of the error budget, on `judged` (see `compare`); None: shown, not judged.
    above: the name of the rung to compare with; None is the step before it. A window names the run that drove it.
    interpolate: the simulator chose its own times.
    """

    name: str
    shows: str
    trace: Trace
    limit_rad: float | None = None
    judged: str = "end_rms"
    above: str | None = None
    interpolate: bool = False
    note: str = ""


@dataclass(frozen=True, eq=False)
class Rung:
    """A row of the ladder: a run, its comparison with the rung `above` and with the `first` one (None on top)."""

    name: str
    engine: str
    shows: str
    trace: Trace
    above_name: str
    above_trace: Trace | None
    above: Comparison | None
    first: Comparison | None
    limit_rad: float | None
    passed: bool | None
    cpu_s: float
    note: str = ""


@dataclass(frozen=True)
class Part:
    """One part of the verdict: `state` is one of STATES, `reason` says why in a sentence, with the numbers."""

    name: str
    state: str
    reason: str

    def __post_init__(self) -> None:
        if self.state not in STATES:
            raise CompareError(f"a verdict is one of {', '.join(STATES)}, got {self.state!r}")


@dataclass(frozen=True)
class Verdict:
    """local_truth, distribution, this_image (design.md), and `failed`: the names of rungs beyond their limits."""

    local_truth: Part
    distribution: Part
    this_image: Part
    failed: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[Part, Part, Part]:
        return (self.local_truth, self.distribution, self.this_image)

    @property
    def passed(self) -> bool:
        """No rung and no part fell short. Parts that were not judged do not fail: see `complete`."""
        return not self.failed and all(part.state != "fell short" for part in self.parts)

    @property
    def complete(self) -> bool:
        """All three parts were judged: only then is `passed` a sign-off."""
        return all(part.state != "not judged" for part in self.parts)

    @property
    def headline(self) -> str:
        if not self.passed:
            return "Fell short"
        return "Held" if self.complete else "Held as far as judged"


def climb(system: System, steps: Sequence[Step]) -> tuple[Rung, ...]:
    """Every step compared with its rung above and with the first; the plain ODE above transistors is called out.

    Raises CompareError for no steps, two of one name, an unknown `above`, and whatever `compare` refuses.
    """
    if not steps:
        raise CompareError("a ladder needs at least one run")
    names = [step.name for step in steps]
    if len(set(names)) < len(names):
        raise CompareError(f"two rungs share a name; got {', '.join(names)}")
    rungs: list[Rung] = []
    for k, step in enumerate(steps):
        if step.above is not None and step.above not in names[:k]:
            raise CompareError(
                f"rung {step.name!r} names {step.above!r} above it; rungs so far: {', '.join(names[:k]) or 'none'}"
            )
        upper = None if k == 0 else steps[names.index(step.above) if step.above is not None else k - 1]
        above = first = None
        if upper is not None:
            above = compare(
                upper.trace,
                step.trace,
                system,
                step.limit_rad,
                judged=step.judged,
                interpolate=step.interpolate,
            )
            first = compare(
                steps[0].trace,
                step.trace,
                system,
                interpolate=any(each.interpolate for each in steps[: k + 1]),
            )
        rung = Rung(
            name=step.name,
            engine=step.trace.engine,
            shows=step.shows,
            trace=step.trace,
            above_name="" if upper is None else upper.name,
            above_trace=None if upper is None else upper.trace,
            above=above,
            first=first,
            limit_rad=step.limit_rad,
            passed=None if above is None else above.passed,
            cpu_s=step.trace.cpu_s,
            note=step.note,
        )
        if above is not None and _equation_against_devices(rung):
            words = f"{above.end_rms_rad:.2g} rad rms at the end: {NOT_THE_CIRCUIT}"
            rung = replace(rung, note=f"{step.note}; {words}" if step.note else words)
        rungs.append(rung)
    return tuple(rungs)


def verdict(
    rungs: Sequence[Rung],
    distribution: Part | None = None,
    growth: Sensitivity | None = None,
    image_limit_rad: float | None = None,
) -> Verdict:
    """The three parts over a ladder.

    distribution: judged by whoever has scored images made through a calibrated macromodel.
    growth: the measured sensitivity; image_limit_rad: the end rms that a whole-array run may lie from the first rung.
    """
    return Verdict(
        local_truth=_local_truth(rungs),
        distribution=distribution or _no_distribution(rungs),
        this_image=_this_image(rungs, growth, image_limit_rad),
        failed=tuple(rung.name for rung in rungs if rung.passed is False),
    )


def _equation_against_devices(rung: Rung) -> bool:
    return (
        rung.above is not None
        and rung.engine.startswith("spice-transistor")
        and rung.above.reference.startswith(("ode", "spice-behavioural"))
    )


def _calibrated(rungs: Sequence[Rung]) -> bool:
    return any(rung.engine.startswith("macromodel") for rung in rungs)


def _no_distribution(rungs: Sequence[Rung]) -> Part:
    why = (
        "images made through the macromodel were not scored"
        if _calibrated(rungs)
        else "no calibration of this target was used, so no images were made through its macromodel and scored"
    )
    return Part("distribution", "not judged", why)


def _local_truth(rungs: Sequence[Rung]) -> Part:
    name = "local truth"
    windows = [
        rung for rung in rungs if rung.engine.startswith("spice-transistor") and rung.above is not None
    ]
    driven = [
        rung for rung in windows if rung.above is not None and rung.above.reference.startswith("macromodel")
    ]
    judged = [rung for rung in driven if rung.passed is not None]
    if judged:
        worst = max(judged, key=_share)
        assert worst.above is not None
        words = (
            f"{len(judged)} transistor run(s) against the macromodel; the worst, {worst.name}, ends "
            f"{worst.above.judged_rad:.2g} rad away ({worst.above.judged}), limit {worst.limit_rad:.2g} rad"
        )
        slipped = sorted({slip.site for rung in judged if rung.above is not None for slip in rung.above.slips})
        if slipped:
            named = ", ".join(map(str, slipped[:8])) + (", .." if len(slipped) > 8 else "")
            words += f"; {len(slipped)} site(s) slipped whole turns: {named}"
        return Part(name, "held" if all(rung.passed for rung in judged) else "fell short", words)
    if driven:
        return Part(name, "not judged", "transistors ran under the macromodel, but no limit was set for them")
    if windows:
        apart = max(rung.above.end_rms_rad for rung in windows if rung.above is not None)
        why = (
            "no transistor run was driven by the macromodel"
            if _calibrated(rungs)
            else "no calibration of this target was used"
        )
        return Part(
            name,
            "not judged",
            f"{why}, so transistors were held against the plain equation only: "
            f"{apart:.2g} rad rms apart at the end; {NOT_THE_CIRCUIT}",
        )
    return Part(name, "not judged", "no transistors were simulated; add a transistor window")


def _share(rung: Rung) -> float:
    return rung.above.judged_rad / rung.limit_rad if rung.above is not None and rung.limit_rad else 0.0


def _this_image(rungs: Sequence[Rung], growth: Sensitivity | None, limit_rad: float | None) -> Part:
    name = "this image"
    whole = [rung for rung in rungs if rung.first is not None and rung.first.psnr_dB is not None]
    if not whole:
        return Part(name, "not judged", "no rung below the first holds a whole image")
    # The netlist's rung carries the ideal equation; with a calibration the macromodel is what the circuit draws.
    last = next((rung for rung in whole if rung.engine.startswith("macromodel")), whole[-1])
    assert last.first is not None and last.first.psnr_dB is not None
    end_rad = last.first.end_rms_rad
    least = float(last.first.psnr_dB.min())
    words = f"{last.name} ends {end_rad:.2g} rad rms from {rungs[0].name}, pixels " + (
        f"at {least:.1f} dB PSNR or better" if np.isfinite(least) else "equal"
    )
    if growth is None:
        words += "; the sensitivity was not measured"
    else:
        words += (
            f"; a start perturbation is multiplied by {growth.median:.3g}, so "
            f"{growth.start_error_rad(end_rad):.2g} rad at the start alone would explain it"
        )
    if limit_rad is None:
        return Part(name, "not judged", f"{words}; no limit was set")
    return Part(name, "held" if end_rad <= limit_rad else "fell short", f"{words}; limit {limit_rad:.2g} rad")
