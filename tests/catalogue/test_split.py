"""One table a type: everything arrives somewhere, once, and the damage is listed."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from spectype.catalogue import table
from spectype.catalogue.split import split
from spectype.catalogue.split_folder import open_split
from spectype.core.errors import DataError, UsageError

Write = Callable[..., Path]


def test_every_label_finds_its_table(every_label: Path, tmp_path: Path) -> None:
    result = split(every_label, tmp_path / "out")
    assert result.counts == {
        "O": 1, "OB": 1, "B": 1, "A": 2, "F": 1, "G": 1, "K": 1, "M": 4, "unknown": 3, "other": 9,
    }  # fmt: skip
    assert result.rows == 24 and result.ob == 1
    assert result.kinds["white dwarf"] == 2 and result.kinds["carbon"] == 1
    tables = open_split(tmp_path / "out")
    hot = pl.concat([tables.table(name) for name in ("O", "OB")]).collect()
    wanted = [("O", "O", False), ("OB", "OB", True)]
    assert sorted(hot.select("type", "subclass", "ob").rows()) == wanted
    cold = tables.table("M").sort("obsid").collect()
    assert cold["code"].to_list() == [60.0, 63.0, 61.0, 61.0]
    assert cold["luminosity"].to_list() == [None, "V", "III", "V"]
    other = tables.table("other").collect()
    assert set(other["kind"]) >= {"carbon", "cataclysmic", "binary", "emission", "galaxy", "quasar"}


def test_a_type_with_none_has_an_empty_table(write: Write, row: Any, tmp_path: Path) -> None:
    path = write([row(1, "STAR", "G2")])
    for format in ("parquet", "csv"):
        split(path, tmp_path / format, format=format)
        tables = open_split(tmp_path / format)
        assert tables.table("O").collect().height == 0
        assert set(tables.table("O").collect_schema()) == set(tables.table("G").collect_schema())


def test_csv_keeps_the_text_and_the_separator(every_label: Path, tmp_path: Path) -> None:
    split(every_label, tmp_path / "out", format="csv")
    source = every_label.read_text().splitlines()
    width = len(source[0].split("|"))
    copied = []
    for name in ("O", "OB", "B", "A", "F", "G", "K", "M", "unknown", "other"):
        lines = (tmp_path / "out" / f"{name}.csv").read_text().splitlines()
        assert lines[0].startswith(source[0] + "|type|code|")
        copied += ["|".join(line.split("|")[:width]) for line in lines[1:]]
    assert sorted(copied) == sorted(source[1:])


def test_copied_lines_stay_in_columns(
    write: Write, row: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ends of lines, quotes and a separator too many do not shift what is added."""
    rows = ["|".join(row(i, "STAR", "K3")) for i in range(4000)]
    rows[3900] += "|"
    rows[3901] = rows[3901].replace("F5902", 'F"5902')
    path = write(rows, end="\r\n")
    for limit in (0, 1 << 30):
        monkeypatch.setattr(table, "_EXACT_BELOW", limit)
        result = split(path, tmp_path / "out", format="csv", overwrite=True)
        assert result.counts["K"] == 4000 and not result.rejected
        found = open_split(tmp_path / "out").table("K").collect()
        assert found["code"].unique().to_list() == [53.0]
        assert found["catalogue_row"].to_list() == list(range(4000))
        assert found["dec"].unique().to_list() == ["20.000000"]
        assert found["planid"][3901] == 'F"5902'


def test_both_formats_hold_the_same(every_label: Path, tmp_path: Path) -> None:
    one = split(every_label, tmp_path / "p")
    two = split(every_label, tmp_path / "c", format="csv")
    assert (one.counts, one.kinds, one.ob) == (two.counts, two.kinds, two.ob)


def test_damaged_rows_are_counted_and_listed(write: Write, row: Any, tmp_path: Path) -> None:
    good = row(1, "STAR", "G2")
    path = write([good, good[:4], row("abc", "STAR", "K1"), [*good, "x"], row(2, "STAR", "K1")])
    result = split(path, tmp_path / "out")
    assert result.rejected == {
        "too few fields": 1, "obsid is not a number": 1, "too many fields": 1,
    }  # fmt: skip
    assert result.rejected_rows == [1, 2, 3]
    assert result.counts["G"] == 1 and result.counts["K"] == 1
    rejected = open_split(tmp_path / "out").table("rejected").sort("catalogue_row").collect()
    assert rejected["problem"].to_list() == [
        "too few fields", "obsid is not a number", "too many fields",
    ]  # fmt: skip


