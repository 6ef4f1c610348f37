"""A table of types of any size, looked at a page at a time.

Parquet (a file, or a folder of parts) is read where it lies. Any other format is converted once to
parquet in the user's cache, and found there again as long as the file does not change. Nothing
holds all columns of all rows: pages read the rows they show, histograms the columns they count.
"""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spectype.classify.columns import schema
from spectype.core import mk
from spectype.core.errors import DataError, SpectypeError, UsageError
from spectype.core.files import atomic_path, cache_folder
from spectype.web.filters import Filter, theirs

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger("spectype")
ROW = "row"  #: the number of a row in the whole table, from 0
BINS = 40  #: of a histogram
GROUP = 100_000  #: rows of a row group, so that a page reads little
VALUES = 60  #: distinct texts that a histogram counts
_ORDERS = 8  # sorted selections kept: 4 bytes a row each
_SHOWN = 2_000  # rows kept as they were shown: the next question is about one of them
_ONLY_FIRST = 20_000  # rows from the top for which the rest need not be sorted


@dataclass(frozen=True)
class Page:
    """Some rows of a selection: `rows` as dictionaries, and how many rows the selection has."""

    rows: list[dict[str, Any]]
    total: int


class Table:
    """The results of `classify`.

    Parameters
    ----------
    path : Path
        A parquet, CSV, FITS or VOTable file, or a folder of parquet files.
    files : list of Path, optional
        The parquet files that hold it, where they are not `path` itself.

    Raises
    ------
    UsageError, DataError
        If there is none, it cannot be read, or has no column ``path``.
    """

    def __init__(self, path: Path, files: list[Path] | None = None) -> None:
        import polars as pl

        self.path = path
        self.files = _as_parquet(path) if files is None else files
        try:
            schemas = [pl.read_parquet_schema(file) for file in self.files]
            counts = [_height(file) for file in self.files]
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DataError(f"cannot be read: {str(error).splitlines()[0]}", path=path) from error
        self.schema: dict[str, Any] = {k: v for s in reversed(schemas) for k, v in s.items()}
        self.columns = list(schemas[0]) + [c for c in self.schema if c not in schemas[0]]
        if "path" not in self.columns:
            raise DataError(
                "has no column 'path', so no spectrum can be found",
                path=path,
                remedy="give a table that spectype classify wrote",
            )
        self.starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self._orders: OrderedDict[tuple[Any, ...], NDArray[np.uint32]] = OrderedDict()
        self._words: dict[str, list[str]] = {}
        self._shown: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def label(self) -> str | None:
        """The column with the survey's own type, where there is one."""
        known = ("label", "survey_subclass", "survey_type", "catalogue_subclass")
        return next((name for name in known if name in self.columns), None)

    def scan(self) -> pl.LazyFrame:
        """All rows, lazily, with their number as `ROW`."""
        import polars as pl

        return pl.scan_parquet(
            self.files,
            row_index_name=ROW,
            glob=False,
            schema=self.schema,
            missing_columns="insert",
            extra_columns="ignore",
            cast_options=pl.ScanCastOptions(integer_cast="upcast", float_cast="upcast"),
        )

    @property
    def labels(self) -> list[str]:
        """Distinct types that the survey gives."""
        return [] if self.label is None else self.words(self.label)

    def words(self, column: str) -> list[str]:
        """Distinct texts of a column of few, found once."""
        if column not in self._words:
            found = self.scan().select(column).unique().collect(engine="streaming")
            self._words[column] = [str(value) for value in found[column].drop_nulls()]
        return self._words[column]

    def select(self, chosen: Filter) -> pl.LazyFrame:
        """The rows that a filter lets through, lazily."""
        expressions = chosen.expressions(self)
        return self.scan().filter(*expressions) if expressions else self.scan()

    def page(self, chosen: Filter, offset: int, n: int) -> Page:
        """Rows `offset` to `offset + n` of a selection in its order."""
        if not chosen and not chosen.sort:
            last = min(offset + n, len(self))
            return Page(self.rows(np.arange(offset, last)), len(self))
        order = self.order(chosen, offset + n)
        return Page(self.rows(order[offset : offset + n]), self.count(chosen))

    def count(self, chosen: Filter) -> int:
        """How many rows a filter lets through."""
        if not chosen:
            return len(self)
        return len(self.order(chosen.unsorted(), len(self)))

    def order(self, chosen: Filter, least: int) -> NDArray[np.uint32]:
        """Numbers of the selected rows, in order; of a sorted selection at least the first `least`.

        Rows without the sorted value come last; equal ones stay as they are in the table.
        """
        import polars as pl

        short = bool(chosen.sort) and least <= _ONLY_FIRST
        key = (chosen, short)
        with self._lock:
            for known in ((chosen, False), key):
                if known in self._orders:
                    self._orders.move_to_end(known)
                    return self._orders[known]
        rows = self.select(chosen)
        if chosen.sort:
            chosen.check_sort(self)
            rows = rows.select(ROW, pl.col(chosen.sort)).sort(
                chosen.sort, ROW, descending=[chosen.descending, False], nulls_last=True
            )
            rows = rows.head(_ONLY_FIRST) if short else rows
        found = rows.select(ROW).collect(engine="streaming")[ROW].to_numpy().astype(np.uint32)
        with self._lock:
            self._orders[key] = found
            while len(self._orders) > _ORDERS:
                self._orders.popitem(last=False)
        return found

    def rows(self, numbers: Sequence[int] | NDArray[Any]) -> list[dict[str, Any]]:
        """Rows by their numbers, in that order; only the parts that hold them are read."""
        import polars as pl

        wanted = np.asarray(numbers, dtype=np.int64)
        if not wanted.size:
            return []
        part = np.searchsorted(self.starts, wanted, side="right") - 1
        found = []
        for i in np.unique(part):
            inside = np.unique(wanted[part == i] - self.starts[i])
            first = int(inside[0])
            lazy = pl.scan_parquet(self.files[i], glob=False)
            lazy = lazy.slice(first, int(inside[-1]) - first + 1)
            lazy = lazy.with_row_index(ROW, int(self.starts[i]) + first)
            if len(inside) <= inside[-1] - first:
                keep = pl.Series(inside + self.starts[i], dtype=pl.get_index_type())
                lazy = lazy.filter(pl.col(ROW).is_in(keep.implode()))
            found.append(lazy.collect())
        table = pl.concat(found, how="diagonal_relaxed")
        by_number = {row[ROW]: row for row in table.to_dicts()}
        with self._lock:
            self._shown.update(by_number)
            while len(self._shown) > _SHOWN:
                self._shown.popitem(last=False)
        return [by_number[int(number)] for number in wanted]

    def row(self, number: int) -> dict[str, Any]:
        """One row by its number; UsageError if the table ends before it."""
        if not 0 <= number < len(self):
            raise UsageError(f"there is no row {number}; the table has {len(self)}")
        with self._lock:
            known = self._shown.get(number)
        return dict(known) if known else self.rows([number])[0]

    def histogram(self, chosen: Filter, column: str) -> dict[str, Any]:
        """Counts of a column over the selection.

        Returns
        -------
        dict
            ``values`` and ``counts`` of texts, the most frequent first; or ``edges``
            (`BINS` + 1) and ``counts`` of numbers. Edges are of the whole table, so that a
            narrower filter is seen against the same axis.
        """
        import polars as pl

        if column not in self.schema:
            raise UsageError(f"there is no column {column!r}", remedy=", ".join(self.columns))
        chosen = chosen.without(column)
        with self._lock:
            known = self._orders.get((chosen, False))
        if known is None:
            rows = self.select(chosen).select(column)
        else:  # its rows are known: one column is taken, nothing is filtered again
            rows = self.scan().select(column).collect(engine="streaming")[known].lazy()
        if not self.schema[column].is_numeric():
            counts = rows.group_by(column).len().sort("len", descending=True).head(VALUES)
            found = counts.collect(engine="streaming")
            return {"values": found[column].to_list(), "counts": found["len"].to_list()}
        low, high = self.span(column)
        width = (high - low) / BINS or 1.0
        place = ((pl.col(column) - low) / width).floor().clip(0, BINS - 1).cast(pl.Int32)
        inside = pl.col(column).is_finite() if self.schema[column].is_float() else pl.lit(True)
        found = (
            rows.filter(pl.col(column).is_not_null() & inside)
            .select(place.alias("bin"))
            .group_by("bin")
            .len()
            .collect(engine="streaming")
        )
        total = np.zeros(BINS, np.int64)
        total[found["bin"].to_numpy()] = found["len"].to_numpy()
        edges = (low + width * np.arange(BINS + 1)).tolist()
        return {"edges": edges, "counts": total.tolist()}

    def confusion(self, chosen: Filter) -> dict[str, Any]:
        """How often the survey's (or the true) type meets ours in the selection.

        Returns
        -------
        dict
            ``types``, and ``counts``: for each of them as the other's word a row of how often we
            give each.
        """
        import polars as pl

        pairs = self.select(chosen.without("theirs").without("type"))
        pairs = pairs.select(theirs=theirs(self), ours=pl.col("type"))
        counts = np.zeros((len(mk.TYPES), len(mk.TYPES)), np.int64)
        for one, other, n in (
            pairs.group_by("theirs", "ours").len().collect(engine="streaming").iter_rows()
        ):
            if one and other:
                counts[mk.index(one), mk.index(other)] = n
        return {"types": list(mk.TYPES), "counts": counts.tolist()}

    def span(self, column: str) -> tuple[float, float]:
        """Smallest and largest value of a column, outliers of a thousandth left out."""
        if column not in self._spans:
            import polars as pl

            values = pl.col(column).cast(pl.Float64)
            values = values.filter(values.is_finite())
            whole = column.startswith("p_") or column.endswith("probability")
            if whole or column == "ood_score":
                self._spans[column] = (0.0, 1.0)
            else:
                few = self.scan().select(values).gather_every(max(len(self) // 200_000, 1))
                found = few.collect(engine="streaming")[column]
                low, high = found.quantile(0.001), found.quantile(0.999)
                self._spans[column] = (float(low or 0.0), float(high or 0.0))
        return self._spans[column]

    @cached_property
    def _spans(self) -> dict[str, tuple[float, float]]:
        return {}


def _height(file: Path) -> int:
    import polars as pl

    return int(pl.scan_parquet(file, glob=False).select(pl.len()).collect().item())


def _as_parquet(path: Path) -> list[Path]:
    """The parquet files of a table, made in the cache where it is of another format."""
    if path.is_dir():
        files = sorted(p for p in path.glob("*.parquet") if not p.name.startswith("."))
        if not files:
            raise UsageError(
                "holds no parquet files", path=path, remedy="give the table of classify --output"
            )
        return files
    if not path.is_file():
        raise UsageError("does not exist", path=path, remedy="give the table of classify --output")
    with path.open("rb") as handle:
        head = handle.read(4)
    return [path] if head == b"PAR1" else [_converted(path)]


def _converted(path: Path) -> Path:
    """The table of a file as parquet in the cache."""

    def write(target: Path) -> None:
        import polars as pl

        if path.suffix.lower() in (".csv", ".txt"):
            known = pl.scan_csv(path).collect_schema().names()
            types = {k: v for k, v in schema().items() if k in known}
            lazy = pl.scan_csv(path, schema_overrides=types, infer_schema_length=10_000)
            lazy.sink_parquet(target, row_group_size=GROUP)
        else:
            _read(path).write_parquet(target, row_group_size=GROUP)

    return converted([path], write)


def converted(sources: Sequence[Path], write: Callable[[Path], None]) -> Path:
    """A table as parquet in the cache, made once for each state of the files that it is made of.

    Parameters
    ----------
    sources : sequence of Path
        Files that it is made of; the first is named in an error.
    write : callable
        Writes it to the path it is given.
    """
    import polars as pl

    stats = [(source.resolve(), source.stat()) for source in sources]
    state = "\n".join(f"{path}\n{stat.st_size}\n{stat.st_mtime_ns}" for path, stat in stats)
    name = hashlib.sha256(f"{state}\n2".encode(errors="surrogateescape")).hexdigest()[:32]
    target = _shelf() / f"{name}.parquet"
    if target.is_file():
        return target
    log.info("%s is converted once to parquet: %s", sources[0], target)
    try:
        with atomic_path(target) as temporary:
            write(temporary)
    except (pl.exceptions.PolarsError, OSError) as error:
        words = str(error).splitlines()[0]
        raise DataError(f"cannot be read as a table: {words}", path=sources[0]) from error
    return target


def _read(path: Path) -> pl.DataFrame:
    from spectype.dataset.tables import read_table

    try:
        return read_table(path)
    except SpectypeError:
        raise
    except Exception as error:  # astropy raises many kinds on a table that is none
        raise DataError(f"cannot be read as a table: {error}", path=path) from error


def _shelf() -> Path:
    """Where converted tables are kept; made if needed, for nobody else to read."""
    folder = cache_folder() / "tables"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
