"""verify: one checkpoint on one target, down the ladder, into a folder with a run file and a report.

Traces are stored as they come, so a run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aishw import store
from aishw.ais.system import System, draw_start
from aishw.engines.base import Job, Trace, sample_times
from aishw.engines.window import Window
from aishw.errors import AishwError, CompareError, StoreError
from aishw.hardware.calibration import Calibration
from aishw.lower.design import Design
from aishw.verify.compare import Comparison, compare
from aishw.verify.distribution import Distribution, not_judged
from aishw.verify.energy import energy_of
from aishw.verify.ladder import Rung, Step, Verdict, climb, verdict
from aishw.verify.record import Report
from aishw.verify.report import write_report
from aishw.verify.runner import Runner, join_images
from aishw.verify.sensitivity import Sensitivity, sensitivity

RUN_FILE = "run.h5"
CALIBRATED_LIMIT_RAD = 0.1  # a window's rms at the end against the macromodel, where none is asked for
SITES = ("most_sensitive", "least_sensitive")
Tell = Callable[[str, float], None]
Score = Callable[[Design, Calibration, Tell], Distribution]


@dataclass(frozen=True)
class Plan:
    """What to run.

    images: start states on the ODE rungs, drawn with `seed`. behavioural_images: how many of them the whole array runs
    in ngspice (0: none). windows: rectangles of transistors, on image 0; None is one PE, at the site that `window_site`
    names by its measured sensitivity; () is none. Limits in rad: behavioural_limit_rad on the largest error of any site
    at the end; window_limit_rad and image_limit_rad on rms errors at the end, None: shown, not judged.
    """

    images: int = 16
    seed: int = 0
    behavioural_images: int = 2
    windows: tuple[Window, ...] | None = None
    window_site: str = "most_sensitive"
    samples_per_segment: int = 20
    behavioural_limit_rad: float = 1e-3
    window_limit_rad: float | None = None
    image_limit_rad: float | None = None

    def __post_init__(self) -> None:
        if self.window_site not in SITES:
            raise CompareError(f"a window's site is chosen as {', '.join(SITES)}, got {self.window_site!r}")
        if self.images < 1 or not 0 <= self.behavioural_images <= self.images:
            raise CompareError(
                f"{self.behavioural_images} behavioural images of {self.images}: give at least one image, and no more "
                "behavioural ones than there are"
            )


@dataclass(frozen=True, eq=False)
class Outcome:
    """The verdict, the rungs behind it, and where the report and the traces are."""

    verdict: Verdict
    rungs: tuple[Rung, ...]
    page: Path
    run_file: Path


def verify(
    design: Design,
    out: Path,
    plan: Plan,
    *,
    command: Sequence[str] = ("aishw", "verify"),
    overwrite: bool = False,
    resume: bool = False,
    tell: Tell | None = None,
    calibration: Calibration | None = None,
    distribution: Score | str | None = None,
) -> Outcome:
    """Runs the ladder of `plan` for `design` and writes `out`/run.h5, report.html, report.json and pictures.

    tell: called with a stage's name and the fraction of it that is done. calibration: instead of the shipped one.
    distribution: scores images through the macromodel, or says why nobody can; unused without a calibration.
    Raises StoreError if `out` may not be written or, with `resume`, holds another design; CardError for a calibration
    of another design; GridError for a window off the grid; SimulatorError if ngspice fails, in which case the traces
    so far are in the run file.
    """
    system = design.system
    for window in plan.windows or ():
        window.sites(system.topology.height, system.topology.width)
    job = Job(draw_start(system, plan.images, plan.seed), sample_times(system, plan.samples_per_segment), plan.seed)
    if plan.behavioural_images or plan.windows != ():
        from aishw.engines.ngspice import find_simulator

        find_simulator()
    run_file = prepare(out, design, overwrite, resume)
    runner = Runner(run_file, design, job, calibration=calibration)
    tell = tell or (lambda stage, fraction: None)
    steps, growth = _steps(runner, plan, tell)
    rungs = climb(system, steps)
    scored, part = None, None
    if runner.tables is not None and callable(distribution):
        scored = distribution(design, runner.tables, tell)
        part = scored.part
    elif runner.tables is not None and isinstance(distribution, str):
        part = not_judged(distribution)
    judged = verdict(rungs, part, growth, plan.image_limit_rad)
    report = Report(
        design, job, rungs, judged, tuple(command), seeds={"start states": plan.seed, "sensitivity": growth.seed},
        growth=growth, target_provenance="simulated", distribution=scored, **energy_of(design, calibration),
    )  # fmt: skip
    return Outcome(judged, rungs, _place(out, report), run_file)


def _steps(runner: Runner, plan: Plan, tell: Tell) -> tuple[list[Step], Sensitivity]:
    everything, step_tau = list(range(plan.images)), runner.design.system.step_tau

    def at(stage: str) -> Callable[[float], None]:
        return lambda fraction: tell(stage, fraction)

    def whole(engine: str, rows: list[int]) -> Trace:
        return join_images(runner.run(engine, rows, tell=at(engine)))

    steps = [
        Step("equation", "the trained equation in continuous time", whole("ode-float", everything)),
        Step("Euler steps", f"plain Euler at the trained step of {step_tau:g} tau", whole("ode-euler", everything)),
        Step("codes", "quantisation and clipping", whole("ode", everything), above="equation"),
    ]
    growth = sensitivity(runner.exact, runner.job.x0[: min(4, plan.images)])
    outside, above, limit_rad = "ode", "codes", plan.window_limit_rad
    if runner.tables is not None:
        shows = "measured coupling shape, offsets, pulling"
        steps.append(Step("macromodel", shows, whole("macromodel", everything), above="codes"))
        outside, above, limit_rad = "macromodel", "macromodel", plan.window_limit_rad or CALIBRATED_LIMIT_RAD
    if plan.behavioural_images:
        trace = whole("spice-behavioural", everything[: plan.behavioural_images])
        shows = "the netlist: wiring, signs, codes, chunk timing"
        steps.append(Step("netlist", shows, trace, plan.behavioural_limit_rad, "end_max", above="codes"))
    for window in _windows(runner.design.system, plan, growth):
        name = f"window {window.row},{window.column},{window.height},{window.width}"
        trace = join_images(runner.run("spice-transistor", [0], [window], outside, at(name)))
        steps.append(Step(name, f"the devices, driven by the {above}", trace, limit_rad, above=above))
    return steps, growth


def _windows(system: System, plan: Plan, growth: Sensitivity) -> tuple[Window, ...]:
    if plan.windows is not None:
        return plan.windows
    pick = np.argmax if plan.window_site == "most_sensitive" else np.argmin
    row, column = divmod(int(pick(growth.site_growth)), system.topology.width)
    return (Window(row, column, 1, 1),)


def prepare(out: Path, design: Design, overwrite: bool, resume: bool) -> Path:
    """The run file in `out`, new (or the one to go on with). Raises StoreError, and then nothing was changed."""
    run_file = out / RUN_FILE
    try:
        if out.exists() and not out.is_dir():
            raise StoreError(f"{out} is a file; give the name of a folder")
        held = out.is_dir() and any(out.iterdir())
        if held and resume and run_file.exists():
            found = store.load_design(run_file)
            if found.id != design.id:
                raise StoreError(
                    f"{run_file} is of another design ({found.id}, not {design.id}); --force starts afresh"
                )
            return run_file
        if held and not overwrite:
            raise StoreError(
                f"{out}/ is not empty; choose another folder, --resume to go on, or --force to start afresh"
            )
        if held and not (run_file.exists() or (out / "report.json").exists()):
            raise StoreError(f"{out}/ holds something that is no report of aishw; choose another folder")
        out.mkdir(parents=True, exist_ok=True)
        if not os.access(out, os.W_OK | os.X_OK):
            raise StoreError(f"cannot write into {out}: permission denied; choose another folder")
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot make the folder {str(out)[:80]!r}: {error}; choose another") from error
    store.save_design(run_file, design, overwrite=overwrite)
    return run_file


def _place(out: Path, report: Report) -> Path:
    """The report's files beside the run file, each whole."""
    try:
        with tempfile.TemporaryDirectory(dir=out, prefix=".report-") as scratch:
            page = write_report(Path(scratch) / "new", report)
            for stale in (*out.glob("rung*.png"), *out.glob("waveform*.png")):
                stale.unlink()
            for file in sorted(page.parent.iterdir()):
                os.replace(file, out / file.name)
    except AishwError:
        raise
    except OSError as error:
        raise StoreError(f"cannot write the report into {out}: {error.strerror or error}") from error
    return out / page.name


