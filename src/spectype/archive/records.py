"""The record of a download: one status a row, written as it happens, read when it resumes."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spectype.archive.download import full_disk_explained
from spectype.core.files import atomic_path

JOURNAL = "status.jsonl"
TABLE = "status.csv"
DONE = ("ok", "present")


@dataclass(frozen=True, slots=True)
class Record:
    """What became of one wanted file.

    Parameters
    ----------
    key : str
        The obsid, or what else identifies it.
    status : str
        ``ok`` (downloaded now), ``present`` (was there), or why it is not: missing, login,
        not FITS, damaged, wrong file, refused, server error, timeout, cut, unreachable,
        not tried.
    file : str
        Its place, relative to the folder; empty where there is none.
    bytes : int
        Its size.
    detail : str
        The reason, in a sentence.
    """

    key: str
    status: str
    file: str = ""
    bytes: int = 0
    detail: str = ""

    @property
    def done(self) -> bool:
        """Whether the file is on disk."""
        return self.status in DONE


class Journal:
    """Records of a folder, appended one a line; safe to lose at any moment.

    Parameters
    ----------
    folder : Path
        Where the files go.
    name : str
        Of the journal's file.
    """

    def __init__(self, folder: Path, name: str = JOURNAL) -> None:
        self.folder = folder
        self._path = folder / name
        self.earlier = self._read()
        self.close_line()

    def _read(self) -> dict[str, Record]:
        records: dict[str, Record] = {}
        if not self._path.is_file():
            return records
        for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                record = Record(**json.loads(line))
            except (ValueError, TypeError):
                continue  # the line that a killed run did not finish
            records[record.key] = record
        return records

    def present(self, key: str) -> Record | None:
        """The record of a file that an earlier run brought and that is still whole."""
        record = self.earlier.get(key)
        if record is None or not record.done:
            return None
        path = self.folder / record.file
        if not path.is_file() or path.stat().st_size != record.bytes:
            return None
        return Record(key, "present", record.file, record.bytes)

    def add(self, record: Record) -> None:
        """Append a record, and hand it to the system at once."""
        with full_disk_explained(self._path), self._path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(asdict(record)) + "\n")

    def close_line(self) -> None:
        """End the line that a killed run may have left open."""
        if self._path.is_file() and self._path.stat().st_size:
            with self._path.open("rb+") as handle:
                handle.seek(-1, 2)
                if handle.read(1) != b"\n":
                    handle.write(b"\n")


def write_table(folder: Path, records: Iterable[Record], name: str = TABLE) -> None:
    """Write the records as a CSV, a row a wanted file."""
    with atomic_path(folder / name) as temporary, temporary.open("w", newline="") as handle:
        rows = csv.writer(handle)
        rows.writerow(["key", "status", "file", "bytes", "detail"])
        rows.writerows([r.key, r.status, r.file, r.bytes, r.detail] for r in records)


def counts(records: Iterable[Record]) -> dict[str, Any]:
    """Records by status, the most frequent first."""
    return dict(Counter(record.status for record in records).most_common())
