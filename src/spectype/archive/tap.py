"""Obsids by type from the mirror of DR6 at GAVO, which answers ADQL without an account.

The table access protocol (IVOA TAP 1.1, synchronous) is one POST and one VOTable, so the
same patient client asks here, too.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from spectype.archive.client import Client, Failure, unreachable
from spectype.archive.lamost import hosts
from spectype.catalogue.types import classify
from spectype.core import mk
from spectype.core.errors import DataError, SpectypeError, UsageError
from spectype.core.files import atomic_path
from spectype.surveys import lamost_names

TAP_URL = "http://dc.g-vo.org/tap/sync"
TABLE = "lamost6.ssa_lrs"
_MOST = 20_000_000
_PATTERNS = {"M": ("M%", "dM%", "gM%", "sdM%")}


@dataclass(frozen=True, slots=True)
class Row:
    """One spectrum that the mirror knows."""

    obsid: int
    planid: str
    spid: int
    fiberid: int
    subclass: str


def query_for(type: str, *, limit: int | None = None) -> str:
    """ADQL that finds spectra whose subclass may be of `type`."""
    if type not in mk.TYPES or len(type) != 1:
        raise UsageError(f"{type!r} is no type", remedy=f"one of {' '.join(mk.TYPES)}")
    patterns = _PATTERNS.get(type, (f"{type}%",))
    condition = " OR ".join(f"ssa_targsubclass LIKE '{p}'" for p in patterns)
    top = "" if limit is None else f"TOP {int(limit)} "
    return (
        f"SELECT {top}obsid, planid, spid, fiberid, ssa_targsubclass FROM {TABLE} WHERE {condition}"
    )


def find_obsids(type: str, *, release: str, client: Client, limit: int | None = None) -> list[Row]:
    """Ask the mirror for all spectra of a type.

    Parameters
    ----------
    type : str
        One of O B A F G K M; the answer is checked by the MK parser (Carbon is no C type).
    release : str
        ``dr6`` in any version: the mirror has no other.
    limit : int, optional
        At most so many.

    Raises
    ------
    UsageError
        If the mirror has not that release.
    SpectypeError
        If it cannot be reached, refuses the question, or cuts the answer short.
    """
    if lamost_names.split_release(release)[0] != 6:
        raise UsageError(
            f"the mirror has DR6 only, not {release}",
            remedy="use catalogue split on that release's catalogue",
        )
    form = {
        "REQUEST": "doQuery", "LANG": "ADQL", "FORMAT": "votable", "MAXREC": str(_MOST),
        "QUERY": query_for(type, limit=limit),
    }  # fmt: skip
    body = urlencode(form).encode("ascii")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    def once() -> bytes:
        response = client.open(TAP_URL, method="POST", headers=headers, body=body)
        try:
            return b"".join(response.chunks())
        finally:
            response.close()

    try:
        answer = client.patiently(once)
    except Failure as failure:
        if failure.status == "unreachable":
            raise unreachable(hosts([client.address(TAP_URL)]), failure.detail) from None
        raise SpectypeError(f"the mirror did not answer: {failure.detail}") from None
    rows = parse_answer(answer)
    # The survey's OB is a star of type O or B: whoever asks for O wants to look at it.
    wanted = {type, mk.OB} if type == "O" else {type}
    return [row for row in rows if classify("STAR", row.subclass).type in wanted]


def parse_answer(content: bytes) -> list[Row]:
    """Read the VOTable of an answer.

    Raises
    ------
    DataError
        If it is none, reports an error, or was cut short.
    """
    from astropy.io.votable import parse
    from astropy.io.votable.exceptions import VOTableSpecError

    try:
        tree = parse(io.BytesIO(content), verify="ignore")
    except (VOTableSpecError, ValueError, OSError, IndexError) as error:
        raise DataError(f"the mirror's answer is no VOTable: {error}") from error
    for resource in tree.resources:
        for info in resource.infos:
            if info.name == "QUERY_STATUS" and info.value == "ERROR":
                raise SpectypeError(f"the mirror refuses the question: {info.content}")
            if info.name == "QUERY_STATUS" and info.value == "OVERFLOW":
                raise SpectypeError("the mirror cut its answer short", remedy="give a --limit")
    table = tree.get_first_table().to_table(use_names_over_ids=True)
    return [
        Row(int(r["obsid"]), str(r["planid"]).strip(), int(r["spid"]), int(r["fiberid"]),
            str(r["ssa_targsubclass"]).strip())
        for r in table
    ]  # fmt: skip


def write_rows(rows: list[Row], path: str | Path) -> None:
    """Write obsids, one a line, or with all columns if the name ends in ``.csv``."""
    with atomic_path(path) as temporary, temporary.open("w", newline="") as handle:
        if Path(path).suffix == ".csv":
            table = csv.writer(handle)
            table.writerow(["obsid", "planid", "spid", "fiberid", "subclass"])
            table.writerows([r.obsid, r.planid, r.spid, r.fiberid, r.subclass] for r in rows)
        else:
            handle.writelines(f"{row.obsid}\n" for row in rows)
