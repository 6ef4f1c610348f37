"""The table of a sample: the chosen rows of a split catalogue, with their stars and splits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from spectype.catalogue.columns import ROW, find
from spectype.catalogue.split_folder import Tables
from spectype.catalogue.stars import SPLITS, first_rows, star_name
from spectype.catalogue.types import CLASSES

# Columns of the sample's table, where the catalogue has them.
_KEPT = (
    "obsid", "designation", "obsdate", "lmjd", "mjd", "planid", "spid", "fiberid",
    "snru", "snrg", "snrr", "snri", "snrz", "class", "subclass", "z", "uid", "gaia_source_id",
    "ra_obs", "dec_obs", "file",
)  # fmt: skip


def write_table(
    tables: Tables,
    rows: NDArray[np.uint32],
    stars: NDArray[np.int64],
    parts: NDArray[np.int8],
    path: Path,
) -> None:
    """Stream the chosen rows, with the catalogue's columns, their stars and splits, to a table.

    Parameters
    ----------
    tables : Tables
        The catalogue, split.
    rows : ndarray, shape (n,), uint32
        The chosen rows (`catalogue_row`).
    stars : ndarray, shape (n,), int64
        Star of each.
    parts : ndarray, shape (n,), int8
        Index into `SPLITS` of each.
    path : Path
        The parquet file.

    Notes
    -----
    The tables are read in their own order and marked in it: a join of ten million rows would be
    the largest thing in memory.
    """
    places = np.full(int(rows.max()) + 1, -1, np.int64)
    places[rows] = np.arange(rows.size)
    found = {type: _places(tables.table(type), places) for type in CLASSES}
    del places
    names, star = _names(tables, found, stars)
    splits = pl.Series(SPLITS)
    parted = []
    for type, place in found.items():
        frame = tables.table(type)
        columns = frame.collect_schema().names()
        position = [c for c in (find("ra", columns), find("dec", columns)) if c]
        kept = [c for c in dict.fromkeys((*_KEPT[:8], *position, *_KEPT[8:])) if c in columns]
        more = {
            "star_id": names.gather(star[place]),
            "split": splits.gather(parts[place]),
            "_chosen": pl.Series(place >= 0),
        }
        frame = frame.select(*kept, "type", "code", "luminosity", "ob", ROW)
        parted.append(_beside(frame, more).filter("_chosen").drop("_chosen"))
    frame = pl.concat(parted).with_columns(pl.col("obsid").cast(pl.Int64, strict=False))
    if len(rows) <= 1_000_000:
        frame = frame.sort(ROW)
    frame.sink_parquet(path, compression="zstd", statistics=False)


def _places(table: pl.LazyFrame, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which chosen row each row of a table is; -1 for none."""
    numbers = table.select(ROW).collect(engine="streaming")[ROW].to_numpy()
    inside = numbers < places.size
    return np.where(inside, places[np.where(inside, numbers, 0)], -1)


def _names(
    tables: Tables, found: Mapping[str, NDArray[np.int64]], stars: NDArray[np.int64]
) -> tuple[pl.Series, NDArray[np.int64]]:
    """Names of stars, those of their first rows, and which of them each chosen row has."""
    first, which = first_rows(stars)
    star_of = np.full(stars.size, -1, np.int64)
    star_of[first] = np.arange(first.size)
    names, numbers = [], []
    for type, place in found.items():
        frame = tables.table(type)
        name = star_name(frame.collect_schema().names()).alias("star_id")
        number = np.where(place >= 0, star_of[place], -1)
        marked = _beside(frame.select(name), {"_first": pl.Series(number >= 0)})
        names.append(marked.filter("_first").collect(engine="streaming")["star_id"])
        numbers.append(number[number >= 0])
    order = np.argsort(np.concatenate(numbers))
    return pl.concat(names).gather(order), which


def _beside(frame: pl.LazyFrame, more: Mapping[str, pl.Series]) -> pl.LazyFrame:
    return pl.concat([frame, pl.DataFrame(more).lazy()], how="horizontal")
