"""The shards of a plan, typed: units are read and typed in batches, rows kept in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from spectype.bulk.folder import Piece, Results, digest
from spectype.bulk.tars import Member, members
from spectype.classify.batch import ClassifyConfig, File, classify_files, error_row
from spectype.classify.paths import is_archive
from spectype.classify.runtime import Model, load_model

if TYPE_CHECKING:
    import polars as pl

BATCH = 64  #: units that are typed together
_BYTES = 32 << 20  # of members of archives in a batch, at most
Unit = str | Member


@dataclass(frozen=True, slots=True)
class Task:
    """Some units of a shard.

    Parameters
    ----------
    shard, first : int
        Which shard, the number of the first unit in it.
    units : sequence of str or Member
        Paths of files, or members of an archive.
    last : bool
        Whether the shard ends with them.
    """

    shard: int
    first: int
    units: Sequence[Unit]
    last: bool


@dataclass(frozen=True, slots=True)
class Typing:
    """What workers do: type the units of a task (a `crew.Job`)."""

    config: ClassifyConfig
    threads: int = 1

    def start(self) -> Callable[[Task], pl.DataFrame]:
        """Load the model."""
        model = load_model(self.config.model, threads=self.threads)
        return lambda task: type_units(task.units, model, self.config)

    def split(self, task: Task) -> list[Task]:
        """A task a unit."""
        return [replace(task, units=[unit]) for unit in task.units]

    def give_up(self, task: Task, problem: str) -> pl.DataFrame:
        """A row that says what became of the unit."""
        return error_row(name_of(task.units[0]), f"cannot be typed: {problem}", self.config)

    def join(self, task: Task, results: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """The rows of all units."""
        import polars as pl

        return pl.concat(results)


def name_of(unit: Unit) -> str:
    """Path of a file, or archive and member."""
    return unit.name if isinstance(unit, Member) else unit


def type_units(units: Sequence[Unit], model: Model, config: ClassifyConfig) -> pl.DataFrame:
    """Rows of files and members, in their order."""
    files = [
        File(unit) if isinstance(unit, str) else File(unit.name, unit.data, unit.problem)
        for unit in units
    ]
    return classify_files(files, model, config)


def tasks(
    results: Results, shards: Iterable[int], done: Callable[[int], tuple[int, bool]]
) -> Iterator[Task]:
    """What is left to do of these shards, in order and lazily.

    Parameters
    ----------
    results : Results
        The plan.
    shards : iterable of int
        Which.
    done : callable
        Units of a shard that are done, and whether that is all: `Results.done`.
    """
    for shard in shards:
        first, finished = done(shard)
        if finished:
            continue
        inputs = results.inputs(shard)
        if is_archive(inputs[0]):
            units: Iterator[Unit] = members(inputs[0], skip=first)
        else:
            units = iter(inputs[first:])
        for batch, last in _batches(units):
            yield Task(shard, first, batch, last)
            first += len(batch)


def _batches(units: Iterator[Unit]) -> Iterator[tuple[list[Unit], bool]]:
    """Batches, and whether it is the last: how much an archive holds is known at its end only."""
    batch: list[Unit] = []
    size = 0
    for unit in units:
        if len(batch) == BATCH or size > _BYTES:
            yield batch, False
            batch, size = [], 0
        batch.append(unit)
        size += len(unit.data) if isinstance(unit, Member) else 0
    yield batch, True


class Keeper:
    """Gathers the rows of tasks, which come in order, and writes the pieces.

    Parameters
    ----------
    results : Results
        Where to.
    """

    def __init__(self, results: Results) -> None:
        self._results = results
        self._tables: list[pl.DataFrame] = []
        self._tasks: list[Task] = []
        self._digest: tuple[int, str] = (-1, "")
        self.pieces: list[Piece] = []  #: what has been written

    def add(self, task: Task, table: pl.DataFrame) -> None:
        """Keep the rows of a task; write where a shard ends or enough have come."""
        self._tasks.append(replace(task, units=[None] * len(task.units)))  # type: ignore[list-item]
        self._tables.append(table)
        if task.last or self._units >= self._results.plan["size"]:
            self.write()

    @property
    def _units(self) -> int:
        return sum(len(task.units) for task in self._tasks)

    def write(self) -> None:
        """Write what has come, whether or not the shard ends with it."""
        import polars as pl

        if not self._tasks:
            return
        shard = self._tasks[0].shard
        if self._digest[0] != shard:
            self._digest = (shard, digest(self._results.inputs(shard)))
        table, units = pl.concat(self._tables), self._units
        first, last = self._tasks[0].first, self._tasks[-1].last
        # Forgotten first: if the disk is full, whoever ends the work does not try again.
        self._tables, self._tasks = [], []
        piece = self._results.write(
            table, shard=shard, first=first, units=units, last=last, inputs=self._digest[1]
        )
        self.pieces.append(piece)


@lru_cache(maxsize=1)
def _handle(config: ClassifyConfig) -> Callable[[Task], pl.DataFrame]:
    """The model stays loaded from one shard to the next."""
    return Typing(config).start()


def type_shard(folder: Any, shard: int, config: ClassifyConfig) -> list[Piece]:
    """Type one shard of the plan in `folder`, in this process; the pieces that were written.

    What a machine of a cluster does: all it is told is where the plan lies, and a number.
    """
    from pathlib import Path

    results = Results(Path(folder))
    handle = _handle(config)
    keeper = Keeper(results)
    pieces = results.pieces(shard)
    for task in tasks(results, [shard], lambda number: results.done(pieces, number)):
        keeper.add(task, handle(task))
    return keeper.pieces