def test_the_quick_way_ends_as_the_exact_one(
    write: Write, row: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row(i, "STAR", f"G{i % 10}") for i in range(5000)]
    rows[4000] = rows[4000][:6]
    rows[4500] = [*rows[4500][:-1], ""]  # empty, but there: no fault
    path = write(rows)
    exact = split(path, tmp_path / "exact")
    monkeypatch.setattr(table, "_EXACT_BELOW", 0)
    assert not table.scan(path).exact
    quick = split(path, tmp_path / "quick")
    copied = split(path, tmp_path / "copied", format="csv")
    assert (copied.counts, copied.rejected) == (exact.counts, exact.rejected)
    assert quick.counts == exact.counts == {**exact.counts, "G": 4999}
    assert quick.rejected == exact.rejected == {"too few fields": 1}


def test_a_stray_quote_loses_no_row(write: Write, row: Any, tmp_path: Path) -> None:
    rows = [row(i, "STAR", "G2") for i in range(30)]
    rows[3][3] = '"a,b"'  # properly quoted: the file is taken to use quotes
    rows[10][3] = '"F5902'
    rows[20][3] = 'F5902"'
    path = write(rows, separator=",")
    result = split(path, tmp_path / "out")
    assert result.rows == 30
    assert result.counts["G"] + sum(result.rejected.values()) == 30
    assert result.counts["G"] >= 27


def test_duplicate_and_missing_obsids_are_counted(write: Write, row: Any, tmp_path: Path) -> None:
    path = write([row(o, "STAR", "G2") for o in (1, 2, 2, 2, "", 3, "")])
    result = split(path, tmp_path / "out")
    assert (result.duplicate_obsids, result.without_obsid) == (2, 2)
    assert result.counts["G"] == 7


def test_existing_output_is_kept_unless_told(every_label: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="--overwrite"):
        split(every_label, out)
    split(every_label, out, overwrite=True)
    split(every_label, out, format="csv", overwrite=True)
    assert (out / "notes.txt").read_text() == "mine"
    assert not list(out.glob("*.parquet")) and len(list(out.glob("*.csv"))) == 10
    with pytest.raises(UsageError, match="is a file"):
        split(every_label, out / "notes.txt")


def test_no_sound_row(write: Write, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no sound row"):
        split(write(["1|STAR", "2|STAR"]), tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_a_folder_that_is_no_split(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a finished catalogue"):
        open_split(tmp_path)


@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_full_disk_leaves_nothing_behind(
    write: Write, row: Any, tmp_path: Path, format: str
) -> None:
    """The kernel refuses to write (a file-size limit stands for the full disk)."""
    path = write([row(i, "STAR", "G2", ra=i / 977, dec=i / 1373) for i in range(20_000)])
    code = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "from spectype.cli import run\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "catalogue", "split", str(path), "--out", str(tmp_path / "o"),
         "--format", format],
        capture_output=True, text=True, env={**os.environ, "POLARS_MAX_THREADS": "1"}, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "disk is full" in done.stderr and "Traceback" not in done.stderr
    assert list((tmp_path / "o").iterdir()) == []


def independent(path: Path, separator: str) -> Counter[str]:
    """Types by a plain reading: class STAR and a subclass that is a letter with a number."""
    found: Counter[str] = Counter()
    with path.open() as handle:
        for row in csv.DictReader(handle, delimiter=separator):
            match = re.fullmatch(r"(?:d|g|sd)?([OBAFGKM])\d(?:\.\d)?[IV]*", row["subclass"])
            if row["class"] == "STAR" and match:
                found[match[1]] += 1
            else:
                found["unknown" if row["class"] == "Unknown" else "other"] += 1
    return found


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "separator"), [("lamost_extract.csv", "|"), ("lamost_dr1_extract.csv", ",")]
)
@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_real_extracts_against_an_independent_reading(
    real_data: Path, tmp_path: Path, name: str, separator: str, format: Any
) -> None:
    path = real_data / "catalogue" / name
    expected = independent(path, separator)
    result = split(path, tmp_path / "out", format=format)
    assert {k: v for k, v in result.counts.items() if v} == dict(expected)
    assert not result.rejected
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["counts"] == result.counts
    # Not only the counts: each row of the source is in the table it belongs to.
    tables = open_split(tmp_path / "out")
    with path.open() as handle:
        names = [row["designation"] for row in csv.DictReader(handle, delimiter=separator)]
    found = pl.concat(
        [tables.table(t).select("designation", "catalogue_row") for t in result.counts]
    )
    assert [n for n, _ in sorted(found.collect().rows(), key=lambda r: r[1])] == names
