"""Files that somebody sends: decompressed within limits, typed from memory, never written.

The name that comes with a file is shown again and is used for nothing else.
"""

from __future__ import annotations

import bz2
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from pathlib import PurePosixPath
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

from spectype.classify.batch import ClassifyConfig, File, classify_files
from spectype.classify.runtime import Model, System
from spectype.core.errors import ReadError, UsageError
from spectype.core.spectra import Spectra
from spectype.formats.source import GZIP_MAGIC

if TYPE_CHECKING:
    import polars as pl

PLAIN = 256 << 20  #: bytes of a file once decompressed
RATIO = 200  #: of sizes after and before; real spectra compress three times, text thirty
FILES = 64  #: in one request
SPECTRA = 2000  #: in one file
_FREE = 4 << 20  # bytes below which the ratio does not matter
_CHUNK = 1 << 20
_AT_ONCE = BoundedSemaphore(2)


def decompressed(data: bytes, name: str) -> bytes:
    """The content of a file, its compression undone as long as it stays within the limits.

    Raises
    ------
    ReadError
        If it is empty, broken, or grows too large or too fast.
    """
    if not data:
        raise ReadError("is empty (0 bytes)", path=name)
    limit = min(PLAIN, max(_FREE, RATIO * len(data)))
    try:
        if data.startswith(GZIP_MAGIC):
            return _members(data, lambda: zlib.decompressobj(31), limit, name)
        if data.startswith(b"BZh"):
            return _members(data, bz2.BZ2Decompressor, limit, name)
        if data.startswith(b"\xfd7zXZ"):
            return _members(data, lambda: lzma.LZMADecompressor(memlimit=PLAIN), limit, name)
        if data.startswith(b"PK\x03\x04"):
            return _unzipped(data, limit, name)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile,
            NotImplementedError, RuntimeError) as error:  # fmt: skip
        raise ReadError(f"cannot be decompressed: {error}", path=name) from error
    return data


def _members(data: bytes, make: Callable[[], Any], limit: int, name: str) -> bytes:
    """Streams one after another, as gzip and its kin allow."""
    out, size = [], 0
    while data:
        stream = make()
        while not stream.eof:
            # zlib takes the limit in its own way and keeps what it has not yet used.
            piece = stream.decompress(data, _CHUNK)
            data = getattr(stream, "unconsumed_tail", b"")
            size += len(piece)
            if size > limit:
                raise _too_large(name)
            out.append(piece)
            if not piece and not stream.eof and not data:
                raise ReadError("is cut off: its compressed stream does not end", path=name)
        data = stream.unused_data
        if data and not data.strip(b"\0"):
            break  # padding
    return b"".join(out)


def _unzipped(data: bytes, limit: int, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = [i for i in archive.infolist() if not i.is_dir()]
        files = [i for i in files if not i.filename.startswith("__MACOSX")]
        if len(files) != 1:
            raise ReadError(
                f"is a zip archive of {len(files)} files, not of one",
                path=name,
                remedy="unpack it and send the files",
            )
        with archive.open(files[0]) as member:
            content = member.read(limit + 1)
    if len(content) > limit:
        raise _too_large(name)
    return content


def _too_large(name: str) -> ReadError:
    return ReadError(
        f"grows to more than {PLAIN >> 20} MB, or {RATIO} times its size, when decompressed",
        path=name,
        remedy="unpack it and classify it on the command line",
    )


def shown_name(name: str | None) -> str:
    """What is shown of the name that came with a file: its last part, printable, not long."""
    last = PurePosixPath((name or "").replace("\\", "/")).name
    return "".join(c for c in last if c.isprintable())[-120:] or "file"


def type_files(
    files: list[tuple[str, bytes]], model: Model, *, system: System = "mk"
) -> pl.DataFrame:
    """One row a spectrum of files in memory, as ``classify`` writes it.

    Parameters
    ----------
    files : list of (str, bytes)
        Name to be shown, content.
    """
    if len(files) > FILES:
        raise UsageError(f"{len(files)} files at once", remedy=f"send {FILES} at most")
    if len({name for name, _ in files}) < len(files):
        files = [(f"{i + 1}-{name}", data) for i, (name, data) in enumerate(files)]
    ready = []
    for name, data in files:
        try:
            ready.append(File(name, data=decompressed(data, name)))
        except ReadError as error:
            ready.append(File(name, problem=f"{error.problem} ({error.remedy or 'send another'})"))
    with _AT_ONCE:
        return classify_files(ready, model, ClassifyConfig(system=system))


def read_sent(name: str, data: bytes) -> Spectra:
    """The spectra of a file in memory."""
    from spectype.surveys import read_bytes

    spectra = read_bytes(decompressed(data, name), name)
    if len(spectra) > SPECTRA:
        raise ReadError(f"holds {len(spectra)} spectra, more than {SPECTRA}", path=name)
    return spectra
