"""LAMOST's archive: single spectra by obsid, and catalogues."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from spectype.archive.client import Client, Failure, unreachable
from spectype.archive.download import (
    Body,
    check_fits,
    check_gzip,
    get_fits,
    get_large,
    remove_stale,
    save,
)  # fmt: skip
from spectype.archive.lists import Wanted
from spectype.archive.records import Journal, Record, counts, write_table
from spectype.core.errors import SpectypeError, UsageError
from spectype.core.files import MANIFEST, check_writable_folder, write_manifest
from spectype.core.progress import track
from spectype.formats.source import GZIP_MAGIC
from spectype.surveys import lamost_names

KIND = "raw"
MEAN_BYTES = 44_500  #: of one .fits.gz, measured on 2,090 files
CATALOGUE_BYTES = 1_000_000_000  #: of a compressed general catalogue, roughly


def spectrum_urls(obsid: int, release: str) -> list[str]:
    """Addresses of one spectrum, the release's own first, then the older forms.

    Servers of one release have answered to more than one form in the course of time.
    """
    number, version = lamost_names.split_release(release)
    urls = [lamost_names.spectrum_url(obsid, release)]
    if version is not None:
        short = lamost_names.short_version(version)
        long = lamost_names.long_version(version)
        urls.append(f"https://www.lamost.org/dr{number}/{long}/spectrum/fits/{obsid}")
        urls.append(f"http://dr{number}.lamost.org/{short}/spectrum/fits/{obsid}")
    return list(dict.fromkeys(urls))


def catalogue_urls(release: str, name: str | None = None) -> list[str]:
    """Addresses of a release's general catalogue under the names that releases have used.

    Parameters
    ----------
    release : str
        Like ``dr10/v2.0`` or ``dr6/v2``.
    name : str, optional
        The file's name, where known: only that is asked for.
    """
    number, version = lamost_names.split_release(release)
    if version is None:
        base, tags = f"http://dr{number}.lamost.org", [f"dr{number}"]
    else:
        short = lamost_names.short_version(version)
        long = lamost_names.long_version(version)
        modern = f"https://www.lamost.org/dr{number}/{long}"
        base = f"http://dr{number}.lamost.org/{short}" if number <= 6 else modern
        tags = (
            [f"dr{number}_{long}"] if number > 7 else [f"dr{number}_{short}", f"dr{number}_{long}"]
        )
    if name is not None:
        return [f"{base}/catdl?name={name}"]
    words = ("{}_LRS_catalogue", "{}_catalogue_LRS", "{}_LSR_catalogue", "{}_general_LRS", "{}")
    names = [w.format(t) + e for t in tags for w in words for e in (".csv.gz", ".fits.gz")]
    return [f"{base}/catdl?name={name}" for name in names]


def hosts(urls: Iterable[str]) -> list[str]:
    """Hosts that must be reachable for these addresses."""
    found = (urlsplit(url) for url in urls)
    return list(
        dict.fromkeys(f"{u.hostname} ({u.scheme}, port {u.port or _port(u.scheme)})" for u in found)
    )


def _port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


@dataclass(frozen=True, slots=True)
class Fetched:
    """The end of a download.

    Parameters
    ----------
    folder : Path
        Where the files are.
    records : list of Record
        One for each wanted file, in the order asked.
    """

    folder: Path
    records: list[Record]

    @property
    def counts(self) -> dict[str, int]:
        """Records by status."""
        return counts(self.records)

    @property
    def absent(self) -> list[Record]:
        """What is not on disk, and why."""
        return [record for record in self.records if not record.done]

    @property
    def exit_status(self) -> int:
        """0 all there; 3 some missing; 1 none."""
        if not self.absent:
            return 0
        return 3 if len(self.absent) < len(self.records) else 1


class Forms:
    """Which form of address a release's server answers to; learnt from the first success."""

    def __init__(self) -> None:
        self._works: int | None = None
        self._lock = threading.Lock()

    def order(self, n: int) -> list[int]:
        """Forms to try, in order."""
        return list(range(n)) if self._works is None else [self._works]

    def worked(self, form: int) -> None:
        """Remember a form that brought a file."""
        with self._lock:
            self._works = form


def fetch_spectra(
    wanted: list[Wanted],
    out: str | Path,
    *,
    release: str,
    client: Client,
    parallel: int = 4,
    retry_missing: bool = False,
) -> Fetched:
    """Download spectra by obsid; run again to take up where it ended.

    Parameters
    ----------
    wanted : list of Wanted
        Obsids, with their places where known.
    out : path-like
        Folder. A file counts only when its gzip stream and FITS structure are whole; it then
        appears at once. ``status.csv`` has a row for each obsid.
    release : str
        Like ``dr6/v2`` or ``dr10/v2.0``.
    client : Client
        How to ask.
    parallel : int
        Requests at a time.
    retry_missing : bool
        Ask again for what the archive did not have at an earlier run.

    Raises
    ------
    UsageError
        If the release or folder cannot be.
    SpectypeError
        If no host answers, or the disk is full.
    """
    if not 1 <= parallel <= 32:
        raise UsageError(f"{parallel} requests at a time", remedy="from 1 to 32; 4 is polite")
    needed = hosts(map(client.address, spectrum_urls(wanted[0].obsid, release)))
    folder = check_writable_folder(out, kind=KIND)
    (folder / MANIFEST).unlink(missing_ok=True)
    remove_stale(folder)
    journal, forms = Journal(folder), Forms()
    names = _Names(journal)
    records = _known(wanted, journal, retry_missing)
    todo = [item for item in wanted if item.obsid not in records]

    def one(item: Wanted) -> Record:
        return _fetch_one(item, folder, release, client, forms, names)

    def all_records() -> list[Record]:
        return [records.get(i.obsid) or Record(str(i.obsid), "not tried") for i in wanted]

    try:
        for item, record in _in_parallel(one, todo, parallel, needed):
            records[item.obsid] = record
            journal.add(record)
    finally:
        write_table(folder, all_records())
    result = Fetched(folder, all_records())
    write_manifest(
        folder, KIND, {"release": release, "wanted": len(wanted), "counts": result.counts}
    )
    return result


