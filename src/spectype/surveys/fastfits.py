"""A FITS scanner as fast as the decompressor before it: headers on demand, arrays in place.

It knows what the standard says of structure (cards, blocks, sizes; Pence+2010, A&A 524, A42)
and nothing of what the numbers mean. Anything beyond plain images and fixed-width binary
tables is left to astropy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.core.errors import ReadError

BLOCK = 2880
CARD = 80
_END = b"END" + b" " * 77
_BAD_FITS = "the file is damaged: fetch or copy it again"
_CARDS = np.dtype(("S8", (10,)))  # an 80-byte card as ten pieces; the first is the keyword

Value = bool | int | float | str | None


class Header:
    """The cards of one FITS header, parsed only when asked for.

    A keyword that appears twice has its first value, as in astropy. Keywords are given with
    blanks up to eight characters or without.
    """

    __slots__ = ("_at", "_data", "end", "start")

    def __init__(self, data: bytes, start: int, *, path: str) -> None:
        self._data = data
        self.start = start
        stop = _find_end(data, start, path)
        n = (stop - start) // CARD
        #: Offset of the first byte after the header's last block.
        self.end = start + -(-(stop + CARD - start) // BLOCK) * BLOCK
        keys = np.frombuffer(data, "S8", count=10 * n, offset=start)[::10].tolist()
        keys.reverse()  # the last one written into the dictionary stays: the first card
        self._at: dict[bytes, int] = dict(zip(keys, range(stop - CARD, start - CARD, -CARD)))

    def __contains__(self, key: str) -> bool:
        return key.encode("latin-1").ljust(8) in self._at

    def get(self, key: str | bytes, default: Any = None) -> Any:
        """Value of the card `key`: bool, int, float, str or `default`.

        Bytes must be exactly eight long: the quick way for those who ask millions of times.
        """
        at = self._at.get(key if isinstance(key, bytes) else key.encode("latin-1").ljust(8))
        if at is None or self._data[at + 8 : at + 10] != b"= ":
            return default
        value = self._parse(at)
        return default if value is None else value

    def text(self, key: str | bytes) -> str | None:
        """The value of `key` as text without outer blanks; None where missing or empty."""
        value = self.get(key)
        return None if value is None else str(value).strip() or None

    def number(self, key: str | bytes) -> float | None:
        """The value of `key` as a float, also from a string; None if it is no finite number."""
        value = self.get(key)
        try:
            number = float(value)
        except (TypeError, ValueError):
            return None
        return number if np.isfinite(number) else None

    def keys(self) -> list[str]:
        """Keywords of the header, without blanks, in order of first appearance."""
        order = sorted(self._at.items(), key=lambda item: item[1])
        return [key.decode("latin-1").rstrip() for key, _ in order]

    def commentary(self) -> str:
        """The text of COMMENT, HISTORY and blank cards, a line each."""
        lines = (
            self._data[at : at + CARD].decode("latin-1").rstrip()
            for at in range(self.start, self.end, CARD)
            if self._data[at : at + 8] in (b"COMMENT ", b"HISTORY ", b"        ")
        )
        return "\n".join(line[8:] for line in lines if line[8:].strip())

    def _parse(self, at: int) -> Value:
        field = self._data[at + 10 : at + CARD].lstrip()
        if field[:1] == b"'":
            return self._parse_string(field, at)
        word = field.partition(b"/")[0].strip()
        try:
            return int(word)
        except ValueError:
            pass
        try:
            return float(word.replace(b"D", b"E").replace(b"d", b"e"))
        except ValueError:
            return {b"T": True, b"F": False, b"": None}.get(word, word.decode("latin-1"))

    def _parse_string(self, field: bytes, at: int) -> str:
        """A quoted string: '' stands for one quote, & at the end for a CONTINUE card."""
        close = field.find(b"'", 1)
        while close >= 0 and field[close + 1 : close + 2] == b"'":
            close = field.find(b"'", close + 2)
        body = field[1 : close if close >= 0 else None]
        text = body.decode("latin-1").replace("''", "'").rstrip(" ")
        following = self._data[at + CARD : at + 2 * CARD]
        if text.endswith("&") and following[:8] == b"CONTINUE":
            rest = following[8:].lstrip()
            if rest[:1] == b"'":
                return text[:-1] + self._parse_string(rest, at + CARD)
        return text


class Hdu:
    """A header and where its data lie: `start` (offset) and `size` (bytes, unpadded)."""

    __slots__ = ("header", "size", "start")

    def __init__(self, header: Header) -> None:
        self.header = header
        self.start = header.end
        self.size = _data_size(header)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array in numpy's order; () where there are no data."""
        n = int(self.header.get(b"NAXIS   ", 0))
        return tuple(int(self.header.get(f"NAXIS{i}", 0)) for i in range(n, 0, -1))


