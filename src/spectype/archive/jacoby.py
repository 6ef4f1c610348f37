"""The atlas of Jacoby, Hunter & Christian (1984): spectra from STScI, stars and types from CDS."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from spectype.archive.client import Client, Failure, unreachable
from spectype.archive.download import get_fits, get_small, save
from spectype.archive.lamost import Fetched, hosts
from spectype.archive.records import Journal, Record, counts, write_table
from spectype.core.errors import DataError
from spectype.core.files import atomic_path, check_writable_folder, write_manifest
from spectype.core.progress import track
from spectype.formats.source import GZIP_MAGIC
from spectype.surveys import jacoby

STARS_URL = "https://cdsarc.cds.unistra.fr/ftp/III/92/stars.dat"
STARS = "stars.csv"
MEAN_BYTES = 31_680  #: of an atlas file


@dataclass(frozen=True, slots=True)
class Star:
    """One star of CDS III/92.

    Parameters
    ----------
    number : int
        1-161; the file is ``jc_NUMBER.fits``.
    name : str
        HD, BD, SAO ...
    mk : str
        Adopted type and luminosity class, like ``O5V``.
    literature : str
        Those of the literature, where they differ.
    reddening : float or None
        E(B-V) that the spectrum was corrected for [mag].
    ra, dec : float or None
        J2000 [degree].
    """

    number: int
    name: str
    mk: str
    literature: str
    reddening: float | None
    ra: float | None
    dec: float | None


def parse_stars(text: str) -> list[Star]:
    """Read ``stars.dat`` of CDS III/92 by the byte columns of its ReadMe (revision of 2014).

    Raises
    ------
    DataError
        If it has not 161 stars.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) != jacoby.N_STARS:
        raise DataError(f"stars.dat has {len(lines)} lines, not {jacoby.N_STARS}")
    return [_star(number, line.ljust(100)) for number, line in enumerate(lines, start=1)]


def _star(number: int, line: str) -> Star:
    def field(first: int, last: int) -> str:
        return line[first - 1 : last].strip()

    mk = (field(13, 16) + field(17, 19)).replace(" ", "")
    other = (field(21, 22) + field(24, 26)).replace(" ", "")
    ra = _sexagesimal(field(77, 78), field(80, 81), field(83, 87))
    dec = _sexagesimal(field(91, 92), field(94, 95), field(97, 100))
    return Star(
        number=number,
        name=" ".join(field(2, 11).split()),
        mk=mk,
        literature=other,
        reddening=_number(field(28, 31)),
        ra=None if ra is None else 15.0 * ra,
        dec=-dec if dec is not None and field(90, 90) == "-" else dec,
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _sexagesimal(whole: str, minutes: str, seconds: str) -> float | None:
    parts = [_number(text) for text in (whole, minutes, seconds or "0")]
    if parts[0] is None or parts[1] is None or parts[2] is None:
        return None
    return parts[0] + parts[1] / 60 + parts[2] / 3600


def fetch_jacoby(out: str | Path, *, client: Client) -> Fetched:
    """Download the 161 spectra and write the table of types ``stars.csv``.

    ``spectype build OUT --labels OUT/stars.csv`` takes it as it is.

    Raises
    ------
    SpectypeError
        If STScI cannot be reached.
    """
    folder = check_writable_folder(out, kind="raw")
    journal = Journal(folder)
    records = []
    for number in track(range(1, jacoby.N_STARS + 1), title="fetching the Jacoby atlas"):
        record = journal.present(str(number)) or _fetch_star(number, folder, client)
        if record.status == "unreachable" and number == 1:
            needed = [jacoby.spectrum_url(1), STARS_URL]
            raise unreachable(hosts(map(client.address, needed)), record.detail)
        if record.status != "present":
            journal.add(record)
        records.append(record)
    records.append(_fetch_table(folder, client, {r.key: r.file for r in records}))
    write_table(folder, records)
    write_manifest(folder, "raw", {"survey": "jacoby", "counts": counts(records)})
    return Fetched(folder, records)


def _fetch_star(number: int, folder: Path, client: Client) -> Record:
    try:
        content = get_fits(client, jacoby.spectrum_url(number)).content
    except Failure as failure:
        return Record(str(number), failure.status, detail=failure.detail)
    packed = ".gz" if content.startswith(GZIP_MAGIC) else ""
    name = jacoby.file_name(number) + packed
    save(content, folder / name)
    return Record(str(number), "ok", name, len(content))


def _fetch_table(folder: Path, client: Client, files: dict[str, str]) -> Record:
    try:
        text = get_small(client, STARS_URL).content.decode("latin-1")
        stars = parse_stars(text)
    except Failure as failure:
        return Record(STARS, failure.status, detail=failure.detail)
    except DataError as error:
        return Record(STARS, "damaged", detail=str(error))
    with atomic_path(folder / STARS) as temporary, temporary.open("w", newline="") as handle:
        rows = csv.writer(handle)
        rows.writerow(
            ["path", "survey", "number", "object", "class", "subclass", "literature", "e_bv",
             "ra", "dec"]
        )  # fmt: skip
        for star in stars:
            path = files.get(str(star.number)) or jacoby.file_name(star.number)
            position = ["" if v is None else f"{v:.6f}" for v in (star.ra, star.dec)]
            rows.writerow(
                [path, "jacoby", star.number, star.name, "STAR", star.mk, star.literature,
                 star.reddening, *position]
            )  # fmt: skip
    return Record(STARS, "ok", STARS, (folder / STARS).stat().st_size)
