"""Bring one file to disk: whole and checked, or not at all."""

from __future__ import annotations

import contextlib
import json
import re
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from spectype.archive.client import Client, Failure
from spectype.archive.transport import Response
from spectype.core.errors import ReadError, SpectypeError
from spectype.core.files import atomic_path, write_json
from spectype.formats.source import FITS_MAGIC, GZIP_MAGIC, from_bytes

_LARGEST_SPECTRUM = 64 << 20  # bytes; a LAMOST spectrum has 0.05 MB
_HTML = re.compile(rb"^\s*(?:<\?xml[^>]*>\s*)?<(?:!doctype|html|head|body|script)", re.IGNORECASE)
_FILENAME = re.compile(r"filename\*?\s*=\s*(?:UTF-8'[^']*')?\"?([^\";]+)", re.IGNORECASE)
_NO_SPACE = (28, 122)  # ENOSPC, EDQUOT


@dataclass(frozen=True, slots=True)
class Body:
    """A file's content and the name that the server gives it (without folders), if any."""

    content: bytes
    name: str | None


def get_small(client: Client, url: str) -> Body:
    """Download a small file into memory, patiently; its length is checked.

    Raises
    ------
    Failure
        If it could not be had.
    """
    return client.patiently(lambda: _read_once(client, url))


def get_fits(client: Client, url: str, *, obsid: int | None = None) -> Body:
    """Download a FITS file (plain or gzip) into memory and check it to the last byte.

    Parameters
    ----------
    obsid : int, optional
        What OBSID the header must have, where it has one.
    """

    def once() -> Body:
        body = _read_once(client, url)
        check_fits(body.content, obsid=obsid)
        return body

    return client.patiently(once)


def _read_once(client: Client, url: str) -> Body:
    end = client.clock() + client.policy.deadline
    response = client.open(url)
    with contextlib.closing(response):
        expected = _length(response.headers)
        parts, size = [], 0
        for part in response.chunks():
            parts.append(part)
            size += len(part)
            if size > _LARGEST_SPECTRUM:
                raise Failure("damaged", f"longer than {_LARGEST_SPECTRUM >> 20} MB")
            if client.clock() > end:
                raise Failure("timeout", f"took over {client.policy.deadline:.0f} s", retry=True)
        if expected is not None and size != expected:
            raise Failure("cut", f"{size} of {expected} bytes came", retry=True)
        return Body(b"".join(parts), server_name(response.headers))


def _length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("Content-Length")
    return int(text) if text is not None and text.isdigit() else None


def server_name(headers: Mapping[str, str]) -> str | None:
    """The file name in Content-Disposition, without any folder."""
    found = _FILENAME.search(headers.get("Content-Disposition", ""))
    if found is None:
        return None
    name = unquote(found[1]).strip().replace("\\", "/").rsplit("/", 1)[-1]
    return name if name not in ("", ".", "..") and name.isprintable() else None


def check_fits(content: bytes, *, obsid: int | None = None) -> str | None:
    """Raise a `Failure` unless `content` is a whole FITS file, plain or gzip.

    Returns
    -------
    str or None
        OBSID of its header, where it has one.

    Raises
    ------
    Failure
        ``login`` for a web page, ``not FITS``, ``damaged`` (worth another try).
    """
    if _HTML.match(content[:1024]):
        raise Failure("login", "a web page came in place of the file: it may want a login")
    if not content.startswith((GZIP_MAGIC, FITS_MAGIC)):
        raise Failure("not FITS", f"starts with {content[:12]!r}" if content else "is empty")
    try:
        source = from_bytes(content, "the file")
        if not source.is_fits:
            raise Failure("not FITS", "is something else, compressed")
        header = source.hdus[0].header
    except ReadError as error:
        raise Failure("damaged", error.problem, retry=True) from None
    found = header.text("OBSID")
    if obsid is not None and found is not None and found != str(obsid):
        raise Failure("wrong file", f"its header says OBSID {found}")
    return found


