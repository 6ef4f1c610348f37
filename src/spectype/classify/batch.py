"""Many files to one table: paths, chunks, processes, resumption, output formats."""

from __future__ import annotations

import glob
import hashlib
import logging
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spectype.classify.runtime import DEFAULT, Model, digits, load_model, schema
from spectype.core.errors import SpectypeError, UsageError
from spectype.core.files import atomic_path, check_writable, read_json, write_json
from spectype.core.indices import measure
from spectype.core.lines import INDICES
from spectype.core.progress import track
from spectype.core.spectra import Spectra
from spectype.dataset.build import is_spectrum_name
from spectype.dataset.preprocess import BadPixels

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger("spectype")
CHUNK = 64  # files a task
PART = 128  # tasks between two writes of a partial result
_NO_REDSHIFT = -9999.0  # as the survey writes it
SUFFIXES = (".csv", ".parquet", ".fits")


@dataclass(frozen=True)
class ClassifyConfig:
    """How files are typed.

    Parameters
    ----------
    model : str
        A shipped model, or the folder of a model or run.
    system : str
        ``mk`` or ``survey``.
    frame : str, optional
        ``air`` or ``vacuum`` for files that do not say.
    workers : int
        Processes; 0 takes all cores for many files and one for few.
    shard : str
        ``i/n`` types every n-th file, beginning with the i-th (1 to n).
    indices : bool
        Add line indices and equivalent widths with their errors, as columns after the others.
    """

    model: str = DEFAULT
    system: str = "mk"
    frame: str | None = None
    workers: int = 0
    shard: str = "1/1"
    indices: bool = False


def expand(paths: Sequence[str]) -> list[str]:
    """Files behind PATHS: files, folders (recursive), globs, ``@list.txt``, ``-`` for stdin.

    A path that does not exist is kept: it becomes a row with an error, not a silent skip.

    Raises
    ------
    UsageError
        If a folder or glob holds no spectra, a list cannot be read, or nothing is left.
    """
    files: list[str] = []
    for path in paths:
        if path == "-":
            files.extend(expand(_lines(sys.stdin)) if not sys.stdin.closed else [])
        elif path.startswith("-") and not Path(path).exists():
            raise UsageError(f"unknown option {path!r}", remedy="see spectype classify --help")
        elif path.startswith("@"):
            try:
                with Path(path[1:]).open(encoding="utf-8-sig") as handle:
                    files.extend(expand(_lines(handle)))
            except OSError as error:
                raise UsageError(f"cannot be read: {error.strerror}", path=path[1:]) from error
        elif Path(path).is_dir():
            inside = [str(p) for p in sorted(Path(path).rglob("*")) if _is_input(p)]
            if not inside:
                raise UsageError("holds no spectra", path=path, remedy="expected *.fits, *.csv")
            files.extend(inside)
        elif glob.has_magic(path) and not Path(path).exists():
            found = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 (absolute patterns too)
            if not found:
                raise UsageError("matches no file", path=path, remedy="check the pattern")
            files.extend(expand(found))
        else:
            files.append(path)
    if not files:
        raise UsageError("no files given", remedy="give files, folders, globs or @list.txt")
    return list(dict.fromkeys(files))


def _is_input(path: Path) -> bool:
    return is_spectrum_name(path.name) and (path.is_file() or path.is_symlink())


def _lines(handle: Iterable[str]) -> list[str]:
    return [text for line in handle if (text := line.strip()) and not text.startswith("#")]


def take_shard(files: list[str], shard: str) -> list[str]:
    """Every n-th file for ``i/n``; the shards are disjoint and together complete."""
    number, _, count = shard.partition("/")
    if not (number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count)):
        raise UsageError(f"impossible shard {shard!r}", remedy="give i/n with 1 <= i <= n")
    return files[int(number) - 1 :: int(count)]


