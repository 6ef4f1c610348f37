"""Progress of long work: a bar on a terminal, plain log lines otherwise."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

T = TypeVar("T")
log = logging.getLogger("spectype")
_SECONDS_BETWEEN_LINES = 15.0


def track(items: Iterable[T], *, total: int | None = None, title: str = "working") -> Iterator[T]:
    """Yield `items` while showing how far the work is (on stderr).

    Parameters
    ----------
    items : iterable
        What to yield.
    total : int, optional
        Number of items, where known.
    title : str
        A few words on the work.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    if sys.stderr.isatty():
        yield from _bar(items, total, title)
        return
    start = last = time.monotonic()
    for count, item in enumerate(items, start=1):
        yield item
        if (now := time.monotonic()) - last > _SECONDS_BETWEEN_LINES:
            last = now
            rate = count / (now - start)
            log.info("%s: %d of %s (%.0f/s)", title, count, total or "?", rate)


def _bar(items: Iterable[T], total: int | None, title: str) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=total)
        for item in items:
            yield item
            progress.advance(task)
