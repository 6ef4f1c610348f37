"""Spectra by obsid: every way to fail, and to go on afterwards."""

from __future__ import annotations

import csv
import errno
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from spectype.archive import download
from spectype.archive.client import Client
from spectype.archive.lamost import (
    catalogue_urls,
    fetch_catalogue,
    fetch_spectra,
    spectrum_urls,
)
from spectype.archive.lists import Wanted, place_of, read_wishes
from spectype.core.errors import DataError, SpectypeError, UsageError
from spectype.surveys import lamost_names

RELEASE = "dr6/v2"


def wanted(*obsids: int) -> list[Wanted]:
    return [Wanted(obsid) for obsid in obsids]


def files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*.fits*"))


def test_fetches_all_and_says_so(archive: Any, client: Client, local: Any, tmp_path: Path) -> None:
    archive.serve_spectra()
    result = fetch_spectra(wanted(11, 12, 13), tmp_path, release=RELEASE, client=client)
    assert result.exit_status == 0 and result.counts == {"ok": 3}
    assert files(tmp_path) == [f"spec-56000-P1_sp01-0{n}.fits.gz" for n in (11, 12, 13)]
    assert (tmp_path / "spec-56000-P1_sp01-012.fits.gz").read_bytes() == local.spectrum(12)
    assert not list(tmp_path.glob(".partial-*"))
    assert json.loads((tmp_path / "manifest.json").read_text())["counts"] == {"ok": 3}