def classify_file(path: str, model: Model, config: ClassifyConfig) -> pl.DataFrame:
    """One row a spectrum of a file; a file that cannot be read gives one row with an error."""
    import polars as pl

    from spectype.surveys import read

    try:
        spectra = read(path, frame=config.frame)
        table = model.predict(spectra, system=config.system)
        empty = np.atleast_1d(spectra.mask.all(axis=1))
        if config.indices:
            table = table.hstack(measure_indices(spectra))
    except SpectypeError as error:
        problem = error.problem + (f" ({error.remedy})" if error.remedy else "")
        return error_row(path, problem, config)
    except Exception as error:  # one bad file among a million must not stop the others
        log.debug("unexpected error in %s", path, exc_info=True)
        return error_row(path, f"unexpected {type(error).__name__}: {error}", config)
    names = [path] if len(table) == 1 else [f"{path}[{i}]" for i in range(len(table))]
    faults = ["has no good pixel" if none else None for none in empty]
    return table.with_columns(
        path=pl.Series(names, dtype=pl.String), error=pl.Series(faults, dtype=pl.String)
    )


def measure_indices(spectra: Spectra) -> pl.DataFrame:
    """Line indices of a batch as read: columns ``NAME``, ``NAME_error`` of `core.lines.INDICES`.

    Measured on the file's own pixels, without its bad pixels and cosmic rays, at the rest
    frame of its own redshift where it gives one. Null where a band lacks good pixels, an
    error alone where the file has none.
    """
    import polars as pl

    z = np.array([_NO_REDSHIFT if v is None else float(v) for v in spectra.get("redshift")])
    found = measure(BadPixels()(spectra), redshift=np.where(z > -0.5, z, np.nan))
    columns = {name: digits(values) for name, values in found.items()}
    return pl.DataFrame(columns, schema=index_schema()).fill_nan(None)


def index_schema() -> dict[str, Any]:
    """Polars types of the columns that ``indices`` adds."""
    import polars as pl

    return {name: pl.Float64 for index in INDICES for name in (index, f"{index}_error")}


def output_schema(config: ClassifyConfig) -> dict[str, Any]:
    """Polars types of the output's columns, in order."""
    return schema() | (index_schema() if config.indices else {})


def error_row(path: str, problem: str, config: ClassifyConfig) -> pl.DataFrame:
    """A row that carries nothing but the path and what is wrong."""
    import polars as pl

    columns = output_schema(config)
    values: dict[str, list[Any]] = {name: [None] for name in columns}
    values |= {"path": [path], "error": [problem], "flags": [0], "flag_names": [""]}
    return pl.DataFrame(values, schema=columns)


_worker: dict[str, Any] = {}


def _start_worker(config: ClassifyConfig) -> None:
    logging.disable(logging.WARNING)
    _worker.update(model=load_model(config.model, threads=1), config=config)


def _classify_chunk(files: Sequence[str]) -> pl.DataFrame:
    import polars as pl

    return pl.concat([classify_file(f, _worker["model"], _worker["config"]) for f in files])


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
    target = check_writable(output)
    if target.suffix not in SUFFIXES:
        raise UsageError(
            f"unknown format {target.suffix!r}", path=target, remedy=f"use {' '.join(SUFFIXES)}"
        )
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
            "indices": config.indices,
        }
        known = self.folder / "parts.json"
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


def write_table(table: pl.DataFrame, target: Path) -> None:
    """Write the table atomically in the format of the suffix."""
    with atomic_path(target) as temporary:
        if target.suffix == ".csv":
            table.write_csv(temporary)
        elif target.suffix == ".parquet":
            table.write_parquet(temporary)
        else:
            _write_fits(table, temporary)


def _write_fits(table: pl.DataFrame, path: Path) -> None:
    from astropy.table import Table

    columns = {}
    for name in table.columns:
        values = table[name]
        if values.dtype.is_numeric():
            columns[name] = values.to_numpy()
        else:
            text = [v.encode("ascii", "backslashreplace") for v in values.fill_null("").to_list()]
            columns[name] = np.array(text or [b""], dtype=bytes)[: len(values)]
    Table(columns).write(path, format="fits", overwrite=True)


def _counts(table: pl.DataFrame) -> dict[str, int]:
    errors = int(table["error"].is_not_null().sum())
    return {
        "spectra": len(table),
        "typed": int(table["type"].is_not_null().sum()),
        "errors": errors,
    }
