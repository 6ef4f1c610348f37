"""A file's bytes: read once, decompressed and checked, with errors that name the file."""

from __future__ import annotations

import bz2
import io
import lzma
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import NoReturn

from isal import igzip
from isal.isal_zlib import IsalError

from spectype.core.errors import ReadError
from spectype.formats.fastfits import Hdu, scan

# glibc returns freed memory beyond 128 kB to the system and fetches it again, page by page, for
# the next file: a fifth of the time of reading one. Once it has seen a larger block freed it
# keeps up to twice that block (mallopt(3), M_TRIM_THRESHOLD). Harmless elsewhere.
_ = bytes(4 << 20)
del _

GZIP_MAGIC = b"\x1f\x8b"
_BZIP2, _XZ, _ZIP = b"BZh", b"\xfd7zXZ", b"PK\x03\x04"
_LAYERS = 3  # a gzipped file in a zip archive, or one gzipped twice by a server
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
FITS_MAGIC = b"SIMPLE  ="

# What people hand over by mistake, by its first bytes.
_OTHER_FORMATS: Mapping[bytes, str] = {
    b"\x89HDF": "HDF5",
    b"\x28\xb5\x2f\xfd": "zstd-compressed",
    b"\x1f\x9d": "compressed by Unix compress",
    b"PAR1": "a parquet table",
    b"\x93NUMPY": "a numpy array",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"%PDF": "a PDF document",
    b"<!DOCTYPE": "a web page, often a server's error message",
    b"<!doctype": "a web page, often a server's error message",
    b"<html": "a web page, often a server's error message",
    b"<HTML": "a web page, often a server's error message",
    b"<?xml": "XML",
}
_TEXT_SAMPLE = 4096
COMPRESSED = (".gz", ".bz2", ".xz", ".zip", ".fz")  #: suffixes that are undone without a word
_GIVE = "give FITS (.fits, .fits.gz), columns of text (.csv, .txt), ECSV or a VOTable"


class Source:
    """One file on its way to spectra.

    Parameters
    ----------
    path : str
        Where it came from; for messages and metadata.
    data : bytes
        Its content, decompressed.

    Attributes
    ----------
    is_fits : bool
        Whether it starts as a FITS file does.
    """

    __slots__ = ("_hdus", "data", "is_fits", "path")

    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        self.data = data
        self.is_fits = data.startswith(FITS_MAGIC)
        self._hdus: list[Hdu] | None = None

    @property
    def hdus(self) -> list[Hdu]:
        """The FITS headers and where their data lie; empty for a file that is not FITS."""
        if self._hdus is None:
            self._hdus = scan(self.data, path=self.path) if self.is_fits else []
        return self._hdus

    @property
    def is_votable(self) -> bool:
        """Whether it is a VOTable."""
        return b"<VOTABLE" in self.data[:_TEXT_SAMPLE]

    @property
    def name(self) -> str:
        """File name without folder, compression's and the format's suffix."""
        stem = Path(self.path).name
        for suffix in COMPRESSED:
            stem = stem.removesuffix(suffix)
        return stem.rsplit(".", 1)[0] if "." in stem else stem

    def fail(self, problem: str, *, remedy: str | None = None) -> ReadError:
        """A `ReadError` about this file, to be raised."""
        return ReadError(problem, path=self.path, remedy=remedy)


def read_raw(path: str) -> bytes:
    """The bytes of a file as they lie on disk.

    Raises
    ------
    ReadError
        If it is missing, a folder, not readable, or empty.
    """
    try:
        # The system's own calls take a third less time than open() and read().
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            size = os.fstat(handle).st_size
            raw = os.read(handle, size)
            while len(raw) != size or not size:  # a pipe, or a file that is still growing
                more = os.read(handle, 1 << 20)
                if not more:
                    break
                raw += more
        finally:
            os.close(handle)
    except OSError as error:
        _explain(error, path)
    if not raw:
        raise ReadError("is empty (0 bytes)", path=path, remedy="fetch or copy it again")
    return raw