def get_large(
    client: Client, url: str, target: Path, *, check: Callable[[Path], None] | None = None
) -> int:
    """Download a large file, taking up where an earlier attempt ended.

    The part on disk (``.NAME.part``) is taken up only if the server confirms that the file
    has not changed since (If-Range with its ETag or date).

    Parameters
    ----------
    target : Path
        Where the whole file will lie.
    check : callable, optional
        Raises `Failure` if the file is not sound; its part is then dropped.

    Returns
    -------
    int
        Bytes.
    """
    part = target.with_name(f".{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)

    def once() -> int:
        size = _continue(client, url, part)
        if check is not None:
            try:
                check(part)
            except Failure:
                _forget(part)
                raise
        part.replace(target)
        _notes(part).unlink(missing_ok=True)
        return size

    with full_disk_explained(target):
        return client.patiently(once)


def _notes(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _notes(part).unlink(missing_ok=True)


def _continue(client: Client, url: str, part: Path) -> int:
    """Append what is missing to `part`; its size when whole."""
    notes = _read_notes(part, url)
    have = part.stat().st_size if notes else 0
    headers = {"Range": f"bytes={have}-", "If-Range": notes["validator"]} if have else {}
    try:
        response = client.open(url, headers=headers)
    except Failure as failure:
        if failure.status == "range":
            if have and have == notes.get("total"):
                return have
            _forget(part)
        raise
    with contextlib.closing(response):
        start, total = _range(response)
        if response.status == 206 and start != have:
            raise Failure("damaged", "the server sent another part than asked for", retry=True)
        validator = response.headers.get("ETag") or response.headers.get("Last-Modified")
        if validator and not str(validator).startswith("W/"):
            write_json(_notes(part), {"url": url, "validator": validator, "total": total})
        else:
            _notes(part).unlink(missing_ok=True)
        with part.open("ab" if start else "wb") as handle:
            first = True
            for chunk in response.chunks():
                if first and not start and _HTML.match(chunk[:1024]):
                    raise Failure("login", "a web page came in place of the file")
                first = False
                handle.write(chunk)
            size = handle.tell()
    if total is not None and size != total:
        raise Failure("cut", f"{size} of {total} bytes came", retry=True)
    return size


def _read_notes(part: Path, url: str) -> dict[str, Any]:
    try:
        notes = json.loads(_notes(part).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    usable = part.is_file() and isinstance(notes, dict) and notes.get("url") == url
    return notes if usable and notes.get("validator") else {}


def _range(response: Response) -> tuple[int, int | None]:
    """First byte that comes, and length of the whole file."""
    if response.status == 206:
        found = re.match(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if found is None:
            raise Failure("damaged", "a part came without its place", retry=True)
        return int(found[1]), None if found[2] == "*" else int(found[2])
    return 0, _length(response.headers)


def check_gzip(path: Path) -> None:
    """Raise a `Failure` unless `path` is a whole gzip file (CRC and length), read in pieces."""
    from isal import igzip

    with path.open("rb") as handle:
        head = handle.read(1024)
    if _HTML.match(head):
        raise Failure("login", "a web page came in place of the file: it may want a login")
    if not head.startswith(GZIP_MAGIC):
        raise Failure("damaged", f"is no gzip file: starts with {head[:12]!r}")
    try:
        with igzip.open(path, "rb") as handle:  # type: ignore[no-untyped-call]
            while handle.read(1 << 22):
                pass
    except (EOFError, OSError, ValueError, zlib.error) as error:
        # The length was right: what is broken is the archive's own copy.
        raise Failure("damaged", f"is no whole gzip file: {error}") from None


def save(content: bytes, target: Path) -> None:
    """Write a file atomically; a full disk is explained."""
    with full_disk_explained(target), atomic_path(target) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def full_disk_explained(path: Path) -> Iterator[None]:
    """Turn "no space left" into an error that says what to do; what is on disk stays."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise SpectypeError(
                "the disk is full or its quota used up",
                path=path.parent,
                remedy="free some space and run the same command again: it resumes",
            ) from error
        raise


def remove_stale(folder: Path, *, older_than: float = 3600.0) -> None:
    """Remove temporary files that a killed run left in `folder`."""
    for item in folder.rglob(".partial-*"):
        with contextlib.suppress(OSError):
            if time.time() - item.stat().st_mtime > older_than:
                item.unlink()
