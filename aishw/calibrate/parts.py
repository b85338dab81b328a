"""Parts: what a calibration has measured so far, kept beside its file, so that a killed command goes on.

A part is one noun in one HDF5 file. Its key is the content it depends on: circuit, settings, the findings it starts
from, the simulator and the measuring code itself; a part with another key is measured again, never mixed in.
"""

from __future__ import annotations

import inspect
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, get_type_hints

from aishw.atomic import write_whole
from aishw.calibrate.calibration_file import noun_bytes, read_noun, reading
from aishw.calibrate.nouns import noun_of
from aishw.errors import StoreError
from aishw.identity import fingerprint

P = ParamSpec("P")
T = TypeVar("T")
MARK, TIMES = "parts.json", "times.json"
PLAIN = (str, int, float, bool, type(None))


@dataclass(frozen=True)
class Parts:
    """The folder of one unfinished calibration. base: fingerprint of what every part depends on. guard: raises if that
    has changed since; asked before anything is kept.
    """

    folder: Path
    base: str
    guard: Callable[[], None] = lambda: None

    def open(self) -> None:
        """Makes the folder. Raises StoreError if something else is there."""
        try:
            if self.folder.exists() and not (self.folder / MARK).exists() and any(self.folder.iterdir()):
                raise StoreError(f"{self.folder}/ holds something else; choose another name for the calibration")
            self.folder.mkdir(exist_ok=True)
            (self.folder / MARK).write_text('{"of": "aishw calibrate"}\n')
        except OSError as error:
            raise StoreError(f"cannot keep parts in {self.folder}: {(error.strerror or str(error)).lower()}") from None

    @property
    def empty(self) -> bool:
        """Whether nothing is kept yet."""
        return not any(self.folder.glob("*.h5"))

    def close(self) -> None:
        """Removes the folder: the calibration is written."""
        if (self.folder / MARK).exists():
            shutil.rmtree(self.folder, ignore_errors=True)

    def stage(self, name: str, made: type[T], measure: Callable[[], T], *depends: str) -> T:
        """The finding of a stage, kept or measured now. depends: fingerprints of what it starts from."""
        key = fingerprint(self.base, name, *depends)
        path = self.folder / f"{name}.h5"
        with suppress(StoreError):
            return _load(path, made, key)
        with self._timed(name):
            finding = measure()
        self.guard()
        _save(path, finding, key)
        return finding

    def remember(self, stage: str, *depends: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
        """A wrapper for a function that measures one point of a stage: what it returned once, it returns again.

        A point is known by the function's name and its plain arguments; its target and steady state are in `depends`.
        """

        def wrap(function: Callable[P, T]) -> Callable[P, T]:
            made, code = get_type_hints(function)["return"], code_id(function)

            @wraps(function)
            def kept(*args: P.args, **kwargs: P.kwargs) -> T:
                plain = [a for a in args if isinstance(a, PLAIN)]
                named = {k: v for k, v in kwargs.items() if isinstance(v, PLAIN)}
                key = fingerprint(self.base, stage, *depends, code, function.__name__, plain, named)
                path = self.folder / f"{stage}-{key}.h5"
                with suppress(StoreError):
                    point: T = _load(path, made, key)
                    return point
                found = function(*args, **kwargs)
                self.guard()
                _save(path, found, key)
                return found

            return kept

        return wrap

    def times(self) -> dict[str, tuple[float, float]]:
        """(wall, CPU) seconds by stage, over every command that worked on these parts."""
        try:
            spent = json.loads((self.folder / TIMES).read_text())
            return {name: (float(wall_s), float(cpu_s)) for name, (wall_s, cpu_s) in spent.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        wall, cpu = time.monotonic(), _cpu_s()
        try:
            yield
        finally:
            spent = self.times()
            before = spent.get(name, (0.0, 0.0))
            spent[name] = (before[0] + time.monotonic() - wall, before[1] + _cpu_s() - cpu)
            write_whole(self.folder / TIMES, json.dumps(spent), overwrite=True)


def content_id(value: Any) -> str:
    """The fingerprint of a finding's kept fields."""
    from aishw.fields import encode

    return fingerprint(encode(noun_of(type(value)), value))


@cache
def code_id(function: Callable[..., Any]) -> str:
    """The fingerprint of the module that measures."""
    module = inspect.getmodule(function)
    return fingerprint(inspect.getsource(module) if module else function.__qualname__)


def _save(path: Path, finding: Any, key: str) -> None:
    write_whole(path, noun_bytes("aishw-calibration", noun_of(type(finding)), finding, key=key), overwrite=True)


def _load(path: Path, made: type[T], key: str) -> T:
    def read(file: Any, version: int) -> Any:
        if file.attrs.get("key") != key:
            raise StoreError(f"{path} belongs to other settings")
        return read_noun(file, noun_of(made))

    found: T = reading(path, read)
    return found


def _cpu_s() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system
