"""Split a CSV into CSVs: each line is copied as it is, with our columns behind it.

Only three fields of a line are looked at, and the fields of every line are counted.
"""

from __future__ import annotations

import csv
import io
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from spectype.catalogue.columns import ADDED, PROBLEM, ROW
from spectype.catalogue.lines import (
    Lines,
    as_words,
    decimals,
    distinct,
    find_fields,
    place,
    read_blocks,
    whole_numbers,
)
from spectype.catalogue.table import Catalogue
from spectype.catalogue.types import REJECTED, TABLES, Label, classify

_STRIPPED = ' "'  #: around class and subclass
_BAD = len(TABLES)  #: number of the table of rejected rows


@dataclass(slots=True)
class Tally:
    """What was copied.

    Parameters
    ----------
    counts : Counter of str
        Rows of each table.
    kinds : Counter of str
        What the rows of ``other`` and ``unknown`` are.
    ob : int
        Rows that the survey calls OB.
    rejected : Counter of str
        Rejected rows by reason.
    rejected_rows : list of int
        All of them.
    obsids : list of ndarray of int64
        The obsids, -1 where there is none.
    """

    counts: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    ob: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    rejected_rows: list[int] = field(default_factory=list)
    obsids: list[NDArray[np.int64]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Part:
    """One block, sorted: text of each table, labels with their counts, bad lines."""

    texts: dict[int, NDArray[np.uint8]]
    labels: list[tuple[Label, int]]
    bad: list[tuple[int, str, bytes]]
    obsids: NDArray[np.int64]


def copy_lines(source: Catalogue, folder: Path) -> Tally:
    """Copy each line of a CSV to the table it belongs to.

    Parameters
    ----------
    source : Catalogue
        A CSV.
    folder : Path
        Where ``O.csv`` ... are written; ``rejected.csv`` only if there is something in it.

    Raises
    ------
    QuotesBroken
        If the source is taken to use quotes, and those of a line do not pair.
    """
    tally = Tally()
    header = source.separator.join([*source.columns, *ADDED, ROW, PROBLEM]).encode() + b"\n"
    with ExitStack() as stack:
        files = [stack.enter_context((folder / f"{name}.csv").open("wb")) for name in TABLES]
        for file in files:
            file.write(header)
        rejects: BinaryIO | None = None
        for part in _sorted_blocks(source):
            for table, text in part.texts.items():
                files[table].write(text.data)
            if part.bad and rejects is None:
                rejects = stack.enter_context((folder / f"{REJECTED}.csv").open("wb"))
                rejects.write(header)
            if rejects is not None:
                rejects.write(_rejected(source, part.bad))
            _count(tally, part)
    return tally


def _sorted_blocks(source: Catalogue) -> Iterator[_Part]:
    """The blocks of a source, sorted by several threads, in order."""
    threads = pl.thread_pool_size()
    waiting: deque[Future[_Part]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for first, block in read_blocks(source.path):
                waiting.append(pool.submit(_sort, source, first, block))
                if len(waiting) > threads + 1:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _count(tally: Tally, part: _Part) -> None:
    for label, count in part.labels:
        tally.counts[label.table] += count
        if label.table in ("unknown", "other"):
            tally.kinds[label.kind] += count
        tally.ob += label.ob * count
    for row, problem, _ in part.bad:
        tally.rejected[problem] += 1
        tally.rejected_rows.append(row)
    tally.obsids.append(part.obsids)


def _sort(source: Catalogue, first: int, block: bytes) -> _Part:
    """Sort the lines of a block by table."""
    n = len(source.columns)
    lines = find_fields(
        block, first, separator=source.separator, n_columns=n, quoted=source.quoted
    )  # fmt: skip
    bad = [
        (first + line, f"too {'few' if lines.fields[line] < n else 'many'} fields", line)
        for line in np.flatnonzero((lines.fields != n) & (lines.fields > 0)).tolist()
    ]
    if not lines.sound.size:
        return _Part({}, [], _quoted_lines(lines, bad), np.empty(0, np.int64))
    obsids, good = whole_numbers(lines, source.columns.index("obsid"))
    labels, which = _labels(source, lines)
    tables = np.array([TABLES.index(label.table) for label in labels], np.uint8)[which]
    if not good.all():
        wrong = lines.sound[~good].tolist()
        bad += [(first + line, "obsid is not a number", line) for line in wrong]
        tables[~good] = _BAD
        obsids = obsids[good]
    ends = _endings(labels, source.separator)
    rows = np.argsort(tables, kind="stable")
    edges = np.searchsorted(tables[rows], np.arange(_BAD + 1)).tolist()
    texts = {
        table: _text(lines, rows[a:b], which, ends, source.separator)
        for table, (a, b) in enumerate(pairwise(edges))
        if b > a
    }
    counts = np.bincount(which[good], minlength=len(labels)).tolist()
    return _Part(texts, list(zip(labels, counts)), _quoted_lines(lines, bad), obsids)


def _quoted_lines(
    lines: Lines, bad: list[tuple[int, str, int]]
) -> list[tuple[int, str, bytes]]:  # fmt: skip
    return [(row, problem, lines.text(line)) for row, problem, line in sorted(bad)]


def _labels(source: Catalogue, lines: Lines) -> tuple[list[Label], NDArray[np.int64]]:
    """The distinct labels of a block, understood, and which of them each sound line has."""
    columns = [source.columns.index(name) for name in ("class", "subclass")]
    fields = [as_words(lines, column) for column in columns]
    rows, which = distinct(*(words for words, _, _ in fields))
    texts = [
        [lines.data[start[i] : start[i] + length[i]].tobytes() for i in rows.tolist()]
        for _, start, length in fields
    ]
    plain = [[t.decode("utf-8", "replace").strip(_STRIPPED) for t in column] for column in texts]
    return [classify(a, b) for a, b in zip(*plain)], which


def _endings(
    labels: list[Label], mark: str
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """What stands behind a line of each label, up to its number: bytes, starts, lengths."""
    texts = [mark.join(["", *_added(label), ""]).encode() for label in labels]
    length = np.array([len(text) for text in texts], np.int64)
    return np.frombuffer(b"".join(texts), np.uint8), np.cumsum(length) - length, length


def _added(label: Label) -> list[str]:
    values = (label.type, label.code, label.luminosity, label.kind, str(label.ob).lower())
    return ["" if value is None else str(value) for value in values]


def _text(
    lines: Lines,
    rows: NDArray[np.int64],
    which: NDArray[np.int64],
    endings: tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]],
    mark: str,
) -> NDArray[np.uint8]:
    """The sound lines `rows`, each with its ending, its number and an empty problem."""
    line, label = lines.sound[rows], which[rows]
    start, length = lines.start[line], lines.stop[line] - lines.start[line]
    behind, first, size = endings
    digits, count = decimals(lines.first + line)
    total = length + size[label] + count + 2
    at = np.cumsum(total) - total
    out = np.empty(int(total.sum()), np.uint8)
    place(out, at, lines.data, start, length)
    at += length
    place(out, at, behind, first[label], size[label])
    at += size[label]
    place(out, at, digits.ravel(), 12 * np.arange(1, rows.size + 1) - count, count)
    at += count
    out[at] = ord(mark)
    out[at + 1] = ord("\n")
    return out


def _rejected(source: Catalogue, bad: list[tuple[int, str, bytes]]) -> bytes:
    """Rejected lines as rows of CSV: what there is of their fields, and the problem."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=source.separator, lineterminator="\n")
    for row, problem, line in bad:
        text = line.decode("utf-8", "replace")
        found = _fields(text, source)[: len(source.columns)]
        found += [""] * (len(source.columns) - len(found))
        names: dict[str, Any] = dict(zip(source.columns, found))
        label = classify(names["class"].strip(_STRIPPED), names["subclass"].strip(_STRIPPED))
        writer.writerow([*found, *_added(label), row, problem])
    return out.getvalue().encode()


def _fields(text: str, source: Catalogue) -> list[str]:
    if not source.quoted:
        return [part.strip('"') for part in text.split(source.separator)]
    return next(csv.reader([text], delimiter=source.separator), [""])
