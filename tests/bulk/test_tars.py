"""Spectra of archives, read as they come."""

from __future__ import annotations

import gzip
import io
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from spectype.bulk.tars import archive_of, find_member, members
from spectype.cli import run
from spectype.core.errors import ReadError
from tests.classify.test_batch import write
from tests.surveys.miniature import lamost_bytes, lamost_rows


def make_tar(path, files, *, mode="w:gz", odd=()):
    """An archive of (name, bytes) and of odd TarInfos."""
    with tarfile.open(path, mode) as tar:
        for info in odd:
            tar.addfile(info)
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return str(path)


def link(name, to):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, to
    return info


@pytest.fixture
def night(tmp_path, monkeypatch):
    """Six spectra in two plates, packed and not."""
    monkeypatch.chdir(tmp_path)
    names = [f"HD0{i % 2}/spec-{i}.csv" for i in range(6)]
    for i, name in enumerate(names):
        write(tmp_path / "night" / name, 22.0 + 7 * i, seed=i)
    make_tar("night.tar.gz", [(name, Path("night", name).read_bytes()) for name in names])
    return names


def test_the_same_rows_as_from_unpacked_files_and_no_file_written(night, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    assert run(["classify", "night.tar.gz", "-o", "packed/"]) == 0
    assert sorted(set(tmp_path.rglob("*")) - set(before))[0] == tmp_path / "packed"
    assert not [p for p in set(tmp_path.rglob("*")) - set(before) if p.suffix in (".csv", ".gz")
                if p.name != "inputs.jsonl.gz"]  # fmt: skip
    assert run(["classify", *(f"night/{name}" for name in night), "-o", "plain/"]) == 0
    packed, plain = (pl.read_parquet(f"{n}/*.parquet") for n in ("packed", "plain"))
    assert packed["path"].to_list() == [f"night.tar.gz/{name}" for name in night]
    assert packed.drop("path").equals(plain.drop("path"))
    assert run(["results", "check", "packed"]) == 0


def test_a_night_of_five_hundred_gives_the_rows_of_its_files_and_writes_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = []
    for i in range(8):
        layout = ("image-subcontinuum", "image-wavelength", "bintable-coadd")[i % 3]
        data = gzip.compress(lamost_bytes(lamost_rows(3909, seed=i), layout), 1)
        files += [(f"20111024/HD{j % 7:02d}/spec-{j}.fits.gz", data) for j in range(i, 500, 8)]
    files.sort()
    for name, data in files:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(data)
    make_tar("20111024.tar.gz", files)
    Path("scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    before = set(tmp_path.rglob("*"))
    call = ["classify", "--workers", "1", "-o"]
    assert run([*call, "packed/", "20111024.tar.gz"]) == 0
    written = set(tmp_path.rglob("*")) - before
    assert {path.parent.name for path in written - {tmp_path / "packed"}} == {"packed"}
    assert run([*call, "plain/", "20111024"]) == 0
    packed, plain = (pl.read_parquet(f"{n}/*.parquet") for n in ("packed", "plain"))
    assert packed["path"].to_list() == [f"20111024.tar.gz/{name}" for name, _ in files]
    assert len(packed) == 500 and packed["type"].is_not_null().all()
    assert packed.drop("path").equals(plain.drop("path"))


def test_members_are_read_one_at_a_time_and_can_be_passed_over(night):
    found = list(members("night.tar.gz"))
    assert [m.name.removeprefix("night.tar.gz/") for m in found] == night
    assert all(m.data == Path("night", n).read_bytes() for m, n in zip(found, night))
    assert list(members("night.tar.gz", skip=4)) == found[4:]
    assert find_member(f"night.tar.gz/{night[2]}") == found[2]
    assert archive_of("a/b.tgz/c/d.fits") == "a/b.tgz" and archive_of("a/b.fits") is None
    with pytest.raises(ReadError, match="in no archive"):
        find_member("night.tar.gz/none.fits")


def test_what_is_not_to_be_trusted_is_named_and_not_read(tmp_path):
    files = [("README.pdf", b"x"), ("._a.fits", b"x"), ("../../up.csv", b"x"), ("/etc/a.csv", b"x"),
             ("good.csv", b"1 2"), ("good.csv", b"3 4")]  # fmt: skip
    path = make_tar(tmp_path / "n.tar", files, mode="w", odd=[link("l.fits", "/etc/passwd")])
    found = {m.name.removeprefix(path + "/"): m for m in members(path)}
    assert list(found) == ["l.fits", "../../up.csv", "/etc/a.csv", "good.csv"]
    assert "is a link" in found["l.fits"].problem
    assert "out of the folder" in found["../../up.csv"].problem
    assert "absolute path" in found["/etc/a.csv"].problem
    assert found["good.csv"].data == b"1 2" and found["good.csv"].problem is None
    assert not any(m.data for m in found.values() if m.problem)


@pytest.mark.parametrize("mode, share", [("w:gz", 0.6), ("w", 0.6), ("w", None)])
def test_an_archive_cut_short_gives_what_is_readable_and_a_row_that_says_so(tmp_path, mode, share):
    data = [np.random.default_rng(i).bytes(10_240) for i in range(9)]
    files = [(f"{i}.fits", each) for i, each in enumerate(data)]
    path = Path(make_tar(tmp_path / "n.tar", files, mode=mode))
    whole = path.read_bytes()
    # Exactly between two members of a plain tar: nothing but the missing end mark tells.
    end = 5 * (512 + 10_240) if share is None else int(share * len(whole))
    path.write_bytes(whole[:end])
    found = list(members(str(path)))
    assert len(found) == 6 and [m.data for m in found[:-1]] == data[: len(found) - 1]
    assert found[-1].name == str(path) and "ends too early" in found[-1].problem


@pytest.mark.parametrize(
    "content, words",
    [(b"", "no tar"), (b"no tar at all" * 99, "no tar"), (None, "does not exist")],
)
def test_what_is_no_archive_is_one_row(tmp_path, content, words):
    path = tmp_path / "n.tar.gz"
    if content is not None:
        path.write_bytes(content)
    (only,) = members(str(path))
    assert only.name == str(path) and words in only.problem


def test_an_archive_without_spectra_is_one_row(tmp_path):
    (only,) = members(make_tar(tmp_path / "n.tar.gz", [("a.pdf", b"x")]))
    assert "holds no spectrum" in only.problem


def test_errors_of_archives_are_rows(night, tmp_path):
    whole = Path("night.tar.gz").read_bytes()
    Path("cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    make_tar("odd.tar", [("n/junk.fits", b"no spectrum" * 99), ("n/empty.fits.gz", b"")], mode="w")
    call = ["classify", "cut.tar.gz", "gone.tar", "night/HD00", "odd.tar", "-o", "r/"]
    assert run(call) == 3
    table = pl.read_parquet("r/*.parquet")
    bad = dict(table.filter(pl.col("error").is_not_null()).select("path", "error").iter_rows())
    odd = {"odd.tar/n/junk.fits", "odd.tar/n/empty.fits.gz"}  # members that are no spectra
    assert set(bad) == {"cut.tar.gz", "gone.tar", *odd}
    assert table["type"].is_not_null().sum() >= 3 + 1
    assert run(["results", "check", "r"]) == 0