def test_a_status_for_each_fault(archive: Any, client: Client, local: Any, tmp_path: Path) -> None:
    archive.serve_spectra()
    archive.on("21", local.send(b"", status=404))
    archive.on("22", local.send(local.HTML))
    archive.on("23", local.redirect("/passport/login"))
    archive.on("24", local.send(local.spectrum(24)[:-20]))
    archive.on("25", local.send(b"", status=500))
    archive.on("26", local.cut(local.spectrum(26), 10))
    archive.on("27", local.send(b"plain text"))
    obsids = [20, 21, 22, 23, 24, 25, 26, 27]
    result = fetch_spectra(wanted(*obsids), tmp_path, release=RELEASE, client=client)
    expected = {
        "20": "ok", "21": "missing", "22": "login", "23": "login", "24": "damaged",
        "25": "server error", "26": "cut", "27": "not FITS",
    }  # fmt: skip
    assert {r.key: r.status for r in result.records} == expected
    assert result.exit_status == 3
    assert files(tmp_path) == ["spec-56000-P1_sp01-020.fits.gz"]
    with (tmp_path / "status.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert {r["key"]: r["status"] for r in rows} == expected
    assert all(r["detail"] for r in rows if r["status"] != "ok")


def test_none_at_all(archive: Any, client: Client, tmp_path: Path) -> None:
    result = fetch_spectra(wanted(1, 2), tmp_path, release=RELEASE, client=client)
    assert result.exit_status == 1 and result.counts == {"missing": 2}


def test_second_run_asks_only_for_the_rest(
    archive: Any, client: Client, local: Any, tmp_path: Path
) -> None:
    archive.serve_spectra()
    archive.on("32", local.send(b"", status=500))
    fetch_spectra(wanted(31, 32), tmp_path, release=RELEASE, client=client)
    archive.on("32", local.send(local.spectrum(32), name="spec-56000-P1_sp01-032.fits.gz"))
    archive.requests.clear()
    result = fetch_spectra(wanted(31, 32), tmp_path, release=RELEASE, client=client)
    assert result.counts == {"present": 1, "ok": 1}
    assert dict(archive.asked()) == {"32": 1}


def test_a_file_cut_on_disk_is_fetched_again(
    archive: Any, client: Client, local: Any, tmp_path: Path
) -> None:
    archive.serve_spectra()
    fetch_spectra(wanted(41), tmp_path, release=RELEASE, client=client)
    file = tmp_path / files(tmp_path)[0]
    file.write_bytes(file.read_bytes()[:-5])
    result = fetch_spectra(wanted(41), tmp_path, release=RELEASE, client=client)
    assert result.counts == {"ok": 1} and file.read_bytes() == local.spectrum(41)


def test_what_is_missing_is_asked_for_again_only_on_request(
    archive: Any, client: Client, tmp_path: Path
) -> None:
    fetch_spectra(wanted(51), tmp_path, release=RELEASE, client=client)
    archive.requests.clear()
    again = fetch_spectra(wanted(51), tmp_path, release=RELEASE, client=client)
    assert again.counts == {"missing": 1} and not archive.requests
    archive.serve_spectra()
    last = fetch_spectra(wanted(51), tmp_path, release=RELEASE, client=client, retry_missing=True)
    assert last.counts == {"ok": 1}


def test_older_address_forms_are_found_and_remembered(
    archive: Any, client: Client, local: Any, tmp_path: Path
) -> None:
    for obsid in (61, 62):
        archive.on(f"/v2/spectrum/fits/{obsid}", local.send(local.spectrum(obsid)))
    result = fetch_spectra(wanted(61, 62), tmp_path, release=RELEASE, client=client, parallel=1)
    assert result.counts == {"ok": 2}
    assert archive.asked() == {"61": 3, "62": 1}


def test_addresses_of_the_releases() -> None:
    assert spectrum_urls(7, "dr10/v2.0")[0] == (
        "https://www.lamost.org/openapi/dr10/v2.0/lrs/spectrum/fits?obsid=7"
    )
    assert "http://dr5.lamost.org/v3/spectrum/fits/7" in spectrum_urls(7, "dr5/v3")
    assert spectrum_urls(7, "dr3") == ["http://dr3.lamost.org/spectrum/fits/7"]
    assert catalogue_urls("dr10/v2.0")[1] == (
        "https://www.lamost.org/dr10/v2.0/catdl?name=dr10_v2.0_LRS_catalogue.fits.gz"
    )
    assert catalogue_urls("dr6/v2", "x.csv.gz") == ["http://dr6.lamost.org/v2/catdl?name=x.csv.gz"]


def test_the_catalogue_gives_each_file_its_place(
    archive: Any, client: Client, tmp_path: Path
) -> None:
    archive.serve_spectra()
    item = Wanted(71, "20111024/F5902/spec-55859-F5902_sp01-012.fits.gz")
    fetch_spectra([item], tmp_path, release=RELEASE, client=client)
    assert (tmp_path / str(item.place)).is_file()


def test_a_file_that_came_with_its_night_is_not_asked_for(
    archive: Any, client: Client, local: Any, tmp_path: Path
) -> None:
    archive.serve_spectra()
    there, broken = (
        Wanted(n, f"20111024/F5902/spec-55859-F5902_sp01-0{n}.fits.gz") for n in (74, 75)
    )
    (tmp_path / "20111024" / "F5902").mkdir(parents=True)
    (tmp_path / str(there.place)).write_bytes(local.spectrum(74))
    (tmp_path / str(broken.place)).write_bytes(local.spectrum(75)[:-9])
    result = fetch_spectra([there, broken], tmp_path, release=RELEASE, client=client)
    assert [r.status for r in result.records] == ["present", "ok"]
    assert dict(archive.asked()) == {"75": 1}
    assert (tmp_path / str(broken.place)).read_bytes() == local.spectrum(75)


def test_a_plain_file_is_not_called_gz(
    archive: Any, client: Client, local: Any, tmp_path: Path
) -> None:
    archive.on(
        "72", local.send(local.spectrum(72, packed=False), name="spec-56000-P1_sp01-072.fits.gz")
    )
    fetch_spectra(wanted(72), tmp_path, release=RELEASE, client=client)
    assert files(tmp_path) == ["spec-56000-P1_sp01-072.fits"]


@pytest.mark.parametrize(
    "name", ["../../etc/spec-1.fits", "/etc/passwd", "..", "a\\..\\b", "spectrum.fits", ".bashrc"]
)
def test_the_server_cannot_choose_where_files_go(
    archive: Any, client: Client, local: Any, tmp_path: Path, name: str
) -> None:
    archive.on("73", local.send(local.spectrum(73), name=name))
    fetch_spectra(wanted(73), tmp_path / "in", release=RELEASE, client=client)
    assert files(tmp_path) == ["obsid-73.fits.gz"]


def test_two_spectra_of_one_name_both_survive(
    archive: Any, client: Client, local: Any, tmp_path: Path
) -> None:
    name = "spec-56000-P1_sp01-001.fits.gz"
    for obsid in (81, 82):
        archive.on(str(obsid), local.send(local.spectrum(obsid), name=name))
    fetch_spectra(wanted(81, 82), tmp_path, release=RELEASE, client=client, parallel=1)
    assert (tmp_path / name).read_bytes() == local.spectrum(81)
    assert (tmp_path / f"82-{name}").read_bytes() == local.spectrum(82)


def test_closed_network_says_which_hosts(tmp_path: Path, clock: Any) -> None:
    from spectype.archive.transport import HttpTransport

    deaf = Client(HttpTransport(connect_timeout=0.5), sleep=clock.sleep, clock=clock,
                  mirror="http://127.0.0.1:9")  # fmt: skip
    with pytest.raises(SpectypeError, match=r"127\.0\.0\.1 \(http, port 9\)"):
        fetch_spectra(wanted(1, 2), tmp_path, release=RELEASE, client=deaf)


def test_an_archive_that_goes_away_is_not_asked_for_ever(
    archive: Any, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spectype.archive.transport import NetworkError

    archive.serve_spectra()
    real, asked = client.transport.send, []

    def send(method: str, url: str, *rest: Any) -> Any:
        asked.append(url)
        if len(asked) > 5:
            raise NetworkError("unreachable", "no connection")
        return real(method, url, *rest)

    monkeypatch.setattr(client.transport, "send", send)
    result = fetch_spectra(
        wanted(*range(100, 200)), tmp_path, release=RELEASE, client=client, parallel=2
    )
    assert result.counts["ok"] == 5
    assert result.counts["not tried"] > 80
    assert len(asked) < 30


def test_full_disk(
    archive: Any, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.serve_spectra()
    fetch_spectra(wanted(1), tmp_path, release=RELEASE, client=client)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SpectypeError, match=r"disk is full.*resumes"):
        fetch_spectra(wanted(1, 2), tmp_path, release=RELEASE, client=client)
    monkeypatch.undo()
    result = fetch_spectra(wanted(1, 2), tmp_path, release=RELEASE, client=client)
    assert result.counts == {"present": 1, "ok": 1}


def test_killed_half_way_and_run_again(
    archive: Any, client: Client, local: Any, tmp_path: Path
) -> None:
    archive.serve_spectra(delay=0.03)
    obsids = list(range(1000, 1040))
    listed, out = tmp_path / "list.txt", tmp_path / "raw"
    listed.write_text("\n".join(map(str, obsids)))
    command = [
        sys.executable, "-m", "spectype", "fetch", "lamost", str(listed), "--release", RELEASE,
        "--out", str(out), "--mirror", archive.url, "--parallel", "2",
    ]  # fmt: skip
    if not (Path(download.__file__).parents[1] / "__main__.py").is_file():
        command[1:3] = ["-c", "from spectype.cli import main; main()"]
    process = subprocess.Popen(command, env={**os.environ, "NO_COLOR": "1"})
    end = time.monotonic() + 30
    while len(archive.requests) < 12 and time.monotonic() < end:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = files(out)
    assert 5 < len(kept) < len(obsids)
    for name in kept:  # whatever is there is whole
        assert gzip.decompress((out / name).read_bytes()).startswith(b"SIMPLE")
    with (out / "status.jsonl").open("a") as handle:
        handle.write('{"key": "1035", "stat')  # and a line that was being written
    archive.serve_spectra()
    time.sleep(0.1)
    archive.requests.clear()
    result = fetch_spectra(wanted(*obsids), out, release=RELEASE, client=client)
    assert result.exit_status == 0
    assert result.counts["present"] >= len(kept) - 2
    assert result.counts["present"] + sum(archive.asked().values()) == len(obsids)
    assert len(files(out)) == len(obsids)


def test_catalogue_resumes_where_it_was_cut(
    archive: Any, client: Client, local: Any, tmp_path: Path
) -> None:
    content = gzip.compress(os.urandom(50_000))
    archive.on("/v2/catdl?name=c.csv.gz", local.ranged(content, cut_after=20_000))
    path = fetch_catalogue("dr6/v2", tmp_path, client=client, name="c.csv.gz")
    assert path.read_bytes() == content
    ranges = [headers.get("Range") for _, _, headers in archive.requests]
    assert ranges == [None, "bytes=20000-", "bytes=40000-"]
    assert [p.name for p in tmp_path.iterdir()] == ["c.csv.gz"]


def test_catalogue_that_changed_meanwhile_starts_anew(
    archive: Any, client: Client, local: Any, tmp_path: Path
) -> None:
    old, new = (gzip.compress(os.urandom(30_000)) for _ in range(2))
    archive.on(
        "/v2/catdl?name=c.csv.gz",
        local.ranged(old, cut_after=9_000),
        local.ranged(new, etag='"v2"'),
    )
    path = fetch_catalogue("dr6/v2", tmp_path, client=client, name="c.csv.gz")
    assert path.read_bytes() == new


def test_catalogue_in_two_runs(archive: Any, client: Client, local: Any, tmp_path: Path) -> None:
    from dataclasses import replace

    from spectype.archive.client import Policy

    content = gzip.compress(os.urandom(50_000))
    archive.on(
        "/v2/catdl?name=c.csv.gz",
        local.ranged(content, cut_after=20_000),
        local.ranged(content),
    )
    once = replace(client, policy=Policy(attempts=1))
    with pytest.raises(SpectypeError, match=r"did not come whole.*resumes"):
        fetch_catalogue("dr6/v2", tmp_path, client=once, name="c.csv.gz")
    assert not (tmp_path / "c.csv.gz").exists()
    path = fetch_catalogue("dr6/v2", tmp_path, client=once, name="c.csv.gz")
    assert path.read_bytes() == content
    assert archive.requests[-1][2]["Range"] == "bytes=20000-"


def test_catalogue_under_another_name(
    archive: Any, client: Client, local: Any, tmp_path: Path
) -> None:
    content = gzip.compress(b"obsid|class|subclass\n")
    url = catalogue_urls("dr10/v2.0")[3]
    name = url.rpartition("name=")[2]
    archive.on(f"/dr10/v2.0/catdl?name={name}", local.send(content))
    path = fetch_catalogue("dr10/v2.0", tmp_path, client=client)
    assert path.name == name and path.read_bytes() == content


def test_catalogue_that_nobody_has(archive: Any, client: Client, tmp_path: Path) -> None:
    with pytest.raises(SpectypeError, match="--name"):
        fetch_catalogue("dr10/v2.0", tmp_path, client=client)


def test_list_of_obsids_as_people_write_them(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(
        b"\xef\xbb\xbf# my stars\r\n\r\n 101 \r\n102 # good one\r\n101\r\n103,\r\n\r\n"
    )
    wishes = read_wishes(path)
    assert [item.obsid for item in wishes.items] == [101, 102, 103]
    assert wishes.duplicates == 1


@pytest.mark.parametrize("bad", ["10x", "12 13", "-5", "1.5", "O-sample.txt"])
def test_a_line_that_is_no_obsid_is_named(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "list.txt"
    path.write_text(f"101\n\n{bad}\n")
    with pytest.raises(DataError, match="line 3 is no obsid"):
        read_wishes(path)


def test_lists_that_hold_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        read_wishes(tmp_path / "none.txt")
    (tmp_path / "empty.txt").write_text("# nothing\n\n")
    with pytest.raises(DataError, match="no obsid"):
        read_wishes(tmp_path / "empty.txt")


def test_sample_table_gives_places(tmp_path: Path) -> None:
    row = {
        "obsid": [5, 6], "obsdate": ["2011-10-24"] * 2, "lmjd": [55859] * 2,
        "planid": ["F5902", "../../evil"], "spid": [1, 2], "fiberid": [12, 250],
    }  # fmt: skip
    pl.DataFrame(row).write_parquet(tmp_path / "s.parquet")
    pl.DataFrame(row).write_csv(tmp_path / "s.csv", separator="|")
    for name in ("s.parquet", "s.csv"):
        first, second = read_wishes(tmp_path / name).items
        assert first == Wanted(5, "20111024/F5902/spec-55859-F5902_sp01-012.fits.gz")
        assert second == Wanted(6, None)


def test_a_table_with_gaps(tmp_path: Path) -> None:
    path = tmp_path / "G.csv"
    path.write_text("obsid|class\r\n7.0|STAR\r\n|STAR\r\n8|STAR\r\n7|STAR\r\n")
    wishes = read_wishes(path)
    assert [item.obsid for item in wishes.items] == [7, 8]
    assert (wishes.duplicates, wishes.without) == (1, 1)
    pl.DataFrame({"obsid": [5, None]}).write_parquet(tmp_path / "no-suffix")
    assert read_wishes(tmp_path / "no-suffix").without == 1
    path.write_text("obsid,class\n7,STAR\nseven,STAR\n")
    with pytest.raises(DataError, match="row 2: 'seven'"):
        read_wishes(path)


@pytest.mark.real
def test_names_and_addresses_of_all_real_files(real_data: Path) -> None:
    with (real_data / "catalogue" / "lamost_extract.csv").open() as handle:
        rows = list(csv.DictReader(handle, delimiter="|"))
    real = {p.name for p in (real_data / "lamost").rglob("spec-*.fits*")}
    assert len(rows) == len(real) == 2261
    places = [place_of(row) for row in rows]
    assert {Path(str(place)).name for place in places} == real
    # From the numbers alone, without the column of names: one file is named after fibre 131,
    # while catalogue and header say 166.
    built = [place_of({k: v for k, v in row.items() if k != "file"}) for row in rows]
    odd = [row["file"] for row, place in zip(rows, built) if Path(str(place)).name != row["file"]]
    assert odd == ["spec-57308-GAC069N16M1_sp03-131.fits.gz"]
    for row, place in zip(rows, places):
        assert Path(str(place)).name == row["file"]
        assert str(place).startswith(row["obsdate"].replace("-", "") + f"/{row['planid']}/")
        if row["obsid"]:
            url = lamost_names.spectrum_url(row["obsid"], "dr6/v2")
            assert url == (
                f"https://www.lamost.org/openapi/dr6/v2.0/lrs/spectrum/fits?obsid={row['obsid']}"
            )
