"""The table that `classify` writes: where it may go, and its formats."""

from __future__ import annotations

import gzip
import logging
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from spectype.classify import tables
from spectype.classify.columns import COLUMNS
from spectype.classify.tables import Columns, Provenance
from spectype.core.errors import UsageError
from spectype.core.files import atomic_path, check_writable
from spectype.core.names import as_text, twins

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger("spectype")
#: Formats by the end of a name, in capitals too; the longest first.
SUFFIXES = (".csv.gz", ".csv", ".parquet", ".fits", ".vot", ".ecsv")
_FIELD = re.compile(r"<FIELD\b[^>]*?\bname=\"([^\"]+)\"")
#: By these a table is known as ours; later columns have come one by one.
_FIRST = COLUMNS[: COLUMNS.index("error") + 1]


def suffix_of(path: str | Path) -> str | None:
    """Which of `SUFFIXES` a name ends in, however it is written; None for any other."""
    name = Path(path).name.lower()
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)


def check_output(output: str | Path) -> Path:
    """The output, unless it cannot be written or something would be lost.

    Raises
    ------
    UsageError
        If there is anything but a table of types: nothing of the user's is ever overwritten. Also
        if it cannot be written, or its suffix is unknown.
    """
    target = check_writable(output)
    if suffix_of(target) is None:
        raise UsageError(
            f"unknown format {target.suffix!r}", path=target, remedy=f"use {' '.join(SUFFIXES)}"
        )
    if target.exists() and target.stat().st_size and not is_table(target):
        raise UsageError(
            "is there already and is no table of types: it would be lost",
            path=as_text(target),
            remedy="choose another output, or remove the file; spectra come after the output",
        )
    return target


def without_output(files: Iterable[str], target: Path) -> Iterator[str]:
    """The inputs without an earlier table of ours that stands in the output's place.

    Raises
    ------
    UsageError
        If the output is one of the spectra.
    """
    ours = is_table(target)
    there = target.exists()
    for file in files:
        if not (there and twins(target, [file])):
            yield file
        elif ours:
            log.info("%s is the table of an earlier run: it is not typed", as_text(target))
        else:
            raise UsageError(
                f"the output is one of the spectra, {as_text(file)}",
                path=as_text(target),
                remedy="name the table after --output, for example types.csv",
            )


def is_table(path: Path) -> bool:
    """Whether a file is a table that `classify` wrote, by its first columns."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as handle:
            head = handle.read(1 << 16)
        names = _first_names(path, head)
    except Exception:  # what cannot be read is none of ours, whatever is wrong with it
        log.debug("%s is no table of types", path, exc_info=True)
        return False
    return tuple(names[: len(_FIRST)]) == _FIRST


def _first_names(path: Path, head: bytes) -> list[str]:
    """Names of the columns of a table that begins with the bytes `head`."""
    if head.startswith(b"PAR1"):
        import polars as pl

        return list(pl.read_parquet_schema(path))
    if head.startswith(b"SIMPLE  ="):
        from astropy.io import fits

        with fits.open(path) as hdus:
            return list(hdus[1].columns.names) if len(hdus) == 2 else []
    if head.startswith(b"\x1f\x8b"):
        with gzip.open(path) as handle:
            head = handle.read(1 << 14)
    text = head.decode("utf-8", "replace")
    if text.startswith("<?xml"):
        return _FIELD.findall(text)
    if text.startswith("# %ECSV"):
        return next((line for line in text.splitlines() if not line.startswith("#")), "").split()
    return text.split("\n", 1)[0].strip().split(",")


def write_table(
    table: pl.DataFrame,
    target: Path,
    *,
    about: Provenance | None = None,
    known: Columns | None = None,
) -> None:
    """Write the table atomically in the format of the suffix.

    Parameters
    ----------
    table : polars.DataFrame
        Rows of results.
    target : Path
        Its name ends in one of `SUFFIXES`.
    about : mapping of str to str, optional
        From `tables.provenance`; every format but CSV holds it.
    known : mapping of str to Column, optional
        What the columns are, for every format but CSV; by default those of `classify`.
    """
    suffix = suffix_of(target)
    with atomic_path(target) as temporary:
        if suffix == ".csv":
            table.write_csv(temporary)
        elif suffix == ".csv.gz":
            # Without name and time in it: the same bytes every time.
            packed = gzip.GzipFile(
                filename="", mode="wb", fileobj=(raw := temporary.open("wb")), mtime=0
            )
            with raw, packed as stream:
                table.write_csv(stream)  # type: ignore[call-overload]
        elif suffix == ".parquet":
            options = tables.parquet_options(table.schema, about=about, known=known)
            table.write_parquet(temporary, **options)
        elif suffix == ".vot":
            tables.write_votable(table, temporary, about=about, known=known)
        elif suffix == ".ecsv":
            tables.write_ecsv(table, temporary, about=about, known=known)
        else:
            tables.write_fits(table, temporary, about=about, known=known)
