"""A catalogue as a stream of rows: CSV, FITS table or parquet, of any LAMOST release.

Nothing is held in memory: the result is a lazy frame whose schema is pinned by column name,
with two columns more: `catalogue_row`, and `problem` for the rows that cannot be trusted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import polars as pl

from spectype.catalogue.columns import (
    ALIASES,
    PROBLEM,
    ROW,
    as_obsid,
    check_exact,
    converted,
    in_degrees,
    pinned_type,
    tidy,
)  # fmt: skip
from spectype.catalogue.dialect import sniff
from spectype.catalogue.fitstable import blocks, layout, open_bytes
from spectype.core.errors import DataError, UsageError

Format = Literal["csv", "fits", "parquet"]
SUSPECT = "_suspect"
LINE = "_line"
_COUNT = "_count"
_EXTRA = "_extra"
_EXACT_BELOW = 64 << 20  # bytes; small files are always checked line by line


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A catalogue that is ready to be read in one pass.

    Parameters
    ----------
    path : Path
        Where it is.
    format : str
        ``csv``, ``fits`` or ``parquet``.
    columns : tuple of str
        Its columns, in lower case.
    separator : str
        Between the fields of a CSV.
    quoted : bool
        Whether fields of a CSV may stand in quotes.
    exact : bool
        Whether the fields of each line of a CSV are counted and each obsid is looked at.
        Otherwise lines are only suspected (``_suspect``) when the last field is empty, one too
        many is there, or the obsid is no plain number; where none is, the result is the same.
    text : bool
        Keep every column of a CSV as the text it is, so that it can be written back unchanged.
    decimal_comma : bool
        Whether the numbers of a CSV are written with one.
    angles : tuple of str
        Columns of positions that a CSV writes in hours or degrees, minutes and seconds.
    """

    path: Path
    format: Format
    columns: tuple[str, ...]
    separator: str = ","
    quoted: bool = False
    exact: bool = True
    text: bool = False
    decimal_comma: bool = False
    angles: tuple[str, ...] = ()

    def frame(self, *, needed: list[str] | None = None) -> pl.LazyFrame:
        """The rows, lazily.

        Parameters
        ----------
        needed : list of str, optional
            Columns that will be used; all by default.

        Returns
        -------
        LazyFrame
            `needed`, then `catalogue_row` (UInt32), `problem` (str, null where sound) and
            ``_suspect`` (bool). ``obsid`` is Int64 unless `text`.
        """
        columns = list(self.columns if needed is None else dict.fromkeys(needed))
        if self.format == "csv":
            return _csv_frame(self, columns)
        frame = _fits_frame(self) if self.format == "fits" else _parquet_frame(self)
        dtype = frame.collect_schema()["obsid"]
        bad = pl.lit(None, pl.String)
        if dtype == pl.String:
            bad = _bad_obsid(pl.col("obsid"))
        return frame.select(*columns, ROW, bad.alias(PROBLEM)).with_columns(
            as_obsid(dtype), pl.lit(False).alias(SUSPECT)
        )


