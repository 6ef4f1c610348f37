"""Tables that people bring, from CSV to reviews: identifiers without rounding."""

from __future__ import annotations

import gzip
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spectype.core.errors import DataError, UsageError
from spectype.core.identifiers import is_rounded, plain_text
from spectype.dataset.reviews import MAGIC, read_reviews

if TYPE_CHECKING:
    import polars as pl

_MARKS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))

_HOURS = ("h", "hour", "hours", "hourangle", "hr")  # units of a right ascension


def read_table(file: Path) -> pl.DataFrame:
    """Read a table, told apart by its content; text columns stripped, empty ones null.

    Raises
    ------
    UsageError, DataError
        If it does not exist, or cannot be read as a table.
    """
    import polars as pl

    if not file.is_file():
        raise UsageError("does not exist", path=file, remedy="give a CSV, FITS or parquet table")
    try:
        data = file.read_bytes()
        if data.startswith(MAGIC):
            return read_reviews(file)
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
        if data.startswith(b"PAR1"):
            table = pl.read_parquet(io.BytesIO(data))
        elif data.startswith(b"SIMPLE  ="):
            table = _from_astropy(data, "fits")
        elif data.startswith(b"# %ECSV"):
            table = _from_astropy(data, "ascii.ecsv")
        elif data.startswith(b"PK\x03\x04"):
            raise ValueError("it is a spreadsheet (.xlsx) or an archive")
        elif data.lstrip()[:5] == b"<?xml" or b"<VOTABLE" in data[:2000]:
            table = _from_astropy(data, "votable")
        else:
            table = _from_text(data)
    except (OSError, EOFError, pl.exceptions.PolarsError, ValueError) as error:
        words = str(error).split("\n")[0]
        raise DataError(
            f"cannot be read as a table: {words}", path=file, remedy="save it as CSV in UTF-8"
        ) from error
    return table.with_columns(
        pl.col(name).map_elements(plain_text, return_dtype=pl.String, skip_nulls=True)
        for name, kind in table.schema.items()
        if kind == pl.String
    )


def _from_astropy(data: bytes, format: str) -> pl.DataFrame:
    """A table that astropy reads, without columns of vectors: unsigned integers stay exact."""
    import warnings

    import numpy as np
    import polars as pl
    from astropy.table import Table

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # units and cards that no label needs
        source: Any = io.BytesIO(data) if format != "ascii.ecsv" else data.decode("utf-8")
        table = Table.read(source, format=format)
        table.convert_bytestring_to_unicode()
    columns = {}
    for name in table.colnames:
        values = table[name]
        if values.ndim != 1:
            continue
        missing = np.broadcast_to(np.ma.getmaskarray(np.ma.asarray(values)), len(values))
        plain = np.ma.getdata(np.ma.asarray(values))
        if plain.dtype.kind in "OSU":
            series = pl.Series(name, [str(v) for v in plain], dtype=pl.String)
        else:
            if str(values.unit) in _HOURS and name.lower().startswith("ra"):
                plain = 15.0 * np.asarray(plain, np.float64)
            series = pl.Series(name, plain.astype(plain.dtype.newbyteorder("=")))
        columns[name] = pl.select(pl.when(~pl.Series(missing)).then(series)).to_series()
    return pl.DataFrame(columns)


def _from_text(data: bytes) -> pl.DataFrame:
    """A CSV: separator by its header, comment lines before it left out, every field as text."""
    import polars as pl

    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8" or b"\0" in data:
            raise ValueError("it is text in no known encoding") from None
        text = data.decode("cp1252", "replace")
    if "\0" in text:
        raise ValueError("it is no text")
    lines = text.splitlines(keepends=True)
    head = 0
    if lines and re.fullmatch(r"sep=.\s*", lines[0]):  # spreadsheets take their separator from it
        head = 1
    while head < len(lines) and (not lines[head].strip() or _is_comment(lines, head)):
        head += 1
    if head == len(lines):
        raise ValueError("it is empty")
    header = lines[head].lstrip("#").lstrip()
    separator = max(",|\t;", key=header.count)
    if not header.count(separator) and len(header.split()) > 1:
        rows = [separator.join(line.split()) for line in [header, *lines[head + 1 :]]]
        return pl.read_csv(io.StringIO("\n".join(rows)), separator=separator, infer_schema=False)
    body = "".join([header, *(line for line in lines[head + 1 :] if line.strip())])
    table = pl.read_csv(io.StringIO(body), separator=separator, infer_schema=False)
    return table.rename({name: name.strip() for name in table.columns})


def _is_comment(lines: list[str], number: int) -> bool:
    """Whether a line that begins with ``#`` is a comment and not the header, as some write it."""
    line = lines[number]
    if not line.startswith("#"):
        return False
    mark = max(",|\t;", key=line.count)
    after = next((other for other in lines[number + 1 :] if other.strip()), "")
    return after.startswith("#") or not line.count(mark) or line.count(mark) != after.count(mark)


def check_identifiers(table: pl.DataFrame, column: str, path: Path) -> None:
    """Refuse a column of identifiers whose numbers have been rounded.

    Raises
    ------
    DataError
        If its floats are too large to be exact, or numbers written like 6.01e8 stand for several
        rows each.
    """
    import polars as pl

    from spectype.catalogue.columns import check_exact

    values = table[column].drop_nulls()
    if values.dtype.is_float():
        largest = values.filter(values.is_finite()).abs().max()
        check_exact(column, largest, values.dtype, path)
    elif values.dtype == pl.String:
        rounded = values.filter([is_rounded(value) for value in values])
        if rounded.is_duplicated().any():
            twice = rounded.filter(rounded.is_duplicated())[0]
            raise DataError(
                f"column {column} holds rounded numbers: {twice} stands there more than once",
                path=path,
                remedy=f"write {column} as integer or text",
            )
