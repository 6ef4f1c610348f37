"""Results beside a catalogue: rows of one object found by identifier or by position."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spectype.bulk.results import origin, scan
from spectype.catalogue.columns import ALIASES
from spectype.classify.columns import Column, dictionary
from spectype.classify.output import check_output, write_table
from spectype.core.errors import DataError, UsageError
from spectype.core.identifiers import identifier
from spectype.core.sky import MATCH_RADIUS, degrees
from spectype.dataset.tables import check_identifiers, read_table

if TYPE_CHECKING:
    import polars as pl

OBSID, POSITION = "obsid", "position"
#: Column of a join by position.
SEPARATION = Column("separation", "real", "pos.angDistance", "Distance of the catalogue's position",
                    "arcsec", "F9.3", "where none is near enough")  # fmt: skip
_AGAIN = "_catalogue"  # behind a column of the catalogue whose name the results have, too


@dataclass(frozen=True, slots=True)
class Joined:
    """What `join` found.

    Parameters
    ----------
    rows, matched : int
        Rows of the results, and those of them that have a row of the catalogue.
    by : str
        ``obsid`` or ``position``.
    """

    rows: int
    matched: int
    by: str


def join(
    results: str | Path,
    catalogue: str | Path,
    output: str | Path,
    *,
    by: str | None = None,
    radius: float = MATCH_RADIUS,
) -> Joined:
    """Write each row of results with the columns of the catalogue's row of the same object.

    Parameters
    ----------
    results : path-like
        A folder of shards, or a table that `classify` wrote.
    catalogue : path-like
        CSV (also with ``|`` or ``;``), FITS, VOTable, ECSV or parquet.
    output : path-like
        In any format of `classify`. All rows of the results, in their order; empty where the
        catalogue has none. Its columns follow ours; of one name, with ``_catalogue`` behind.
    by : {"obsid", "position"}, optional
        By default the identifiers, where both have them, else positions.
    radius : float
        Farthest separation of a match by position [arcsec]; the nearest counts.

    Raises
    ------
    UsageError
        If there is nothing to join by, or a table cannot be read.
    DataError
        If an identifier stands in the catalogue twice: which row is meant cannot be told.
    """
    target = check_output(output)
    if by not in (None, OBSID, POSITION):
        raise UsageError(f"rows are not joined by {by!r}", remedy=f"{OBSID} or {POSITION}")
    if not radius > 0:
        raise UsageError(f"a radius of {radius:g} arcsec is not positive")
    rows, other = scan(results).collect(), read_table(Path(catalogue))
    found = {name.lower(): name for name in reversed(other.columns)}
    how = by or _key(rows, found, Path(catalogue))
    if how == OBSID:
        places = _by_obsid(rows, other, found, Path(catalogue))
        distance = None
    else:
        places, distance = _by_position(rows, other, found, Path(catalogue), radius)
    known = {**dictionary(), SEPARATION.name: SEPARATION}
    write_table(_beside(rows, other, places, distance), target, about=origin(results), known=known)
    return Joined(rows=len(rows), matched=int((places >= 0).sum()), by=how)


def _key(rows: pl.DataFrame, found: dict[str, str], path: Path) -> str:
    """By what both tables can be joined."""
    if OBSID in found and rows[OBSID].null_count() < len(rows):
        return OBSID
    if _axis("ra", found) and _axis("dec", found):
        return POSITION
    raise UsageError(
        "has neither obsid nor ra and dec, by which it could be joined",
        path=path,
        remedy="rename its columns",
    )


def _axis(name: str, found: dict[str, str]) -> str | None:
    """A coordinate's column, by the names that catalogues give it."""
    return next((found[alias] for alias in ALIASES[name] if alias in found), None)


def _by_obsid(
    rows: pl.DataFrame, other: pl.DataFrame, found: dict[str, str], path: Path
) -> NDArray[np.int64]:
    """Row of the catalogue for each row of the results; -1 for none."""
    if OBSID not in found:
        raise UsageError("has no column obsid", path=path, remedy=f"--by {POSITION}")
    check_identifiers(other, found[OBSID], path)
    places: dict[str, int] = {}
    for place, value in enumerate(other[found[OBSID]].to_list()):
        if (key := identifier(value)) is None:
            continue
        if key in places:
            raise DataError(
                f"obsid {key} stands in rows {places[key] + 1} and {place + 1}",
                path=path,
                remedy="leave one of them",
            )
        places[key] = place
    keys = (identifier(value) for value in rows[OBSID].to_list())
    return np.array([places.get(key or "", -1) for key in keys], np.int64)


def _by_position(
    rows: pl.DataFrame, other: pl.DataFrame, found: dict[str, str], path: Path, radius: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The nearest row of the catalogue for each row, -1 for none, and how far it is [arcsec]."""
    from scipy.spatial import cKDTree

    ra, dec = _axis("ra", found), _axis("dec", found)
    if ra is None or dec is None:
        raise UsageError("has no columns ra and dec", path=path, remedy=f"--by {OBSID}")
    there, here = _unit(other[ra], other[dec]), _unit(rows["ra"], rows["dec"])
    known = np.flatnonzero(np.isfinite(there).all(axis=1))
    usable = np.flatnonzero(np.isfinite(here).all(axis=1))
    places = np.full(len(rows), -1, np.int64)
    distance = np.full(len(rows), np.nan)
    if known.size and usable.size:
        chord, nearest = cKDTree(there[known]).query(here[usable])
        apart = np.degrees(2 * np.arcsin(np.clip(chord / 2, 0, 1))) * 3600
        near = apart <= radius
        places[usable[near]] = known[nearest[near]]
        distance[usable[near]] = apart[near]
    return places, distance


def _unit(ra: pl.Series, dec: pl.Series) -> NDArray[np.float64]:
    """Unit vectors of positions, degrees or sexagesimal, shape (n, 3); NaN where one is missing."""
    angles = [
        np.radians(
            [np.nan if (v := degrees(x, hours=hours)) is None else v for x in axis.to_list()]
        )
        for axis, hours in ((ra, True), (dec, False))
    ]
    a, d = (np.asarray(angle, np.float64) for angle in angles)
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=1)


def _beside(
    rows: pl.DataFrame,
    other: pl.DataFrame,
    places: NDArray[np.int64],
    distance: NDArray[np.float64] | None,
) -> pl.DataFrame:
    """The rows with the catalogue's columns behind them."""
    import polars as pl

    names: dict[str, Any] = {n: f"{n}{_AGAIN}" for n in other.columns if n in rows.columns}
    index = pl.Series(np.where(places >= 0, places, 0))
    there = pl.Series(places >= 0)
    taken = other[index] if len(other) else other.clear(len(rows))
    taken = taken.rename(names).select(pl.when(there).then(pl.all()))
    if distance is not None:
        taken = taken.with_columns(pl.Series(SEPARATION.name, distance).fill_nan(None))
    return rows.hstack(taken)