def scan(
    path: str | Path, *, separator: str | None = None, text: bool = False, exact: bool | None = None
) -> Catalogue:
    """Recognise a catalogue by its content and check its columns.

    Parameters
    ----------
    path : path-like
        ``.csv``, ``.csv.gz``, ``.fits``, ``.fits.gz`` or ``.parquet``; the content decides.
    separator : str, optional
        Between the fields of a CSV; found in the header by default.
    text : bool
        Keep the columns of a CSV as text.
    exact : bool, optional
        Count the fields of each line; by default for small files, and for those whose last
        field may be empty.

    Raises
    ------
    UsageError
        If the file does not exist.
    DataError
        If it is empty or has not the columns of a catalogue.
    """
    file = Path(path)
    if not file.is_file():
        raise UsageError("does not exist", path=file, remedy="give a catalogue file")
    head = _head(file)
    if not head:
        raise DataError("is empty", path=file, remedy="fetch the catalogue again")
    if head.startswith(b"SIMPLE  ="):
        columns = tidy(list(layout(file).schema), file)
        return _exact_ids(Catalogue(file, "fits", tuple(columns)))
    if head.startswith(b"PAR1"):
        try:
            names = pl.scan_parquet(file).collect_schema().names()
        except pl.exceptions.PolarsError as error:
            raise DataError(f"is not a whole parquet file: {error}", path=file) from error
        return _exact_ids(Catalogue(file, "parquet", tuple(tidy(names, file))))
    if b"\x00" in head[:4096] or head.lstrip()[:1] == b"<":
        raise DataError(
            "is neither a CSV, nor a FITS table, nor parquet",
            path=file,
            remedy="check what was downloaded: it may be a login page",
        )
    csv = sniff(file, head, separator=separator)
    if exact is None:
        exact = csv.careful or file.stat().st_size < _EXACT_BELOW
    return Catalogue(
        file,
        "csv",
        csv.columns,
        csv.separator,
        csv.quoted,
        exact,
        text,
        decimal_comma=csv.decimal_comma,
        angles=csv.angles,
    )


def _exact_ids(catalogue: Catalogue) -> Catalogue:
    """The same catalogue, if none of its identifiers has been rounded to a float."""
    ids = [c for c in ("obsid", *ALIASES["uid"], *ALIASES["gaia"]) if c in catalogue.columns]
    frame = _fits_frame(catalogue) if catalogue.format == "fits" else _parquet_frame(catalogue)
    schema = frame.collect_schema()
    floats = [c for c in ids if schema[c].is_float()]
    if floats:
        largest = frame.select(pl.col(floats).fill_nan(None).abs().max()).collect()
        for column in floats:
            check_exact(column, largest[column].item(), schema[column], catalogue.path)
    return catalogue


def _head(file: Path) -> bytes:
    try:
        with open_bytes(file) as handle:
            return handle.read(1 << 20)
    except EOFError as error:
        raise DataError("is a truncated gzip file", path=file, remedy="fetch it again") from error
    except OSError as error:
        raise DataError(f"cannot be read: {error}", path=file) from error


def checked_lines(catalogue: Catalogue) -> Catalogue:
    """The same catalogue, read with every line's fields counted."""
    return replace(catalogue, exact=True)


def unquoted(catalogue: Catalogue) -> Catalogue:
    """The same catalogue with quotes taken as plain characters (and stripped from fields)."""
    return replace(catalogue, exact=True, quoted=False)


def quotes_broken(catalogue: Catalogue, error: Exception) -> bool:
    """Whether reading failed because a quote does not close, and so swallowed line ends.

    It shows as a field that is not escaped, or as fewer rows than lines.
    """
    if not catalogue.quoted or not isinstance(error, pl.exceptions.PolarsError):
        return False
    return isinstance(error, pl.exceptions.ShapeError) or "escaped" in str(error)


def _bad_obsid(column: pl.Expr) -> pl.Expr:
    stripped = column.str.strip_chars()
    number = stripped.str.contains(r"^\d+(?:\.0*)?$") | stripped.is_null() | (stripped == "")
    return pl.when(~number).then(pl.lit("obsid is not a number"))


def _parsed(catalogue: Catalogue, schema: dict[str, Any]) -> pl.LazyFrame:
    return pl.scan_csv(
        catalogue.path,
        separator=catalogue.separator,
        has_header=False,
        skip_lines=1,
        schema={**schema, _EXTRA: pl.String},
        quote_char='"' if catalogue.quoted else None,
        ignore_errors=True,
        truncate_ragged_lines=True,
        missing_columns="insert",
        empty_string_is_null=False,
        encoding="utf8-lossy",
        row_index_name=ROW,
        decimal_comma=catalogue.decimal_comma,
    )


