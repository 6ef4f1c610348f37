"""Night tars: resumed, unpacked without trust, every member accounted for."""

from __future__ import annotations

import csv
import gzip
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from spectype.archive.client import Client
from spectype.archive.lists import Wanted
from spectype.archive.night import fetch_nights, parse_date
from spectype.archive.unpack import TRUNCATED, Filter, unpack
from spectype.core.errors import UsageError

RELEASE, NIGHT = "dr11/v2.0", "20111024"
URL = f"/dr11/v2.0/tar/lrs-fits/{NIGHT}.tar.gz"


def member(name: str, content: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def tar_of(members: Iterable[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return buffer.getvalue()


def name_of(fibre: int) -> str:
    return f"spec-55859-F5902_sp01-{fibre:03d}.fits.gz"


@pytest.fixture
def good(local: Any) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [member(f"{NIGHT}/F5902/{name_of(f)}", local.spectrum(f)) for f in (1, 2, 3)]


def statuses(records: Iterable[Any]) -> dict[str, str]:
    return {record.key: record.status for record in records}


def test_fetches_unpacks_and_tidies(
    archive: Any, client: Client, local: Any, tmp_path: Path, good: Any
) -> None:
    archive.on(URL, local.ranged(tar_of(good)))
    (night,) = fetch_nights(["2011-10-24"], tmp_path, release=RELEASE, client=client)
    assert night.status == "ok" and night.counts == {"ok": 3}
    place = tmp_path / NIGHT / "F5902" / name_of(2)
    assert place.read_bytes() == local.spectrum(2)
    assert not list(tmp_path.glob("*.tar.gz"))
    archive.requests.clear()
    (again,) = fetch_nights([NIGHT], tmp_path, release=RELEASE, client=client)
    assert again.status == "present" and not archive.requests


def test_resumes_a_partial_tar(
    archive: Any, client: Client, local: Any, tmp_path: Path, good: Any
) -> None:
    content = tar_of(good)
    archive.on(URL, local.ranged(content, cut_after=700), local.ranged(content))
    (night,) = fetch_nights([NIGHT], tmp_path, release=RELEASE, client=client, keep_tar=True)
    assert night.counts == {"ok": 3}
    assert (tmp_path / f"{NIGHT}.tar.gz").read_bytes() == content
    assert archive.requests[1][2]["Range"] == "bytes=700-"


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("../" + name_of(9), {}),
        (f"{NIGHT}/../../{name_of(9)}", {}),
        ("/tmp/" + name_of(9), {}),
        ("C:/" + name_of(9), {}),
        (f"..\\{name_of(9)}", {}),
        (name_of(9), {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
        (name_of(9), {"type": tarfile.LNKTYPE, "linkname": "../../outside"}),
        (name_of(9), {"type": tarfile.CHRTYPE}),
        (name_of(9), {"type": tarfile.FIFOTYPE}),
    ],
)
def test_members_that_would_leave_the_folder_are_refused(
    tmp_path: Path, local: Any, good: Any, name: str, fields: dict[str, Any]
) -> None:
    content = b"" if fields else local.spectrum(9)
    path = tmp_path / "n.tar.gz"
    path.write_bytes(tar_of([good[0], member(name, content, **fields), good[1]]))
    out = tmp_path / "deep" / "in"
    found = list(unpack(path, out, NIGHT))
    assert [record.status for record in found] == ["ok", "refused", "ok"]
    assert found[1].detail
    everything = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    kept = {f"deep/in/{NIGHT}/F5902/{name_of(f)}" for f in (1, 2)}
    assert everything == kept | {"n.tar.gz"}
    assert not any(p.is_symlink() for p in tmp_path.rglob("*"))


def test_duplicates_broken_and_foreign_members(tmp_path: Path, local: Any, good: Any) -> None:
    members = [
        *good,
        member(f"{NIGHT}/F5902/{name_of(1)}", local.spectrum(77)),
        member(f"{NIGHT}/F5902/{name_of(4)}", local.spectrum(4)[:-15]),
        member(f"{NIGHT}/F5902/{name_of(5)}", gzip.compress(b"not a FITS file")),
        member(f"{NIGHT}/README", b"hello"),
        member(f"{NIGHT}/F5902", b"", type=tarfile.DIRTYPE),
    ]
    path = tmp_path / "n.tar.gz"
    path.write_bytes(tar_of(members))
    found = [(Path(r.key).name, r.status) for r in unpack(path, tmp_path, NIGHT)]
    assert found[3:] == [
        (name_of(1), "duplicate"),
        (name_of(4), "damaged"),
        (name_of(5), "damaged"),
        ("README", "not a spectrum"),
    ]
    assert (tmp_path / NIGHT / "F5902" / name_of(1)).read_bytes() == local.spectrum(1)
    assert not (tmp_path / NIGHT / "F5902" / name_of(4)).exists()


@pytest.mark.parametrize("share", [0.35, 0.7, 0.95])
def test_truncated_archive_keeps_what_is_whole(
    archive: Any, client: Client, local: Any, tmp_path: Path, share: float
) -> None:
    members = [member(f"{NIGHT}/F5902/{name_of(f)}", local.spectrum(f)) for f in range(1, 60)]
    content = tar_of(members)
    archive.on(URL, local.unannounced(content[: int(share * len(content))]))
    (night,) = fetch_nights([NIGHT], tmp_path, release=RELEASE, client=client)
    assert night.status == "damaged"
    whole = list((tmp_path / NIGHT).rglob("*.fits.gz"))
    assert 0 < len(whole) < 59
    for file in whole:
        assert gzip.decompress(file.read_bytes()).startswith(b"SIMPLE")
    with (tmp_path / f"night-{NIGHT}.csv").open() as handle:
        assert list(csv.DictReader(handle))[-1]["key"] == TRUNCATED
    archive.on(URL, local.send(content))
    (again,) = fetch_nights([NIGHT], tmp_path, release=RELEASE, client=client)
    assert again.counts == {"present": len(whole), "ok": 59 - len(whole)}


def test_only_wanted_by_place_and_by_header(
    archive: Any, client: Client, local: Any, tmp_path: Path, good: Any
) -> None:
    archive.on(URL, local.send(tar_of(good)))
    wanted = [
        Wanted(2, f"{NIGHT}/F5902/{name_of(2)}"),
        Wanted(3),
        Wanted(8, f"{NIGHT}/F5902/{name_of(8)}"),
    ]
    (night,) = fetch_nights([NIGHT], tmp_path, release=RELEASE, client=client, wanted=wanted)
    assert {p.name for p in tmp_path.rglob("*.fits.gz")} == {name_of(2), name_of(3)}
    assert night.missing == 1
    # Another part of the same night can be asked for later.
    (rest,) = fetch_nights([NIGHT], tmp_path, release=RELEASE, client=client, wanted=[Wanted(1)])
    assert rest.counts == {"ok": 1}


def test_filter_knows_what_it_can_know() -> None:
    chosen = Filter.of([Wanted(1, f"{NIGHT}/F5902/{name_of(1)}"), Wanted(2)])
    assert chosen.names == {name_of(1).removesuffix(".gz")} and chosen.obsids == {"2"}


def test_a_night_that_is_not_there(archive: Any, client: Client, tmp_path: Path) -> None:
    (night,) = fetch_nights(["20200101"], tmp_path, release=RELEASE, client=client)
    assert night.status == "missing"


def test_login_page_in_place_of_a_tar(
    archive: Any, client: Client, local: Any, tmp_path: Path
) -> None:
    archive.on(URL, local.send(local.HTML))
    (night,) = fetch_nights([NIGHT], tmp_path, release=RELEASE, client=client)
    assert night.status == "login" and not list(tmp_path.rglob("*.tar.gz"))


@pytest.mark.parametrize("text", ["2011-13-01", "yesterday", "", "201110"])
def test_what_is_no_night(text: str) -> None:
    with pytest.raises(UsageError, match="no night"):
        parse_date(text)