def gunzip(raw: bytes, *, path: str) -> bytes:
    """Decompress gzip bytes (one or more members), checking CRC-32 and length.

    Raises
    ------
    ReadError
        If the stream is truncated or corrupt.
    """
    try:
        data: bytes = igzip.decompress(raw)  # type: ignore[no-untyped-call]
        return data
    except EOFError:
        problem = "is a truncated gzip file"
    except (OSError, ValueError, IsalError) as error:  # type: ignore[misc]
        problem = f"is a corrupt gzip file: {error}"
    # Raised out here, without a cause: isal's errors cannot be pickled on their way from a worker.
    raise ReadError(problem, path=path, remedy="fetch or copy it again")


def load(path: str | os.PathLike[str]) -> Source:
    """Read and, where needed, decompress the file at `path`.

    Returns
    -------
    Source
        With content that is FITS or text.

    Raises
    ------
    ReadError
        If it cannot be read, its gzip stream is broken, or it is neither FITS nor text.
    """
    name = os.fspath(path)
    return from_bytes(read_raw(name), name)


def from_bytes(data: bytes, name: str) -> Source:
    """A `Source` of the bytes of the file called `name`, decompressed where needed."""
    compressed = data
    for _ in range(_LAYERS):
        if data.startswith(GZIP_MAGIC):
            data = gunzip(data, path=name)
        elif data.startswith((_BZIP2, _XZ, _ZIP)):
            data = _decompress(data, path=name)
        else:
            break
    if not data and compressed:
        raise ReadError("is empty once decompressed", path=name, remedy="fetch or copy it again")
    if data.startswith(_UTF16):  # text as spreadsheets save it
        data = data.decode("utf-16", "replace").encode()
    source = Source(name, data)
    if not source.is_fits and not source.is_votable:
        _check_text(source)
    return source


def _decompress(data: bytes, *, path: str) -> bytes:
    """The content of bzip2 or xz bytes, or of the one file in a zip archive.

    Raises
    ------
    ReadError
        If they are broken, or the archive holds no file or several.
    """
    again = "fetch or copy it again"
    try:
        if data.startswith(_BZIP2):
            return bz2.decompress(data)
        if data.startswith(_XZ):
            return lzma.decompress(data)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = [
                info
                for info in archive.infolist()
                if not (info.is_dir() or _is_hidden(info.filename))
            ]
            if len(files) == 1:
                return archive.read(files[0])
    except (OSError, EOFError, ValueError, lzma.LZMAError, RuntimeError) as error:
        kind = "bzip2" if data.startswith(_BZIP2) else "xz"
        raise ReadError(f"is a broken {kind} file: {error}", path=path, remedy=again) from error
    except (zipfile.BadZipFile, NotImplementedError, zlib.error) as error:
        raise ReadError(f"is a broken zip archive: {error}", path=path, remedy=again) from error
    raise ReadError(
        f"is a zip archive of {len(files)} files, not of one",
        path=path,
        remedy="unpack it and give the files",
    )


def _is_hidden(name: str) -> bool:
    """Whether a member of an archive is what an operating system leaves there."""
    return name.startswith("__MACOSX") or PurePosixPath(name).name.startswith((".", "Thumbs.db"))


def _check_text(source: Source) -> None:
    """Raise unless the content can be a text table."""
    head = source.data[:_TEXT_SAMPLE]
    for magic, what in _OTHER_FORMATS.items():
        if head.lstrip().startswith(magic):
            raise source.fail(
                f"is neither FITS nor a text table: it is {what}",
                remedy=_GIVE,
            )
    if b"\x00" in head or sum(byte < 9 for byte in head) > 0:
        raise source.fail(
            "is not FITS (it does not start with 'SIMPLE') and not text",
            remedy=_GIVE,
        )


def _explain(error: OSError, path: str) -> NoReturn:
    """Turn an operating system's error into a `ReadError` with a remedy."""
    if isinstance(error, FileNotFoundError):
        raise ReadError(
            "does not exist", path=path, remedy="was it moved or deleted? check the path"
        ) from error
    if isinstance(error, IsADirectoryError):
        raise ReadError("is a folder, not a file", path=path, remedy="name a file in it") from error
    if isinstance(error, PermissionError):
        raise ReadError(
            "cannot be read: no permission", path=path, remedy="see its owner and mode (ls -l)"
        ) from error
    raise ReadError(
        f"cannot be read: {error.strerror or error}", path=path, remedy="is the disk all right?"
    ) from error
