"""Worker processes need a script that they can import without starting it again."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from spectype.core.errors import SpectypeError, UsageError

REMEDY = "put what your script does under if __name__ == '__main__':, or give workers=1"


@contextmanager
def workers_may_start() -> Iterator[None]:
    """Start worker processes inside this block; a script without a guard is named as the cause.

    Raises
    ------
    UsageError
        In a worker that is importing the user's script, and has come to this call again.
    SpectypeError
        If workers end before they have begun.
    """
    from multiprocessing import process

    # Set by multiprocessing while a new process imports the main script.
    if getattr(process.current_process(), "_inheriting", False):
        raise UsageError("a worker process has started your script again", remedy=REMEDY)
    try:
        yield
    except (BrokenProcessPool, EOFError, ConnectionError) as error:
        raise SpectypeError(
            "the worker processes ended before their work", remedy=REMEDY
        ) from error
