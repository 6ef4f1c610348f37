"""What a user wants from the archive: lists of obsids, or the table of a sample."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spectype.core.errors import DataError, UsageError
from spectype.surveys import lamost_names


@dataclass(frozen=True, slots=True)
class Wanted:
    """One spectrum that is wanted.

    Parameters
    ----------
    obsid : int
        The survey's number of it.
    place : str or None
        ``YYYYMMDD/PLANID/spec-....fits.gz``, where the catalogue's row is known.
    """

    obsid: int
    place: str | None = None


@dataclass(frozen=True, slots=True)
class Wishes:
    """All that is wanted, each once.

    Parameters
    ----------
    items : list of Wanted
        In the order of the list.
    duplicates : int
        Entries that stood there before.
    without : int
        Rows of a table that have no obsid, and so cannot be asked for.
    """

    items: list[Wanted]
    duplicates: int = 0
    without: int = 0


def read_wishes(path: str | Path) -> Wishes:
    """Read a list of obsids (one a line), or a table with a column obsid.

    Blank lines, comments (#), Windows line ends and duplicates are understood. A table (parquet,
    or CSV with a header) that has obsdate, lmjd, planid, spid and fiberid gives each file's
    place in the survey's tree, too; its rows without an obsid are counted and passed over.

    Raises
    ------
    UsageError
        If it does not exist.
    DataError
        If it holds no obsid, or something that is none (with its line).
    """
    file = Path(path)
    if not file.is_file():
        raise UsageError("does not exist", path=file, remedy="give a list of obsids")
    with file.open("rb") as handle:
        head = handle.read(4)
    found: list[Wanted | None]
    if head == b"PAR1":
        found = list(_from_table(file, parquet=True))
    else:
        text = file.read_text(encoding="utf-8-sig", errors="replace")
        if re.match(r"(?:[^\n]*[,|;\t])?\s*\"?obsid\"?\s*(?:[,|;\t\r\n]|$)", text, re.IGNORECASE):
            found = list(_from_table(file, parquet=False))
        else:
            found = [Wanted(obsid) for obsid in _from_lines(text, file)]
    entries = [entry for entry in found if entry is not None]
    if not entries:
        raise DataError("holds no obsid", path=file, remedy="one obsid a line")
    items: dict[int, Wanted] = {}
    for entry in entries:
        items.setdefault(entry.obsid, entry)
    return Wishes(list(items.values()), len(entries) - len(items), len(found) - len(entries))


def _from_lines(text: str, file: Path) -> Iterator[int]:
    for number, line in enumerate(text.splitlines(), start=1):
        entry = line.partition("#")[0].strip().rstrip(",;")
        if not entry:
            continue
        if not entry.isascii() or not entry.isdigit():
            raise DataError(
                f"line {number} is no obsid: {entry[:40]!r}", path=file, remedy="one obsid a line"
            )
        yield int(entry)


def _from_table(file: Path, *, parquet: bool) -> Iterator[Wanted | None]:
    import polars as pl

    try:
        if parquet:
            rows = pl.read_parquet(file)
        else:
            with file.open(encoding="utf-8-sig", errors="replace") as handle:
                separator = max(",|\t;", key=handle.readline().count)
            rows = pl.read_csv(file, separator=separator, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"cannot be read as a table: {error}", path=file) from error
    if "obsid" not in rows.columns:
        raise DataError(
            f"has no column obsid; its columns are {', '.join(rows.columns)}", path=file
        )
    parts = ("obsdate", "lmjd", "planid", "spid", "fiberid")
    known = [name for name in parts if name in rows.columns]
    extra = ["file"] if "file" in rows.columns else []
    for number, row in enumerate(rows.select("obsid", *known, *extra).iter_rows(named=True), 1):
        obsid = str("" if row["obsid"] is None else row["obsid"]).strip().removesuffix(".0")
        if not obsid:
            yield None
            continue
        if not obsid.isascii() or not obsid.isdigit():
            raise DataError(f"row {number}: {obsid[:40]!r} in column obsid is no obsid", path=file)
        yield Wanted(int(obsid), place_of(row) if len(known) == len(parts) else None)


def place_of(row: Mapping[str, Any]) -> str | None:
    """Place of a catalogue row's file in the survey's tree; None if a part of it is missing.

    A column ``file`` decides on the name where it is there: a few files are named after
    another fibre than the catalogue says.
    """
    try:
        plan = str(row["planid"]).strip()
        if not plan or plan in (".", "..") or "/" in plan or "\\" in plan:
            return None  # no part of a path comes from a catalogue unseen
        place = lamost_names.tree_path(
            str(row["obsdate"]),
            plan,
            lmjd=int(float(row["lmjd"])),
            spid=int(float(row["spid"])),
            fiberid=int(float(row["fiberid"])),
        )
    except (TypeError, ValueError, KeyError, UsageError):
        return None
    file = str(row.get("file") or "").strip()
    named = lamost_names.parse_name(file) is not None and not {"/", "\\"} & set(file)
    return f"{place.rpartition('/')[0]}/{file}" if named else place
