"""What a review comes to: two reviewers' agreement, and its decisions as a table."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spectype.classify.columns import Column
from spectype.classify.output import write_table
from spectype.core import mk
from spectype.core.errors import UsageError
from spectype.web.review import COLUMNS, Review

if TYPE_CHECKING:
    import polars as pl

    from spectype.classify.tables import Columns

#: Formats of an export, with their media types.
FORMATS = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "fits": "application/fits",
    "vot": "application/x-votable+xml",
}
#: What the columns of decisions are; several have the name of one of `classify`.
DECISIONS = {column.name: column for column in (
    Column("path", "text", "meta.id;meta.file", "File; [3] behind it: its fourth spectrum"),
    Column("obsid", "text", "meta.id;obs", "Identifier of the observation"),
    Column("reviewer", "text", "meta.curation", "Who decided"),
    Column("time", "text", "time", "When (UTC)"),
    Column("verdict", "text", "meta.code", "accept, reject or relabel"),
    Column("label", "text", "src.spType", "Type that the reviewer gives"),
    Column("kind", "text", "src.class", "Kind of object that the reviewer gives"),
    Column("note", "text", "meta.note", "The reviewer's note"),
    Column("blind", "integer", "meta.code", "1 where the machine's type was hidden"),
    Column("machine", "text", "src.spType", "The machine's type"),
    Column("machine_probability", "real", "stat.probability;src.spType", "Its probability"),
    Column("model", "text", "meta.id", "Model that gave it"),
    Column("version", "text", "meta.version", "spectype's version"),
)}  # fmt: skip


def kappa(first: Sequence[str], second: Sequence[str]) -> float | None:
    """Cohen's kappa of two raters' categories of the same things.

    Returns
    -------
    float or None
        1 for agreement, 0 for what chance gives; None where there is nothing to compare, or
        where both always said the same one thing and chance alone would give that.

    References
    ----------
    Cohen (1960, Educational and Psychological Measurement 20, 37).

    Examples
    --------
    >>> kappa(["O", "O", "B", "B"], ["O", "B", "B", "B"])
    0.5
    """
    if not first:
        return None
    names = sorted({*first, *second})
    place = {name: i for i, name in enumerate(names)}
    table = np.zeros((len(names), len(names)))
    for one, other in zip(first, second, strict=True):
        table[place[one], place[other]] += 1
    table /= table.sum()
    chance = float(table.sum(axis=0) @ table.sum(axis=1))
    return None if chance >= 1.0 else float((np.trace(table) - chance) / (1.0 - chance))


def category(decision: dict[str, Any]) -> str:
    """What a decision says: a type, a kind that is no star, or that the type is rejected."""
    if decision["kind"] != "star":
        return str(decision["kind"])
    star = mk.parse(decision["label"])
    return star.type or "rejected"


def agreement(review: Review, one: str, other: str) -> dict[str, Any]:
    """How far two reviewers agree on the spectra that both have decided.

    Returns
    -------
    dict
        ``n`` spectra, ``same`` of them, ``kappa``, ``by_type``: for each category its kappa
        (that category against the rest) and count, ``conflicts``: the spectra they differ on.
    """
    says = {name: {d["path"]: category(d) for d in review.all(reviewer=name)}
            for name in (one, other)}  # fmt: skip
    shared = [path for path in says[one] if path in says[other]]
    first, second = ([says[name][path] for path in shared] for name in (one, other))
    by_type = {}
    for name in sorted({*first, *second}, key=lambda n: (mk.TYPES + n).find(n)):
        a, b = ([str(c == name) for c in rated] for rated in (first, second))
        count = sum(x == name or y == name for x, y in zip(first, second, strict=True))
        by_type[name] = {"n": count, "kappa": kappa(a, b)}
    conflicts = [
        {"path": path, one: a, other: b}
        for path, a, b in zip(shared, first, second, strict=True)
        if a != b
    ]
    return {
        "reviewers": [one, other],
        "n": len(shared),
        "same": len(shared) - len(conflicts),
        "kappa": kappa(first, second),
        "by_type": by_type,
        "conflicts": conflicts[:1000],
    }


def as_table(review: Review) -> pl.DataFrame:
    """The decisions that stand, one row each, with the columns of `review.COLUMNS`."""
    import polars as pl

    rows = [{name: row[name] for name in COLUMNS} for row in review.all()]
    numbers = {"machine_probability": pl.Float64, "blind": pl.Int64}
    return pl.DataFrame(rows, schema={name: numbers.get(name, pl.String) for name in COLUMNS})


def encoded(table: pl.DataFrame, format: str, *, known: Columns | None = None) -> bytes:
    """A table as the bytes of a file of this format (a name of `FORMATS`).

    Parameters
    ----------
    table : polars.DataFrame
        Its rows.
    format : str
        One of `FORMATS`.
    known : mapping of str to Column, optional
        What the columns are; by default those of `classify`.
    """
    if format not in FORMATS:
        raise UsageError(f"unknown format {format!r}", remedy=", ".join(FORMATS))
    with tempfile.TemporaryDirectory() as folder:
        write_table(table, target := Path(folder) / f"table.{format}", known=known)
        return target.read_bytes()