def _csv_frame(catalogue: Catalogue, columns: list[str]) -> pl.LazyFrame:
    names = list(catalogue.columns)
    text = catalogue.text
    as_text = set(names) if text else set(catalogue.angles)
    schema: dict[str, Any] = {n: pl.String if n in as_text else pinned_type(n) for n in names}
    if not catalogue.exact and not text:
        schema["obsid"] = pl.Int64
    frame = _parsed(catalogue, schema)
    if catalogue.exact:
        lines = _lines(catalogue).select(_fields(catalogue))
        frame = pl.concat([frame, lines], how="horizontal").filter(pl.col(_COUNT) != 0)
        problem = pl.coalesce(_miscounted(len(names)), _bad_obsid(pl.col("obsid")))
        suspect = pl.lit(False)
    else:
        last, obsid = pl.col(names[-1]), pl.col("obsid")
        empty = last.is_null() if schema[names[-1]] != pl.String else last == ""
        unclear = obsid.is_null() if not text else obsid.cast(pl.Int64, strict=False).is_null()
        problem = pl.lit(None, pl.String)
        suspect = empty | (pl.col(_EXTRA) != "") | unclear
    strings = [n for n in columns if schema[n] == pl.String]
    if not catalogue.quoted and catalogue.exact:
        frame = frame.with_columns(pl.col(strings).str.strip_chars('"'))
    frame = frame.select(*columns, ROW, problem.alias(PROBLEM), suspect.alias(SUSPECT))
    if text:
        return frame
    angles = [in_degrees(n, pl.String).alias(n) for n in catalogue.angles if n in columns]
    return frame.with_columns(as_obsid(schema["obsid"]), *converted(columns), *angles)


def _lines(catalogue: Catalogue) -> pl.LazyFrame:
    """The lines after the header as they are: each one field, since no line holds a NUL."""
    return pl.scan_csv(
        catalogue.path,
        separator="\0",
        has_header=False,
        skip_lines=1,
        schema={LINE: pl.String},
        quote_char=None,
        truncate_ragged_lines=True,
        empty_string_is_null=False,
        encoding="utf8-lossy",
    )


def _fields(catalogue: Catalogue) -> pl.Expr:
    """Number of fields of a line, not counting separators inside quotes; 0 if it is blank."""
    line = pl.col(LINE)
    if catalogue.quoted:
        line = (
            pl.when(line.str.contains('"', literal=True))
            .then(line.str.replace_all(r'"[^"]*"', ""))
            .otherwise(line)
        )
    count = line.str.count_matches(catalogue.separator, literal=True) + 1
    blank = pl.col(LINE).str.strip_chars() == ""
    return pl.when(blank).then(0).otherwise(count).alias(_COUNT)


def _miscounted(expected: int) -> pl.Expr:
    found = pl.col(_COUNT)
    return (
        pl.when(found < expected)
        .then(pl.lit("too few fields"))
        .when((found > expected) & (pl.col(_EXTRA) != ""))
        .then(pl.lit("too many fields"))
    )


def _parquet_frame(catalogue: Catalogue) -> pl.LazyFrame:
    frame = pl.scan_parquet(catalogue.path)
    renamed = dict(zip(frame.collect_schema().names(), catalogue.columns))
    return frame.rename(renamed).with_row_index(ROW)


def _fits_frame(catalogue: Catalogue) -> pl.LazyFrame:
    table = layout(catalogue.path)
    ours = dict(zip(catalogue.columns, table.kinds))
    schema = {name: table.schema[theirs] for name, theirs in ours.items()}

    def source(
        wanted: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        names = list(schema) if wanted is None else wanted
        left = table.n_rows if n_rows is None else n_rows
        for block in blocks(catalogue.path, table, columns=[ours[n] for n in names]):
            rows = block.head(left)
            left -= len(rows)
            rows.columns = names
            yield rows if predicate is None else rows.filter(predicate)
            if left <= 0:
                return

    from polars.io.plugins import register_io_source

    return register_io_source(source, schema=schema).with_row_index(ROW)
