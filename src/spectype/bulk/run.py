"""Spectra to a folder of results: in a memory that does not grow, resumed by the same command."""

from __future__ import annotations

import itertools
import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from spectype.bulk.crew import Crew
from spectype.bulk.folder import PLAN, OtherRun, Piece, Results, check_identity, identity, make
from spectype.bulk.lock import locked, planning
from spectype.bulk.plan import SHARD, deal, parse_share
from spectype.bulk.results import tables, write
from spectype.bulk.seen import Seen, unique
from spectype.bulk.work import BATCH, Keeper, Task, Typing, tasks
from spectype.classify.batch import ClassifyConfig, output_schema
from spectype.classify.output import check_output, without_output
from spectype.classify.paths import find, no_files
from spectype.classify.runtime import SYSTEMS, load_model
from spectype.classify.tables import provenance
from spectype.core.errors import Interrupted, UsageError
from spectype.core.files import MANIFEST, check_writable_folder, write_manifest
from spectype.core.names import as_text
from spectype.core.processes import workers_may_start
from spectype.core.progress import progress
from spectype.dataset.preprocess import RestFrame

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger("spectype")
_HOW_NOT_WHAT = ("model", "workers", "shard")  # settings on which rows do not depend, or not alone


def classify(
    paths: Iterable[str], output: str, *, config: ClassifyConfig, size: int = SHARD
) -> dict[str, int]:
    """Type files and members of archives; write a folder of shards, a table, or CSV to stdout.

    Parameters
    ----------
    paths : iterable of str
        As `classify.paths.find` takes them.
    output : str
        A folder (``NAME/``, or one that is there), a ``.csv``, ``.parquet`` or ``.fits`` file, or
        ``-`` for stdout.
    config : ClassifyConfig
        How.
    size : int
        Inputs a shard.

    Returns
    -------
    dict
        ``spectra``, ``typed``, ``errors``: counts of rows.

    Notes
    -----
    The shards of a table are kept in ``OUTPUT.parts`` while the work goes on; the same command run
    again skips what is there.
    """
    if output.endswith("/") or Path(output).is_dir():
        return classify_folder(paths, output, config=config, size=size)
    names = _every_nth(find(paths), config.shard)
    alone = replace(config, shard="1/1")
    if output == "-":
        import polars as pl

        with tempfile.TemporaryDirectory(prefix="spectype-") as folder:
            done = _into(names, Path(folder), alone, size)
            for number, piece in enumerate(tables(folder)):
                sys.stdout.write(pl.read_parquet(piece).write_csv(include_header=number == 0))
        return done
    target = check_output(output)
    parts = target.with_name(target.name + ".parts")
    names = without_output(names, target)
    try:
        done = _into(names, check_writable_folder(parts), alone, size)
    except OtherRun:  # what an earlier run with other files or settings left
        shutil.rmtree(parts)
        return classify(paths, output, config=config, size=size)
    plan = Results(parts).plan
    write(
        target,
        tables(parts),
        about=provenance(
            model=plan["model"]["name"], checksum=plan["model"]["sha256"], system=config.system
        ),
    )
    shutil.rmtree(parts)
    return done


def _every_nth(names: Iterator[str], share: str) -> Iterator[str]:
    """Of a table's inputs those of the share ``i/n``: here files are dealt out, not shards."""
    number, count = parse_share(share)
    return itertools.islice(names, number - 1, None, count)


def classify_folder(
    paths: Iterable[str], output: str | Path, *, config: ClassifyConfig, size: int = SHARD
) -> dict[str, int]:
    """Type files and members of archives into a folder of parquet shards.

    Parameters
    ----------
    paths : iterable of str
        As `classify.paths.find` takes them; none goes on with the list that is in the folder.
    output : path-like
        The folder; made if needed.
    config : ClassifyConfig
        How. ``shard``, ``i/n``, is this machine's share of the plan's shards.
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
    return _into(find(paths), check_writable_folder(Path(output)), config, size)


def _into(names: Iterator[str], folder: Path, config: ClassifyConfig, size: int) -> dict[str, int]:
    parse_share(config.shard)
    with locked(folder, config.shard):
        results = prepare(names, folder, config=config, size=size)
        share = deal(len(results), config.shard)
        pieces = results.pieces()
        for stranger in results.strangers()[:5]:
            log.warning("%s is none of ours and is left alone", as_text(folder / stranger))
        written = _run(results, share, pieces, config)
        mine = [p for number in share for p in pieces.get(number, [])] + written
        seal(results)
    return counts(mine)


def prepare(
    names: Iterator[str], folder: Path, *, config: ClassifyConfig, size: int = SHARD
) -> Results:
    """The plan of a folder: made, or found there and compared with what is asked.

    Without any name the plan that is there is taken as it is.
    """
    if size < 1:
        raise UsageError(f"a shard of {size} inputs is impossible", remedy="give 1 or more")
    if config.system not in SYSTEMS:
        raise UsageError(f"unknown system {config.system!r}", remedy="mk or survey")
    settings = {k: v for k, v in asdict(config).items() if k not in _HOW_NOT_WHAT}
    model = load_model(config.model)
    if config.velocity and any(isinstance(step, RestFrame) for step in model.chain):
        raise UsageError(
            "the model sees spectra moved to rest, without their velocities",
            path=model.folder,
            remedy="leave --velocity, or use a model built without --rest-frame",
        )
    same = identity(model, settings, list(output_schema(config)))
    with planning(folder):
        first = next(names, None)
        if first is None:
            if not (folder / PLAN).exists():
                raise no_files()
            results = Results(folder)
            check_identity(results, same)
            return results
        named = _Counted(itertools.chain([first], names))
        seen = Seen()
        results = make(folder, unique(named, seen), size=size, **same)
        if named.n > len(seen):
            log.info("%d inputs are named more than once: typed once", named.n - len(seen))
        return results


class _Counted:
    """An iterator that counts."""

    def __init__(self, names: Iterator[str]) -> None:
        self._names = names
        self.n = 0

    def __iter__(self) -> Iterator[str]:
        for name in self._names:
            self.n += 1
            yield name


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
        workers = 1 if config.workers is None else config.workers or _cores()
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
        with workers_may_start():
            crew = Crew(Typing(config), workers)
        return stack.enter_context(crew).map(todo)
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
