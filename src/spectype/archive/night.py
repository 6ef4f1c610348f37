"""Whole nights: one tar of some 325 MB each, the polite way to get millions of spectra."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from spectype.archive.client import Client, Failure, unreachable
from spectype.archive.download import get_large, remove_stale
from spectype.archive.lamost import KIND, hosts
from spectype.archive.lists import Wanted
from spectype.archive.records import Journal, Record, counts, write_table
from spectype.archive.unpack import TRUNCATED, Filter, unpack
from spectype.core.errors import UsageError
from spectype.core.files import MANIFEST, check_writable_folder, write_manifest
from spectype.core.progress import track
from spectype.surveys import lamost_names

MEAN_BYTES = 325_000_000  #: of a night's tar, mean of DR10
_JOURNAL = "nights.jsonl"


@dataclass(frozen=True, slots=True)
class Night:
    """What a night brought.

    Parameters
    ----------
    date : str
        ``YYYYMMDD``.
    status : str
        ``ok``, ``present``, or why it is not: see `Record`.
    detail : str
        The reason.
    counts : dict of str to int
        Members by status.
    missing : int
        Wanted spectra of this night (by place) that its tar did not hold.
    """

    date: str
    status: str
    detail: str
    counts: dict[str, int]
    missing: int = 0


def parse_date(text: str) -> str:
    """A night as ``YYYYMMDD``; `UsageError` if it is no date."""
    plain = text.strip().replace("-", "")
    try:
        datetime.datetime.strptime(plain, "%Y%m%d")
    except ValueError:
        raise UsageError(f"{text!r} is no night", remedy="write it like 2011-10-24") from None
    return plain


def fetch_nights(
    dates: list[str],
    out: str | Path,
    *,
    release: str,
    client: Client,
    wanted: list[Wanted] | None = None,
    keep_tar: bool = False,
) -> list[Night]:
    """Download and unpack nights; run again to take up where it ended.

    Parameters
    ----------
    dates : list of str
        Nights, ``YYYY-MM-DD`` or ``YYYYMMDD``.
    out : path-like
        Folder; spectra go to ``YYYYMMDD/PLANID/``, what became of the members of a tar to
        ``night-YYYYMMDD.csv``.
    release : str
        Like ``dr11/v2.0``.
    wanted : list of Wanted, optional
        Keep only these spectra.
    keep_tar : bool
        Keep the tar once it is unpacked.

    Raises
    ------
    UsageError
        If a date or release cannot be.
    SpectypeError
        If the archive cannot be reached.
    """
    nights = list(dict.fromkeys(parse_date(date) for date in dates))
    urls = {night: lamost_names.night_url(night, release) for night in nights}
    folder = check_writable_folder(out, kind=KIND)
    (folder / MANIFEST).unlink(missing_ok=True)
    remove_stale(folder)
    journal = Journal(folder, _JOURNAL)
    results = []
    for night in nights:
        earlier = journal.earlier.get(night)
        if earlier is not None and earlier.status == "ok" and wanted is None:
            results.append(Night(night, "present", earlier.detail, {}))
            continue
        result = _fetch_night(night, urls[night], folder, client, wanted, keep_tar)
        # A night of which only a part was wanted has to be asked for again another time.
        status = result.status if wanted is None or result.status != "ok" else "part"
        journal.add(Record(night, status, detail=result.detail))
        results.append(result)
    summary = {night.date: {"status": night.status, **night.counts} for night in results}
    write_manifest(folder, KIND, {"release": release, "nights": summary})
    return results


def _fetch_night(
    night: str,
    url: str,
    folder: Path,
    client: Client,
    wanted: list[Wanted] | None,
    keep_tar: bool,
) -> Night:
    archive = folder / f"{night}.tar.gz"
    try:
        if not archive.is_file():
            get_large(client, url, archive)
    except Failure as failure:
        if failure.status == "unreachable":
            raise unreachable(hosts([client.address(url)]), failure.detail) from None
        return Night(night, failure.status, failure.detail, {})
    chosen = None if wanted is None else Filter.of(wanted)
    members = list(track(unpack(archive, folder, night, wanted=chosen), title=f"night {night}"))
    write_table(folder, members, f"night-{night}.csv")
    missing = 0 if wanted is None else _missing(wanted, members, night)
    broken = [m for m in members if m.key == TRUNCATED]
    if broken or not keep_tar:
        archive.unlink()
    if broken:
        return Night(night, "damaged", broken[0].detail, counts(members), missing)
    return Night(night, "ok", "", counts(members), missing)


def _missing(wanted: list[Wanted], members: list[Record], night: str) -> int:
    have = {Path(m.file).name.removesuffix(".gz") for m in members if m.done}
    asked = {
        Path(w.place).name.removesuffix(".gz")
        for w in wanted
        if w.place is not None and w.place.startswith(f"{night}/")
    }
    return len(asked - have)
