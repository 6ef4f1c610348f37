"""Lines of a CSV in blocks: where their fields stand, found in a few passes over the bytes.

No field is parsed that is not asked for. A block is some megabytes, so that it stays in the
processor's cache, and a catalogue of any size, gzipped or not, is read in constant memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.catalogue.fitstable import open_bytes
from spectype.core.errors import DataError

BLOCK = 2 << 20  #: bytes that are read at a time
WIDE = 64  #: bytes of the longest field that is compared at once
_PAD = bytes(WIDE)
_LONGEST_LINE = 64 << 20
_NEWLINE, _RETURN, _QUOTE = b"\n"[0], b"\r"[0], b'"'[0]
_NUMBER = re.compile(rb"(\d+)(?:\.0*)?")
_WORDS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)


class QuotesBroken(Exception):
    """A quote opens in a line and does not close there."""


def read_blocks(path: Path, *, size: int = BLOCK) -> Iterator[tuple[int, bytes]]:
    """Yield whole lines after the header, and the number of the first of them (from 0).

    Every line ends with a newline, the last of the file too. `WIDE` NUL bytes follow.

    Raises
    ------
    DataError
        If a gzip file is truncated or damaged, or lines do not end.
    """
    rest, number, header = b"", 0, True
    try:
        with open_bytes(path) as handle:
            while part := handle.read(size):
                if header:
                    part = rest + part
                    end, rest = part.find(b"\n") + 1, part
                    if not end:
                        continue
                    part, rest, header = part[end:], b"", False
                cut = part.rfind(b"\n") + 1
                if not cut:
                    rest += part
                    if len(rest) > _LONGEST_LINE:
                        raise DataError("has a line without an end", path=path)
                    continue
                lines = b"".join((rest, memoryview(part)[:cut], _PAD))
                rest = part[cut:]
                yield number, lines
                number += lines.count(b"\n")
    except EOFError as error:
        raise DataError("is a truncated gzip file", path=path, remedy="fetch it again") from error
    if rest and not header:
        yield number, rest + b"\n" + _PAD


@dataclass(frozen=True, slots=True)
class Lines:
    """A block of lines, and where the fields of the sound ones stand.

    Parameters
    ----------
    data : ndarray of uint8
        The bytes.
    first : int
        Number of the first line.
    start, stop : ndarray, shape (n,), int64
        Of each line: without its end, and without separators too many.
    fields : ndarray, shape (n,), int64
        Its number of fields; 0 for a blank line, the expected number where all beyond it are empty.
    sound : ndarray, shape (m,), int64
        Lines with the expected number of fields.
    ends : ndarray, shape (m, n_columns - 1), int64
        Where the fields of those end, but for the last.
    """

    data: NDArray[np.uint8]
    first: int
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    fields: NDArray[np.int64]
    sound: NDArray[np.int64]
    ends: NDArray[np.int64]

    def text(self, line: int) -> bytes:
        """One line as it is."""
        return self.data[self.start[line] : self.stop[line]].tobytes()

    def field(self, column: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Start and length of a column's fields in the sound lines."""
        start = self.ends[:, column - 1] + 1 if column else self.start[self.sound]
        last = column == self.ends.shape[1]
        return start, (self.stop[self.sound] if last else self.ends[:, column]) - start


def find_fields(
    block: bytes, first: int, *, separator: str, n_columns: int, quoted: bool = False
) -> Lines:
    """Find the fields of the lines of a block from `read_blocks`.

    Parameters
    ----------
    block : bytes
        Whole lines, and `WIDE` bytes behind them.
    first : int
        Number of the first line.
    separator : str
        One character.
    n_columns : int
        Fields that a line should have.
    quoted : bool
        Whether separators inside quotes separate nothing.

    Raises
    ------
    QuotesBroken
        If `quoted` and the quotes of a line do not pair.
    """
    data = np.frombuffer(block, np.uint8)
    seen = data
    if quoted and b'"' in block:
        seen = np.frombuffer(_without_quoted(block, separator), np.uint8)
    marks = np.flatnonzero(seen == ord(separator))
    stop = np.flatnonzero(data == _NEWLINE)
    start = np.concatenate([[0], stop[:-1] + 1])
    stop = stop - ((stop > start) & (data[stop - 1] == _RETURN))
    table = marks.reshape(-1, n_columns - 1) if marks.size == (n_columns - 1) * stop.size else None
    if table is not None and (table[:, 0] >= start).all() and (table[:, -1] < stop).all():
        fields, sound = np.full(stop.size, n_columns), np.arange(stop.size)
    else:
        after = np.searchsorted(marks, stop)
        before = np.searchsorted(marks, start)
        fields = after - before + 1
        _forgive(data, marks, before, start, stop, fields, n_columns)
        sound = np.flatnonzero(fields == n_columns)
        table = marks[before[sound][:, None] + np.arange(n_columns - 1)]
    return Lines(data, first, start, stop, fields, sound, table)


