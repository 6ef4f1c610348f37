"""Which files to type: paths, folders, globs, lists of files in any encoding."""

from __future__ import annotations

import codecs
import glob
import io
import itertools
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from spectype.classify.given import n_spectra, split_row
from spectype.core.errors import UsageError
from spectype.core.names import as_path
from spectype.dataset.build import is_spectrum_name

ARCHIVES = (".tar", ".tar.gz", ".tgz")
# The longest mark first: that of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


def no_files() -> UsageError:
    """What to say where PATHS name nothing."""
    return UsageError("no files given", remedy="give files, folders, globs or @list.txt")


def find(paths: Iterable[str]) -> Iterator[str]:
    """Files behind PATHS: files, folders (recursive), globs, ``@list.txt``, ``-`` for stdin.

    Found one by one, so that ten million of them take no memory. A path that does not exist is
    kept: it becomes a row with an error, not a silent skip. A file named twice comes twice.

    Raises
    ------
    UsageError
        If a folder or glob holds no spectra, or a list cannot be read.
    """
    for path in paths:
        yield from _behind(path)


def _behind(path: str, *, beside: Path | None = None) -> Iterator[str]:
    """Files behind a word of the command line, or a line of the list in the folder `beside`."""
    if path == "-":
        yield from _listed(_stdin(), "the list on stdin")
    elif path.startswith("@"):
        try:
            with Path(path[1:]).open("rb") as stream:
                yield from _listed(stream, path[1:], beside=Path(path[1:]).parent)
        except OSError as error:
            raise UsageError(f"cannot be read: {error.strerror}", path=path[1:]) from error
    elif (mode := _mode(path)) is not None:
        yield from _in_folder(path) if stat.S_ISDIR(mode) else [path]
    elif _mode(split_row(path)[0]) is not None:
        yield path  # FILE[3], STORE[3]
    elif path.startswith("-"):
        raise UsageError(f"unknown option {path!r}", remedy="see spectype classify --help")
    elif beside is not None and _mode(str(beside / path)) is not None:
        yield from _behind(str(beside / path))
    elif glob.has_magic(path):
        found = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 (absolute patterns too)
        if not found:
            raise UsageError("matches no file", path=path, remedy="check the pattern")
        for file in found:
            yield from _behind(file)
    else:
        yield _named_otherwise(path)


def _mode(path: str) -> int | None:
    """File type and mode, links followed; None where there is nothing."""
    try:
        return os.stat(path).st_mode  # noqa: PTH116 (ten million times)
    except (OSError, ValueError):
        return None


def _in_folder(path: str) -> Iterator[str]:
    """Spectra and archives of them at any depth, in the order of their names; a store's rows."""
    if (n := n_spectra(path)) is not None:
        yield from (f"{path}[{row}]" for row in range(n))
        return
    inside = _walk(path)
    first = next(inside, None)
    if first is None:
        raise UsageError("holds no spectra", path=path, remedy="expected *.fits, *.csv, *.tar.gz")
    yield first
    yield from inside


def _walk(folder: str) -> Iterator[str]:
    """Depth first: only one folder's names at each depth are in memory."""
    try:
        with os.scandir(folder) as entries:
            here = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        yield folder  # reading it will say why it cannot be read
        return
    for entry in here:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(str(Path(entry.path)))
        elif _is_input(entry.name) and not entry.is_dir():
            yield str(Path(entry.path))


def _is_input(name: str) -> bool:
    return is_spectrum_name(name) or is_archive(name)


def is_archive(name: str) -> bool:
    """Whether a file of this name is an archive of spectra, like a night's tar."""
    return name.lower().endswith(ARCHIVES)


def _named_otherwise(path: str) -> str:
    """The path as it is on disk where our own tables write it differently (`core.names`)."""
    return meant if Path(meant := as_path(path)).exists() else path


def _listed(stream: BinaryIO, name: str, *, beside: Path = Path()) -> Iterator[str]:
    """Files of a list; what is not found here is looked for beside the list."""
    for line in read_list(stream, name, beside=beside):
        yield from _behind(line, beside=beside)


def _stdin() -> BinaryIO:
    if sys.stdin is None or sys.stdin.closed:
        return io.BytesIO()
    binary: BinaryIO | None = getattr(sys.stdin, "buffer", None)
    return io.BytesIO(sys.stdin.read().encode()) if binary is None else binary


def read_list(stream: BinaryIO, name: str, *, beside: Path = Path()) -> Iterator[str]:
    """Lines of a list of files, without blank ones and comments (``#``).

    Parameters
    ----------
    stream : binary file
        UTF-8, or UTF-16 and UTF-32 with their mark. A line that is none of these names the file
        whose name has these bytes, or else the one whose name they are in Latin-1.
    name : str
        The list, for messages.
    beside : Path
        Folder in which such a name is looked for, after the current one.

    Raises
    ------
    UsageError
        If it is text in no encoding that is known here; it names the line.
    """
    head = stream.read(4)
    mark, encoding = next((m for m in _MARKS if head.startswith(m[0])), (b"", "utf-8"))
    if encoding.startswith(("utf-16", "utf-32")):
        lines: Iterable[str] = _wide(head + stream.read(), encoding, name)
    else:
        lines = _narrow(stream, head.removeprefix(mark), name, beside)
    for line in lines:
        if (text := line.strip()) and not text.startswith("#"):
            yield text


def _wide(content: bytes, encoding: str, name: str) -> list[str]:
    try:
        return content.decode(encoding).splitlines()
    except UnicodeDecodeError as error:
        good = content[: error.start].decode(encoding, "replace")
        raise UsageError(
            f"line {good.count(chr(10)) + 1} is not {encoding.upper()}, as its mark says",
            path=name,
            remedy="save it as UTF-8",
        ) from error


def _narrow(stream: BinaryIO, head: bytes, name: str, beside: Path) -> Iterator[str]:
    number = 0
    for piece in itertools.chain([head + stream.readline()], stream):
        for line in piece.splitlines():
            number += 1
            if b"\0" in line:
                raise UsageError(
                    f"line {number} holds a NUL: it is no text, or UTF-16 without its mark",
                    path=name,
                    remedy="save it as UTF-8",
                )
            yield _decoded(line, beside)


def _decoded(line: bytes, beside: Path) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        # Windows-1252 is Latin-1 with letters where that has control characters.
        readings = [os.fsdecode(line), line.decode("cp1252", "replace"), line.decode("latin-1")]
        places = [(name, place) for name in readings for place in (Path(), beside)]
        there = (name for name, place in places if (place / name.strip()).exists())
        return next(there, readings[0])
