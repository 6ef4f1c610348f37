"""How a CSV catalogue is written, judged by its first lines."""

from __future__ import annotations

import csv
import logging
import re
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from spectype.catalogue.columns import ALIASES, find, pinned_type, tidy
from spectype.core.errors import DataError, UsageError
from spectype.core.identifiers import is_rounded
from spectype.core.sky import degrees
from spectype.core.spectra import number

log = logging.getLogger("spectype")
SEPARATORS = "|,\t;"
_SAMPLE_LINES = 3000
_NOTHING = ("null", "nan", "none", "--")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a CSV is written.

    Parameters
    ----------
    columns : tuple of str
        Its columns, in lower case.
    separator : str
        Between its fields.
    quoted : bool
        Whether fields may stand in quotes.
    careful : bool
        Whether the fields of each line have to be counted: the last one may be empty, or a
        separator may stand in quotes.
    decimal_comma : bool
        Whether numbers are written with one.
    angles : tuple of str
        Columns of positions in hours or degrees, minutes and seconds.
    """

    columns: tuple[str, ...]
    separator: str
    quoted: bool
    careful: bool
    decimal_comma: bool
    angles: tuple[str, ...]


def sniff(file: Path, head: bytes, *, separator: str | None = None) -> Dialect:
    """Judge a CSV by its first bytes.

    Raises
    ------
    UsageError
        If `separator` cannot be one.
    DataError
        If it has no rows, not the columns of a catalogue, or identifiers that have been rounded.
    """
    lines = head.decode("utf-8-sig", errors="replace").splitlines()[: _SAMPLE_LINES + 1]
    likely = max(SEPARATORS, key=lines[0].count)
    mark = likely if separator is None else separator
    if len(mark) != 1 or not mark.isascii() or mark in '"\r\n':
        raise UsageError(f"{mark!r} cannot separate fields", remedy="give one character")
    if separator is not None and lines[0].count(mark) == 0 < lines[0].count(likely):
        raise DataError(
            f"has no {mark!r} in its header; it looks separated by {likely!r}",
            path=file,
            remedy="leave out the separator",
        )
    columns = tuple(tidy(lines[0].split(mark), file))
    if len(lines) < 2:
        raise DataError("has a header but no rows", path=file, remedy="fetch the catalogue again")
    field = rf'(?:^|{re.escape(mark)})\s*"[^"]*"\s*(?:{re.escape(mark)}|$)'
    quoted = any('"' in line and re.search(field, line) for line in lines)
    spare_end = any(line.rstrip().endswith(mark) for line in lines[1:-1])
    last_filled = not spare_end and all(line.rsplit(mark, 1)[-1].strip() for line in lines[1:-1])
    fields = _sample_fields(lines[1:-1] or lines[1:], columns, mark, quoted)
    for column in ("obsid", *ALIASES["uid"], *ALIASES["gaia"]):
        if rounded := next((f for f in fields.get(column, ()) if is_rounded(f)), None):
            raise DataError(
                f"column {column} holds rounded numbers like {rounded}",
                path=file,
                remedy=f"write {column} as integer or text",
            )
    return Dialect(
        columns=columns,
        separator=mark,
        quoted=quoted,
        careful=quoted or not last_filled,
        decimal_comma=mark != "," and _has_decimal_commas(fields),
        angles=_angles(fields, file),
    )


def _sample_fields(
    lines: list[str], columns: tuple[str, ...], mark: str, quoted: bool
) -> dict[str, list[str]]:
    """Fields of the first lines by column, without blanks, empty ones left out."""
    rows = list(csv.reader(lines, delimiter=mark, quoting=csv.QUOTE_MINIMAL if quoted else 3))
    whole = [row for row in rows if len(row) == len(columns)]
    return {
        name: [text for row in whole if (text := row[i].strip().strip('"'))]
        for i, name in enumerate(columns)
    }


def _has_decimal_commas(fields: dict[str, list[str]]) -> bool:
    numbers = (name for name in fields if pinned_type(name) != pl.String)
    found = (f for name in numbers for f in fields[name] if "," in f)
    return any(re.fullmatch(r"[+-]?\d+,\d+", f) for f in found)


def _angles(fields: dict[str, list[str]], file: Path) -> tuple[str, ...]:
    """Columns of positions whose fields are no plain numbers; says which cannot be read at all."""
    found = []
    for axis in ("ra", "dec"):
        name = find(axis, list(fields))
        odd = [f for f in fields.get(name or "", ()) if number(f.replace(",", ".")) is None]
        odd = [f for f in odd if f.lower() not in _NOTHING]
        if name and odd:
            found.append(name)
            if degrees(odd[0], hours=axis == "ra") is None:
                log.warning("%s: %s cannot be read from %r: it is unknown", file, axis, odd[0])
    return tuple(found)
