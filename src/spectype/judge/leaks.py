"""The leak check: a test set holds real spectra of stars that training has never seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spectype.core.errors import DataError
from spectype.core.sky import MATCH_RADIUS, unit_vectors

if TYPE_CHECKING:
    import polars as pl

_LISTED = 5
_REMEDY = "split by star again and retrain; scores of this test set would be worth nothing"


def check(test: pl.DataFrame, split: pl.DataFrame) -> dict[str, int]:
    """Refuse a test set that training has seen.

    Parameters
    ----------
    test : polars.DataFrame
        A row a test spectrum: ``row``, ``star_id``, ``synthetic`` and, where known, ``ra`` and
        ``dec`` [degree].
    split : polars.DataFrame
        A row a spectrum of the store: ``row``, ``star_id``, ``split`` (train, validation,
        test) and, where known, ``ra`` and ``dec``.

    Returns
    -------
    dict of str to int
        ``spectra`` and ``stars`` of the test set, ``seen_stars`` in training and validation,
        ``positions`` compared.

    Raises
    ------
    DataError
        If a column is missing, a test spectrum is synthetic, has no star identifier, is itself
        in training or validation, or shows a star that is; the first offenders are listed.
    """
    import polars as pl

    for name, table, needed in (
        ("test set", test, ("row", "star_id", "synthetic")),
        ("split", split, ("row", "star_id", "split")),
    ):
        if missing := [column for column in needed if column not in table.columns]:
            raise DataError(f"the {name} has no column {missing[0]!r}: it cannot be checked")
    _refuse(
        test.filter(pl.col("synthetic").fill_null(True)), "are synthetic or not known to be real"
    )
    _refuse(
        test.filter(pl.col("star_id").is_null() | (pl.col("star_id").cast(pl.String) == "")),
        "have no star_id, so nothing shows that their stars are new",
    )
    seen = split.filter(pl.col("split").is_in(["train", "validation"]))
    _refuse(test.join(seen, on="row", how="semi"), "are in training or validation themselves")
    shared = test.with_columns(pl.col("star_id").cast(pl.String)).join(
        seen.with_columns(pl.col("star_id").cast(pl.String)), on="star_id", how="semi"
    )
    _refuse(shared, "show stars that are in training or validation")
    positions = _check_positions(test, seen)
    return {
        "spectra": test.height,
        "stars": test["star_id"].n_unique(),
        "seen_stars": seen["star_id"].n_unique(),
        "positions": positions,
    }


def _refuse(rows: pl.DataFrame, what: str) -> None:
    if rows.height:
        raise DataError(
            f"{rows.height} test spectra {what}: {_name(rows.head(_LISTED).to_dicts())}"
            + (" ..." if rows.height > _LISTED else ""),
            remedy=_REMEDY,
        )


def _name(rows: Sequence[dict[str, Any]]) -> str:
    texts = []
    for row in rows:
        path = f", {row['path']}" if row.get("path") else ""
        texts.append(f"row {row['row']} (star {row.get('star_id')}{path})")
    return "; ".join(texts)


def _check_positions(test: pl.DataFrame, seen: pl.DataFrame) -> int:
    """Refuse test stars within `MATCH_RADIUS` of a seen one; the number compared."""
    import polars as pl

    if not all({"ra", "dec"} <= set(table.columns) for table in (test, seen)):
        return 0
    known = pl.col("ra").is_finite() & pl.col("dec").is_finite()
    left, right = test.filter(known), seen.filter(known)
    if left.height == 0 or right.height == 0:
        return 0
    from scipy.spatial import cKDTree

    chord = 2.0 * np.sin(np.radians(MATCH_RADIUS / 3600.0) / 2.0)
    places = [unit_vectors(table["ra"].to_numpy(), table["dec"].to_numpy())
              for table in (left, right)]  # fmt: skip
    distance, _ = cKDTree(places[1]).query(places[0], distance_upper_bound=chord)
    close = pl.Series(np.isfinite(distance))
    _refuse(left.filter(close), f"lie within {MATCH_RADIUS:g} arcsec of a star in training")
    return left.height
