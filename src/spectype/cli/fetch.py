"""``spectype fetch``: download spectra and catalogues, politely."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from spectype.archive.client import Client
from spectype.core.errors import SpectypeError, UsageError

if TYPE_CHECKING:
    from spectype.archive.lamost import Fetched

app = App(name="fetch", help="Download spectra and catalogues from the archives.")

_LISTED = 20
_ASKING = "Asking the archive"
Flag = Annotated[bool, Parameter(negative="")]
Parallel = Annotated[int, Parameter(group=_ASKING)]
Again = Annotated[bool, Parameter(negative="", group=_ASKING)]
Mirror = Annotated[
    str | None,
    Parameter(help="Ask this scheme://host:port in the archive's place.", group=_ASKING),
]
Release = Annotated[str, Parameter(help="Like dr6/v2 or dr10/v2.0.")]
DryRun = Annotated[
    bool,
    Parameter(negative="", help="Print addresses and sizes; no file is asked for.", group=_ASKING),
]


def make_client(mirror: str | None, parallel: int = 4, *, token: bool = True) -> Client:
    """The client of the commands, over the real network."""
    from spectype.archive.credentials import find_token
    from spectype.archive.transport import HttpTransport

    if mirror is not None and not mirror.startswith(("http://", "https://")):
        raise UsageError(f"{mirror!r} is no mirror", remedy="write it like https://host:port")
    transport = HttpTransport(connections=parallel)
    return Client(transport, token=find_token() if token else None, mirror=mirror)


@app.command
def lamost(
    list_: Annotated[Path, Parameter(name="LIST")],
    /,
    *,
    release: Release,
    out: Path,
    parallel: Parallel = 4,
    retry_missing: Again = False,
    dry_run: DryRun = False,
    mirror: Mirror = None,
) -> int:
    """Download LAMOST spectra by obsid; run the same command again to resume.

    Each file is checked to its last byte before it counts. status.csv says what became of each
    obsid. A token for releases that are not public comes from LAMOST_TOKEN or the keyring
    (service spectype, user lamost), never from the command line.

    Example: `spectype fetch lamost sample/sample.parquet --release dr6/v2 --out raw/`

    Parameters
    ----------
    list_
        Obsids, one a line; or a sample's parquet table, which also gives each file its place
        YYYYMMDD/PLANID/.
    out
        Folder of the spectra.
    parallel
        Requests at a time.
    retry_missing
        Ask again for what the archive did not have.
    """
    from spectype.archive import lamost as archive
    from spectype.archive.lists import read_wishes

    wishes = read_wishes(list_)
    if wishes.duplicates:
        print(f"{wishes.duplicates} obsids stand in the list more than once", file=sys.stderr)
    if wishes.without:
        print(f"{wishes.without} rows have no obsid: they cannot be asked for", file=sys.stderr)
    client = make_client(mirror, parallel)
    if dry_run:
        files = [
            (archive.spectrum_urls(item.obsid, release)[0], item.place or f"obsid {item.obsid}")
            for item in wishes.items
        ]
        usual = f"{archive.MEAN_BYTES / 1e3:.0f} kB"
        return _list(files, client, archive.MEAN_BYTES, usual=usual)
    result = archive.fetch_spectra(
        wishes.items, out, release=release, client=client, parallel=parallel,
        retry_missing=retry_missing,
    )  # fmt: skip
    return _conclude(result)


@app.command
def night(
    *dates: str,
    release: Release,
    out: Path,
    only: Path | None = None,
    keep_tar: Flag = False,
    dry_run: DryRun = False,
    mirror: Mirror = None,
) -> int:
    """Download all spectra of a night (some 325 MB) and unpack them; resumes.

    night-YYYYMMDD.csv says what became of each member of the archive. Links, absolute paths and
    paths that lead out of the folder are refused.

    Example: `spectype fetch night 2011-10-24 --release dr11/v2.0 --out raw/`

    Parameters
    ----------
    dates
        Nights, YYYY-MM-DD or YYYYMMDD.
    out
        Folder; spectra go to YYYYMMDD/PLANID/.
    only
        Keep only the spectra of this list or sample table.
    keep_tar
        Keep the tar files.
    """
    from spectype.archive.lists import read_wishes
    from spectype.archive.night import MEAN_BYTES, fetch_nights, parse_date
    from spectype.surveys.lamost_names import night_url

    if not dates:
        raise UsageError("no night is given", remedy="like 2011-10-24")
    client = make_client(mirror)
    if dry_run:
        return _ask_sizes([night_url(parse_date(d), release) for d in dates], client, MEAN_BYTES)
    wanted = None if only is None else read_wishes(only).items
    results = fetch_nights(
        list(dates), out, release=release, client=client, wanted=wanted, keep_tar=keep_tar
    )
    for result in results:
        members = ", ".join(f"{name} {count}" for name, count in result.counts.items())
        absent = f"; {result.missing} wanted spectra are not in it" if result.missing else ""
        print(f"{result.date}  {result.status}  {result.detail}{members}{absent}")
    bad = [r for r in results if r.status not in ("ok", "present")]
    if len(bad) == len(results):
        return 1
    faults = {"damaged", "refused"}
    return 3 if bad or any(faults & set(r.counts) or r.missing for r in results) else 0


@app.command
def catalogue(
    *,
    release: Release,
    out: Path,
    name: str | None = None,
    dry_run: DryRun = False,
    mirror: Mirror = None,
) -> int:
    """Download the general catalogue of a release (about a gigabyte); resumes.

    Its name varies between releases; the known forms are tried one after the other.

    Example: `spectype fetch catalogue --release dr10/v2.0 --out catalogue/`

    Parameters
    ----------
    out
        Folder of the file.
    name
        The file's name, if the known forms do not fit.
    """
    from spectype.archive.lamost import CATALOGUE_BYTES, catalogue_urls, fetch_catalogue

    client = make_client(mirror)
    if dry_run:
        return _ask_sizes(catalogue_urls(release, name), client, CATALOGUE_BYTES)
    path = fetch_catalogue(release, out, client=client, name=name)
    print(f"{path}  {_size(path.stat().st_size)}")
    return 0


@app.command
def jacoby(*, out: Path, dry_run: DryRun = False, mirror: Mirror = None) -> int:
    """Download the atlas of Jacoby, Hunter & Christian (1984): 161 spectra and their types.

    stars.csv is a table of labels as build takes it.

    Example: `spectype fetch jacoby --out raw/jacoby`

    Parameters
    ----------
    out
        Folder of the spectra.
    """
    from spectype.archive.jacoby import MEAN_BYTES, STARS_URL, fetch_jacoby
    from spectype.surveys.jacoby import N_STARS, spectrum_url

    client = make_client(mirror, token=False)
    if dry_run:
        urls = [*map(spectrum_url, range(1, N_STARS + 1)), STARS_URL]
        return _list([(url, "") for url in urls], client, MEAN_BYTES)
    return _conclude(fetch_jacoby(out, client=client))


@app.command
def obsids(
    *,
    type: str,
    release: str,
    output: Path | None = None,
    limit: int | None = None,
    dry_run: Annotated[
        bool, Parameter(negative="", help="Print the question only.", group=_ASKING)
    ] = False,
    mirror: Mirror = None,
) -> int:
    """Find the obsids of a type in DR6, by the anonymous mirror at GAVO.

    Example: `spectype fetch obsids --type O --release dr6 --output O-obsids.txt`

    Parameters
    ----------
    type
        One of O B A F G K M.
    release
        dr6: the mirror has no other.
    output
        A text file (one obsid a line) or .csv (with plan, fibre and subclass); the terminal
        by default.
    limit
        At most so many.
    """
    from spectype.archive.tap import TAP_URL, find_obsids, query_for, write_rows

    client = make_client(mirror, token=False)
    if dry_run:
        print(f"{client.address(TAP_URL)}\n{query_for(type, limit=limit)}")
        return 0
    rows = find_obsids(type, release=release, client=client, limit=limit)
    if not rows:
        raise SpectypeError(f"the mirror has no spectrum of type {type}")
    if output is None:
        for row in rows:
            print(row.obsid)
    else:
        write_rows(rows, output)
        print(f"{len(rows)} obsids of type {type} in {output}")
    return 0


def _list(files: Sequence[tuple[str, str]], client: Client, mean: int, *, usual: str = "") -> int:
    """Print the addresses of many files, each with a remark, and what is usual for their size."""
    for url, remark in files:
        print(f"{client.address(url)}  ~{usual or _size(mean)}  {remark}".rstrip())
    print(f"{len(files)} files, about {_size(len(files) * mean)}")
    return 0


def _ask_sizes(urls: list[str], client: Client, guess: int) -> int:
    """Print the addresses of few, large files with their sizes: as the server says, or usual."""
    from spectype.archive.client import Failure
    from spectype.archive.transport import NetworkError

    reached = True
    for url in urls:
        text = f"~{_size(guess)}"
        if reached:
            try:
                response = client.open(url, method="HEAD")
                length = response.headers.get("Content-Length", "")
                text = _size(int(length)) if length.isdigit() else text
                response.close()
            except Failure as failure:
                text = failure.detail
            except NetworkError:
                reached = False
        print(f"{client.address(url)}  {text}")
    return 0


def _conclude(result: Fetched) -> int:
    """Print what came, what is missing and why; the exit status."""
    counts = ", ".join(f"{status} {count}" for status, count in result.counts.items())
    print(f"{len(result.records)} wanted: {counts}")
    if result.absent:
        from rich.console import Console
        from rich.table import Table

        table = Table("wanted", "status", "why", title="missing", title_justify="left")
        for record in result.absent[:_LISTED]:
            table.add_row(record.key, record.status, record.detail)
        Console().print(table)
        if len(result.absent) > _LISTED:
            print(f"... and {len(result.absent) - _LISTED} more")
        print(f"all of them: {result.folder / 'status.csv'}; run again to try again")
    return result.exit_status


def _size(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
