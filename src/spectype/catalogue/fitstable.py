"""Binary tables in FITS files, read in blocks from front to back: plain or gzip alike.

Memory stays at one block, and a compressed catalogue of gigabytes needs no second copy on
disk. Format: FITS standard 4.0, section 7.3.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl

from spectype.core.errors import DataError

_BLOCK = 2880
_NUMPY = {"L": "S1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_POLARS: dict[str, Any] = {
    "L": pl.Boolean, "B": pl.UInt8, "I": pl.Int16, "J": pl.Int32, "K": pl.Int64,
    "E": pl.Float32, "D": pl.Float64, "A": pl.String,
}  # fmt: skip
# FITS standard 4.0, section 5.2.5: unsigned integers, and signed bytes.
_OFFSETS = {"B": -128.0, "I": 2.0**15, "J": 2.0**31, "K": 2.0**63}
_UNSIGNED: dict[str, Any] = {"B": pl.Int8, "I": pl.UInt16, "J": pl.UInt32, "K": pl.UInt64}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the rows of a table are, and how they are written."""

    offset: int  #: bytes from the start of the (unpacked) file to the first row
    n_rows: int
    row: np.dtype[Any]
    kinds: dict[str, str]  #: FITS letter of each column that is read
    nulls: dict[str, int]  #: TNULL of integer columns, as stored
    scales: dict[str, tuple[float, float]]  #: TSCAL and TZERO, where they are not 1 and 0
    skipped: tuple[str, ...]  #: vector and variable-length columns, which no catalogue needs

    @property
    def schema(self) -> dict[str, Any]:
        """Column names and polars types."""
        return {name: self.dtype(name) for name in self.kinds}

    def dtype(self, name: str) -> Any:
        """Polars type of a column: integers with the usual offset are unsigned, and exact."""
        kind = self.kinds[name]
        if name not in self.scales:
            return _POLARS[kind]
        return _UNSIGNED[kind] if self.is_unsigned(name) else pl.Float64

    def is_unsigned(self, name: str) -> bool:
        """Whether a column is unsigned integers, written as signed ones with an offset."""
        return self.scales.get(name) == (1.0, _OFFSETS.get(self.kinds[name]))


def open_bytes(path: str | Path) -> BinaryIO:
    """Open a file for reading bytes, unpacking gzip by its magic number."""
    with Path(path).open("rb") as handle:
        packed = handle.read(2) == b"\x1f\x8b"
    if packed:
        from isal import igzip

        return igzip.open(path, "rb")  # type: ignore[no-any-return, no-untyped-call]
    return Path(path).open("rb")


def layout(path: str | Path) -> Layout:
    """Find the first binary table of a FITS file.

    Raises
    ------
    DataError
        If the file is no FITS file or holds no binary table.
    """
    try:
        with open_bytes(path) as handle:
            return _find_table(handle, path)
    except (OSError, EOFError) as error:
        raise DataError(f"cannot be read: {error}", path=path, remedy="fetch it again") from error


def _find_table(handle: BinaryIO, path: str | Path) -> Layout:
    from astropy.io import fits

    offset, first = 0, True
    while True:
        text = _header_text(handle)
        if not text:
            break
        if first and not text.startswith(b"SIMPLE  ="):
            raise DataError("is not a FITS file", path=path, remedy="check what was downloaded")
        first = False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", fits.verify.VerifyWarning)
            header = fits.Header.fromstring(text.decode("latin-1"))
        offset += len(text)
        if header.get("XTENSION", "").strip() == "BINTABLE":
            return _layout(header, offset)
        size = _data_size(header)
        _skip(handle, size)
        offset += size
    raise DataError("holds no binary table", path=path, remedy="give a catalogue")


def _header_text(handle: BinaryIO) -> bytes:
    """One header, padded to whole blocks; empty at the end of the file."""
    blocks = []
    while True:
        block = handle.read(_BLOCK)
        if len(block) < _BLOCK:
            return b""
        blocks.append(block)
        if any(block[i : i + 80].rstrip() == b"END" for i in range(0, _BLOCK, 80)):
            return b"".join(blocks)


