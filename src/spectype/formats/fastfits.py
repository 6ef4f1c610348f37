"""A FITS scanner as fast as the decompressor before it: headers on demand, arrays in place.

It knows what the standard says of structure (cards, blocks, sizes; Pence+2010, A&A 524, A42)
and nothing of what the numbers mean. Anything beyond plain images and fixed-width binary
tables is left to astropy.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import lru_cache
from math import isfinite, nan
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.core.errors import ReadError

BLOCK = 2880
CARD = 80
_END = b"END" + b" " * 77
_BAD_FITS = "the file is damaged: fetch or copy it again"
_QUOTE, _EQUALS = ord("'"), ord("=")

Value = bool | int | float | str | None


@lru_cache(maxsize=256)
def _first_cards(keywords: bytes) -> dict[str, int]:
    """Offset of the first card of each keyword, from all keywords in a row, eight bytes each.

    Cached, because the headers of one pipeline have the same keywords in the same order.
    """
    text = keywords.decode("latin-1")
    at: dict[str, int] = {}
    for i in range(len(text) // 8):
        at.setdefault(text[8 * i : 8 * i + 8].rstrip(), i * CARD)
    return at


@lru_cache(maxsize=256)
def _picker(keywords: bytes, keys: tuple[str, ...]) -> Callable[[bytes], tuple[bytes, ...]]:
    """A function that cuts the value fields of the cards `keys` out of such a header."""
    at = _first_cards(keywords)
    nothing = slice(0, 0)
    fields = [slice(at[key] + 10, at[key] + CARD) if key in at else nothing for key in keys]
    return itemgetter(*fields, nothing)  # with two at least it returns a tuple


class Header:
    """The cards of one FITS header, parsed only when asked for.

    A keyword that appears twice has its first value, as in astropy.

    Parameters
    ----------
    raw : bytes
        The header's cards without END, a multiple of 80 bytes.
    """

    __slots__ = ("_at", "_keywords", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        # The first eight bytes of each card, as numbers: faster than slicing in Python.
        self._keywords = np.frombuffer(raw, np.uint64)[:: CARD // 8].tobytes()
        self._at = _first_cards(self._keywords)

    def __contains__(self, key: str) -> bool:
        return key in self._at

    def get(self, key: str, default: Any = None) -> Any:
        """Value of the card `key`: bool, int, float, str or `default`."""
        at = self._at.get(key)
        if at is None or self.raw[at + 8] != _EQUALS:
            return default
        if self.raw[at + 10] == _QUOTE:
            return self._string(at + 10, at)
        field = self.raw[at + 10 : at + CARD].lstrip()
        if field[:1] == b"'":
            return self._string(at + CARD - len(field), at)
        value = _plain_value(field.partition(b"/")[0].strip())
        return default if value is None else value

    def pick(self, keys: tuple[str, ...]) -> tuple[bytes, ...]:
        """What follows the equals sign on the cards `keys`, for `text_of` and `number_of`.

        All at once, much quicker than one by one. Missing cards give b"". CONTINUE cards are
        not followed.
        """
        return _picker(self._keywords, keys)(self.raw)

    def text(self, key: str) -> str | None:
        """The value of `key` as text without outer blanks; None where missing or empty."""
        value = self.get(key)
        if value.__class__ is not str:
            return None if value is None else str(value)
        return value.strip() or None

    def number(self, key: str) -> float | None:
        """The value of `key` as a float, also from a string; None if it is no finite number."""
        at = self._at.get(key)
        if at is None or self.raw[at + 8] != _EQUALS:
            return None
        return number_of(self.raw[at + 10 : at + CARD])

    def commentary(self) -> str:
        """The text of COMMENT, HISTORY and blank cards, a line each."""
        cards = (self.raw[at : at + CARD] for at in range(0, len(self.raw), CARD))
        texts = (
            card[8:].decode("latin-1").rstrip()
            for card in cards
            if card[:8] in (b"COMMENT ", b"HISTORY ", b"        ")
        )
        return "\n".join(text for text in texts if text)

    def lines(self) -> str:
        """Every card with its keyword, value and comment, a line each."""
        text = self.raw.decode("latin-1")
        return "\n".join(text[at : at + CARD].rstrip() for at in range(0, len(text), CARD))

    def _string(self, start: int, card: int) -> str:
        """The string whose quote is at `start` of the card at `card`.

        Two quotes stand for one; & at the end announces a CONTINUE card.
        """
        stop = card + CARD
        close = self.raw.find(b"'", start + 1, stop)
        while 0 <= close < stop - 1 and self.raw[close + 1] == _QUOTE:
            close = self.raw.find(b"'", close + 2, stop)
        body = self.raw[start + 1 : close if close >= 0 else stop]
        text = body.decode("latin-1").rstrip(" ")
        if "'" in text:
            text = text.replace("''", "'")
        if text.endswith("&") and self.raw[stop : stop + 8] == b"CONTINUE":
            quote = self.raw.find(b"'", stop + 8, stop + CARD)
            if quote >= 0:
                return text[:-1] + self._string(quote, stop)
        return text


class Hdu:
    """A header and where its data lie: `start` (offset) and `size` (bytes, unpadded)."""

    __slots__ = ("header", "size", "start")

    def __init__(self, header: Header, start: int, size: int) -> None:
        self.header = header
        self.start = start
        self.size = size

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array in numpy's order; () where there are no data."""
        n = int(self.header.get("NAXIS", 0))
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
            header, size, stop = _parse(data, at, path)
        except (TypeError, ValueError) as error:
            raise ReadError(
                f"HDU {len(hdus)}: broken header: {error}", path=path, remedy=_BAD_FITS
            ) from error
        start = at + -(-(stop + CARD - at) // BLOCK) * BLOCK
        if start + size > len(data):
            raise ReadError(
                f"is truncated: HDU {len(hdus)} needs {size} bytes of data,"
                f" {max(len(data) - start, 0)} are there",
                path=path,
                remedy=_BAD_FITS,
            )
        hdus.append(Hdu(header, start, size))
        at = start + -(-size // BLOCK) * BLOCK
    return hdus


def _parse(data: bytes, start: int, path: str) -> tuple[Header, int, int]:
    """The header at `start`, the size of its data, and the offset of its END card.

    Extension headers repeat from file to file to the last byte, so the last ones are kept;
    primary headers never repeat.
    """
    if start:
        for known, size in _extensions:
            if data.startswith(known.raw, start) and data.startswith(_END, start + len(known.raw)):
                return known, size, start + len(known.raw)
    stop = _find_end(data, start, path)
    header = Header(data[start:stop])
    size = _data_size(header)
    if start:
        _extensions.appendleft((header, size))
    return header, size, stop


_extensions: deque[tuple[Header, int]] = deque(maxlen=16)


def float_rows(
    data: bytes, *, start: int, n_rows: int, n_pix: int, bits: int = 32
) -> NDArray[np.floating[Any]]:
    """Rows of floats at offset `start`, shape (n_rows, n_pix): a big-endian view of `data`.

    `bits` is 32 or 64: BITPIX without its sign.
    """
    flat = np.frombuffer(data, f">f{bits // 8}", count=n_rows * n_pix, offset=start)
    return flat.reshape(n_rows, n_pix)


def equal_columns(header: Header, names: tuple[str, ...]) -> int:
    """Number of pixels of a one-row table that begins with float32 vectors called `names`.

    0 where the table is anything else: then it is astropy's to read.
    """
    form = str(header.get("TFORM1", "")).strip()
    n_pix = int(form[:-1]) if form[:-1].isdigit() and form.endswith("E") else 0
    for i, name in enumerate(names, start=1):
        same = str(header.get(f"TFORM{i}", "")).strip() == form
        if not same or header.text(f"TTYPE{i}") != name:
            return 0
    fits = header.get("NAXIS2") == 1 and int(header.get("NAXIS1", 0)) >= 4 * n_pix * len(names)
    return n_pix if fits else 0


def _plain_value(word: bytes) -> Value:
    """The value of a card that is no string."""
    try:
        return int(word) if b"." not in word else float(word)
    except ValueError:
        pass
    try:
        return float(word.replace(b"D", b"E").replace(b"d", b"e"))
    except ValueError:
        return {b"T": True, b"F": False, b"": None}.get(word, word.decode("latin-1"))


def number_of(field: bytes) -> float | None:
    """A card's value as a float, also where it is a quoted number; None if it is none."""
    try:
        number = float(field.partition(b"/")[0])
    except ValueError:
        text = text_of(field)
        try:
            number = float(text.upper().replace("D", "E")) if text else nan
        except ValueError:
            return None
    return number if isfinite(number) else None


def texts_of(fields: Iterable[bytes]) -> list[str | None]:
    """`text_of` for many; quick where all are plain strings."""
    return [
        field[1 : field.find(b"'", 1)].decode("latin-1").strip() or None
        if field[:1] == b"'" and field.count(b"'") == 2
        else text_of(field)
        for field in fields
    ]


def numbers_of(fields: Iterable[bytes]) -> list[float | None]:
    """`number_of` for many; quick where all are plain numbers."""
    try:
        numbers = [float(field.partition(b"/")[0]) for field in fields]
    except ValueError:
        return [number_of(field) for field in fields]
    return list(numbers) if isfinite(sum(numbers)) else [number_of(field) for field in fields]


def text_of(field: bytes) -> str | None:
    """A card's value as text without outer blanks; None where there is none."""
    if not field:
        return None
    if field[:1] != b"'":
        field = field.lstrip()
    if field[:1] != b"'":
        return field.partition(b"/")[0].decode("latin-1").strip() or None
    if b"''" in field[1:]:
        field = field[:1] + field[1:].replace(b"''", b"\0")  # an inner quote, or no text
    body = field[1:].partition(b"'")[0].replace(b"\0", b"'")
    return body.decode("latin-1").strip() or None


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
    n_axis = int(header.get("NAXIS", 0))
    if n_axis == 0:  # NAXIS1... may still be there; LAMOST writes them
        return 0
    n = 1
    for i in range(1, n_axis + 1):
        n *= int(header.get(f"NAXIS{i}", 0))
    n = int(header.get("GCOUNT", 1)) * (int(header.get("PCOUNT", 0)) + n)
    size = n * abs(int(header.get("BITPIX", 0))) // 8
    if size < 0:
        raise ValueError("negative size")
    return size
