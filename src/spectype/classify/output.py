"""The table that `classify` writes: where it may go, and its formats."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spectype.classify.columns import COLUMNS
from spectype.core.errors import UsageError
from spectype.core.files import atomic_path, check_writable
from spectype.core.names import as_text, twins

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger("spectype")
SUFFIXES = (".csv", ".parquet", ".fits")
#: By these a table is known as ours; later columns have come one by one.
_FIRST = COLUMNS[: COLUMNS.index("error") + 1]


def check_output(output: str | Path) -> Path:
    """The output, unless it cannot be written or something would be lost.

    Raises
    ------
    UsageError
        If there is anything but a table of types: nothing of the user's is ever overwritten. Also
        if it cannot be written, or its suffix is unknown.
    """
    target = check_writable(output)
    if target.suffix not in SUFFIXES:
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
            head = handle.read(4096)
        if head.startswith(b"PAR1"):
            import polars as pl

            names = list(pl.read_parquet_schema(path))
        elif head.startswith(b"SIMPLE  ="):
            from astropy.io import fits

            with fits.open(path) as hdus:
                names = hdus[1].columns.names if len(hdus) == 2 else []
        else:
            names = head.split(b"\n", 1)[0].decode("utf-8", "replace").strip().split(",")
    except Exception:  # what cannot be read is none of ours, whatever is wrong with it
        log.debug("%s is no table of types", path, exc_info=True)
        return False
    return tuple(names[: len(_FIRST)]) == _FIRST


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