def _data_size(header: Any) -> int:
    axes = [int(header.get(f"NAXIS{i}", 0)) for i in range(1, int(header.get("NAXIS", 0)) + 1)]
    if not axes:
        return 0
    size = abs(int(header["BITPIX"])) // 8 * int(header.get("GCOUNT", 1))
    size *= int(header.get("PCOUNT", 0)) + int(np.prod(axes, dtype=np.int64))
    return -(-size // _BLOCK) * _BLOCK


def _skip(handle: BinaryIO, size: int) -> None:
    while size > 0 and (part := handle.read(min(size, 1 << 22))):
        size -= len(part)


def _layout(header: Any, offset: int) -> Layout:
    fields: list[tuple[str, str]] = []
    kinds: dict[str, str] = {}
    nulls: dict[str, int] = {}
    scales: dict[str, tuple[float, float]] = {}
    skipped: list[str] = []
    for i in range(1, int(header["TFIELDS"]) + 1):
        name = str(header.get(f"TTYPE{i}", f"col{i}")).strip()
        count, letter = _form(str(header[f"TFORM{i}"]))
        scalar = count == 1 and letter in _NUMPY
        scale = float(header.get(f"TSCAL{i}", 1)), float(header.get(f"TZERO{i}", 0))
        if letter == "A" and count > 0:
            fields.append((name, f"S{count}"))
            kinds[name] = "A"
        elif scalar:
            fields.append((name, _NUMPY[letter]))
            kinds[name] = letter
            if letter != "L" and scale != (1.0, 0.0):
                scales[name] = scale
            if f"TNULL{i}" in header:
                nulls[name] = int(header[f"TNULL{i}"])
        else:
            fields.append((name, f"V{_width(count, letter)}"))
            skipped.append(name)
    row = np.dtype([(f"{i}", form) for i, (_, form) in enumerate(fields)])
    row.names = tuple(name for name, _ in fields)
    return Layout(offset, int(header["NAXIS2"]), row, kinds, nulls, scales, tuple(skipped))


def _form(text: str) -> tuple[int, str]:
    found = re.match(r"\s*(\d*)([LXBIJKAEDCMPQ])", text)
    if found is None:
        raise DataError(f"has a column of unknown format {text!r}")
    return int(found[1] or 1), found[2]


def _width(count: int, letter: str) -> int:
    if letter == "X":
        return -(-count // 8)
    sizes = {"L": 1, "B": 1, "I": 2, "J": 4, "K": 8, "E": 4, "D": 8, "C": 8, "M": 16, "P": 8}
    return count * {**sizes, "A": 1, "Q": 16}[letter]


def blocks(
    path: str | Path, table: Layout, *, columns: list[str] | None = None, n_rows: int = 200_000
) -> Iterator[pl.DataFrame]:
    """Yield the rows of a table in blocks.

    Parameters
    ----------
    path : path-like
        FITS file, plain or gzip.
    table : Layout
        From `layout`.
    columns : list of str, optional
        Which columns; all by default.
    n_rows : int
        Rows in a block.

    Raises
    ------
    DataError
        If the file ends before the last row.
    """
    names = list(table.kinds) if columns is None else columns
    done = 0
    with open_bytes(path) as handle:
        _skip(handle, table.offset)
        while done < table.n_rows:
            take = min(n_rows, table.n_rows - done)
            content = _read(handle, take * table.row.itemsize, path)
            rows = np.frombuffer(content, dtype=table.row, count=len(content) // table.row.itemsize)
            if len(rows) < take:
                raise DataError(
                    f"ends after {done + len(rows)} of {table.n_rows} rows",
                    path=path,
                    remedy="the download is not complete: fetch it again",
                )
            done += take
            yield pl.DataFrame([_series(rows[name], name, table) for name in names])


def _read(handle: BinaryIO, size: int, path: str | Path) -> bytes:
    buffer = io.BytesIO()
    try:
        while buffer.tell() < size and (part := handle.read(size - buffer.tell())):
            buffer.write(part)
    except EOFError:
        pass  # a truncated gzip stream: the caller counts the rows
    except OSError as error:
        raise DataError(f"is damaged: {error}", path=path, remedy="fetch it again") from error
    return buffer.getvalue()


def _series(values: Any, name: str, table: Layout) -> pl.Series:
    kind = table.kinds[name]
    if kind == "A":
        text = np.char.decode(np.ascontiguousarray(values), "latin-1")
        return pl.Series(name, text.tolist(), dtype=pl.String).str.strip_chars(" \x00")
    if kind == "L":
        return pl.Series(name, values == b"T")
    native = values.astype(values.dtype.newbyteorder("="))
    null = table.nulls.get(name)
    missing = None if null is None else native == null
    if table.is_unsigned(name):
        # The offset turns the highest bit: exact, where a sum of floats would round.
        size = native.itemsize
        unsigned = native.view(f"u{size}") ^ np.array(1 << (8 * size - 1), f"u{size}")
        native = unsigned.view("i1") if kind == "B" else unsigned
    elif name in table.scales:
        scale, zero = table.scales[name]
        native = native * scale + zero
    series = pl.Series(name, native, dtype=table.dtype(name))
    return series if missing is None else series.set(pl.Series(missing), None)
