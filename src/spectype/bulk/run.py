"""Spectra to a folder of results: in a memory that does not grow, resumed by the same command."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from spectype.bulk.crew import Crew
from spectype.bulk.folder import PLAN, Piece, Results, check_identity, identity, make
from spectype.bulk.lock import locked, planning
from spectype.bulk.plan import SHARD, deal, parse_share
from spectype.bulk.seen import Seen, unique
from spectype.bulk.work import BATCH, Keeper, Task, Typing, tasks
from spectype.classify.batch import ClassifyConfig, output_schema
from spectype.classify.paths import find, no_files
from spectype.classify.runtime import SYSTEMS, load_model
from spectype.core.errors import Interrupted, UsageError
from spectype.core.files import MANIFEST, check_writable_folder, write_manifest
from spectype.core.names import as_text
from spectype.core.progress import progress

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger("spectype")
_HOW_NOT_WHAT = ("model", "workers", "shard")  # settings on which rows do not depend, or not alone


def classify_folder(
    paths: Sequence[str], output: str | Path, *, config: ClassifyConfig, size: int = SHARD
) -> dict[str, int]:
    """Type files and members of archives into a folder of parquet shards.

    Parameters
    ----------
    paths : sequence of str
        As `classify.paths.find` takes them; none goes on with the list that is in the folder.
    output : path-like
        The folder; made if needed.
    config : ClassifyConfig
        How.
    size : int
        Inputs a shard, of a folder that is new.

    Returns
    -------
    dict
        ``spectra``, ``typed``, ``errors``: rows of this machine's share, those of earlier runs
        included.

    Raises
    ------
    UsageError
        If the folder holds results of another model, list or setting, or another run works on it.
    Interrupted
        If SIGINT or SIGTERM ended it; what has been typed is kept.
    SpectypeError
        If the disk is full; likewise.
    """
    parse_share(config.shard)
    folder = check_writable_folder(Path(output))
    with locked(folder, config.shard):
        results = prepare(paths, folder, config=config, size=size)
        share = deal(len(results), config.shard)
        pieces = results.pieces()
        for stranger in results.strangers()[:5]:
            log.warning("%s is none of ours and is left alone", as_text(folder / stranger))
        written = _run(results, share, pieces, config)
        mine = [p for number in share for p in pieces.get(number, [])] + written
        seal(results)
    return counts(mine)


def prepare(
    paths: Sequence[str], folder: Path, *, config: ClassifyConfig, size: int = SHARD
) -> Results:
    """The plan of a folder: made, or found there and compared with what is asked."""
    if size < 1:
        raise UsageError(f"a shard of {size} inputs is impossible", remedy="give 1 or more")
    if config.system not in SYSTEMS:
        raise UsageError(f"unknown system {config.system!r}", remedy="mk or survey")
    settings = {k: v for k, v in asdict(config).items() if k not in _HOW_NOT_WHAT}
    same = identity(load_model(config.model), settings, list(output_schema(config)))
    with planning(folder):
        there = (folder / PLAN).exists()
        if there and not paths:
            results = Results(folder)
            check_identity(results, same)
            return results
        seen = Seen()
        found = 0

        def counted() -> Iterator[str]:
            nonlocal found
            for name in find(paths):
                found += 1
                yield name

        results = make(folder, _some(unique(counted(), seen)), size=size, **same)
        if found > len(seen):
            log.info("%d inputs are named more than once: typed once", found - len(seen))
        return results


def _some(names: Iterator[str]) -> Iterator[str]:
    first = next(names, None)
    if first is None:
        raise no_files()
    yield first
    yield from names


class Stop:
    """Whether a signal has asked to stop."""

    signal = 0


@contextmanager
def listening() -> Iterator[Stop]:
    """Let SIGINT and SIGTERM ask for an orderly end; a second one ends at once."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number: int, _: FrameType | None) -> None:
        stop.signal = number
        for each, handler in before.items():
            signal.signal(each, handler)
        log.info("stopping: what has been typed is being written")

    before = {n: signal.signal(n, ask) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(
    results: Results, share: range, pieces: dict[int, list[Piece]], config: ClassifyConfig
) -> list[Piece]:
    """Type what is left of a share; the pieces that were written."""
    done = {number: results.done(pieces, number) for number in share}
    left = sum(not finished for _, finished in done.values())
    if left < len(share):
        log.info("going on: %d of %d shards are done", len(share) - left, len(share))
    if not left:
        return []
    total, before = _files(results, share, done)
    keeper = Keeper(results)
    with ExitStack() as stack:
        stop = stack.enter_context(listening())
        todo = _until(stop, tasks(results, share, done.__getitem__))
        advance = stack.enter_context(progress(total, done=before, title="typing", unit="files"))
        stack.callback(keeper.write)  # whatever ends the work, what is typed is kept
        workers = config.workers or _cores()
        few = total is not None and total - before < 4 * BATCH and not config.workers
        for task, table in _typed(todo, config, 1 if few else workers, stack):
            keeper.add(task, table)
            advance(len(task.units))
    if stop.signal:
        raise Interrupted(
            "interrupted; what has been typed is kept",
            signal=stop.signal,
            path=results.folder,
            remedy="run the same command again to go on",
        )
    return keeper.pieces


def _until(stop: Stop, todo: Iterator[Task]) -> Iterator[Task]:
    for task in todo:
        if stop.signal:
            return
        yield task


def _typed(
    todo: Iterator[Task], config: ClassifyConfig, workers: int, stack: ExitStack
) -> Iterator[tuple[Task, pl.DataFrame]]:
    """Tasks with their rows, in order; in this process for one worker."""
    if workers > 1:
        return stack.enter_context(Crew(Typing(config), workers)).map(todo)
    handle = Typing(config, threads=_cores() if not config.workers else 1).start()
    return ((task, handle(task)) for task in todo)


def _files(
    results: Results, share: range, done: dict[int, tuple[int, bool]]
) -> tuple[int | None, int]:
    """Files of a share, where known (not of archives), and of these the ones that are done."""
    before = sum(units for units, _ in done.values())
    if results.plan["archives"]:
        return None, before
    n, size = results.plan["inputs"], results.plan["size"]
    return sum(min(size, n - size * number) for number in share), before


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def counts(pieces: Sequence[Piece]) -> dict[str, int]:
    """Rows of some pieces: ``spectra``, ``typed``, ``errors``."""
    return {
        "spectra": sum(piece.rows for piece in pieces),
        "typed": sum(piece.typed for piece in pieces),
        "errors": sum(piece.errors for piece in pieces),
    }


def seal(results: Results) -> bool:
    """Write the manifest if every shard is done; whether it is."""
    pieces = results.pieces()
    if not all(results.done(pieces, number)[1] for number in range(len(results))):
        return False
    content: dict[str, Any] = {k: v for k, v in results.plan.items() if k not in ("ends", "kind")}
    everything = [piece for own in pieces.values() for piece in own]
    if not (results.folder / MANIFEST).exists():
        write_manifest(results.folder, "results", {**content, **counts(everything)})
    return True
