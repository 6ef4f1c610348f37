"""Many files to one table: paths, chunks, processes, resumption, output formats."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spectype.classify.files import ClassifyConfig, classify_files, output_schema
from spectype.classify.output import check_output, write_table
from spectype.classify.paths import expand, take_shard
from spectype.classify.runtime import Model, load_model
from spectype.core.errors import UsageError
from spectype.core.files import atomic_path, read_json, write_json
from spectype.core.progress import track

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger("spectype")
CHUNK = 64  # files a task
PART = 128  # tasks between two writes of a partial result
_NO_REDSHIFT = -9999.0  # as the survey writes it


_worker: dict[str, Any] = {}


def _start_worker(config: ClassifyConfig) -> None:
    logging.disable(logging.WARNING)
    _worker.update(model=load_model(config.model, threads=1), config=config)


def _classify_chunk(files: Sequence[str]) -> pl.DataFrame:
    return classify_files(files, _worker["model"], _worker["config"])


def classify_chunks(files: Sequence[str], config: ClassifyConfig) -> Iterator[pl.DataFrame]:
    """Tables of `CHUNK` files each, in order, over processes where that pays."""
    tasks = [files[i : i + CHUNK] for i in range(0, len(files), CHUNK)]
    workers = config.workers or (os.cpu_count() or 1)
    if min(workers, len(tasks)) <= 1 or (config.workers == 0 and len(tasks) < 4):
        _worker.update(model=load_model(config.model, threads=workers), config=config)
        yield from map(_classify_chunk, tasks)
        return
    context = get_context("forkserver")
    with ProcessPoolExecutor(workers, context, _start_worker, (config,)) as pool:
        # Not all tasks at once: ten million paths in the queue would be copied there.
        ahead = 8 * workers
        waiting = [pool.submit(_classify_chunk, task) for task in tasks[:ahead]]
        for i in range(len(tasks)):
            yield waiting.pop(0).result()
            if i + ahead < len(tasks):
                waiting.append(pool.submit(_classify_chunk, tasks[i + ahead]))


def classify(paths: Sequence[str], output: str, *, config: ClassifyConfig) -> dict[str, int]:
    """Type files and write the table.

    Parameters
    ----------
    paths : sequence of str
        See `expand`.
    output : str
        ``.csv``, ``.parquet`` or ``.fits`` file, or ``-`` for CSV on stdout.
    config : ClassifyConfig
        How.

    Returns
    -------
    dict
        ``spectra``, ``typed``, ``errors``: counts of rows.

    Notes
    -----
    Partial results are kept in ``OUTPUT.parts`` while the work goes on; the same command run
    again skips what is there.
    """
    import polars as pl

    files = take_shard(expand(paths), config.shard)
    model = load_model(config.model)  # a bad model is said before the work starts
    if config.system not in ("mk", "survey"):
        raise UsageError(f"unknown system {config.system!r}", remedy="mk or survey")
    if output == "-":
        tables = list(classify_chunks(files, config))
        table = pl.concat(tables) if tables else pl.DataFrame(schema=output_schema(config))
        sys.stdout.write(table.write_csv())
        return _counts(table)
    target, files = check_output(output, files)
    parts = Parts(target, files, model, config)
    todo = files[parts.done :]
    chunks = classify_chunks(todo, config)
    try:
        for chunk in track(chunks, total=-(-len(todo) // CHUNK), title="typing"):
            parts.add(chunk)
    finally:
        parts.write()  # whatever stops the work, what is typed is kept
    table = parts.finish()
    write_table(table, target)
    parts.remove()
    return _counts(table)


class Parts:
    """Partial results beside the output, so that a killed run can go on.

    The folder ``OUTPUT.parts`` holds ``NNNNNN.parquet``, each the rows of some chunks, and
    ``parts.json`` with a fingerprint of the file list, the model and the configuration.
    """

    def __init__(
        self, target: Path, files: Sequence[str], model: Model, config: ClassifyConfig
    ) -> None:
        self.folder = target.with_name(target.name + ".parts")
        digest = hashlib.sha256("\n".join(files).encode(errors="surrogateescape"))
        digest.update((model.folder / "model.onnx").read_bytes())
        key = {
            "files": digest.hexdigest(),
            "system": config.system,
            "frame": config.frame,
            "columns": config.columns,
            "unit": config.unit,
            "table": list(output_schema(config)),
        }
        known = self.folder / "parts.json"
        if not known.exists() and self.folder.exists() and any(self.folder.iterdir()):
            raise UsageError(
                "holds files that are not ours: partial results would be kept there",
                path=self.folder,
                remedy="choose another output",
            )
        if not known.exists() or read_json(known) != key:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            write_json(known, key)
        self.files = sorted(self.folder.glob("[0-9]*.parquet"))
        # A part's name is the number of input files that stand behind it and those before.
        self.done = int(self.files[-1].stem) if self.files else 0
        self.total = len(files)
        self.config = config
        if self.done:
            log.info("resuming: %d of %d files are done", self.done, self.total)
        self._waiting: list[pl.DataFrame] = []

    def add(self, chunk: pl.DataFrame) -> None:
        """Keep a chunk; write when enough have come."""
        self._waiting.append(chunk)
        if len(self._waiting) >= PART:
            self.write()

    def write(self) -> None:
        """Write what is waiting."""
        import polars as pl

        if not self._waiting:
            return
        self.done = min(self.done + CHUNK * len(self._waiting), self.total)
        path = self.folder / f"{self.done:012d}.parquet"
        with atomic_path(path) as temporary:
            pl.concat(self._waiting).write_parquet(temporary)
        self.files.append(path)
        self._waiting = []

    def finish(self) -> pl.DataFrame:
        """All rows, in the order of the files."""
        import polars as pl

        if not self.files:
            return pl.DataFrame(schema=output_schema(self.config))
        return pl.concat([pl.read_parquet(path) for path in self.files])

    def remove(self) -> None:
        """Remove the partial results once the output is written."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _counts(table: pl.DataFrame) -> dict[str, int]:
    errors = int(table["error"].is_not_null().sum())
    return {
        "spectra": len(table),
        "typed": int(table["type"].is_not_null().sum()),
        "errors": errors,
    }
