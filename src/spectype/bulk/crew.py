"""Processes that work through tasks, in order, and outlive what kills one of them.

A pool of the standard library gives up when a worker dies; ten million files of any origin will
kill one (a full memory, a fault in a library). Here its task is tried again, then cut into single
parts, so that the one part that kills is named and all others are done.
"""

from __future__ import annotations

import logging
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Protocol, Self

from spectype.core.errors import SpectypeError

log = logging.getLogger("spectype")
_PATIENCE = 20.0  # seconds that a worker has to end by itself
Handle = Callable[[Any], Any]


class Job(Protocol):
    """What the workers do; it goes to them by pickle."""

    def start(self) -> Handle:
        """Prepare in the worker (load a model); the function that does a task."""

    def split(self, task: Any) -> Sequence[Any]:
        """Smaller tasks in place of one that killed its worker twice; itself if it has one part."""

    def give_up(self, task: Any, problem: str) -> Any:
        """The result of a task of one part that killed its worker twice."""

    def join(self, task: Any, results: Sequence[Any]) -> Any:
        """One result from those of the parts."""


class Died(Exception):
    """A worker ended in the midst of a task; says how."""


@dataclass
class _Worker:
    process: BaseProcess
    line: Connection


@dataclass
class _Slot:
    task: Any
    tries: int = 0
    done: bool = False
    result: Any = None


class Crew:
    """Worker processes.

    Parameters
    ----------
    job : Job
        What they do.
    n : int
        How many.

    Notes
    -----
    A worker that finds its line to this process closed ends, so none is left behind when this
    process is killed. Workers leave SIGINT and SIGTERM to this process.
    """

    def __init__(self, job: Job, n: int) -> None:
        self._job = job
        self._context = get_context("forkserver")
        self._workers = [self._launch() for _ in range(n)]
        for worker in self._workers:  # they have started side by side
            _greet(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            worker.line.close()
        for worker in self._workers:
            worker.process.join(_PATIENCE)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()

    def map(self, tasks: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """Do tasks, of which a few are taken ahead.

        Yields
        ------
        task, result
            In the order of the tasks: what the job's function returned, or `Job.give_up` for a
            part that kills.
        """
        coming = iter(tasks)
        window: deque[_Slot] = deque()
        ready: deque[_Slot] = deque()
        busy: dict[Any, tuple[_Worker, _Slot]] = {}  # by line
        most, more = 3 * len(self._workers), True
        # The window may run empty while tasks are still to come: quick ones end all at once.
        while window or more:
            while more and len(window) < most and len(ready) < len(self._workers):
                task = next(coming, None)
                if task is None:
                    more = False
                    break
                window.append(_Slot(task))
                ready.append(window[-1])
            for worker in self._workers:
                if ready and worker.line not in busy:
                    slot = ready.popleft()
                    busy[worker.line] = (worker, slot)
                    with suppress(BrokenPipeError, ConnectionResetError):  # noticed below
                        worker.line.send(slot.task)
            for line in wait(list(busy)) if busy else ():
                worker, slot = busy.pop(line)
                self._take(worker, slot)
                if not slot.done:
                    ready.appendleft(slot)
            while window and window[0].done:
                slot = window.popleft()
                yield slot.task, slot.result

    def _take(self, worker: _Worker, slot: _Slot) -> None:
        """Receive a result; a task that failed once is to be tried again, then part by part."""
        try:
            slot.result = self._receive(worker)
            slot.done = True
        except Died as death:
            slot.tries += 1
            log.debug("a worker died: %s", death)
            if slot.tries > 1:
                slot.result = self._part_by_part(slot.task, str(death))
                slot.done = True

    def _receive(self, worker: _Worker) -> Any:
        try:
            ok, result = worker.line.recv()
        except (EOFError, ConnectionResetError) as error:
            worker.line.close()
            worker.process.join(_PATIENCE)
            code = worker.process.exitcode
            new = self._hire()
            worker.process, worker.line = new.process, new.line
            how = f"signal {-code}" if code is not None and code < 0 else f"status {code}"
            raise Died(f"its process ended with {how}") from error
        if not ok:
            raise Died(result)
        return result

    def _part_by_part(self, task: Any, problem: str) -> Any:
        parts = self._job.split(task)
        if len(parts) == 1:
            return self._job.give_up(task, problem)
        return self._job.join(task, [self._alone(part) for part in parts])

    def _alone(self, task: Any) -> Any:
        """Do one task while the others wait, in a worker of its own."""
        worker = self._hire()
        try:
            for _ in range(2):
                with suppress(BrokenPipeError, ConnectionResetError):
                    worker.line.send(task)
                try:
                    return self._receive(worker)
                except Died as death:
                    problem = str(death)
            return self._part_by_part(task, problem)
        finally:
            worker.line.close()
            worker.process.join(_PATIENCE)

    def _hire(self) -> _Worker:
        worker = self._launch()
        _greet(worker)
        return worker

    def _launch(self) -> _Worker:
        here, there = self._context.Pipe()
        process = self._context.Process(target=_work, args=(there, self._job), daemon=True)
        process.start()
        there.close()
        return _Worker(process, here)


def _greet(worker: _Worker) -> None:
    """Wait until a worker is prepared.

    Raises
    ------
    SpectypeError
        If it cannot be.
    """
    try:
        ok, problem = worker.line.recv()
    except (EOFError, ConnectionResetError):
        worker.process.join(_PATIENCE)
        ok, problem = False, f"its process ended with status {worker.process.exitcode}"
    if not ok:
        raise SpectypeError(f"a worker cannot start: {problem}", remedy="try --workers 1")


def _work(line: Connection, job: Job) -> None:
    """A worker's life: tasks come, results go, until the line is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logging.disable(logging.WARNING)
    try:
        handle = job.start()
    except Exception as error:
        line.send((False, f"{type(error).__name__}: {error}"))
        return
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        line.send((True, ""))
        while True:
            task = line.recv()
            try:
                answer = (True, handle(task))
            except Exception as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                place = f"{where.filename.rpartition('/')[2]}:{where.lineno}"
                answer = (False, f"{type(error).__name__}: {error} ({place})")
            line.send(answer)
