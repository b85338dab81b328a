"""Independent jobs side by side: worker threads around simulator processes, or a Dask cluster.

A call does its own work in a process it starts, so a thread is enough here (dispatch 0.006 ms against 1.5 ms).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from threading import Event
from typing import Protocol, TypeVar

from aishw.errors import SimulatorError

T = TypeVar("T")
Progress = Callable[[float], None]
OnResult = Callable[[int, T], None]
_INTERRUPTED: ContextVar[Event | None] = ContextVar("interrupted", default=None)


def interrupted() -> Event | None:
    """The event that an interrupt of the `LocalExecutor` around this call sets; None outside of one."""
    return _INTERRUPTED.get()


class Executor(Protocol):
    """Where independent jobs run."""

    def run_all(
        self,
        calls: Sequence[Callable[[], T]],
        progress: Progress | None = None,
        on_result: OnResult[T] | None = None,
    ) -> list[T]:
        """The results in the order of the calls; the first failure stops what has not begun, and is raised.

        on_result(index, result) is called in this thread as each call ends, so that what was done before a failure is
        not lost. progress: the fraction of calls that are done.
        """
        ...


@dataclass(frozen=True)
class LocalExecutor:
    """`workers` threads of this process. cancel: set on a failure or interrupt; calls that watch it stop early.

    Without one, simulator processes that calls have begun still end at an interrupt (`interrupted`).
    """

    workers: int = 2
    cancel: Event | None = None

    def run_all(
        self,
        calls: Sequence[Callable[[], T]],
        progress: Progress | None = None,
        on_result: OnResult[T] | None = None,
    ) -> list[T]:
        """See `Executor.run_all`. Calls that run when another fails are waited for, and their results reported."""
        if self.workers < 1:
            raise SimulatorError(f"{self.workers} workers run nothing; give at least 1")
        results: dict[int, T] = {}
        failure: BaseException | None = None
        interrupt = self.cancel or interrupted() or Event()
        with ThreadPoolExecutor(self.workers, thread_name_prefix="aishw") as pool:
            waiting: dict[Future[T], int] = {}
            try:
                for k, call in enumerate(calls):  # an interrupt may come between two of them
                    context = copy_context()
                    context.run(_INTERRUPTED.set, interrupt)
                    waiting[pool.submit(context.run, call)] = k
                while waiting:
                    ended, _ = wait(waiting, return_when=FIRST_COMPLETED)
                    for future in sorted(ended, key=lambda each: waiting[each]):
                        index = waiting.pop(future)
                        if future.cancelled():
                            continue
                        error = future.exception()
                        if error is None:
                            results[index] = future.result()
                            if on_result:
                                on_result(index, results[index])
                            if progress:
                                progress(len(results) / len(calls))
                        elif failure is None:
                            failure = error
                            self._stop(waiting)
            except BaseException:  # the user's interrupt, or a callback that failed
                interrupt.set()
                self._stop(waiting)
                raise
        if failure is not None:
            raise failure
        return [results[k] for k in range(len(calls))]

    def _stop(self, waiting: dict[Future[T], int]) -> None:
        if self.cancel is not None:
            self.cancel.set()
        for future in waiting:
            future.cancel()


@dataclass(frozen=True)
class DaskExecutor:
    """A Dask cluster: `address` of its scheduler ("tcp://..."), or "" for one on this machine with `workers` processes.

    Calls and results are pickled, so a call is a function of a module or a `functools.partial` of one. Needs the extra
    `farm`.
    """

    address: str = ""
    workers: int = 2

    def run_all(
        self,
        calls: Sequence[Callable[[], T]],
        progress: Progress | None = None,
        on_result: OnResult[T] | None = None,
    ) -> list[T]:
        """See `Executor.run_all`. Raises SimulatorError without dask.distributed and if no scheduler answers."""
        try:
            from distributed import Client, as_completed
        except ImportError:
            way_out = "`pip install 'aishw[farm]'`, or run locally"
            raise SimulatorError(f"dask.distributed is not installed; {way_out}") from None
        try:
            local = {"n_workers": self.workers, "threads_per_worker": 1, "dashboard_address": None}
            client = Client(self.address, timeout="20s") if self.address else Client(processes=True, **local)
        except OSError as error:
            raise SimulatorError(f"no Dask scheduler at {self.address!r} ({error}); start one or run locally") from None
        results: dict[int, T] = {}
        with client:
            futures = [client.submit(call, pure=False) for call in calls]
            index = {future.key: k for k, future in enumerate(futures)}
            try:
                for future in as_completed(futures):
                    results[index[future.key]] = future.result()
                    if on_result:
                        on_result(index[future.key], results[index[future.key]])
                    if progress:
                        progress(len(results) / len(calls))
            except BaseException:
                client.cancel(futures)
                raise
        return [results[k] for k in range(len(calls))]


def run_all(
    calls: Sequence[Callable[[], T]],
    workers: int = 2,
    progress: Progress | None = None,
    on_result: OnResult[T] | None = None,
    cancel: Event | None = None,
) -> list[T]:
    """`LocalExecutor(workers, cancel).run_all(calls, progress, on_result)`."""
    return LocalExecutor(workers, cancel).run_all(calls, progress, on_result)
