"""Progress of long work: a bar on a terminal, plain log lines otherwise."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
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
    with progress(total, title=title) as advance:
        for item in items:
            yield item
            advance(1)


@contextmanager
def progress(
    total: int | None, *, done: int = 0, title: str = "working", unit: str = ""
) -> Iterator[Callable[[int], None]]:
    """Show how far the work is (on stderr), its rate and the time left.

    Parameters
    ----------
    total : int, optional
        Units of work, where known.
    done : int
        Of these, units that an earlier run has done: they count as done, not for the rate.
    title, unit : str
        A few words on the work; what is counted.

    Yields
    ------
    callable
        To be told how many units more are done.
    """
    if sys.stderr.isatty():
        with _bar(total, done, title) as move:
            yield move
        return
    start = last = time.monotonic()
    count = done

    def advance(more: int) -> None:
        nonlocal count, last
        count += more
        if (now := time.monotonic()) - last > _SECONDS_BETWEEN_LINES:
            last = now
            log.info("%s", line(title, count, total, unit, (count - done) / (now - start)))

    yield advance


def line(title: str, count: int, total: int | None, unit: str, rate: float) -> str:
    """A line of progress.

    Examples
    --------
    >>> line("typing", 12_000, 1_200_000, "files", 330.0)
    'typing: 12,000 of 1,200,000 files (330/s, 1 h 0 min left)'
    """
    known = "?" if total is None else f"{total:,}"
    left = f", {_span((total - count) / rate)} left" if total and rate > 0 else ""
    return f"{title}: {count:,} of {known}{' ' * bool(unit)}{unit} ({rate:.0f}/s{left})"


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@contextmanager
def _bar(total: int | None, done: int, title: str) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        Remaining(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(title, total=total, completed=done, rate="")
        start, count = time.monotonic(), 0

        def advance(more: int) -> None:
            nonlocal count
            count += more
            rate = count / max(time.monotonic() - start, 1e-3)
            shown.update(task, advance=more, rate=f"{rate:.0f}/s")

        yield advance
