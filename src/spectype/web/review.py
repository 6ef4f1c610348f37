"""Decisions of reviewers, kept in SQLite beside the results.

Every decision is a row that is never changed, except that it may be marked as undone; what counts
is the last one of a reviewer for a spectrum. A decision is on disk before the page hears of it,
and has a key that the page made, so that one sent again after a lost answer is not taken twice.
Several servers may write to one file (write-ahead log).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import spectype
from spectype.core import mk
from spectype.core.errors import DataError, UsageError
from spectype.core.kinds import LABELS

VERDICTS = ("accept", "reject", "relabel")
KINDS = ("star", *LABELS)
COLUMNS = ("path", "obsid", "reviewer", "time", "verdict", "label", "kind", "note", "blind",
           "machine", "machine_probability", "model", "version")  # fmt: skip
FORMAT = 1  #: of the file, in its user_version
_APPLICATION = 0x53505459  # "SPTY"
_PATIENCE = 10.0  # seconds to wait for another writer
_SCHEMA = """
CREATE TABLE IF NOT EXISTS decision (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    path TEXT NOT NULL,
    obsid TEXT,
    reviewer TEXT NOT NULL,
    time TEXT NOT NULL,
    verdict TEXT NOT NULL,
    label TEXT,
    kind TEXT NOT NULL,
    note TEXT NOT NULL,
    blind INTEGER NOT NULL,
    machine TEXT,
    machine_probability REAL,
    model TEXT NOT NULL,
    version TEXT NOT NULL,
    undone TEXT
);
CREATE INDEX IF NOT EXISTS decision_path ON decision (path, reviewer);
CREATE INDEX IF NOT EXISTS decision_reviewer ON decision (reviewer, id);
"""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a reviewer says of a spectrum.

    Parameters
    ----------
    key : str
        Made by whoever decides, one for each decision.
    verdict : str
        Of `VERDICTS`.
    label : str
        MK type of a relabelled star, like ``O9.5 III``; empty where the kind says it all.
    kind : str
        Of `KINDS`.
    note : str
    blind : bool
        Whether the machine's type was hidden.
    """

    key: str
    reviewer: str
    verdict: str
    label: str = ""
    kind: str = "star"
    note: str = ""
    blind: bool = False

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise UsageError(f"unknown verdict {self.verdict!r}", remedy=", ".join(VERDICTS))
        if self.kind not in KINDS:
            raise UsageError(f"unknown kind {self.kind!r}", remedy=", ".join(KINDS))
        if not 8 <= len(self.key) <= 64:
            raise UsageError("the key of a decision has 8 to 64 characters")
        if not self.reviewer.strip() or len(self.reviewer) > 60:
            raise UsageError("a reviewer has a name of 1 to 60 characters")
        if len(self.note) > 2000:
            raise UsageError("a note has at most 2,000 characters")
        star = mk.parse(self.label)
        if self.verdict == "relabel" and self.kind == "star" and star.type is None:
            raise UsageError(
                f"{self.label!r} is no type from O to M", remedy="like O9.5 III, or choose a kind"
            )