def scan(data: bytes, *, path: str) -> list[Hdu]:
    """The HDUs of a FITS file.

    Parameters
    ----------
    data : bytes
        The whole file, decompressed.
    path : str
        For messages.

    Raises
    ------
    ReadError
        If a header has no END, a size is impossible, or data are cut off.
    """
    hdus: list[Hdu] = []
    at = 0
    # What follows the last HDU and is no extension is to be ignored, says the standard.
    while at == 0 or data[at : at + 8] == b"XTENSION":
        try:
            hdu = Hdu(Header(data, at, path=path))
        except (TypeError, ValueError) as error:
            raise ReadError(
                f"HDU {len(hdus)}: broken header: {error}", path=path, remedy=_BAD_FITS
            ) from error
        if hdu.start + hdu.size > len(data):
            raise ReadError(
                f"is truncated: HDU {len(hdus)} needs {hdu.size} bytes of data,"
                f" {max(len(data) - hdu.start, 0)} are there",
                path=path,
                remedy=_BAD_FITS,
            )
        hdus.append(hdu)
        at = hdu.start + -(-hdu.size // BLOCK) * BLOCK
    return hdus


def image_rows(data: bytes, hdu: Hdu) -> NDArray[np.float32]:
    """A float32 image of shape (n_rows, n_pix) in native byte order (a copy)."""
    shape = hdu.shape
    flat = np.frombuffer(data, ">f4", count=shape[0] * shape[1], offset=hdu.start)
    return flat.astype(np.float32).reshape(shape)


def float_columns(data: bytes, hdu: Hdu, n_rows: int) -> NDArray[np.float32] | None:
    """A table of equal float32 vector columns as an array (n_rows, n_columns, n_pix).

    None where a column is anything else: then the table is astropy's to read.
    """
    header = hdu.header
    n_columns = int(header.get(b"TFIELDS ", 0))
    forms = {str(header.get(f"TFORM{i}", "")).strip() for i in range(1, n_columns + 1)}
    if len(forms) != 1:
        return None
    form = forms.pop()
    if not (form.endswith("E") and form[:-1].isdigit()):
        return None
    n_pix = int(form[:-1])
    if int(header.get(b"NAXIS1  ", 0)) != 4 * n_pix * n_columns:
        return None
    count = n_rows * n_columns * n_pix
    flat = np.frombuffer(data, ">f4", count=count, offset=hdu.start)
    return flat.astype(np.float32).reshape(n_rows, n_columns, n_pix)


def _find_end(data: bytes, start: int, path: str) -> int:
    """Offset of the END card of the header at `start`."""
    at = data.find(_END, start)
    while at >= 0 and (at - start) % CARD:
        at = data.find(_END, at + 1)
    if at < 0:
        raise ReadError("a FITS header has no END card", path=path, remedy=_BAD_FITS)
    return at


def _data_size(header: Header) -> int:
    """Bytes of data after `header` (FITS standard 4.0, eq. 2)."""
    n_axis = int(header.get(b"NAXIS   ", 0))
    if n_axis == 0:  # NAXIS1... may still be there; LAMOST writes them
        return 0
    n = 1
    for i in range(1, n_axis + 1):
        n *= int(header.get(f"NAXIS{i}", 0))
    n = int(header.get(b"GCOUNT  ", 1)) * (int(header.get(b"PCOUNT  ", 0)) + n)
    size = n * abs(int(header.get(b"BITPIX  ", 0))) // 8
    if size < 0:
        raise ValueError("negative size")
    return size
