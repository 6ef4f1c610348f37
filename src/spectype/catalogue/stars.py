"""Which rows are of one star, and splits that never put a star on two sides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from spectype.catalogue.columns import find, present_id
from spectype.core.errors import DataError
from spectype.core.sky import MATCH_RADIUS, group_by_position

SPLITS = ("train", "validation", "test")


def identity_columns(columns: Sequence[str]) -> list[str]:
    """The columns among `columns` that say which star a row is of."""
    names = [find(name, columns) for name in ("uid", "gaia", "ra", "dec", "designation")]
    return [name for name in names if name is not None]


def number_stars(rows: pl.DataFrame, *, radius: float = MATCH_RADIUS) -> NDArray[np.int64]:
    """Number the stars behind catalogue rows.

    Rows are of one star if they share ``uid``, or ``gaia_source_id``, or lie within `radius`
    of one another. Where every row has a uid (else a Gaia source), that alone decides.

    Parameters
    ----------
    rows : DataFrame, n rows
        With the columns of `identity_columns`.
    radius : float
        Matching radius on the sky [arcsec]. Friends of friends are one star.

    Returns
    -------
    ndarray, shape (n,), int64
        Star numbers from 0, in order of first appearance.

    Raises
    ------
    DataError
        If no column identifies stars.
    """
    names = [find("uid", rows.columns), find("gaia", rows.columns)]
    keys = [rows.select(present_id(name).alias("id"))["id"] for name in names if name]
    for key in keys:
        if key.null_count() == 0:
            return _in_order(key.rank("dense").to_numpy())
    ra, dec = find("ra", rows.columns), find("dec", rows.columns)
    if ra is None or dec is None:
        raise DataError(
            "has no complete column uid or gaia_source_id, and no positions: its stars cannot "
            "be told apart",
            remedy="give a general catalogue, with ra and dec",
        )
    positions = rows.select(pl.col(ra, dec).cast(pl.Float64, strict=False).fill_null(np.nan))
    groups = group_by_position(*(positions[c].to_numpy() for c in (ra, dec)), radius=radius)
    if any(key.null_count() < len(key) for key in keys):
        groups = _joined(groups, keys)
    return _in_order(groups)


def _joined(groups: NDArray[np.int64], keys: Sequence[pl.Series]) -> NDArray[np.int64]:
    """Unite groups that share a key: rows, groups and keys as one graph."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    ends, size = [], int(groups.max(initial=-1)) + 1
    starts = []
    for key in keys:
        known = np.flatnonzero(key.is_not_null().to_numpy())
        number = key.drop_nulls().rank("dense").to_numpy().astype(np.int64)
        starts.append(groups[known])
        ends.append(size + number)
        size += int(number.max(initial=0)) + 1
    start, end = np.concatenate(starts), np.concatenate(ends)
    graph = coo_matrix((np.ones(start.size, bool), (start, end)), (size, size))
    labels = connected_components(graph, directed=False)[1]
    return np.asarray(labels[groups], dtype=np.int64)


def _in_order(numbers: NDArray[np.generic]) -> NDArray[np.int64]:
    """Numbers from 0 in order of first appearance, so that they do not depend on the method."""
    _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    rank = np.empty(first.size, np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(first.size)
    return np.asarray(rank[inverse], dtype=np.int64)


def star_names(rows: pl.DataFrame, stars: NDArray[np.int64]) -> pl.Series:
    """A name for the star of each row: its uid, ``gaia:N``, designation, or obsid.

    Taken from the first row of each star that has one, so that all rows of a star agree.
    """
    names: list[pl.Expr] = []
    if uid := find("uid", rows.columns):
        names.append(present_id(uid))
    if gaia := find("gaia", rows.columns):
        names.append(pl.lit("gaia:") + present_id(gaia))
    if designation := find("designation", rows.columns):
        names.append(present_id(designation))
    names.append(pl.lit("obsid:") + pl.col("obsid").cast(pl.String))
    named = rows.lazy().select(pl.coalesce(names).alias("name"), pl.Series("star", stars))
    best = named.drop_nulls().unique("star", keep="first", maintain_order=True)
    return named.select("star").join(
        best, on="star", how="left", maintain_order="left"
    ).collect()["name"].alias("star_id")  # fmt: skip


def assign_splits(
    stars: NDArray[np.int64],
    strata: NDArray[np.int64],
    *,
    fractions: Sequence[float] = (0.7, 0.15, 0.15),
    rng: np.random.Generator,
) -> NDArray[np.int8]:
    """Put each star, with all its rows, into train, validation or test.

    Parameters
    ----------
    stars : ndarray, shape (n,), int64
        Star of each row.
    strata : ndarray, shape (n,), int64
        What is to be shared out evenly (the type). A star belongs to the stratum of its
        first row.
    fractions : sequence of 3 floats
        Shares of the stars of each stratum; scaled to a sum of 1.
    rng : Generator
        Source of randomness.

    Returns
    -------
    ndarray, shape (n,), int8
        Index into `SPLITS`.
    """
    share = np.asarray(fractions, float)
    share = share / share.sum()
    unique, first, inverse = np.unique(stars, return_index=True, return_inverse=True)
    stratum = strata[first]
    # Shuffle the stars, then rank them within their stratum: the first part trains.
    order = np.lexsort((rng.random(unique.size), stratum))
    sizes = np.bincount(stratum, minlength=int(stratum.max(initial=0)) + 1)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    rank = np.arange(unique.size) - starts[stratum[order]]
    edges = np.rint(np.cumsum(share)[:2, None] * sizes).astype(np.int64)
    part = (rank >= edges[0][stratum[order]]).astype(np.int8)
    part += rank >= edges[1][stratum[order]]
    result = np.empty(unique.size, np.int8)
    result[order] = part
    return np.asarray(result[inverse], dtype=np.int8)
