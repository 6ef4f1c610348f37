"""One run at a time on an output, or the shares of one plan beside each other."""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from spectype.core.errors import UsageError

log = logging.getLogger("spectype")
_BUSY = (errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN)


@contextlib.contextmanager
def locked(folder: Path, share: str = "1/1") -> Iterator[None]:
    """Hold the output `folder` for the share ``i/n`` of its plan while the block runs.

    The kernel holds the lock, so that it ends with the process whatever ends it; the file says
    who has it.

    Raises
    ------
    UsageError
        If another run has the same share, or shares of another number: their plans overlap.
    """
    own = folder / f".lock-{share.replace('/', '-of-')}"
    with _open(own) as handle:
        if not _take(handle):
            raise _busy(own)
        handle.truncate(0)
        handle.write(f"process {os.getpid()} on {socket.gethostname()} since {_now()}")
        handle.flush()
        for other in folder.glob(".lock-*"):
            if other.name.rpartition("-")[2] != own.name.rpartition("-")[2] and _is_held(other):
                raise _busy(other)
        try:
            yield
        finally:
            own.unlink(missing_ok=True)


@contextlib.contextmanager
def planning(folder: Path) -> Iterator[None]:
    """Let one process make or check the plan of `folder` while the others wait for it."""
    with _open(folder / ".plan") as handle:
        with contextlib.suppress(OSError):  # no locks here: `_take` says so
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _now() -> str:
    return datetime.datetime.now().isoformat(" ", "seconds")


def _open(path: Path) -> IO[str]:
    try:
        return path.open("a+", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"cannot be written: {error.strerror}", path=path, remedy="choose another output"
        ) from error


def _take(handle: IO[str]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        log.warning(
            "%s: this file system has no locks (%s): make sure that no two runs write here",
            Path(handle.name).parent, error.strerror,
        )  # fmt: skip
    return True


def _is_held(path: Path) -> bool:
    try:
        with path.open("r+", encoding="utf-8") as handle:
            return not _take(handle)
    except FileNotFoundError:
        return False


def _busy(path: Path) -> UsageError:
    with contextlib.suppress(OSError):
        holder = path.read_text(encoding="utf-8")
        share = path.name.removeprefix(".lock-").replace("-of-", "/")
        whose = "" if share == "1/1" else f" as its share {share}"
        return UsageError(
            f"another run is writing here{whose}: {holder}",
            path=path.parent,
            remedy="wait for it, stop it, or choose another output",
        )
    return UsageError("another run has just written here", path=path.parent, remedy="try again")
