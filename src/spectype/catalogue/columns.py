"""Columns of LAMOST catalogues: their names in the releases, their types, what must be there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from spectype.core.errors import DataError
from spectype.core.identifiers import exact_limit
from spectype.core.sky import degrees

REQUIRED = ("obsid", "class", "subclass")
ROW = "catalogue_row"  #: row of the source, from 0; a CSV's line is two more
PROBLEM = "problem"  #: why a row is rejected; null where it is sound
ADDED = ("type", "code", "luminosity", "kind", "ob")  #: what classification adds, in this order

# What the releases call one thing, the preferred name first (DR1-DR13).
ALIASES: dict[str, tuple[str, ...]] = {
    "ra": ("ra", "objra", "raj2000", "ra_obs"),
    "dec": ("dec", "objdec", "dej2000", "decj2000", "dec_obs"),
    "uid": ("uid",),
    "gaia": ("gaia_source_id", "gaia_id"),
    "designation": ("designation", "desig"),
}

# Schema pinned by name, never inferred from the first rows. Integers are read as floats and
# converted, because DR1 writes them as 55860.0; every other column is text.
_INTEGERS = re.compile(r"lmjd|mjd|spid|fiberid|fibermask|with_norm_flux")
_FLOATS = re.compile(r"(?:obj)?ra|(?:obj)?dec|ra_obs|dec_obs|raj2000|de(?:c)?j2000|z|z_err")
_SHORT_FLOATS = re.compile(
    r"sn?r?_?[ugriz]|snr[ugriz]|mag\d|mag_ps_\w+|gaia_g_mean_mag|rv|rv_err|offset_v|"
    r"teff(_err)?|logg(_err)?|feh(_err)?"
)


def pinned_type(name: str) -> type[pl.DataType]:
    """Type that a text catalogue's column `name` is read as."""
    if _FLOATS.fullmatch(name) or _INTEGERS.fullmatch(name):
        return pl.Float64
    return pl.Float32 if _SHORT_FLOATS.fullmatch(name) else pl.String


def converted(columns: Sequence[str]) -> list[pl.Expr]:
    """Expressions that turn columns read as floats into the integers they are."""
    return [
        pl.col(name).cast(pl.Int32, strict=False)
        for name in columns
        if _INTEGERS.fullmatch(name) and name not in REQUIRED
    ]


def check_exact(column: str, largest: Any, dtype: Any, path: str | Path) -> None:
    """Refuse a column of identifiers whose `largest` is too large to be exact in its floats."""
    limit = exact_limit(32 if dtype == pl.Float32 else 64)
    if largest is not None and abs(float(largest)) >= limit:
        raise DataError(
            f"column {column} holds {str(dtype)[5:]}-bit floats: its numbers above {limit} are "
            "rounded, so they name other rows",
            path=path,
            remedy=f"write {column} as integer or text"
            if column == "obsid"
            else f"write {column} as integer or text, or leave it out",
        )


def tidy(names: Sequence[str], path: str | Path) -> list[str]:
    """Column names in lower case, without blanks; none of them ours.

    Raises
    ------
    DataError
        If a required column is missing or a name stands twice.
    """
    clean = [name.strip().strip('"').lower() for name in names]
    missing = [name for name in REQUIRED if name not in clean]
    if missing:
        raise DataError(
            f"has no column {', '.join(missing)}; its columns are {', '.join(clean)}",
            path=path,
            remedy="give a LAMOST general catalogue, or rename the column",
        )
    twice = sorted({name for name in clean if clean.count(name) > 1})
    if twice:
        raise DataError(f"has two columns {', '.join(twice)}", path=path, remedy="rename one")
    taken = {*ADDED, ROW, PROBLEM}
    return [f"source_{name}" if name in taken else name for name in clean]


def find(name: str, columns: Sequence[str]) -> str | None:
    """The column that holds `name` (a key of `ALIASES`) among `columns`, or None."""
    return next((alias for alias in ALIASES[name] if alias in columns), None)


def snr_column(band: str, columns: Sequence[str]) -> str | None:
    """The column of S/N in `band` (u g r i z) among `columns`, or None."""
    return next((c for c in (f"snr{band}", f"snr_{band}", f"sn_{band}") if c in columns), None)


def present_snr(column: str, dtype: Any = None) -> pl.Expr:
    """S/N of `column`, null where the survey wrote -9999 or the value is no number."""
    number = pl.col(column)
    if dtype == pl.String:
        number = number.str.replace(",", ".", literal=True)
    value = number.cast(pl.Float32, strict=False)
    return pl.when(value.is_finite() & (value > -9999)).then(value)


def in_degrees(column: str, dtype: Any) -> pl.Expr:
    """The coordinate `column` in degrees (Float64), null where it is empty or cannot be read."""
    if dtype != pl.String:
        return pl.col(column).cast(pl.Float64, strict=False)
    hours = column in ALIASES["ra"]

    def read(text: pl.Series) -> pl.Series:
        plain = text.cast(pl.Float64, strict=False)
        lost = (plain.is_null() & text.is_not_null()).arg_true()
        return plain.scatter(lost, [degrees(t, hours=hours) for t in text.gather(lost)])

    return pl.col(column).map_batches(read, return_dtype=pl.Float64, is_elementwise=True)


def present_id(column: str) -> pl.Expr:
    """An identifier as text, null where it is empty, zero, or a "no value" mark."""
    text = pl.col(column).cast(pl.String).str.strip_chars().str.strip_suffix(".0")
    empty = ["", "0", "-1", "-9999", "null", "NULL", "nan", "NaN", "None", "--"]
    return pl.when(~text.is_in(empty)).then(text)


def as_obsid(dtype: Any) -> pl.Expr:
    """The obsid column as Int64, null where it is no whole number."""
    column = pl.col("obsid")
    if dtype != pl.String:
        return column.cast(pl.Int64, strict=False)
    return column.str.strip_chars().str.replace(r"\.0+$", "").cast(pl.Int64, strict=False)
