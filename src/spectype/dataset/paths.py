"""Which file a path in a table means, as far as the path is given."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from spectype.core.errors import DataError
from spectype.core.names import as_path, as_text

PACKED = (".gz", ".bz2", ".xz", ".zip", ".fz", ".z")
SUFFIXES = (
    ".fits", ".fit", ".fts", ".csv", ".txt", ".dat", ".ascii", ".asc", ".tsv", ".ecsv", ".sp",
    ".vot", ".votable",
)  # fmt: skip
_DRIVE = re.compile(r"[A-Za-z]:")
_SCHEME = re.compile(r"[a-z]+://[^/]*", re.IGNORECASE)


def stem(name: str) -> str:
    """A file's name without the suffixes of compression and of spectra.

    >>> stem("spec-1_sp01-001.fits.gz"), stem("HD 1.5")
    ('spec-1_sp01-001', 'HD 1.5')
    """
    bare = unpacked(name)
    for suffix in SUFFIXES:
        if bare.lower().endswith(suffix):
            return bare[: -len(suffix)]
    return bare


def unpacked(name: str) -> str:
    """A file's name without the suffix of compression."""
    for suffix in PACKED:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def parts(text: str) -> tuple[str, ...]:
    """Components of a path however it is written: Windows, URL, absolute, relative.

    >>> parts("C:\\\\data\\\\raw\\\\a%201.fits")
    ('data', 'raw', 'a 1.fits')
    """
    path = _SCHEME.sub("", text)
    if path != text:
        path = path.partition("?")[0]
    if path != text or re.search(r"%[0-9A-Fa-f]{2}", path):
        path = unquote(path, errors="surrogateescape")
    path = _DRIVE.sub("", path.replace("\\", "/"), count=1) if _DRIVE.match(path) else path
    path = as_path(path).replace("\\", "/")
    done: list[str] = []
    for part in PurePosixPath(path.strip("/")).parts:
        if part == ".." and done:
            done.pop()
        elif part != "..":
            done.append(part)
    return tuple(done)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many folders above the file two paths share, counted from the file up."""
    n = 0
    for a, b in zip(reversed(one[:-1]), reversed(other[:-1])):
        if a != b:
            break
        n += 1
    return n


def _likeness(given: str, found: str) -> int:
    """How much of a file's name is given: 6 all of it, 5 without compression, 4 the stem.

    Less by 3 where they differ in case, as on systems that do not tell it.
    """
    if stem(given) != stem(found):
        return _likeness(given.casefold(), found.casefold()) - 3
    if given == found:
        return 6
    return 5 if unpacked(given) == unpacked(found) else 4


def match_paths(
    texts: Iterable[str], files: Sequence[Path], table: Path
) -> dict[str, list[str]]:  # fmt: skip
    """Which texts of a table mean which files.

    A text means the file of its name that shares most folders with it, counted from the file up;
    of equals the one whose suffixes agree best. A text whose own path is there, from the table's
    folder or the current one, means that file and no other. A file belongs to the text that shares
    most with it.

    Parameters
    ----------
    texts : iterable of str
        Paths as the table gives them: relative, absolute, of another machine, or bare names, with
        or without suffixes.
    files : sequence of Path
        Files that are there.
    table : Path
        Where the table is.

    Returns
    -------
    dict of str to list of str
        For each file that is meant, the texts that mean it (several spellings of one path).

    Raises
    ------
    DataError
        If a text fits two files equally well, or a file two texts.
    """
    by_stem: Mapping[str, list[tuple[Path, tuple[str, ...]]]] = defaultdict(list)
    for file in files:
        resolved = file.resolve()
        by_stem[stem(resolved.name).casefold()].append((file, resolved.parts))
    claims: dict[str, list[tuple[tuple[int, int], str]]] = defaultdict(list)
    for text in dict.fromkeys(texts):
        given = parts(text)
        near = by_stem.get(stem(given[-1]).casefold(), []) if given else []
        if near and (found := _meant(text, given, near, table)):
            claims[str(found[0])].append((found[1], text))
    return {file: _best(file, claim, table) for file, claim in claims.items()}


def _meant(
    text: str, given: tuple[str, ...], near: list[tuple[Path, tuple[str, ...]]], table: Path
) -> tuple[Path, tuple[int, int]] | None:
    for place in (table.parent / as_path(text), Path(as_path(text))):
        if place.is_file():
            there = place.resolve().parts
            own = [file for file, components in near if components == there]
            return (own[0], (len(there), 6)) if own else None
    scored = [
        ((_common(given, there), _likeness(given[-1], there[-1])), file) for file, there in near
    ]
    best = max(score for score, _ in scored)
    equals = [file for score, file in scored if score == best]
    if len(equals) > 1:
        raise DataError(
            f"{text!r} may mean {as_text(equals[0])} or {as_text(equals[1])}",
            path=table,
            remedy="give the path with its folders",
        )
    return equals[0], best


def _best(file: str, claims: list[tuple[tuple[int, int], str]], table: Path) -> list[str]:
    best = max(score for score, _ in claims)
    equals = [text for score, text in claims if score == best]
    if len({parts(text) for text in equals}) > 1:
        raise DataError(
            f"{equals[0]!r} and {equals[1]!r} both may mean {as_text(file)}",
            path=table,
            remedy="give the paths with their folders, or build the folders apart",
        )
    return equals
