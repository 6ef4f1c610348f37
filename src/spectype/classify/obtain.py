"""Where a model comes from: its name, a folder, a zip archive, an address on the web.

What is fetched or unpacked is data, a network's weights and a card, and nothing of it is ever run
as a program. It is kept in a cache under its SHA-256.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from pathlib import Path

from spectype.core.errors import DataError, SpectypeError, UsageError
from spectype.core.files import cache_folder

SHIPPED = Path(__file__).parent / "models"
PARTS = ("model.json", "model.onnx")  #: the card and the weights
_EXTRA = ("README.md",)
_LARGEST = 1 << 30  # bytes of an archive, or of what it unpacks to
_FRAGMENT = "#sha256="


def folder_of(name: str | Path) -> Path:
    """The folder of a model, fetched and unpacked where needed.

    Parameters
    ----------
    name : str or path
        A shipped model's name, a folder, a ``.zip`` archive, or an address
        ``https://.../model.zip#sha256=HEX``, whose archive must have that checksum.

    Raises
    ------
    UsageError
        If there is no such model, or an address without checksum.
    DataError
        If an archive is damaged, holds no model, or is not what the checksum says.
    """
    text = str(name)
    if text.startswith(("https://", "http://")):
        return _fetched(text)
    path = Path(name)
    if path.is_dir():
        return path
    if path.suffix.lower() == ".zip" and path.is_file():
        return _unpacked(path, sha256(path))
    known = sorted(p.name for p in SHIPPED.iterdir() if (p / PARTS[0]).exists())
    if os.sep in text or text not in known:
        raise UsageError(
            f"no model {text!r}", remedy=f"a folder, a .zip, or one of: {', '.join(known)}"
        )
    return SHIPPED / text


def sha256(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _fetched(url: str) -> Path:
    """The model of an address, from the cache where it is there."""
    address, mark, wanted = url.partition(_FRAGMENT)
    wanted = wanted.strip().lower()
    if not mark or len(wanted) != 64 or set(wanted) - set("0123456789abcdef"):
        raise UsageError(
            "names no checksum, without which nothing is fetched",
            path=url,
            remedy=f"append {_FRAGMENT}HEX, which sha256sum FILE.zip prints",
        )
    place = cache_folder() / "models" / wanted
    if _is_whole(place):
        return place
    with tempfile.TemporaryDirectory(prefix="spectype-") as folder:
        archive = Path(folder) / "model.zip"
        _download(address, archive)
        found = sha256(archive)
        if found != wanted:
            raise DataError(
                f"has the SHA-256 {found}, not {wanted}",
                path=address,
                remedy="another file than the one that was meant: ask its author",
            )
        return _unpacked(archive, wanted, name=address)


def _download(url: str, target: Path) -> None:
    from spectype.archive.client import Client, Failure
    from spectype.archive.transport import HttpTransport

    client = Client(HttpTransport())

    def fetch() -> None:
        response = client.open(url)
        size = 0
        try:
            with target.open("wb") as stream:
                for chunk in response.chunks():
                    size += len(chunk)
                    if size > _LARGEST:
                        raise Failure("refused", "more than 1 GiB")
                    stream.write(chunk)
        finally:
            response.close()

    try:
        client.patiently(fetch)
    except Failure as failure:
        raise SpectypeError(
            f"cannot be fetched: {failure.detail}",
            path=url,
            remedy="fetch it otherwise, and give the .zip",
        ) from None


def _is_whole(folder: Path) -> bool:
    return all((folder / part).is_file() for part in PARTS)


def _unpacked(archive: Path, checksum: str, *, name: str | None = None) -> Path:
    """The folder in the cache with the model of an archive.

    Of the archive only the model's own files are taken, by their last names: no path in it
    counts.
    """
    place = cache_folder() / "models" / checksum
    if _is_whole(place):
        return place
    said = name or str(archive)
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _members(opened, said)
            with tempfile.TemporaryDirectory(dir=place.parent) as folder:
                fresh = Path(folder) / "model"
                fresh.mkdir()
                for part, member in members.items():
                    (fresh / part).write_bytes(opened.read(member))
                if not _is_whole(place):  # another process may have been faster
                    fresh.replace(place)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise DataError(
            f"is no whole zip archive: {error}", path=said, remedy="fetch it again"
        ) from error
    return place


def _members(archive: zipfile.ZipFile, name: str) -> dict[str, zipfile.ZipInfo]:
    """The members that make a model, all in one folder of the archive."""
    cards = [info for info in archive.infolist() if Path(info.filename).name == PARTS[0]]
    if len(cards) != 1:
        raise DataError(
            f"holds {len(cards)} models, not one", path=name, remedy="zip the model's folder"
        )
    root = str(Path(cards[0].filename).parent)
    found = {
        Path(info.filename).name: info
        for info in archive.infolist()
        if str(Path(info.filename).parent) == root and Path(info.filename).name in (*PARTS, *_EXTRA)
    }
    if missing := [part for part in PARTS if part not in found]:
        raise DataError(f"holds a model without {missing[0]}", path=name, remedy="zip it again")
    if sum(info.file_size for info in found.values()) > _LARGEST:
        raise DataError("unpacks to more than 1 GiB", path=name)
    return found
