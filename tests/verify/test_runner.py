"""Traces that are kept as they come: nothing is computed twice, nothing is lost to an interrupt."""

import numpy as np
import pytest
from problems import tiny_kurashil

from aishw import store
from aishw.ais.system import draw_start
from aishw.engines.base import Job, Trace, sample_times
from aishw.engines.window import Window
from aishw.errors import CompareError, SimulatorError, StoreError
from aishw.hardware.cards import load_target
from aishw.lower import lower
from aishw.verify.runner import Runner, join_images


@pytest.fixture
def runner(tmp_path):
    """On a tiny design, with an engine that returns x0 at all times and notes what it was asked for."""
    design = lower(tiny_kurashil(4, 4), load_target("ring28"))
    job = Job(draw_start(design.system, 5, 0), sample_times(design.system, 2))
    store.save_design(tmp_path / "run.h5", design)
    return Runner(tmp_path / "run.h5", design, job)


@pytest.fixture
def asked(runner, monkeypatch):
    asked = []

    def engine_of(self, engine, *rest):
        def one(rows, tell, cancel):
            asked.append((engine, tuple(rows)))
            if asked.count((engine, tuple(rows))) == 1 and engine == "spice-behavioural" and rows == [3]:
                raise SimulatorError("ngspice crashed")
            sites = self._sites(rest[0] if rest else ())
            state = np.repeat(self.job.x0[rows][:, None, sites], self.job.samples_tau.size, axis=1)
            tell(1.0)
            return Trace(engine, "1", self.design.id, self.job.id, self.job.samples_tau, state, sites, np.array(rows))

        return one

    monkeypatch.setattr(Runner, "_equations", engine_of)
    monkeypatch.setattr(Runner, "_spice", engine_of)
    return asked


def test_an_ode_runs_all_rows_at_once_and_only_the_missing_ones_later(runner, asked):
    first = runner.run("ode", [0, 2])
    assert asked == [("ode", (0, 2))] and len(first) == 1
    both = runner.run("ode", [0, 1, 2])
    assert asked[1:] == [("ode", (1,))]
    assert join_images(both).images.tolist() == [0, 1, 2]
    assert np.array_equal(join_images(both).state[:, 0], runner.job.x0[:3])
    runner.run("ode", [0, 1, 2])
    assert len(asked) == 2 and len(store.load_traces(runner.run_file)) == 2


def test_images_of_a_simulator_that_failed_half_way_are_kept(runner, asked):
    with pytest.raises(SimulatorError):
        Runner(runner.run_file, runner.design, runner.job, workers=1).run("spice-behavioural", [1, 2, 3, 4])
    held = {int(row) for trace in store.load_traces(runner.run_file) for row in trace.images}
    assert {1, 2} <= held and 3 not in held
    before = len(asked)
    traces = runner.run("spice-behavioural", [1, 2, 3, 4])
    assert join_images(traces).images.tolist() == [1, 2, 3, 4]
    assert {rows for _, rows in asked[before:]} == {(row,) for row in {1, 2, 3, 4} - held}


def test_an_interrupt_stops_the_others_and_keeps_what_is_done(runner, monkeypatch):
    def engine_of(self, *rest):
        def one(rows, tell, cancel):
            if rows == [0]:
                sites = self._sites(())
                state = np.repeat(self.job.x0[rows][:, None], self.job.samples_tau.size, axis=1)
                return Trace("spice-behavioural", "1", self.design.id, self.job.id, self.job.samples_tau, state, sites,
                             np.array(rows))  # fmt: skip
            if rows == [1]:
                raise KeyboardInterrupt
            assert cancel.wait(20)
            raise SimulatorError("was cancelled")

        return one

    monkeypatch.setattr(Runner, "_spice", engine_of)
    with pytest.raises(KeyboardInterrupt):
        Runner(runner.run_file, runner.design, runner.job, workers=3).run("spice-behavioural", [0, 1, 2])
    assert [t.images.tolist() for t in store.load_traces(runner.run_file)] in ([[0]], [])


def test_what_is_held_already_is_refused_unless_it_is_to_be_replaced(runner, asked):
    runner.run("ode", [0, 1])
    with pytest.raises(StoreError, match="already holds ode"):
        runner.check_new("ode", [1])
    runner.check_new("ode", [1, 2])
    runner.check_new("ode-float", [1])
    again = Runner(runner.run_file, runner.design, runner.job, overwrite=True)
    again.check_new("ode", [1])
    again.run("ode", [0, 1])
    assert asked == [("ode", (0, 1)), ("ode", (0, 1))] and len(store.load_traces(runner.run_file)) == 1


def test_a_window_is_kept_apart_from_other_windows(runner, asked):
    runner.run("ode", [0])
    for window in (Window(0, 0, 1, 1), Window(3, 3, 2, 1)):
        (trace,) = runner.run("spice-transistor", [0], [window])
        assert trace.sites.tolist() == window.sites(4, 4).tolist()
    assert len(asked) == 3
    runner.run("spice-transistor", [0], [Window(0, 0, 1, 1)])
    assert len(asked) == 3


def test_traces_of_another_job_are_not_taken_for_this_one(runner, asked):
    other = Job(runner.job.x0 + 1, runner.job.samples_tau)
    Runner(runner.run_file, runner.design, other).run("ode", [0])
    assert runner.stored("ode", [0], np.arange(16)) == []
    runner.run("ode", [0])
    assert len(asked) == 2


def test_an_unknown_engine_is_refused(runner):
    with pytest.raises(CompareError, match="known: ode-float"):
        runner.run("nosuch", [0])


def test_putting_images_together_takes_the_newest_and_adds_what_adds():
    def trace(images, value, joules=1.0):
        state = np.full((len(images), 1, 2), value)
        energy = None if joules is None else np.full(len(images), joules)
        return Trace("e", "1", "d", "j", np.zeros(1), state, np.arange(2), np.array(images), {}, energy, 2.0)

    whole = join_images([trace([3, 0], 1.0, 1.0), trace([1], 2.0, 2.0), trace([3], 4.0, 4.0)])
    assert whole.images.tolist() == [0, 1, 3] and whole.state[:, 0, 0].tolist() == [1.0, 2.0, 4.0]
    assert whole.supply_J.tolist() == [1.0, 2.0, 4.0] and whole.cpu_s == 6.0
    assert join_images([trace([0], 1.0), trace([1], 1.0, None)]).supply_J is None
    with pytest.raises(CompareError, match="no traces"):
        join_images([])
    other = Trace("f", "1", "d", "j", np.zeros(1), np.zeros((1, 1, 2)), np.arange(2), np.array([1]))
    with pytest.raises(CompareError, match="do not belong"):
        join_images([trace([0], 1.0), other])
