"""Unpack a night's tar of spectra, trusting nothing in it.

No path of the archive is ever used: a member's place is made anew from the parts of its name.
Links, devices, absolute paths and ``..`` are refused and reported all the same.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from spectype.archive.client import Failure
from spectype.archive.download import check_fits, save
from spectype.archive.lists import Wanted
from spectype.archive.records import Record
from spectype.surveys import lamost_names

_LARGEST = 64 << 20  # bytes of a member
TRUNCATED = "(the archive itself)"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which members are wanted.

    Parameters
    ----------
    names : frozenset of str
        File names (without ``.gz``), where the catalogue's rows are known.
    obsids : frozenset of str
        Obsids to be looked for in headers, where only those are known.
    """

    names: frozenset[str]
    obsids: frozenset[str]

    @classmethod
    def of(cls, wanted: list[Wanted]) -> Filter:
        """The filter for a list of wishes."""
        names = (Path(w.place).name.removesuffix(".gz") for w in wanted if w.place)
        return cls(frozenset(names), frozenset(str(w.obsid) for w in wanted if not w.place))


def unpack(
    archive: Path, folder: Path, night: str, *, wanted: Filter | None = None
) -> Iterator[Record]:
    """Unpack the spectra of a night into ``NIGHT/PLANID/``; yield what became of each member.

    Parameters
    ----------
    archive : Path
        A tar file, compressed or not; read once from front to back.
    folder : Path
        Where the night's folder goes.
    night : str
        ``YYYYMMDD``.
    wanted : Filter, optional
        Keep only these spectra.

    Yields
    ------
    Record
        ``ok``, ``present``, ``refused``, ``damaged``, ``duplicate`` or ``not a spectrum``. Members
        that are not wanted are passed over. A last record under the key `TRUNCATED` says so if
        the archive ends too early.
    """
    seen: set[str] = set()
    try:
        with tarfile.open(archive, mode="r|*") as tar:
            for member in tar:
                if member.isdir():
                    continue
                record = _member(tar, member, folder, night, wanted, seen)
                if record is not None:
                    yield record
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        yield Record(TRUNCATED, "damaged", detail=f"ends too early: {error}")


def _member(
    tar: tarfile.TarFile,
    member: tarfile.TarInfo,
    folder: Path,
    night: str,
    wanted: Filter | None,
    seen: set[str],
) -> Record | None:
    key = member.name
    if reason := refused(member):
        return Record(key, "refused", detail=reason)
    base = PurePosixPath(key).name
    named = lamost_names.parse_name(base)
    if named is None:
        return Record(key, "not a spectrum", detail="its name is not one of LAMOST's")
    by_name = wanted is None or base.removesuffix(".gz") in wanted.names
    if wanted is not None and not by_name and not wanted.obsids:
        return None
    place = f"{night}/{named.planid}/{base}"
    if place in seen:
        return Record(key, "duplicate", detail="the first of this name was kept")
    handle = tar.extractfile(member)
    content = b"" if handle is None else handle.read()
    if len(content) < member.size:
        raise EOFError(f"in the middle of {base}")
    try:
        obsid = check_fits(content)
    except Failure as failure:
        return Record(key, "damaged", detail=failure.detail)
    if not by_name and wanted is not None and obsid not in wanted.obsids:
        return None
    seen.add(place)
    target = folder / place
    if target.is_file() and target.read_bytes() == content:
        return Record(key, "present", place, len(content))
    save(content, target)
    return Record(key, "ok", place, len(content))


def refused(member: tarfile.TarInfo) -> str | None:
    """Why a member of an archive is not trusted, or None."""
    path = PurePosixPath(member.name.replace("\\", "/"))
    if not member.isreg():
        return "is a link or a device, not a file"
    if path.is_absolute() or ":" in path.parts[0]:
        return "has an absolute path"
    if ".." in path.parts:
        return "has a path that leads out of the folder"
    if "\\" in member.name:
        return "has a path of another system"
    return "is too large for a spectrum" if member.size > _LARGEST else None
