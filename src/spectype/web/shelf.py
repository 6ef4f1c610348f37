"""The spectra behind the rows: found by the names in the results, read, packed for the wire.

A name never comes from a request: a request gives the number of a row, and the row names the file.
"""

from __future__ import annotations

import contextlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectype.bulk.tars import archive_of, find_member
from spectype.core.errors import ReadError, UsageError
from spectype.core.files import read_json, write_json
from spectype.core.names import as_path
from spectype.core.spectra import Spectra
from spectype.surveys import read, read_bytes

_PLACE = re.compile(r"^(.*)\[(\d+)\]$", re.DOTALL)
_KEPT = 24  # files
_LARGEST = 512 << 20  # bytes of a file of spectra


class Place(NamedTuple):
    """Where a spectrum is: a file, or an archive and its member; which of its spectra."""

    path: Path
    member: str
    number: int


class Shelf:
    """Spectra by the name that `classify` gave them: ``FILE``, ``FILE[3]``, ``TAR/MEMBER``.

    Parameters
    ----------
    beside : Path
        The results: relative names are tried from here too.
    frame, columns, unit : str, optional
        What the user said of the files to ``classify``.
    """

    def __init__(
        self,
        beside: Path,
        *,
        frame: str | None = None,
        columns: str | None = None,
        unit: str | None = None,
    ) -> None:
        self.beside = beside.resolve().parent
        self._said = {"frame": frame, "columns": columns, "unit": unit}
        self._memory = beside.with_name(beside.name + ".folder.json")
        self._read: OrderedDict[tuple[Path, str], Spectra] = OrderedDict()
        self._lock = Lock()
        self.moved_to: Path | None = None
        if self._memory.is_file():
            folder = Path(str(read_json(self._memory).get("folder", "")))
            self.moved_to = folder if folder.is_dir() else None

    def move(self, folder: Path) -> Path:
        """Look for files under this folder from now on; remembered beside the results."""
        if not folder.is_dir():
            raise UsageError("is not a folder", path=folder, remedy="name the folder of the files")
        self.moved_to = folder.resolve()
        with contextlib.suppress(OSError):  # a folder that is read-only: good for this session
            write_json(self._memory, {"folder": str(self.moved_to)})
        return self.moved_to

    def find(self, name: str) -> Place:
        """Where the spectrum named in the results is.

        Raises
        ------
        ReadError
            If it is nowhere; the remedy says that the folder can be given.
        """
        text, number = as_path(name), 0
        if not Path(text).exists() and (match := _PLACE.match(text)):
            text, number = match.group(1), int(match.group(2))
        archive = None if Path(text).exists() else archive_of(text)
        member = "" if archive is None else text[len(archive) + 1 :]
        given = Path(text if archive is None else archive)
        tried = [given, self.beside / given]
        if self.moved_to is not None:
            # As much of the path as is there: two nights may hold files of one name.
            tails = [Path(*given.parts[i:]) for i in range(len(given.parts)) if ".." not in
                     given.parts[i:] and given.parts[i] != given.anchor]  # fmt: skip
            tried = [self.moved_to / tail for tail in tails] + tried
        for path in tried:
            if path.is_file():
                return Place(path, member, number)
        raise ReadError(
            "is not where the results say", path=name, remedy="give the folder that holds it now"
        )

    def spectrum(self, row: Mapping[str, Any]) -> Spectra:
        """The spectrum of a row, a batch of one."""
        name = str(row["path"])
        place = self.find(name)
        batch = self._file(place)
        if place.number >= len(batch):
            raise ReadError(f"holds {len(batch)} spectra, none at {place.number}", path=name)
        return batch[place.number : place.number + 1]

    def _file(self, place: Place) -> Spectra:
        key = (place.path, place.member)
        with self._lock:
            if key in self._read:
                self._read.move_to_end(key)
                return self._read[key]
        if place.member:
            member = find_member(f"{place.path}/{place.member}")
            batch = read_bytes(member.data, member.name, **self._said)
        else:
            if place.path.stat().st_size > _LARGEST:
                raise ReadError(f"is larger than {_LARGEST >> 20} MB", path=place.path)
            batch = read(place.path, **self._said)
        with self._lock:
            self._read[key] = batch
            while len(self._read) > _KEPT:
                self._read.popitem(last=False)
        return batch


def packed(spectrum: Spectra) -> bytes:
    """A batch of one for the wire: little-endian float32, four arrays one after another.

    Wavelength [Angstrom, vacuum], flux, its error, and 1 where the pixel is bad. Errors are NaN
    where the file gives none, and in bad pixels.
    """
    wave = np.atleast_2d(spectrum.wave)[0]
    bad = spectrum.mask[0] | ~(spectrum.ivar[0] > 0) | ~np.isfinite(spectrum.flux[0])
    known = bool(spectrum.get("has_errors", True)[0] is not False)
    ivar = np.where(bad | (not known), np.nan, spectrum.ivar[0])
    parts: list[NDArray[Any]] = [wave, spectrum.flux[0], 1.0 / np.sqrt(ivar), bad]
    return b"".join(part.astype("<f4").tobytes() for part in parts)


def about(spectrum: Spectra) -> dict[str, Any]:
    """What the file says of a batch of one, plain values only."""
    return {
        name: plain(values[0])
        for name, values in spectrum.meta.items()
        if values[0] is not None and name not in ("has_errors",)
    }


def plain(value: Any) -> Any:
    """A value as JSON knows it; what is not finite is null."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def plain_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the table as JSON knows it."""
    return {name: plain(value) for name, value in row.items()}
