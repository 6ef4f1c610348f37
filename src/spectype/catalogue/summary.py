"""What a catalogue holds: rows, stars and S/N by class and type."""

from __future__ import annotations

from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from spectype.catalogue.columns import (
    ALIASES,
    PROBLEM,
    ROW,
    find,
    present_id,
    present_snr,
    snr_column,
)
from spectype.catalogue.table import (
    SUSPECT,
    Catalogue,
    checked_lines,
    quotes_broken,
    scan,
    unquoted,
)  # fmt: skip
from spectype.catalogue.types import CLASSES, classify
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
        O ... M, OB (O or B), or what else it is: white dwarf, galaxy, unknown ...
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
    problems: dict[str, int] = {}
    total = len(rows)
    if PROBLEM in rows.columns:
        reasons = rows.drop_in_place(PROBLEM)
        problems = dict(reasons.drop_nulls().cast(pl.String).value_counts(sort=True).rows())
        rows = rows.filter(reasons.is_null()) if problems else rows
    if rows.is_empty():
        raise DataError("has no sound row", path=path, remedy="check its separator and columns")
    known = rows.drop_in_place("obsid").drop_nulls().to_numpy()
    with ThreadPoolExecutor(pl.thread_pool_size()) as pool:  # numpy sorts without Python's lock
        distinct = pool.submit(_distinct, known)
        stars = pool.submit(_distinct, rows["star"].to_numpy()) if key else None
        return Summary(
            path=str(path),
            columns=source.columns,
            band=band,
            star_key=key,
            rows=total,
            groups=_groups(rows, pool),
            stars=stars.result() if stars else None,
            rejected=problems,
            without_obsid=total - sum(problems.values()) - known.size,
            duplicate_obsids=known.size - distinct.result(),
        )


def _gather(source: Catalogue, snr: str | None, key: str | None) -> pl.DataFrame:
    """The few columns that count, with labels as small numbers and names as hashes."""
    needed = ["obsid", "class", "subclass", *[c for c in (snr, key) if c]]
    name = pl.lit(None, pl.String) if key is None else present_id(key)
    if key is not None and key in ALIASES["designation"]:
        name = pl.col(key)  # as it is: cleaning ten million names costs more than reading them
    wanted: list[Any] = [
        "obsid",
        pl.col("class", "subclass").cast(pl.String).fill_null("").cast(pl.Categorical),
        (pl.lit(None, pl.Float32) if snr is None else present_snr(snr)).alias("snr"),
    ]  # fmt: skip
    if key is not None:
        # A row that names no star counts as a star of its own.
        named = pl.when(name.is_not_null() & (name != "")).then(name.hash(0))
        wanted.append(named.otherwise(pl.col(ROW).hash(1)).alias("star"))
    wanted.append(pl.col(PROBLEM).cast(pl.Categorical) if source.exact else SUSPECT)
    try:
        rows = source.frame(needed=needed).select(wanted).collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        if quotes_broken(source, error):
            return _gather(unquoted(source), snr, key)
        raise DataError(f"cannot be read: {error}", path=source.path) from error
    if not source.exact and rows.drop_in_place(SUSPECT).any():
        return _gather(checked_lines(source), snr, key)
    return rows


def _distinct(values: NDArray[Any]) -> int:
    """Distinct values; counted in a sorted copy, which needs less than a table of hashes."""
    if not (values[1:] >= values[:-1]).all():  # obsids mostly stand in order
        values = np.sort(values)
    return int(values.size > 0) + int(np.count_nonzero(values[1:] != values[:-1]))


def _groups(rows: pl.DataFrame, pool: Executor) -> list[Group]:
    """Lines of the summary; takes the columns out of `rows`, to hold none twice."""
    which, titles = _titled(rows.drop_in_place("class"), rows.drop_in_place("subclass"))
    # Each group is brought together once; of small numbers, that is sorted by radix.
    order = np.argsort(which, kind="stable")
    counts = np.bincount(which, minlength=len(titles)).tolist()
    edges = np.cumsum(counts)[:-1]

    def parts(column: str) -> list[NDArray[Any]]:
        return np.split(rows.drop_in_place(column).to_numpy()[order], edges)

    snr = pool.map(_snr, parts("snr"))
    stars = pool.map(_distinct, parts("star")) if "star" in rows.columns else repeat(None)
    groups = [
        Group(*title, n, distinct, None if distinct is None else n - distinct, *quantiles)
        for title, n, distinct, quantiles in zip(titles, counts, stars, snr)
    ]
    return sorted(groups, key=_order)


def _titled(
    classes: pl.Series, subclasses: pl.Series
) -> tuple[NDArray[np.unsignedinteger[Any]], list[tuple[str, str]]]:
    """Which class and type each row is of, in as few bytes as will do, and what they are called."""
    (group, groups), (sub, subs) = _coded(classes), _coded(subclasses)
    width = max(subs) + 1
    pairs = group * np.int64(width) + sub
    if (max(groups) + 1) * width <= 1 << 20:
        there = np.bincount(pairs) > 0
        present, place = np.flatnonzero(there), np.cumsum(there) - 1
    else:  # a table that is no catalogue may have any number of labels
        present, pairs = np.unique(pairs, return_inverse=True)
        place = np.arange(present.size)
    labels = [_title(groups[p // width], subs[p % width]) for p in present.tolist()]
    number = {title: i for i, title in enumerate(dict.fromkeys(labels))}
    numbers = np.array([number[title] for title in labels], np.min_scalar_type(len(number)))
    return numbers[place][pairs], list(number)


def _coded(labels: pl.Series) -> tuple[NDArray[np.uint32], dict[int, str]]:
    """The numbers that stand for the labels of a column, and what they stand for."""
    known = labels.unique()
    texts = dict(zip(known.to_physical().to_list(), known.cast(pl.String).to_list()))
    return labels.to_physical().to_numpy(), texts


def _title(group: str, subclass: str) -> tuple[str, str]:
    label = classify(group, subclass)
    name = group.strip() or "(none)"
    return (name.upper() if name.upper() == "STAR" else name), (label.type or label.kind)


def _snr(values: NDArray[np.float32]) -> tuple[int, tuple[float, ...]]:
    known = np.sort(values[np.isfinite(values)])
    if not known.size:
        return 0, ()
    return known.size, tuple(float(round(q, 2)) for q in np.quantile(known, QUANTILES))


def _order(group: Group) -> tuple[bool, int, int, str]:
    place = CLASSES.index(group.type) if group.type in CLASSES else len(CLASSES)
    return (group.group != "STAR", place, -group.rows, group.type)