class Review:
    """The decisions about one table.

    Parameters
    ----------
    path : Path
        The file; made at the first decision.
    model : str
        Name of the model that typed the table, kept with each decision.

    Raises
    ------
    DataError
        If the file is not a review, is of another version, or is damaged.
    """

    def __init__(self, path: Path, *, model: str = "") -> None:
        self.path = path
        self.model = model
        if path.exists():
            with self._open() as database:
                database.execute("SELECT count(*) FROM decision").fetchone()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection for one transaction: each request has its own, in its own thread."""
        new = not self.path.exists()
        database: sqlite3.Connection | None = None
        try:
            database = sqlite3.connect(self.path, timeout=_PATIENCE)
            database.row_factory = sqlite3.Row
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if not new and version == 0 and database.execute(
                "SELECT count(*) FROM sqlite_master"
            ).fetchone()[0]:  # fmt: skip
                raise DataError("is a database, but not a review", path=self.path)
            if version not in (0, FORMAT):
                raise DataError(
                    f"is a review of format {version}; this version reads {FORMAT}",
                    path=self.path,
                    remedy="use the version that made it, or another --review",
                )
            if version == 0:
                database.execute("PRAGMA journal_mode=WAL")
                database.executescript(
                    f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA application_id={_APPLICATION};"
                    f" PRAGMA user_version={FORMAT}; COMMIT;"
                )
            database.execute("PRAGMA synchronous=FULL")
            with database:
                yield database
        except sqlite3.Error as error:
            remedy = "is its folder writable, the disk full? --review names another file"
            raise DataError(f"cannot be used: {error}", path=self.path, remedy=remedy) from error
        finally:
            if database is not None:
                database.close()

    def add(self, decision: Decision, row: Mapping[str, Any]) -> dict[str, Any]:
        """Keep a decision about a row of the table; one with a known key changes nothing."""
        label = decision.label.strip()
        if decision.verdict == "relabel" and decision.kind == "star":
            label = str(mk.parse(label))
        elif decision.verdict == "accept":
            label = _machine(row) or ""
        values = {
            "key": decision.key, "path": row["path"], "obsid": row.get("obsid"),
            "reviewer": decision.reviewer.strip(), "time": _now(), "verdict": decision.verdict,
            "label": label or None, "kind": decision.kind, "note": decision.note,
            "blind": int(decision.blind), "machine": _machine(row),
            "machine_probability": row.get("type_probability"), "model": self.model,
            "version": spectype.__version__,
        }  # fmt: skip
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        with self._open() as database:
            database.execute(f"INSERT OR IGNORE INTO decision ({names}) VALUES ({marks})", values)
            found = database.execute("SELECT * FROM decision WHERE key = ?", (decision.key,))
            return dict(found.fetchone())

    def undo(self, reviewer: str) -> dict[str, Any] | None:
        """Take back the reviewer's last decision; None where there is none."""
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            found = database.execute(
                "SELECT * FROM decision WHERE reviewer = ? AND undone IS NULL"
                " ORDER BY id DESC LIMIT 1",
                (reviewer,),
            ).fetchone()
            if found is None:
                return None
            database.execute("UPDATE decision SET undone = ? WHERE id = ?", (_now(), found["id"]))
            return dict(found)

    def of(self, paths: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """What each reviewer says of these spectra: the last decision that stands."""
        found: dict[str, list[dict[str, Any]]] = {}
        for start in range(0, len(paths), 500):  # SQLite takes a limited number of parameters
            some = list(paths[start : start + 500])
            marks = ",".join("?" * len(some))
            for row in self._standing(f"AND path IN ({marks})", some):
                found.setdefault(row["path"], []).append(row)
        return found

    def all(self, *, reviewer: str = "") -> list[dict[str, Any]]:
        """Every decision that stands, in the order in which they were made."""
        return self._standing("AND reviewer = ?" if reviewer else "", [reviewer] * bool(reviewer))

    def _standing(self, where: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        with self._open() as database:
            rows = database.execute(
                "SELECT * FROM decision WHERE id IN (SELECT max(id) FROM decision"
                f" WHERE undone IS NULL {where} GROUP BY path, reviewer) ORDER BY id",
                values,
            )
            return [dict(row) for row in rows]

    def reviewers(self) -> dict[str, int]:
        """Names of reviewers and how many spectra each has decided."""
        counts: dict[str, int] = {}
        for row in self.all():
            counts[row["reviewer"]] = counts.get(row["reviewer"], 0) + 1
        return counts


def _machine(row: Mapping[str, Any]) -> str | None:
    """The machine's type as one text: ``O9.5 V``."""
    if not row.get("type"):
        return None
    return " ".join(
        str(v) for v in (row.get("subclass") or row["type"], row.get("luminosity")) if v
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
