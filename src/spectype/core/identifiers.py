"""What tables write for a number or a name, brought to one form without rounding."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

_BYTES = re.compile(r"""b(['"])(.*)\1""", re.DOTALL)
_WHOLE = re.compile(r"\+?0*(\d+)(?:\.0*)?", re.ASCII)
_SCIENTIFIC = re.compile(r"\+?\d+(?:\.\d*)?[eE]\+?\d{1,2}", re.ASCII)
_NOTHING = {"", "nan", "null", "none", "--", "n/a", "-9999"}


def is_rounded(text: str) -> bool:
    """Whether a number is written like ``6.01e8``, in which digits may have been lost."""
    return _SCIENTIFIC.fullmatch(text.strip()) is not None


def exact_limit(bits: int) -> int:
    """The whole numbers below this are exact as floats of 32 or 64 bits (IEEE 754)."""
    return 2**24 if bits == 32 else 2**53


def plain_text(value: str) -> str | None:
    """Text without blanks around it and without the dress of bytes; None where nothing is left.

    >>> plain_text("b'B5 '")
    'B5'
    """
    text = value.strip(" \t\r\n\0")
    if match := _BYTES.fullmatch(text):
        text = match[2].strip()
    return text or None


def identifier(value: Any) -> str | None:
    """An identifier as text, numbers in one form; None where there is none.

    Examples
    --------
    >>> [identifier(v) for v in (101001, 101001.0, "101001.0", "1.01001e5", "0000101001", "nan")]
    ['101001', '101001', '101001', '101001', '101001', None]
    """
    if value is None:
        return None
    text = plain_text(str(value))
    if text is None or text.lower() in _NOTHING:
        return None
    if match := _WHOLE.fullmatch(text):
        return match[1]
    if _SCIENTIFIC.fullmatch(text):
        number = Decimal(text)
        return str(int(number)) if number == int(number) else text
    return text
