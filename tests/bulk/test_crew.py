"""Workers that die: the task is tried again, then cut; only the part that kills is lost."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from spectype.bulk.crew import Crew
from spectype.core.errors import SpectypeError


@dataclass
class Squares:
    """Squares lists of numbers; 13 kills the process, 7 does so once, 5 raises once."""

    marks: Path
    broken: bool = False

    def start(self):
        if self.broken:
            raise ValueError("no model")
        return self.square

    def square(self, task):
        if 13 in task:
            os.kill(os.getpid(), signal.SIGKILL)
        for bad in (5, 7):
            mark = self.marks / str(bad)
            if bad in task and not mark.exists():
                mark.touch()
                if bad == 7:
                    os._exit(3)
                raise RuntimeError("once")
        return [number**2 for number in task]

    def split(self, task):
        return [[number] for number in task]

    def give_up(self, task, problem):
        return [problem]

    def join(self, task, results):
        return [value for result in results for value in result]


def test_results_come_in_order_and_only_what_kills_is_lost(tmp_path):
    tasks = [list(range(i, i + 3)) for i in range(0, 30, 3)]
    taken = []
    with Crew(Squares(tmp_path), 2) as crew:
        done = list(crew.map(taken.append(task) or task for task in tasks))
    assert [task for task, _ in done] == tasks
    flat = [value for _, result in done for value in result]
    assert flat[13] == "its process ended with signal 9"
    assert [v for i, v in enumerate(flat) if i != 13] == [n**2 for n in range(30) if n != 13]


def test_none_is_lost_where_the_one_who_takes_results_is_slow(tmp_path):
    tasks = [[20 + i] for i in range(40)]
    with Crew(Squares(tmp_path), 2) as crew:
        done = []
        for _, result in crew.map(tasks):
            time.sleep(0.01)  # the workers have done all they were given meanwhile
            done += result
    assert done == [(20 + i) ** 2 for i in range(40)]


def test_tasks_are_taken_a_few_ahead_only(tmp_path):
    taken = []
    with Crew(Squares(tmp_path), 2) as crew:
        next(crew.map(taken.append(i) or [20 + i] for i in range(1000)))
        assert len(taken) <= 7


def test_workers_that_cannot_start_say_why(tmp_path):
    with pytest.raises(SpectypeError, match="cannot start: ValueError: no model"):
        Crew(Squares(tmp_path, broken=True), 2)