def _without_quoted(block: bytes, separator: str) -> bytes:
    """The block with separators inside quotes blanked."""
    mark = separator.encode()

    def blank(found: re.Match[bytes]) -> bytes:
        return found[0].replace(mark, b" ")

    if re.search(rb'^[^"\n]*(?:"[^"\n]*"[^"\n]*)*"[^"\n]*$', block, re.MULTILINE):
        raise QuotesBroken
    return re.sub(rb'"[^"\n]*"', blank, block)


def _forgive(
    data: NDArray[np.uint8],
    marks: NDArray[np.int64],
    before: NDArray[np.int64],
    start: NDArray[np.int64],
    stop: NDArray[np.int64],
    fields: NDArray[np.int64],
    n_columns: int,
) -> None:
    """Mark blank lines, and take away the empty fields that are too many (in place)."""
    for line in np.flatnonzero((fields == 1) & (stop - start <= WIDE)):
        if not data[start[line] : stop[line]].tobytes().strip():
            fields[line] = 0
    over = np.flatnonzero(fields > n_columns)
    end = marks[before[over] + n_columns - 1]
    for line, here in zip(over[end + 1 < stop[over]], end[end + 1 < stop[over]]):
        if data[here : stop[line]].tobytes().strip(data[here : here + 1].tobytes()):
            fields[line] = -fields[line]  # something stands there
    empty = fields[over] > 0
    stop[over[empty]], fields[over[empty]] = end[empty], n_columns
    np.abs(fields, out=fields)


def as_words(
    lines: Lines, column: int
) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]:
    """The fields of a column as rows of 64-bit words, padded with NUL; their starts and lengths.

    Fields longer than `WIDE` are cut.
    """
    start, length = lines.field(column)
    width = min(WIDE, max(8, -(-int(length.max(initial=1)) // 8) * 8))
    text = windows(lines.data, width)[start].view(np.uint8).reshape(-1, width)
    if width > 8 or (length < width).any():
        text[np.arange(width) >= length[:, None]] = 0
    return text.view(np.uint64), start, length


def distinct(*columns: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A row of each distinct combination of words, and which of these each row is."""
    words = np.concatenate(columns, axis=1)
    key = np.zeros(len(words), np.uint64)
    for i in range(words.shape[1]):
        key = (key ^ words[:, i]) * _WORDS[i % len(_WORDS)]
        key ^= key >> np.uint64(29)
    _, rows, which = np.unique(key, return_index=True, return_inverse=True)
    if not (words == words[rows][which]).all():  # two combinations with one key
        _, rows, which = np.unique(words, axis=0, return_index=True, return_inverse=True)
    return rows, which


def whole_numbers(lines: Lines, column: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Read a column of identifiers.

    Returns
    -------
    ndarray, shape (m,), int64
        The numbers; -1 where the field is empty or the number has more than 18 digits.
    ndarray, shape (m,), bool
        Whether it is a whole number (or empty). 605006.0 is one.
    """
    words, start, length = as_words(lines, column)
    digits = words.view(np.uint8).reshape(len(words), -1) - np.uint8(48)
    width = min(18, int(length.max(initial=0)))
    value = np.zeros(len(words), np.int64)
    plain = (length > 0) & (length <= 18)
    for i in range(width):
        inside = i < length
        plain &= ~inside | (digits[:, i] <= 9)
        value = np.where(inside, value * 10 + digits[:, i], value)
    good = plain.copy()
    for row in np.flatnonzero(~plain):
        text = lines.data[start[row] : start[row] + length[row]].tobytes().strip(b' "')
        found = _NUMBER.fullmatch(text)
        good[row] = found is not None or not text
        value[row] = int(found[1]) if found and len(found[1]) <= 18 else -1
    return value, good


def windows(data: NDArray[np.uint8], width: int) -> NDArray[Any]:
    """All runs of `width` bytes, as one item each."""
    return np.ndarray((max(0, data.size - width + 1),), f"V{width}", buffer=data, strides=(1,))


def place(
    out: NDArray[np.uint8],
    at: NDArray[np.int64],
    data: NDArray[np.uint8],
    start: NDArray[np.int64],
    length: NDArray[np.int64],
) -> None:
    """Copy pieces of `data` to the places `at` of `out`: those of one length all at once."""
    short = int(length.max(initial=0)) < 1 << 16  # sorted by radix, in no time
    order = np.argsort(length.astype(np.uint16) if short else length, kind="stable")
    sizes, first = np.unique(length[order], return_index=True)
    for size, rows in zip(sizes, np.split(order, first[1:])):
        if size:
            windows(out, int(size))[at[rows]] = windows(data, int(size))[start[rows]]


def decimals(numbers: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Numbers below 10**12 as zero-padded text, shape (n, 12), and how many digits each needs."""
    four = windows(_FOUR.ravel(), 4)[::4]
    parts = [four[numbers // 10**8], four[numbers // 10**4 % 10**4], four[numbers % 10**4]]
    text = np.stack(parts, axis=1).view(np.uint8).reshape(-1, 12)
    powers = 10 ** np.arange(1, 12, dtype=np.int64)
    return text, 1 + np.searchsorted(powers, numbers, side="right")


_FOUR = (48 + np.arange(10_000)[:, None] // [1000, 100, 10, 1] % 10).astype(np.uint8)
