"""Split a catalogue into one table a type, in one pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from spectype.catalogue.columns import ADDED, PROBLEM, ROW
from spectype.catalogue.copying import Tally, copy_lines
from spectype.catalogue.lines import QuotesBroken
from spectype.catalogue.split_folder import KIND, check_empty, publish, read_table, scratch
from spectype.catalogue.table import (
    SUSPECT,
    Catalogue,
    checked_lines,
    quotes_broken,
    scan,
    unquoted,
)
from spectype.catalogue.types import REJECTED, TABLE, TABLES, with_types
from spectype.core import mk
from spectype.core.errors import DataError, UsageError
from spectype.core.files import write_manifest

Output = Literal["parquet", "csv"]
_EXAMPLES = 10


@dataclass(frozen=True, slots=True)
class Split:
    """What a split found.

    Parameters
    ----------
    folder : Path
        Where the tables are.
    format : str
        ``parquet`` or ``csv``.
    rows : int
        Rows of the source.
    counts : dict of str to int
        Rows of each table.
    kinds : dict of str to int
        What the rows of ``other`` and ``unknown`` are.
    ob : int
        Rows that the survey calls OB: O or B.
    rejected : dict of str to int
        Rows that cannot be trusted, by reason.
    rejected_rows : list of int
        The first of them (`catalogue_row`).
    without_obsid, duplicate_obsids : int
        Rows whose obsid is empty, and rows that repeat an earlier obsid.
    """

    folder: Path
    format: Output
    rows: int
    counts: dict[str, int]
    kinds: dict[str, int]
    ob: int
    rejected: dict[str, int]
    rejected_rows: list[int] = field(default_factory=list)
    without_obsid: int = 0
    duplicate_obsids: int = 0


def split(
    path: str | Path,
    out: str | Path,
    *,
    format: Output = "parquet",
    separator: str | None = None,
    overwrite: bool = False,
) -> Split:
    """Split a catalogue into tables O, OB, B, A, F, G, K, M, unknown and other.

    Parameters
    ----------
    path : path-like
        The catalogue: CSV, FITS table or parquet.
    out : path-like
        Folder of the tables; sealed by ``manifest.json``.
    format : {"parquet", "csv"}
        CSV keeps the text of a CSV source and its separator.
    separator : str, optional
        Between the fields of a CSV source; found by default.
    overwrite : bool
        Replace the tables of an earlier split.

    Returns
    -------
    Split

    Raises
    ------
    UsageError
        If the source does not exist or `out` holds something already.
    DataError
        If the source is no catalogue, or has no sound row.
    """
    if format not in ("parquet", "csv"):
        raise UsageError(f"{format!r} is not a format", remedy="take parquet or csv")
    source = scan(path, separator=separator, text=format == "csv")
    folder = check_empty(out, kind=KIND, overwrite=overwrite, source=source.path)
    with scratch(folder) as temporary:
        if format == "csv" and source.format == "csv":
            source, tally = _copied(source, temporary)
            result = _told(tally, folder)
        else:
            source = _write(source, temporary, format)
            result = _describe(source, temporary, folder, format)
        if not any(result.counts[name] for name in TABLES):
            raise DataError(
                f"has no sound row; of {result.rows}: {result.rejected}",
                path=path,
                remedy="check its separator and columns",
            )
        publish(temporary, folder)
    write_manifest(folder, KIND, _manifest(source, result))
    return result


def _copied(source: Catalogue, folder: Path) -> tuple[Catalogue, Tally]:
    """Copy the lines of a CSV; again, with quotes as plain characters, if they do not pair."""
    try:
        return source, copy_lines(source, folder)
    except QuotesBroken:
        source = unquoted(source)
        return source, copy_lines(source, folder)


def _told(tally: Tally, folder: Path) -> Split:
    obsids = np.concatenate([np.empty(0, np.int64), *tally.obsids])
    tally.obsids.clear()
    known = obsids[obsids >= 0]
    return Split(
        folder=folder,
        format="csv",
        rows=sum(tally.counts.values()) + len(tally.rejected_rows),
        counts={name: tally.counts[name] for name in TABLES},
        kinds=dict(tally.kinds.most_common()),
        ob=tally.ob,
        rejected=dict(tally.rejected.most_common()),
        rejected_rows=tally.rejected_rows[:_EXAMPLES],
        without_obsid=obsids.size - known.size,
        duplicate_obsids=_repeats(known),
    )


def _repeats(obsids: NDArray[np.int64]) -> int:
    """How many repeat an earlier one; sorts them in place, to need no table of hashes."""
    obsids.sort()
    return int(np.count_nonzero(obsids[1:] == obsids[:-1]))


def _write(source: Catalogue, folder: Path, format: Output) -> Catalogue:
    """Write the tables; again and stricter if the first, quick reading was suspicious."""
    while True:
        try:
            rejected = _one_pass(source, folder, format)
        except pl.exceptions.PolarsError as error:
            if not quotes_broken(source, error):
                raise
            again = unquoted(source)
        else:
            if source.exact or not rejected:
                return source
            again = checked_lines(source)
        for item in folder.iterdir():
            item.unlink()
        source = again


def _one_pass(source: Catalogue, folder: Path, format: Output) -> bool:
    """Stream every row into the table it belongs to; whether any is rejected or suspected."""
    frame = _filed(source, with_types(source.frame()))
    frame = frame.select(*source.columns, *ADDED, ROW, PROBLEM, TABLE)
    with _by_table(folder, format) as tables:
        if format == "parquet":
            # Rows carry their place in the source: their order may follow the threads.
            frame.sink_parquet(tables, compression="lz4", statistics=False, maintain_order=False)
        else:
            frame = frame.with_columns(pl.col(pl.String).replace("", None))
            frame.sink_csv(tables, separator="|")
    _add_empty(source, folder, format)
    return (folder / f"{REJECTED}.{format}").exists()


def _filed(source: Catalogue, frame: pl.LazyFrame) -> pl.LazyFrame:
    """Turn the table of rejected or suspected rows into that of the rejected."""
    bad = pl.col(PROBLEM).is_not_null()
    if not source.exact:
        bad |= pl.col(SUSPECT)
    return frame.with_columns(pl.when(bad).then(pl.lit(REJECTED)).otherwise(TABLE).alias(TABLE))


@contextmanager
def _by_table(folder: Path, format: Output) -> Iterator[pl.PartitionBy]:
    """Rows go to one file a table.

    We open the files, and none once the pass is over. A writer of polars' own can outlive an
    error; given names only, it would bring back the folder that we just removed.
    """
    files, lock, over = ExitStack(), Lock(), False

    def file(part: Any) -> Any:
        with lock:
            if over:
                raise RuntimeError("the pass that wanted this file has failed")
            path = folder / f"{part.partition_keys[TABLE][0]}.{format}"
            return files.enter_context(path.open("wb", buffering=0))

    try:
        yield pl.PartitionBy(
            folder,
            key=TABLE,
            include_key=False,
            file_path_provider=file,
            approximate_bytes_per_file=None,
        )
    finally:
        with lock:
            over = True
            files.close()


def _add_empty(source: Catalogue, folder: Path, format: Output) -> None:
    """Write the tables that no row belongs to, so that every type has one."""
    absent = [name for name in TABLES if not (folder / f"{name}.{format}").exists()]
    if not absent:
        return
    frame = with_types(source.frame()).select(*source.columns, *ADDED, ROW, PROBLEM)
    empty = pl.DataFrame(schema=frame.collect_schema())
    separator = source.separator if source.format == "csv" else "|"
    for name in absent:
        if format == "parquet":
            empty.write_parquet(folder / f"{name}.parquet")
        else:
            empty.write_csv(folder / f"{name}.csv", separator=separator)


def _describe(source: Catalogue, folder: Path, final: Path, format: Output) -> Split:
    separator = source.separator if source.format == "csv" else "|"
    tables = {
        f.stem: read_table(f, separator, quoted=_quoted(source, f.stem))
        for f in sorted(folder.glob(f"*.{format}"))
    }
    counts = {name: _height(table) for name, table in tables.items()}
    rejected, rows = _rejections(tables[REJECTED]) if REJECTED in tables else ({}, [])
    kinds = pl.concat([tables["unknown"].select("kind"), tables["other"].select("kind")])
    obsids = pl.concat([tables[name].select("obsid") for name in TABLES])
    known = obsids.select(pl.col("obsid").cast(pl.Int64, strict=False).drop_nulls())
    # Sorted in place: a table of ten million hashes would be the largest thing in memory.
    numbers = known.collect(engine="streaming")["obsid"].to_numpy().copy()
    return Split(
        folder=final,
        format=format,
        rows=sum(counts.values()),
        counts={name: counts[name] for name in TABLES},
        kinds=dict(kinds.group_by("kind").len().sort("len", descending=True).collect().rows()),
        ob=counts[mk.OB],
        rejected=rejected,
        rejected_rows=rows,
        without_obsid=sum(counts[name] for name in TABLES) - numbers.size,
        duplicate_obsids=_repeats(numbers),
    )


def _quoted(source: Catalogue, name: str) -> bool:
    """Whether the fields of a CSV table stand in quotes where they have to."""
    return source.format != "csv" or source.quoted or name == REJECTED


def _height(table: pl.LazyFrame) -> int:
    return int(table.select(pl.len()).collect().item())


def _rejections(table: pl.LazyFrame) -> tuple[dict[str, int], list[int]]:
    found = table.select(ROW, PROBLEM).collect()
    reasons = found.group_by(PROBLEM).len().sort("len", descending=True)
    return dict(reasons.rows()), found[ROW].sort().head(_EXAMPLES).to_list()


def _manifest(source: Catalogue, result: Split) -> dict[str, Any]:
    stat = source.path.stat()
    return {
        "source": {
            "path": str(source.path),
            "bytes": stat.st_size,
            "modified": int(stat.st_mtime),
            "format": source.format,
            "columns": list(source.columns),
        },
        "format": result.format,
        "separator": source.separator if source.format == "csv" else "|",
        "quoted": _quoted(source, "O"),
        "rows": result.rows,
        "counts": result.counts,
        "kinds": result.kinds,
        "ob": result.ob,
        "rejected": result.rejected,
        "without_obsid": result.without_obsid,
        "duplicate_obsids": result.duplicate_obsids,
    }
