"""Files that are written whole or not at all, so that an interrupted command leaves the old one or the new one."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aishw.errors import StoreError


def check_output(path: str | Path, overwrite: bool = False) -> Path:
    """`path` if a file could be written there now; asked before anything is computed.

    Raises StoreError if it exists (unless `overwrite`), is a folder, has no folder, or may not be written.
    """
    out = Path(path)
    try:
        if "\0" in str(out):
            raise ValueError("a null byte in the name")
        if out.is_dir():
            raise StoreError(f"{out} is a folder; give the name of a file")
        if out.exists() and not out.is_file():
            raise StoreError(f"{out} is a device or a pipe; give the name of a file")
        if not out.parent.is_dir():
            raise StoreError(f"cannot write {out}: there is no folder {out.parent}")
        if out.exists() and not overwrite:
            raise StoreError(f"{out} exists; choose another name, or --force to overwrite it")
        if not os.access(out if out.exists() else out.parent, os.W_OK) or not os.access(out.parent, os.W_OK):
            raise StoreError(f"cannot write {out}: permission denied")
    except (OSError, ValueError) as error:  # a name too long, a null byte
        raise StoreError(f"cannot write {str(out)[:80]!r}: {_reason(error)}") from error
    return out


def check_folder(path: str | Path, overwrite: bool = False) -> Path:
    """`path` as a folder that may be made, or that exists and is empty (any folder if `overwrite`)."""
    out = Path(path)
    try:
        if out.exists() and not out.is_dir():
            raise StoreError(f"{out} is a file; give the name of a folder")
        if out.is_dir() and any(out.iterdir()) and not overwrite:
            raise StoreError(f"{out}/ exists and is not empty; choose another folder, or --force to write into it")
        above = next(p for p in (out, *out.absolute().parents) if p.exists())
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            raise StoreError(f"cannot write into {above}: {'permission denied' if above.is_dir() else 'it is a file'}")
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot write {str(out)[:80]!r}: {_reason(error)}") from error
    return out


def write_whole(path: str | Path, content: bytes | str, overwrite: bool = False) -> None:
    """Puts `content` at `path`: a temporary file beside it, synced to the disk, then renamed.

    Without `overwrite` a file that is there, or that another process makes meanwhile, stays. Raises StoreError for
    that and for whatever the disk says (no space, no permission).
    """
    out = check_output(path, overwrite)
    out = Path(os.path.realpath(out))  # a link stays a link
    temporary = out.with_name(f".{out.name[:40]}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            if out.exists():
                os.chmod(temporary, out.stat().st_mode & 0o777)
            os.replace(temporary, out)
        else:
            _link_new(temporary, out)
        _sync_folder(out.parent)
    except FileExistsError as error:
        raise StoreError(f"{out} exists; choose another name, or --force to overwrite it") from error
    except OSError as error:
        raise StoreError(f"cannot write {out}: {_reason(error)}; nothing was changed") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def locked(path: str | Path, wait_s: float = 30.0) -> Iterator[None]:
    """Holds the file at `path` against other aishw processes while it is read, changed and replaced.

    The lock ends with the process, whatever ends it. Raises StoreError if another process holds it for `wait_s`.
    """
    deadline = time.monotonic() + wait_s
    while True:
        try:
            handle = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise StoreError(f"cannot open {path}: {_reason(error)}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The file may have been replaced between open and flock; then the lock is on the old one.
            if _same(handle, path):
                break
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(handle)
        if time.monotonic() > deadline:
            raise StoreError(f"another aishw process is writing {path}; try again when it is done")
        time.sleep(0.02)
    try:
        yield
    finally:
        os.close(handle)


def _same(handle: int, path: str | Path) -> bool:
    ours, theirs = os.fstat(handle), os.stat(path)
    return (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino)


def _link_new(temporary: Path, out: Path) -> None:
    try:
        os.link(temporary, out)  # unlike a rename, this fails if another process was faster
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if out.exists():
            raise FileExistsError(str(out)) from None
        os.rename(temporary, out)


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # some file systems cannot sync a folder
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)).lower()
