"""Labels that people gave on the page of `spectype serve`: its SQLite file as a table of labels.

The file's own code is in `web/review.py`, which stands below this room; here only the names of its
columns are known, and what counts: the last decision of each reviewer that was not undone.
"""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from spectype.core.errors import DataError
from spectype.core.kinds import LABELS

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger("spectype")
MAGIC = b"SQLite format 3\0"
SURVEY = "review"  #: of these labels: an expert's, not a pipeline's
_LAST = """
SELECT path, obsid, verdict, label, kind, machine FROM decision WHERE id IN (
    SELECT max(id) FROM decision WHERE undone IS NULL GROUP BY path, reviewer
) ORDER BY path
"""


def read_reviews(file: Path) -> pl.DataFrame:
    """Labels of a review: columns ``path``, ``obsid``, ``subclass``, ``survey``.

    An accepted spectrum has the machine's type, a relabelled one the reviewer's, or the kind that
    it is. Rejected ones, and those on which reviewers differ, are left out and counted in the log.

    Raises
    ------
    DataError
        If the file is no review.
    """
    import polars as pl

    try:
        uri = f"file:{file.resolve().as_posix()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True)
        try:
            rows = connection.execute(_LAST).fetchall()
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise DataError(
            f"is no review: {error}", path=file, remedy="give RESULTS.review.sqlite of serve"
        ) from error
    said: dict[str, set[str | None]] = {}
    numbers: dict[str, str | None] = {}
    for path, obsid, verdict, label, kind, machine in rows:
        said.setdefault(path, set()).add(_label(verdict, label, kind, machine))
        numbers[path] = obsid
    agreed = {path: labels for path, labels in said.items() if len(labels) == 1}
    kept = {path: label for path, labels in agreed.items() if (label := next(iter(labels)))}
    log.info(
        "%d labels of %d reviewed spectra; %d rejected, %d with reviewers of two minds left out",
        len(kept), len(said), len(agreed) - len(kept), len(said) - len(agreed),
    )  # fmt: skip
    return pl.DataFrame(
        {
            "path": list(kept),
            "obsid": [numbers[path] for path in kept],
            "subclass": list(kept.values()),
            "survey": [SURVEY] * len(kept),
        },
        schema=dict.fromkeys(("path", "obsid", "subclass", "survey"), pl.String),
    )


def _label(verdict: str, label: str | None, kind: str, machine: str | None) -> str | None:
    """What a decision says the spectrum is; None where it says only what it is not."""
    if verdict == "reject":
        return None
    if verdict == "accept":
        return machine
    return (label or None) if kind == "star" else LABELS.get(kind, kind)
