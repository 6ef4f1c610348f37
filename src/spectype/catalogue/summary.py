"""What a catalogue holds: rows, stars and S/N by class and type."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from spectype.catalogue.columns import ALIASES, PROBLEM, find, present_id, present_snr, snr_column
from spectype.catalogue.table import (
    SUSPECT,
    Catalogue,
    checked_lines,
    quotes_broken,
    scan,
    unquoted,
)  # fmt: skip
from spectype.catalogue.types import classify
from spectype.core import mk
from spectype.core.errors import DataError, UsageError

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True)
class Group:
    """One line of a summary.

    Parameters
    ----------
    group : str
        The survey's class: STAR, GALAXY, QSO, Unknown ...
    type : str
        O ... M, ``O (OB)``, or what else it is: white dwarf, galaxy, unknown ...
    rows : int
        Spectra.
    stars : int or None
        Distinct stars among them; None where nothing tells them apart.
    repeats : int or None
        Spectra beyond the first of each star.
    with_snr : int
        Spectra that have an S/N.
    snr : tuple of float
        Its quantiles at `QUANTILES`; empty where there is none.
    """

    group: str
    type: str
    rows: int
    stars: int | None
    repeats: int | None
    with_snr: int
    snr: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """A catalogue in numbers."""

    path: str
    columns: tuple[str, ...]
    band: str
    star_key: str | None  #: the column that tells stars apart
    rows: int
    stars: int | None
    groups: list[Group]
    rejected: dict[str, int]
    without_obsid: int
    duplicate_obsids: int

    def as_dict(self) -> dict[str, Any]:
        """Plain content, for JSON."""
        return {**asdict(self), "quantiles": QUANTILES}


def summarise(path: str | Path, *, band: str = "g", separator: str | None = None) -> Summary:
    """Count a catalogue by class and type, in one pass.

    Parameters
    ----------
    path : path-like
        CSV, FITS table or parquet.
    band : {"u", "g", "r", "i", "z"}
        Band of the S/N.
    separator : str, optional
        Between the fields of a CSV; found by default.

    Notes
    -----
    Stars are told apart by ``uid``, else ``gaia_source_id``, else ``designation``; the sky match
    that `catalogue sample` makes is more thorough, and slower.
    """
    if len(band) != 1 or band not in "ugriz":
        raise UsageError(f"{band!r} is not a band", remedy="take one of u g r i z")
    source = scan(path, separator=separator)
    key = next((c for n in ("uid", "gaia", "designation") if (c := find(n, source.columns))), None)
    rows = _gather(source, snr_column(band, source.columns), key)
    problems = dict(rows[PROBLEM].drop_nulls().cast(pl.String).value_counts(sort=True).rows())
    sound = rows.filter(pl.col(PROBLEM).is_null()) if problems else rows
    total = len(rows)
    del rows
    if sound.is_empty():
        raise DataError("has no sound row", path=path, remedy="check its separator and columns")
    known = sound["obsid"].drop_nulls()
    return Summary(
        path=str(path),
        columns=source.columns,
        band=band,
        star_key=key,
        rows=total,
        stars=None if key is None else _distinct(sound["star"]),
        groups=_groups(sound.select("class", "subclass", "snr", "star"), key is not None),
        rejected=problems,
        without_obsid=len(sound) - len(known),
        duplicate_obsids=len(known) - known.n_unique(),
    )


def _gather(source: Catalogue, snr: str | None, key: str | None) -> pl.DataFrame:
    """The few columns that count, with labels as small numbers and names as hashes."""
    needed = ["obsid", "class", "subclass", *[c for c in (snr, key) if c]]
    name = pl.lit(None, pl.String) if key is None else present_id(key)
    if key is not None and key in ALIASES["designation"]:
        name = pl.col(key)  # as it is: cleaning ten million names costs more than reading them
    wanted = [
        "obsid",
        pl.col("class", "subclass").cast(pl.String).fill_null("").cast(pl.Categorical),
        (pl.lit(None, pl.Float32) if snr is None else present_snr(snr)).alias("snr"),
        # A row that names no star counts as a star of its own.
        pl.when(name.is_not_null() & (name != "")).then(name.hash(0)).alias("star"),
        pl.col(PROBLEM).cast(pl.Categorical),
        SUSPECT,
    ]  # fmt: skip
    try:
        rows = source.frame(needed=needed).select(wanted).collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        if quotes_broken(source, error):
            return _gather(unquoted(source), snr, key)
        raise DataError(f"cannot be read: {error}", path=source.path) from error
    if not source.exact and rows[SUSPECT].any():
        return _gather(checked_lines(source), snr, key)
    return rows


def _distinct(stars: pl.Series) -> int:
    named = stars.drop_nulls()
    return int(named.n_unique()) + stars.null_count()


def _groups(rows: pl.DataFrame, named: bool) -> list[Group]:
    pairs = rows.select("class", "subclass").unique()
    titles = [_title(a, b) for a, b in pairs.cast(pl.String).rows()]
    number = {title: i for i, title in enumerate(dict.fromkeys(titles))}
    pairs = pairs.with_columns(pl.Series("n", [number[t] for t in titles], dtype=pl.UInt16))
    labelled = rows.join(pairs, on=["class", "subclass"], how="left").select("n", "star", "snr")
    groups = []
    for (group, type), n in number.items():
        part = labelled.filter(pl.col("n") == n)
        counts = _counts(part["star"], named)
        groups.append(Group(group, type, len(part), *counts, *_snr(part["snr"])))
    return sorted(groups, key=_order)


def _title(group: str, subclass: str) -> tuple[str, str]:
    label = classify(group, subclass)
    name = group.strip() or "(none)"
    return (name.upper() if name.upper() == "STAR" else name), (
        "O (OB)" if label.ob else label.type or label.kind
    )


def _counts(stars: pl.Series, named: bool) -> tuple[int | None, int | None]:
    if not named:
        return None, None
    distinct = _distinct(stars)
    return distinct, len(stars) - distinct


def _snr(values: pl.Series) -> tuple[int, tuple[float, ...]]:
    known = values.drop_nulls().to_numpy()
    if not known.size:
        return 0, ()
    return known.size, tuple(float(round(q, 2)) for q in np.quantile(known, QUANTILES))


def _order(group: Group) -> tuple[bool, int, bool, int, str]:
    one_type = len(group.type) == 1 or group.type == "O (OB)"
    place = mk.TYPES.index(group.type[0]) if one_type else len(mk.TYPES)
    return (group.group != "STAR", place, len(group.type) > 1, -group.rows, group.type)
