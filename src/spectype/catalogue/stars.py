"""Which rows are of one star, and splits that never put a star on two sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from spectype.catalogue.columns import find, in_degrees, present_id
from spectype.core.errors import DataError
from spectype.core.sky import MATCH_RADIUS, group_by_position, known_positions

SPLITS = ("train", "validation", "test")
_STRIP = 1_000_000


def key_columns(schema: Mapping[str, pl.DataType]) -> list[pl.Expr]:
    """What `number_keyed` needs, as numbers: ``_uid``, ``_gaia`` (hashes), ``_ra``, ``_dec``."""
    keys, columns = [], list(schema)
    for kind in ("uid", "gaia"):
        if name := find(kind, columns):
            value = present_id(name)
            keys.append(pl.when(value.is_not_null()).then(value.hash(0)).alias(f"_{kind}"))
    for kind in ("ra", "dec"):
        if name := find(kind, columns):
            keys.append(in_degrees(name, schema[name]).alias(f"_{kind}"))
    return keys


def identified(keys: Sequence[pl.Expr]) -> pl.Expr:
    """Whether a row tells its star: by an identifier, or by a position on the sky."""
    names = [key.meta.output_name() for key in keys]
    known = [pl.col(name).is_not_null() for name in ("_uid", "_gaia") if name in names]
    if {"_ra", "_dec"} <= set(names):
        known.append(pl.col("_dec").is_between(-90, 90) & pl.col("_ra").is_between(-360, 720))
    return pl.any_horizontal(*[k.fill_null(False) for k in known]) if known else pl.lit(True)


def number_stars(rows: pl.DataFrame, *, radius: float = MATCH_RADIUS) -> NDArray[np.int64]:
    """Number the stars behind catalogue rows.

    Rows are of one star if they share ``uid``, or ``gaia_source_id``, or lie within `radius`
    of one another. Where every row has a uid (else a Gaia source), that alone decides.

    Parameters
    ----------
    rows : DataFrame, n rows
        With what the survey has of uid, gaia_source_id, ra and dec.
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
    return number_keyed(rows.select(key_columns(rows.schema)), radius=radius)


def number_keyed(keys: pl.DataFrame, *, radius: float = MATCH_RADIUS) -> NDArray[np.int64]:
    """Number the stars as `number_stars` does, from the columns of `key_columns`."""
    names = [keys[name] for name in ("_uid", "_gaia") if name in keys.columns]
    for name in names:
        if name.null_count() == 0:
            return _in_order(np.unique(name.to_numpy(), return_inverse=True)[1])
    if not {"_ra", "_dec"} <= set(keys.columns):
        raise DataError(
            "has no complete column uid or gaia_source_id, and no positions: its stars cannot "
            "be told apart",
            remedy="give a general catalogue, with ra and dec",
        )
    groups = by_position(keys["_ra"].to_numpy(), keys["_dec"].to_numpy(), radius=radius)
    if any(name.null_count() < len(name) for name in names):
        groups = _joined(groups, names)
    return _in_order(groups)


def by_position(
    ra: NDArray[np.float64],
    dec: NDArray[np.float64],
    *,
    radius: float = MATCH_RADIUS,
    n_strip: int = _STRIP,
) -> NDArray[np.int64]:
    """Number groups of positions as `group_by_position` does, strip by strip in declination.

    Each strip is matched together with what lies within `radius` above it; groups of two strips
    that share a row are one. It needs the memory of one strip, and caches like it.

    Parameters
    ----------
    ra, dec : ndarray, shape (n,), float64
        Position [degree]; NaN stands for unknown and gives a group of its own.
    radius : float
        Matching radius [arcsec].
    n_strip : int
        Rows of a strip.

    Returns
    -------
    ndarray, shape (n,), int64
        Group numbers.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    if ra.size <= n_strip:
        return group_by_position(ra, dec, radius=radius)
    known = np.flatnonzero(known_positions(ra, dec))
    order = known[np.argsort(dec[known])]
    heights = dec[order]
    groups = np.arange(ra.size)
    shared, size = [(known[:0], known[:0])], ra.size
    for start in range(0, order.size, n_strip):
        stop = min(start + n_strip, order.size)
        # A little more than the radius, for rounding: more rows do no harm.
        top = np.searchsorted(heights, heights[stop - 1] + 1.01 * radius / 3600, side="right")
        rows = order[start : max(stop, int(top))]
        found = size + group_by_position(ra[rows], dec[rows], radius=radius)
        groups[rows[: stop - start]] = found[: stop - start]
        shared.append((rows[stop - start :], found[stop - start :]))
        size = int(found.max()) + 1
    rows, other = (np.concatenate(part) for part in zip(*shared))
    if not rows.size:
        return groups
    graph = coo_matrix((np.ones(rows.size, bool), (groups[rows], other)), (size, size))
    return np.asarray(connected_components(graph, directed=False)[1][groups], dtype=np.int64)


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


def _in_order(numbers: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Numbers from 0 in order of first appearance, so that they do not depend on the method."""
    first, inverse = first_rows(numbers)
    rank = np.empty(first.size, np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(first.size)
    return np.asarray(rank[inverse], dtype=np.int64)


def first_rows(
    numbers: NDArray[np.integer[Any]],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row of the first of each distinct value, and which value each row has: `np.unique`.

    Without its sort, which would be most of the time: the values are counted from 0.
    """
    last = np.full(int(numbers.max(initial=-1)) + 1, -1, np.int64)
    last[numbers[::-1]] = np.arange(numbers.size - 1, -1, -1)
    there = last >= 0
    return last[there], (np.cumsum(there) - 1)[numbers]


def star_name(columns: Sequence[str]) -> pl.Expr:
    """A name for the star of a row: its uid, ``gaia:N``, designation, or obsid."""
    names: list[pl.Expr] = []
    if uid := find("uid", columns):
        names.append(present_id(uid))
    if gaia := find("gaia", columns):
        names.append(pl.lit("gaia:") + present_id(gaia))
    if designation := find("designation", columns):
        names.append(present_id(designation))
    names.append(pl.lit("obsid:") + pl.col("obsid").cast(pl.Int64, strict=False).cast(pl.String))
    return pl.coalesce(names)


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
    first, inverse = first_rows(stars)
    stratum = strata[first]
    # Shuffle the stars, then rank them within their stratum: the first part trains.
    order = np.lexsort((rng.random(first.size), stratum))
    sizes = np.bincount(stratum, minlength=int(stratum.max(initial=0)) + 1)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    rank = np.arange(first.size) - starts[stratum[order]]
    edges = np.rint(np.cumsum(share)[:2, None] * sizes).astype(np.int64)
    part = (rank >= edges[0][stratum[order]]).astype(np.int8)
    part += rank >= edges[1][stratum[order]]
    result = np.empty(first.size, np.int8)
    result[order] = part
    return np.asarray(result[inverse], dtype=np.int8)
