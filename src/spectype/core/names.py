"""File names as text: on disk a name is bytes, and those need not be UTF-8.

Python keeps a byte that is not UTF-8 as a lone surrogate (PEP 383), which no table, no JSON and no
terminal can hold. Outside Python such a name is written with ``\\xe9`` for the byte 0xE9.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

# A byte as `as_text` writes it; only bytes above 0x7F are ever not UTF-8.
_BYTE = re.compile(r"\\x[89a-f][0-9a-f]")
_ESCAPED = re.compile(r"\\\\|\\x([89a-f][0-9a-f])")


def as_text(path: str | os.PathLike[str]) -> str:
    """A path as text that every file and terminal can hold; `as_path` turns it back.

    Names that are UTF-8 stay as they are. In others each byte that is not UTF-8 becomes
    ``\\xe9`` (its value), and a backslash is doubled.

    Examples
    --------
    >>> as_text("spectra/\\udce9toile.csv")
    'spectra/\\\\xe9toile.csv'
    """
    name = os.fspath(path)
    if name.isascii() and not _BYTE.search(name):
        return name  # ten million of them: the quick way first
    data = name.encode("utf-8", "surrogateescape")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return data.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return text.replace("\\", "\\\\") if _BYTE.search(text) else text


def as_path(text: str) -> str:
    """The path that `as_text` wrote as `text`.

    Examples
    --------
    >>> as_path(as_text("a\\udce9.fits")) == "a\\udce9.fits"
    True
    """
    if not _BYTE.search(text):
        return text

    def unescaped(match: re.Match[str]) -> str:
        return "\\" if match[1] is None else os.fsdecode(bytes([int(match[1], 16)]))

    return _ESCAPED.sub(unescaped, text)


def twins(target: str | os.PathLike[str], paths: Iterable[str]) -> list[str]:
    """Those of `paths` that lead to the file or folder `target`, links followed."""
    try:
        known = Path(target).stat()
    except (OSError, ValueError):
        return []
    return [path for path in paths if _is(path, known)]


def _is(path: str, known: os.stat_result) -> bool:
    try:
        return os.path.samestat(Path(path).stat(), known)
    except (OSError, ValueError):
        return False