def compare_traces(
    system: System,
    traces: Sequence[Trace],
    reference: str,
    candidate: str,
    limit_rad: float | None = None,
    judged: str = "end_rms",
) -> list[Comparison]:
    """Every trace of engine `candidate` against the traces of `reference` of the same job, images put together.

    Raises CompareError, naming what the file holds, if one of them has no trace or they share no job.
    """
    have = {name: [t for t in traces if t.engine == name] for name in (reference, candidate)}
    for name, found in have.items():
        if not found:
            held = ", ".join(sorted({t.engine for t in traces})) or "no traces"
            raise CompareError(f"the run file has no trace of {name!r}; it has {held}")
    compared = []
    for theirs in _groups(have[candidate]):
        for ours in _groups(have[reference]):
            if ours.job_id == theirs.job_id and np.isin(theirs.sites, ours.sites).any():
                compared.append(compare(ours, theirs, system, limit_rad, judged=judged))
                break
    if not compared:
        raise CompareError(f"{reference} and {candidate} ran no job in common; run both with the same images and seed")
    return compared


def _groups(traces: Sequence[Trace]) -> list[Trace]:
    groups: dict[tuple[str, bytes], list[Trace]] = {}
    for trace in traces:
        groups.setdefault((trace.job_id, trace.sites.tobytes()), []).append(trace)
    return [join_images(group) for group in groups.values()]
