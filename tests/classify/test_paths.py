import io
import os
import sys

import polars as pl
import pytest

from spectype.classify.paths import find, read_list
from spectype.cli import run
from spectype.core.errors import UsageError
from tests.classify.test_batch import write


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three spectra, the name of one in Latin-1, and of one in UTF-8."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for i, name in enumerate((b"a.csv", b"\xe9toile.csv", "naïve.csv".encode())):
        write(tmp_path / "in" / os.fsdecode(name), 22.0 + 10 * i)
    return tmp_path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1"])
def test_lists_in_any_encoding(folder, encoding):
    text = "# mes étoiles\r\nin/a.csv\r\n\r\nin/naïve.csv\r\n"
    (folder / "list.txt").write_bytes(text.encode(encoding))
    assert list(find(["@list.txt"])) == ["in/a.csv", "in/naïve.csv"]


def test_a_line_of_bytes_names_the_file_that_has_them(folder, monkeypatch):
    odd = os.fsdecode(b"in/\xe9toile.csv")
    (folder / "list.txt").write_bytes(b"in/\xe9toile.csv\nin/a.csv\n")
    assert list(find(["@list.txt"])) == [odd, "in/a.csv"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"in/\xe9toile.csv\n")))
    assert list(find(["-"])) == [odd]
    # Our own tables write the name with \xe9; their paths can be given again.
    assert list(find(["in/\\xe9toile.csv"])) == [odd]


def test_files_of_a_list_may_lie_beside_it(folder, monkeypatch):
    (folder / "in" / "list.txt").write_text("a.csv\ngone.csv\n")
    assert list(find(["@in/list.txt"])) == ["in/a.csv", "gone.csv"]


@pytest.mark.parametrize(
    "content, line",
    [
        ("in/a.csv\nin/b.csv\n".encode("utf-16-le"), 1),
        (b"in/a.csv\nin/\0b.csv\n", 2),
        ("in/a.csv\nin/b.csv\n".encode("utf-16") + b"x", 3),
    ],
)
def test_a_list_that_is_no_text_is_named_with_its_line(content, line):
    with pytest.raises(UsageError, match=rf"odd\.txt: line {line} .*UTF-8"):
        list(read_list(io.BytesIO(content), "odd.txt"))


def test_a_name_that_is_not_utf8_does_not_stop_the_others(folder, capsys):
    (folder / "in" / os.fsdecode(b"\xff.csv")).write_text("no spectrum")
    for output in ("t.csv", "t.parquet", "t.fits"):
        assert run(["classify", "in", "--output", output]) == 3
    table = pl.read_parquet("t.parquet")
    assert table["path"].to_list() == pl.read_csv("t.csv")["path"].to_list()
    types = dict(table.select("path", "type").iter_rows())
    assert types["in/a.csv"] == "A" and types["in/\\xe9toile.csv"] in ("A", "F")
    assert types["in/naïve.csv"] and types["in/\\xff.csv"] is None
    assert table.filter(path="in/\\xff.csv")["error"].item()
