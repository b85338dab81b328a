"""Systems, traces and a whole synthetic report for the tests of verify; no engine runs here."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from aishw.ais.system import Noise, Start, System
from aishw.ais.topology import grid
from aishw.engines.base import Job, Trace, sample_times
from aishw.hardware.target import Injection, Target
from aishw.hardware.technology import Technology
from aishw.lower.design import Design, Timeline
from aishw.verify import EnergyLine, Report, Step, climb, sensitivity, verdict
from aishw.verify.figures import Waveform


def kurashil(
    height=4, width=6, *, segments=2, seed=0, reference=False, image=None, name="tiny", strength=1.0, mean=0.0
):
    generator = np.random.default_rng(seed)
    topology = grid(height, width, "cross4", image=image)
    terms = {
        "shil": generator.uniform(0.1, 0.6, (segments, topology.sites)),
        "reference": generator.normal(0, 0.5, (segments, topology.sites)) * reference,
    }
    coupling = generator.normal(mean, strength, (segments, topology.edges.shape[1]))
    return System(
        "kurashil", topology, coupling, terms, np.full(segments, 4.0 / segments),
        start=Start(-0.5, 0.5), noise=Noise(), name=name,
    )  # fmt: skip


def kuramoto(height=4, width=6, *, segments=2, seed=0):
    generator = np.random.default_rng(seed)
    topology = grid(height, width, "cross4")
    coupling = generator.normal(0, 1, (segments, topology.edges.shape[1]))
    detuning = generator.normal(0, 0.3, (segments, topology.sites))
    return System("kuramoto", topology, coupling, {"detuning": detuning}, np.full(segments, 1.0))


def tanhnet(height=2, width=3):
    topology = grid(height, width, ((0, 1),))
    sites = topology.sites
    terms = {"bias": np.zeros((1, sites))}
    return System("tanhnet", topology, np.ones((1, sites)), terms, np.ones(1), readout="identity")


def trace(
    system, state, times_tau, *, engine="ode", sites=None, images=None, design_id="d", job_id="j", **more
):
    state = np.asarray(state, dtype=float)
    return Trace(
        engine=engine,
        version="1",
        design_id=design_id,
        job_id=job_id,
        times_tau=np.asarray(times_tau, dtype=float),
        state=state,
        sites=np.arange(system.sites) if sites is None else np.asarray(sites),
        images=np.arange(state.shape[0]) if images is None else np.asarray(images),
        **more,
    )


def solve(system, x0, times_tau, extra=None):
    """(B, T, N): KuraSHIL by RK4, 8 steps a sample; `extra` (phases) -> rad/tau makes it another circuit."""
    i, j = system.topology.edges
    starts = system.boundaries_tau[:-1]

    def slope(s, tau):
        k = min(int(np.searchsorted(starts, tau + 1e-9, side="right")) - 1, system.segments - 1)
        out = -system.terms["shil"][k] * np.sin(2 * s) + system.terms["reference"][k] * np.sin(s)
        pair = system.coupling[k] * np.sin(s[:, i] - s[:, j])
        for b in range(s.shape[0]):
            out[b] += np.bincount(i, pair[b], s.shape[1])
        return out if extra is None else out + extra(s)

    state, out = np.array(x0, dtype=float), [np.array(x0, dtype=float)]
    for a, b in pairwise(times_tau):
        h, tau = (b - a) / 8, a
        for _ in range(8):
            k1 = slope(state, tau)
            k2 = slope(state + h / 2 * k1, tau)
            k3 = slope(state + h / 2 * k2, tau)
            k4 = slope(state + h * k3, tau)
            state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
            tau += h
        out.append(state)
    return np.stack(out, axis=1)


def report_job(system, images=2):
    """A job of random starts, 4 samples a segment, seed 5."""
    x0 = np.random.default_rng(2).normal(-0.5, 0.5, (images, system.sites))
    return Job(x0, sample_times(system, 4), seed=5)


def target(name="ring-test"):
    technology = Technology(
        "tech-test",
        0.9,
        300.0,
        "tt",
        ("tt", "ff"),
        "models.lib",
        "n",
        "p",
        {"Avt_V_m": 1.5e-9},
        "made up for tests",
    )
    injection = Injection(np.arange(8) / 7, np.array([0.3, 0.4, 0.5]), np.array([0.01, 0.05, 0.1]))
    return Target(
        name=name, technology=technology, netlist="none", families=("kurashil",),
        height=32, width=32, reach=2, fan_in=24, segments=4, encoding="offset",
        bits=(4,), policies=("array", "chunk", "site"), strategies=("state_stationary",),
        bias_levels=64, frequency_Hz=99.7e6,
        injections={kind: injection for kind in ("coupling", "shil", "reference")},
        timing={"switch_s": 1e-9, "write_s": 2e-9}, circuit={}, source="made up for tests",
    )  # fmt: skip


def design(system, target_name="ring-test"):
    codes, scale, clipped = {}, {}, {}
    for kind, values in {"coupling": system.coupling, **system.terms}.items():
        full = np.full((system.segments, system.sites), 2.0 if kind == "coupling" else 1.0)
        wide = full[:, :1]
        codes[kind] = np.clip(np.round(values / wide * 7), -7, 7).astype(np.int8)
        scale[kind] = full
        clipped[kind] = int((np.abs(values) > wide * (1 + 0.5 / 7)).sum())
    cycles = np.linspace(40.0, 41.0, system.segments)
    run_s = cycles * system.duration_tau / 99.7e6
    line = Timeline(
        "state_stationary", np.zeros(system.segments), np.full(system.segments, 1e-9), run_s, 0, 0, 1,
        4 * sum(code.size for code in codes.values()), 0,
    )  # fmt: skip
    return Design(system, target(target_name), 4, "array", codes, scale, cycles, line, clipped)


def report(name="synthetic blobs", target_name="ring-test", rung_name="ode, realised codes", images=5):
    """A ladder of five rungs on a 16x16 grid, images of 8x8, with a window of 3x3 sites at the bottom."""
    system = kurashil(
        16, 16, segments=4, seed=3, reference=True, image=(8, 8), name=name, strength=0.3, mean=-0.35
    )
    plan = design(system, target_name)
    row, column = np.divmod(np.arange(256), 16)
    x0 = np.stack(
        [
            1.2 * np.sin(2 * np.pi * (row * (b % 3) + column * (b // 2 + 1)) / 16 + b) - 0.3
            for b in range(images)
        ]
    )
    job = Job(x0, sample_times(system, 12), seed=5)
    times = job.samples_tau
    ids = {"design_id": plan.id, "job_id": job.id}
    ideal = solve(system, x0, times)
    codes = solve(plan.realised, x0, times)
    spice = codes[:2] + 1e-5 * np.random.default_rng(1).normal(size=codes[:2].shape) * times[None, :, None]
    macro = solve(plan.realised, x0, times, extra=lambda s: 0.02 * np.sin(3 * s) + 0.01)
    sites = np.array([r * 16 + c for r in (4, 5, 6) for c in (8, 9, 10)])
    devices = solve(plan.realised, x0[:1], times, extra=lambda s: 0.15 + 0.2 * np.cos(2 * s))[:, :, sites]
    devices[0, times > 2.5, 4] += 2 * np.pi
    steps = (
        Step("ode, as trained", "the equation with the trained weights", trace(system, ideal, times, **ids, cpu_s=0.4)),
        Step(
            rung_name, "quantisation and clipping", trace(system, codes, times, **ids, cpu_s=0.41), limit_rad=1.2,
            note="4 bit, one full scale per array",
        ),
        Step(
            "macromodel", "measured coupling shape, offsets, pulling",
            trace(system, macro, times, **ids, engine="macromodel", cpu_s=0.9), limit_rad=0.05,
        ),
        Step(
            "spice-behavioural", "the netlist: wiring, signs, codes, chunk timing",
            trace(
                system, spice, times, **ids, engine="spice-behavioural", cpu_s=21.3,
                settings={"reltol": 1e-6, "method": "trap", "ngspice": "39.3"},
            ),
            limit_rad=1e-3, judged="end_max", above=rung_name,
        ),
        Step(
            "transistor window 3x3 at (4, 8)", "the devices of 9 sites, driven by the rung above",
            trace(system, devices, times, **ids, engine="spice-transistor", sites=sites, images=[0], cpu_s=184.0),
            limit_rad=None, above=rung_name,
        ),
    )  # fmt: skip
    rungs = climb(system, steps)
    growth = sensitivity(lambda start: solve(plan.realised, start, times), x0[:3], 1e-6, seed=2)
    t = np.linspace(0, 200e-9, 4001)
    wave = Waveform(
        "window", t,
        {f"tap_{k}": 0.45 + 0.45 * np.tanh(4 * np.sin(2 * np.pi * 99.7e6 * t + k)) for k in range(3)}, 99.7e6,
    )  # fmt: skip
    return Report(
        design=plan,
        job=job,
        rungs=rungs,
        verdict=verdict(rungs, growth=growth, image_limit_rad=0.3),
        command=("aishw", "verify", "models/some model.pt", "--target", target_name, "-o", "report"),
        seeds={"sensitivity": 2},
        versions={"ngspice": "39.3"},
        growth=growth,
        waveforms=(wave,),
        energy=(EnergyLine("run_J", 2.1e-7, "simulated", "supply current over one image"),
                EnergyLine("program_J", 3e-9, "assumed")),
        target_provenance="simulated",
    )  # fmt: skip
