"""Which files to type: paths, folders, globs, lists of files in any encoding, shards."""

from __future__ import annotations

import codecs
import glob
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from spectype.core.errors import UsageError
from spectype.core.names import as_path
from spectype.dataset.build import is_spectrum_name

# The longest mark first: that of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


def expand(paths: Sequence[str]) -> list[str]:
    """Files behind PATHS: files, folders (recursive), globs, ``@list.txt``, ``-`` for stdin.

    A path that does not exist is kept: it becomes a row with an error, not a silent skip.

    Raises
    ------
    UsageError
        If a folder or glob holds no spectra, a list cannot be read, or nothing is left.
    """
    files = list(dict.fromkeys(file for path in paths for file in _behind(path)))
    if not files:
        raise UsageError("no files given", remedy="give files, folders, globs or @list.txt")
    return files


def _behind(path: str) -> Iterator[str]:
    if path == "-":
        for line in read_list(_stdin(), "the list on stdin"):
            yield from _behind(line)
    elif path.startswith("-") and not Path(path).exists():
        raise UsageError(f"unknown option {path!r}", remedy="see spectype classify --help")
    elif path.startswith("@"):
        yield from _listed(Path(path[1:]))
    elif Path(path).is_dir():
        inside = [str(p) for p in sorted(Path(path).rglob("*")) if _is_input(p)]
        if not inside:
            raise UsageError("holds no spectra", path=path, remedy="expected *.fits, *.csv")
        yield from inside
    elif glob.has_magic(path) and not Path(path).exists():
        found = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 (absolute patterns too)
        if not found:
            raise UsageError("matches no file", path=path, remedy="check the pattern")
        for file in found:
            yield from _behind(file)
    else:
        yield path if Path(path).exists() else _named_otherwise(path)


def _is_input(path: Path) -> bool:
    return is_spectrum_name(path.name) and (path.is_file() or path.is_symlink())


def _named_otherwise(path: str) -> str:
    """The path as it is on disk where our own tables write it differently (`core.names`)."""
    return meant if Path(meant := as_path(path)).exists() else path


def _listed(file: Path) -> Iterator[str]:
    """Files of a list; what is not found here is looked for beside the list."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", path=file) from error
    for line in read_list(content, str(file), beside=file.parent):
        here = line == "-" or line.startswith("@") or Path(line).exists()
        beside = file.parent / line
        yield from _behind(str(beside) if not here and beside.exists() else line)


def _stdin() -> bytes:
    if sys.stdin is None or sys.stdin.closed:
        return b""
    binary = getattr(sys.stdin, "buffer", None)
    return bytes(binary.read()) if binary is not None else sys.stdin.read().encode()


def read_list(content: bytes, name: str, *, beside: Path = Path()) -> list[str]:
    """Lines of a list of files, without blank ones and comments (``#``).

    Parameters
    ----------
    content : bytes
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
    mark, encoding = next((m for m in _MARKS if content.startswith(m[0])), (b"", "utf-8"))
    wide = encoding.startswith(("utf-16", "utf-32"))
    if not wide and b"\0" in content:
        line = content[: content.index(b"\0")].count(b"\n") + 1
        raise UsageError(
            f"line {line} holds a NUL: it is no text, or UTF-16 without its mark",
            path=name,
            remedy="save it as UTF-8",
        )
    if wide:
        try:
            lines = content.decode(encoding).splitlines()
        except UnicodeDecodeError as error:
            good = content[: error.start].decode(encoding, "replace")
            raise UsageError(
                f"line {good.count(chr(10)) + 1} is not {encoding.upper()}, as its mark says",
                path=name,
                remedy="save it as UTF-8",
            ) from error
    else:
        lines = [_decoded(line, beside) for line in content.removeprefix(mark).splitlines()]
    return [text for line in lines if (text := line.strip()) and not text.startswith("#")]


def _decoded(line: bytes, beside: Path) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        # Windows-1252 is Latin-1 with letters where that has control characters.
        readings = [os.fsdecode(line), line.decode("cp1252", "replace"), line.decode("latin-1")]
        places = [(name, place) for name in readings for place in (Path(), beside)]
        there = (name for name, place in places if (place / name.strip()).exists())
        return next(there, readings[0])


def take_shard(files: list[str], shard: str) -> list[str]:
    """Every n-th file for ``i/n``; the shards are disjoint and together complete."""
    number, _, count = shard.partition("/")
    if not (number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count)):
        raise UsageError(f"impossible shard {shard!r}", remedy="give i/n with 1 <= i <= n")
    return files[int(number) - 1 :: int(count)]
