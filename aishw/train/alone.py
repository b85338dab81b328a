"""One training for one output: a lock beside it that ends with the process, whatever ends it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aishw.errors import StoreError


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Holds `out` against other trainings. Raises StoreError if one of them has it, or if the folder takes no file."""
    lock = out.with_name(f".{out.name[:80]}.lock")
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StoreError(f"cannot write beside {out}: {str(error.strerror).lower()}") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(f"another training is writing {out}; wait for it, or choose another output") from None
        try:
            yield
        finally:
            with suppress(OSError):
                lock.unlink()
    finally:
        os.close(handle)
