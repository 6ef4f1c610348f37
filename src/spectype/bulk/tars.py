"""Spectra of a night's tar, read as they come: nothing is unpacked, no file is written.

A spectrum of an archive is called ``20111024.tar.gz/HD012345N1/spec-...fits.gz``: the archive's
path, then the member's.
"""

from __future__ import annotations

import logging
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from isal import isal_zlib
from isal.isal_zlib import IsalError

from spectype.archive.unpack import refused
from spectype.classify.paths import ARCHIVES
from spectype.core.errors import ReadError
from spectype.core.names import as_text
from spectype.dataset.build import is_spectrum_name
from spectype.formats.source import GZIP_MAGIC

log = logging.getLogger("spectype")
_CHUNK = 1 << 18  # compressed bytes that are read at once
_BROKEN = (tarfile.TarError, EOFError, zlib.error, OSError, IsalError)


@dataclass(frozen=True, slots=True)
class Member:
    """A file of an archive.

    Parameters
    ----------
    name : str
        Archive and member.
    data : bytes
        Its content; empty if there is a problem.
    problem : str, optional
        Why it is not read.
    """

    name: str
    data: bytes
    problem: str | None = None


def members(archive: str, *, skip: int = 0) -> Iterator[Member]:
    """Spectra of an archive in its own order, one at a time in memory.

    Parameters
    ----------
    archive : str
        A tar file, compressed or not.
    skip : int
        Pass over so many, for a run that goes on.

    Yields
    ------
    Member
        What may be a spectrum by its name, as in a folder; others are passed over. One that is no
        file, or whose name leads out of the archive, has a problem. An archive that cannot be
        read, ends too early or holds no spectrum ends in a member of the archive's own name that
        says so.
    """
    number, names, twice = 0, set[str](), 0
    try:
        with _opened(archive) as (tar, stream):
            for entry in tar:
                # What was passed is not needed again: tarfile would keep the headers of all.
                tar.members = []  # type: ignore[attr-defined]
                if entry.isdir() or not is_spectrum_name(PurePosixPath(entry.name).name):
                    continue
                if entry.name in names:
                    twice += 1
                    continue
                names.add(entry.name)
                number += 1
                if number > skip:
                    yield _member(archive, tar, entry)
            if not stream.is_whole:
                raise EOFError("no end mark")
            if not number:
                yield Member(archive, b"", "holds no spectrum (expected *.fits, *.csv in it)")
    except _BROKEN as error:  # type: ignore[misc]
        if number >= skip:
            yield Member(archive, b"", _explain(error, number))
    if twice:
        log.info("%s: %d members are there twice: the first is typed", as_text(archive), twice)


def _explain(error: BaseException, number: int) -> str:
    if isinstance(error, FileNotFoundError):
        return "does not exist (was it moved or deleted? check the path)"
    if isinstance(error, OSError) and error.errno is not None:
        return f"cannot be read: {error.strerror}"
    if number:
        return f"ends too early, after {number} spectra: {error} (fetch or copy it again)"
    return f"is no tar archive, or damaged: {error} (fetch or copy it again)"


class _Gunzip:
    """A gzipped stream, decompressed as it comes; a cut one gives all that is before the cut."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._packer = isal_zlib.decompressobj(wbits=31)
        self._packed = self._plain = b""

    def read(self, size: int) -> bytes:
        while len(self._plain) < size:
            if not self._packed and not (packed := self._file.read(_CHUNK)):
                break
            if not self._packed:
                self._packed = packed
            if self._packer.eof:  # a gzip file may be several, one after the other
                self._packer = isal_zlib.decompressobj(wbits=31)
            self._plain += self._packer.decompress(self._packed)
            self._packed = self._packer.unused_data
        if not self._plain and not self._packer.eof:
            raise EOFError("its gzip stream is cut")
        data, self._plain = self._plain[:size], self._plain[size:]
        return data


class _Watched:
    """A stream that remembers its end: tarfile takes a tar cut between two members for whole."""

    def __init__(self, stream: _Gunzip | BinaryIO) -> None:
        self._stream = stream
        self._end = b""

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._end = (self._end + data)[-tarfile.BLOCKSIZE :]
        return data

    @property
    def is_whole(self) -> bool:
        """Whether what was read last is the block of zeros that ends a tar."""
        return self._end == bytes(tarfile.BLOCKSIZE)


@contextmanager
def _opened(archive: str) -> Iterator[tuple[tarfile.TarFile, _Watched]]:
    """The tar as a stream, decompressed by isal where it is gzipped (three times as fast)."""
    with open(archive, "rb") as file:  # noqa: PTH123
        packed = file.read(2) == GZIP_MAGIC
        file.seek(0)
        stream: Any = _Watched(_Gunzip(file) if packed else file)
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            yield tar, stream


def _member(archive: str, tar: tarfile.TarFile, entry: tarfile.TarInfo) -> Member:
    name = f"{archive}/{entry.name}"
    if reason := refused(entry):
        return Member(name, b"", f"is not read: it {reason}")
    handle = tar.extractfile(entry)
    data = b"" if handle is None else handle.read()
    if len(data) < entry.size:
        raise EOFError(f"in the middle of {entry.name}")
    return Member(name, data)


def archive_of(path: str) -> str | None:
    """The archive that the spectrum called `path` lies in, or None if it is a file of its own.

    Examples
    --------
    >>> archive_of("raw/20111024.tar.gz/HD01/spec-1.fits.gz")
    'raw/20111024.tar.gz'
    """
    parts = path.split("/")
    for i, part in enumerate(parts[:-1], start=1):
        if part.lower().endswith(ARCHIVES):
            return "/".join(parts[:i])
    return None


def find_member(path: str) -> Member:
    """The member that a row's path names.

    Raises
    ------
    ReadError
        If the archive does not hold it, or it cannot be read.
    """
    archive = archive_of(path)
    for member in members(archive) if archive else ():
        if member.problem and member.name in (path, archive):
            raise ReadError(member.problem, path=path)
        if member.name == path:
            return member
    raise ReadError("is in no archive", path=path, remedy="was it moved? check the path")
