"""Many files to one table: paths, chunks, processes, resumption, output formats."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spectype.classify.output import check_output, write_table
from spectype.classify.paths import expand, take_shard
from spectype.classify.runtime import DEFAULT, Model, digits, load_model, schema
from spectype.classify.velocity import velocity_schema, with_velocity
from spectype.core.errors import SpectypeError, UsageError
from spectype.core.files import atomic_path, read_json, write_json
from spectype.core.indices import measure
from spectype.core.lines import INDICES
from spectype.core.names import as_text
from spectype.core.progress import track
from spectype.core.spectra import FloatArray, Spectra
from spectype.dataset.preprocess import BadPixels, RestFrame, run_chain

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger("spectype")
CHUNK = 64  # files a task
PART = 128  # tasks between two writes of a partial result
_NO_REDSHIFT = -9999.0  # as the survey writes it


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
        ``air`` or ``vacuum`` for files that do not say which their wavelengths are.
    columns : str, optional
        Columns of tables without conventional names, like ``wave=LAM,flux=F,error=DF``, or their
        numbers from 0: ``wave=0,flux=1``.
    unit : str, optional
        Unit of the wavelengths: Angstrom, nm, micron, m, log10 or ln (of Angstrom).
    workers : int
        Processes; 0 takes all cores for many files and one for few.
    shard : str
        ``i/n`` types every n-th file, beginning with the i-th (1 to n).
    velocity : bool
        Add the radial velocity and its error, ``rv`` and ``rv_error`` [km/s], as columns after
        the others.
    indices : bool
        Add line indices and equivalent widths with their errors, as columns after the others.
    """

    model: str = DEFAULT
    system: str = "mk"
    frame: str | None = None
    columns: str | None = None
    unit: str | None = None
    workers: int = 0
    shard: str = "1/1"
    velocity: bool = False
    indices: bool = False


def classify_file(path: str, model: Model, config: ClassifyConfig) -> pl.DataFrame:
    """One row a spectrum of a file; a file that cannot be read gives one row with an error."""
    import polars as pl

    from spectype.surveys import read

    try:
        spectra = read(path, frame=config.frame, columns=config.columns, unit=config.unit)
        ready = run_chain(spectra, model.chain)
        table = model.predict(ready, system=config.system, preprocess=False)
        if config.velocity:
            table = with_velocity(table, ready)
        faults = untyped(spectra, table["type"].is_null().to_numpy(), model.wave)
        if config.indices:
            table = table.hstack(measure_indices(spectra))
    except SpectypeError as error:
        problem = error.problem + (f" ({error.remedy})" if error.remedy else "")
        return error_row(path, problem, config)
    except Exception as error:  # one bad file among a million must not stop the others
        log.debug("unexpected error in %s", path, exc_info=True)
        return error_row(path, f"unexpected {type(error).__name__}: {error}", config)
    name = as_text(path)
    names = [name] if len(table) == 1 else [f"{name}[{i}]" for i in range(len(table))]
    return table.with_columns(
        path=pl.Series(names, dtype=pl.String), error=pl.Series(faults, dtype=pl.String)
    )


def untyped(spectra: Spectra, without: NDArray[np.bool_], grid: FloatArray) -> list[str | None]:
    """Why spectra have no type: no good pixel, or too little of the model's `grid` [Angstrom].

    Parameters
    ----------
    spectra : Spectra
        As read.
    without : ndarray, shape (n_spec,), bool
        Which have no type.
    grid : ndarray, shape (n_pix,)
        What the model sees.
    """
    faults: list[str | None] = [None] * len(spectra)
    low, high = np.round(grid[[0, -1]], -2)
    for i in np.flatnonzero(without | spectra.mask.all(axis=1)):
        wave = spectra.wave if spectra.wave.ndim == 1 else spectra.wave[i]
        good = wave[~spectra.mask[i]]
        if not good.size:
            faults[i] = "has no good pixel"
            continue
        apart = good[-1] < grid[0] or good[0] > grid[-1]
        faults[i] = (
            f"{'no' if apart else 'too little'} overlap with {low:.0f}-{high:.0f} A: "
            f"its good pixels span {good[0]:.0f}-{good[-1]:.0f} A"
        )
    return faults


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
    velocity = velocity_schema() if config.velocity else {}
    return schema() | velocity | (index_schema() if config.indices else {})


def error_row(path: str, problem: str, config: ClassifyConfig) -> pl.DataFrame:
    """A row that carries nothing but the path and what is wrong."""
    import polars as pl

    columns = output_schema(config)
    values: dict[str, list[Any]] = {name: [None] for name in columns}
    values |= {"path": [as_text(path)], "error": [as_text(problem)]}
    values |= {"flags": [0], "flag_names": [""]}
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
    if config.velocity and any(isinstance(step, RestFrame) for step in model.chain):
        raise UsageError(
            "the model moves spectra to rest before it sees them",
            path=model.folder,
            remedy="leave --velocity, or use a model built without --rest-frame",
        )
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