def _known(wanted: list[Wanted], journal: Journal, retry_missing: bool) -> dict[int, Record]:
    """What need not be asked for: files that are there, and those the archive does not have."""
    records: dict[int, Record] = {}
    for item in wanted:
        key = str(item.obsid)
        earlier = journal.earlier.get(key)
        if (present := journal.present(key)) is not None:
            records[item.obsid] = present
        elif earlier is not None and earlier.status == "missing" and not retry_missing:
            records[item.obsid] = earlier
    return records


def _in_parallel(
    action: Callable[[Wanted], Record], items: list[Wanted], parallel: int, needed: list[str]
) -> Iterator[tuple[Wanted, Record]]:
    """Results as they come. The first item goes alone: if no host answers, that is all."""
    if not items:
        return
    first = action(items[0])
    if first.status == "unreachable":
        raise unreachable(needed, first.detail)
    yield items[0], first
    pool = ThreadPoolExecutor(parallel, thread_name_prefix="fetch")
    try:
        yield from track(
            _complete(pool, action, items[1:], parallel), total=len(items) - 1, title="fetching"
        )
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _complete(
    pool: ThreadPoolExecutor, action: Callable[[Wanted], Record], items: list[Wanted], parallel: int
) -> Iterator[tuple[Wanted, Record]]:
    """Keep a few requests under way; stop asking when nobody answers any more."""
    queue = iter(items)
    running: dict[Future[Record], Wanted] = {}
    silent = 0
    while True:
        while len(running) < 2 * parallel and silent < 2 * parallel:
            item = next(queue, None)
            if item is None:
                break
            running[pool.submit(action, item)] = item
        if not running:
            break
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            item, record = running.pop(future), future.result()
            silent = silent + 1 if record.status == "unreachable" else 0
            yield item, record
    for item in queue:
        yield item, Record(str(item.obsid), "not tried", detail="the archive stopped answering")


class _Names:
    """Makes sure that no two obsids get one file."""

    def __init__(self, journal: Journal) -> None:
        self._owner = {r.file: key for key, r in journal.earlier.items() if r.done}
        self._lock = threading.Lock()

    def take(self, name: str, key: str) -> str:
        with self._lock:
            if self._owner.setdefault(name, key) != key:
                name = f"{key}-{name.rsplit('/', 1)[-1]}"
                self._owner[name] = key
            return name


def _fetch_one(
    item: Wanted, folder: Path, release: str, client: Client, forms: Forms, names: _Names
) -> Record:
    key = str(item.obsid)
    if (there := _on_disk(item, folder)) is not None:
        return there
    urls = spectrum_urls(item.obsid, release)
    failure = Failure("missing", "the archive does not have it")
    for form in forms.order(len(urls)):
        try:
            body = get_fits(client, urls[form], obsid=item.obsid)
        except Failure as error:
            failure = error
            if error.status in ("missing", "not FITS"):
                continue
            break
        forms.worked(form)
        name = names.take(_file_name(item, body), key)
        save(body.content, folder / name)
        return Record(key, "ok", name, len(body.content))
    return Record(key, failure.status, detail=failure.detail)


def _on_disk(item: Wanted, folder: Path) -> Record | None:
    """The record of a spectrum that came by another way, as with a whole night."""
    if item.place is None or not (folder / item.place).is_file():
        return None
    content = (folder / item.place).read_bytes()
    try:
        check_fits(content, obsid=item.obsid)
    except Failure:
        return None
    return Record(str(item.obsid), "present", item.place, len(content))


def _file_name(item: Wanted, body: Body) -> str:
    """Where a spectrum goes: the catalogue's place, the server's name, or the obsid."""
    name = item.place
    if name is None:
        named = body.name is not None and lamost_names.parse_name(body.name) is not None
        name = str(body.name) if named else f"obsid-{item.obsid}.fits.gz"
    packed = body.content.startswith(GZIP_MAGIC)
    plain = name.removesuffix(".gz")
    return f"{plain}.gz" if packed else plain


def fetch_catalogue(
    release: str, out: str | Path, *, client: Client, name: str | None = None
) -> Path:
    """Download a release's general catalogue; run again to take up where it ended.

    Raises
    ------
    SpectypeError
        If the archive cannot be reached, or has it under none of the known names.
    """
    folder = check_writable_folder(out)
    urls = catalogue_urls(release, name)
    tried = []
    for url in urls:
        file = url.rpartition("name=")[2]
        if "/" in file or "\\" in file or file.startswith("."):
            raise UsageError(f"{file!r} is no file name", remedy="give the name alone")
        target = folder / file
        if target.is_file():
            return target
        try:
            get_large(client, url, target, check=check_gzip if file.endswith(".gz") else None)
            return target
        except Failure as failure:
            if failure.status == "unreachable":
                raise unreachable(hosts([client.address(url)]), failure.detail) from None
            if failure.status not in ("missing", "damaged", "login"):
                raise SpectypeError(
                    f"did not come whole: {failure.detail}",
                    path=target,
                    remedy="run the same command again: it resumes",
                ) from None
            tried.append(f"{file}: {failure.detail}")
    raise SpectypeError(
        f"no catalogue of {release} was had: {'; '.join(dict.fromkeys(tried))}",
        remedy="look up its name on the release's page and give it as --name",
    )
