"""Jobs side by side: order, failures, what was done before them, and the same through Dask where it is installed."""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path

import pytest
from fake_ngspice import DECK, fake

from aishw.engines.executor import DaskExecutor, LocalExecutor, interrupted, run_all
from aishw.engines.ngspice import run_deck
from aishw.errors import SimulatorError


def square(x: int) -> int:
    time.sleep(0.02 * (5 - x))
    return x * x


def fail() -> int:
    raise SimulatorError("the third one failed")


def test_results_come_in_order_and_as_they_end() -> None:
    told: list[float] = []
    ended: list[tuple[int, int]] = []
    assert run_all([partial(square, x) for x in range(5)], 5, told.append, lambda k, r: ended.append((k, r))) == [
        0, 1, 4, 9, 16
    ]  # fmt: skip
    assert told == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert sorted(ended) == [(x, x * x) for x in range(5)]
    assert ended[0] == (4, 16)


def test_no_more_than_the_workers_run_at_once() -> None:
    running, most, lock = [0], [0], threading.Lock()

    def call() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.02)
        with lock:
            running[0] -= 1

    run_all([call] * 8, workers=3)
    assert most[0] == 3


def test_the_first_failure_stops_the_rest_and_keeps_what_was_done() -> None:
    cancel = threading.Event()
    begun: list[int] = []
    kept: dict[int, int] = {}

    def long() -> int:
        begun.append(1)
        assert cancel.wait(5), "the failure did not reach the running call"
        return -1

    calls = [partial(square, 4), fail, long, *[partial(begun.append, 9)] * 20]
    with pytest.raises(SimulatorError, match="the third one failed"):
        LocalExecutor(3, cancel).run_all(calls, on_result=kept.__setitem__)
    assert kept[0] == 16
    assert kept.get(2) in (-1, None)
    assert begun.count(9) < 20


def test_an_interrupt_reaches_the_running_calls() -> None:
    cancel = threading.Event()

    def interrupt(index: int, result: int) -> None:
        raise KeyboardInterrupt

    def long() -> bool:
        return cancel.wait(5)

    with pytest.raises(KeyboardInterrupt):
        LocalExecutor(2, cancel).run_all([long, partial(square, 4)], on_result=interrupt)
    assert cancel.is_set()


def test_an_interrupt_ends_simulators_that_calls_have_begun(tmp_path: Path) -> None:
    simulator = fake(tmp_path / "fake", "sleep 30")
    begun = time.monotonic()

    def interrupt(index: int, result: object) -> None:
        raise KeyboardInterrupt

    def nested() -> object:
        return run_all([partial(run_deck, DECK, simulator=simulator)], 1)

    with pytest.raises(KeyboardInterrupt):
        run_all([nested, partial(square, 4)], 2, on_result=interrupt)
    assert time.monotonic() - begun < 5
    assert interrupted() is None


def test_nothing_to_do_and_nobody_to_do_it() -> None:
    assert run_all([]) == []
    with pytest.raises(SimulatorError, match="0 workers"):
        run_all([partial(square, 1)], workers=0)


def test_dask_does_the_same() -> None:
    pytest.importorskip("distributed")
    kept: dict[int, int] = {}
    dask = DaskExecutor(workers=2)
    assert dask.run_all([partial(pow, x, 2) for x in range(5)], on_result=kept.__setitem__) == [0, 1, 4, 9, 16]
    assert kept == {x: x * x for x in range(5)}
    with pytest.raises(ZeroDivisionError):
        dask.run_all([partial(divmod, 1, 0)])
    with pytest.raises(SimulatorError, match="no Dask scheduler"):
        DaskExecutor("tcp://127.0.0.1:1").run_all([partial(pow, 1, 1)])


def test_without_dask_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(SimulatorError, match=r"pip install 'aishw\[farm\]'"):
        DaskExecutor().run_all([partial(square, 1)])
