"""Catalogues in every format, and the damage that is found in them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from spectype.catalogue.fitstable import layout
from spectype.catalogue.table import scan
from spectype.core.errors import DataError, UsageError

Write = Callable[..., Path]


def rows_of(path: Path, **options: Any) -> pl.DataFrame:
    return scan(path, **options).frame().collect(engine="streaming")


def problems(path: Path, **options: Any) -> list[tuple[int, str | None]]:
    return rows_of(path, **options).select("catalogue_row", "problem").rows()


@pytest.mark.parametrize("separator", ["|", ",", "\t", ";"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_separators_and_line_ends(write: Write, row: Any, separator: str, end: str) -> None:
    path = write(
        [row(101, "STAR", "G2", ra=1.5), row(102, "STAR", "K1")], separator=separator, end=end
    )
    table = rows_of(path)
    assert table["obsid"].to_list() == [101, 102]
    assert table["ra"][0] == 1.5 and table["dec"][1] == 20.0
    assert table["lmjd"].dtype == pl.Int32 and table["snrg"].dtype == pl.Float32
    assert table["problem"].null_count() == 2


def to_fits(table: pl.DataFrame, path: Path) -> None:
    from astropy.io import fits
    from astropy.table import Table

    columns = {name: table[name].to_numpy() for name in table.columns}
    text = {k: v.astype(str) if v.dtype == object else v for k, v in columns.items()}
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.table_to_hdu(Table(text))])
    hdus.writeto(path)


@pytest.mark.parametrize("name", ["c.csv.gz", "c.parquet", "c.fits", "c.fits.gz"])
def test_all_formats_hold_the_same(every_label: Path, tmp_path: Path, name: str) -> None:
    expected = rows_of(every_label)
    plain = expected.drop("catalogue_row", "problem", "_suspect")
    path = tmp_path / "other" / name
    path.parent.mkdir()
    if name == "c.csv.gz":
        path.write_bytes(gzip.compress(every_label.read_bytes()))
    elif name == "c.parquet":
        plain.write_parquet(path)
    else:
        to_fits(plain, path)
    found = rows_of(path)
    assert_frame_equal(found.drop("_suspect"), expected.drop("_suspect"), check_dtypes=False)


def test_fits_blocks_are_read_in_order(tmp_path: Path) -> None:
    from spectype.catalogue.fitstable import blocks

    n = 1000
    table = pl.DataFrame(
        {"obsid": np.arange(n), "class": ["STAR"] * n, "subclass": [f"G{i % 10}" for i in range(n)]}
    )
    to_fits(table, tmp_path / "c.fits")
    found = list(blocks(tmp_path / "c.fits", layout(tmp_path / "c.fits"), n_rows=300))
    assert [len(block) for block in found] == [300, 300, 300, 100]
    assert_frame_equal(pl.concat(found), table, check_dtypes=False)


def test_fits_integers_with_nulls_and_vectors(tmp_path: Path) -> None:
    from astropy.io import fits

    columns = [
        fits.Column("obsid", "K", array=np.array([1, 2])),
        fits.Column("class", "4A", array=np.array(["STAR", "STAR"])),
        fits.Column("subclass", "5A", array=np.array(["dM3", "A7IV"])),
        fits.Column("spid", "J", null=-99, array=np.array([-99, 5])),
        fits.Column("mags", "3E", array=np.ones((2, 3), "f4")),
        fits.Column("good", "L", array=np.array([True, False])),
        fits.Column("z", "D", array=np.array([1e-5, -9999.0])),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "c.fits")
    table = rows_of(tmp_path / "c.fits")
    assert table["spid"].to_list() == [None, 5]
    assert table["good"].to_list() == [True, False]
    assert table["z"][0] == 1e-5 and table["subclass"].to_list() == ["dM3", "A7IV"]
    assert "mags" not in table.columns


def test_truncated_fits_table_says_how_far_it_goes(tmp_path: Path) -> None:
    table = pl.DataFrame({"obsid": range(500), "class": ["STAR"] * 500, "subclass": ["G2"] * 500})
    to_fits(table, tmp_path / "c.fits")
    whole = (tmp_path / "c.fits").read_bytes()
    (tmp_path / "t.fits").write_bytes(whole[: len(whole) - 2880])
    with pytest.raises(DataError, match="of 500 rows"):
        rows_of(tmp_path / "t.fits")


@pytest.mark.parametrize("missing", ["obsid", "class", "subclass"])
def test_missing_column_lists_what_there_is(write: Write, missing: str) -> None:
    header = [c for c in ("obsid", "ra", "class", "subclass") if c != missing]
    path = write([["1", "2", "3"]], header=header)
    with pytest.raises(
        DataError, match=rf"no column {missing}; its columns are {', '.join(header)}"
    ):
        scan(path)


def test_wrong_separator(write: Write, row: Any) -> None:
    path = write([row(1, "STAR", "G2")])
    with pytest.raises(DataError, match=r"looks separated by '\|'"):
        scan(path, separator=",")


@pytest.mark.parametrize("separator", ["||", "", '"', "\u00a6", "\n"])
def test_what_separates_nothing(write: Write, row: Any, separator: str) -> None:
    with pytest.raises(UsageError, match="cannot separate"):
        scan(write([row(1, "STAR", "G2")]), separator=separator)


def test_short_and_long_rows_are_named(write: Write, row: Any) -> None:
    good = row(1, "STAR", "G2")
    path = write([good, good[:5], good, [*good, "extra"], good[:-1], good])
    assert problems(path) == [
        (0, None), (1, "too few fields"), (2, None), (3, "too many fields"), (4, "too few fields"),
        (5, None),
    ]  # fmt: skip


def test_a_separator_at_the_end_of_lines_is_no_fault(write: Write, row: Any) -> None:
    path = write(["|".join(row(1, "STAR", "G2")) + "|"] * 3)
    assert [p for _, p in problems(path)] == [None] * 3


def test_an_empty_last_field_is_no_fault(write: Write, row: Any) -> None:
    good = row(1, "STAR", "G2")
    path = write([good, [*good[:-1], ""], good])
    assert [p for _, p in problems(path)] == [None] * 3


def test_the_quick_reading_suspects_what_the_exact_one_finds(write: Write, row: Any) -> None:
    good = row(1, "STAR", "G2")
    path = write([good, good[:5], good, [*good, "x"], good, [*good[:-1], ""]])
    quick = rows_of(path, exact=False)
    assert quick["_suspect"].to_list() == [False, True, False, True, False, True]
    exact = [problem is not None for _, problem in problems(path)]
    assert all(s for s, p in zip(quick["_suspect"], exact) if p)


def test_blank_lines_are_passed_over(write: Write, row: Any) -> None:
    path = write([row(1, "STAR", "G2"), "", row(2, "STAR", "K1"), ""])
    assert rows_of(path)["obsid"].to_list() == [1, 2]


@pytest.mark.parametrize("obsid", ["x12", "12.5", "1e5", "-3", "0x1f"])
def test_obsid_that_is_no_number(write: Write, row: Any, obsid: str) -> None:
    path = write([row(1, "STAR", "G2"), row(obsid, "STAR", "G2")])
    assert problems(path)[1] == (1, "obsid is not a number")


def test_obsid_written_as_float_or_missing(write: Write, row: Any) -> None:
    table = rows_of(write([row("605006.0", "STAR", "G2"), row("", "STAR", "G2")]))
    assert table["obsid"].to_list() == [605006, None]
    assert table["problem"].null_count() == 2


def test_integers_written_as_floats(write: Write, row: Any) -> None:
    fields = row(1, "STAR", "G2")
    fields[2:6] = ["55860.0", "F1", "16.0", "218.0"]
    table = rows_of(write([fields]))
    assert table.select("lmjd", "spid", "fiberid").row(0) == (55860, 16, 218)


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(b"obsid|class|subclass|who\n1|STAR|G2|Guo Shouj\xefng\n2|STAR|K1|x\n")
    assert rows_of(path)["subclass"].to_list() == ["G2", "K1"]


def test_byte_order_mark_and_capitals(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(b"\xef\xbb\xbfOBSID, Class ,SubClass\n7,STAR,G2\n")
    assert rows_of(path)["obsid"].to_list() == [7]


def test_quoted_fields_may_hold_separators(write: Write, row: Any) -> None:
    fields = row(1, "STAR", "G2")
    fields[3] = '"HD, 071013"'
    path = write([fields, row(2, "STAR", "K1")], separator=",")
    table = rows_of(path)
    assert table["planid"].to_list() == ["HD, 071013", "F5902"]
    assert table["problem"].null_count() == 2


def test_a_stray_quote_does_not_swallow_rows(write: Write, row: Any) -> None:
    rows = [row(i, "STAR", "G2") for i in range(50)]
    rows[10][3] = '"F5902'
    rows[40][3] = 'F5902"'
    table = rows_of(write(rows, separator=","))
    assert table["obsid"].to_list() == list(range(50))
    assert table["problem"].null_count() == 50


def test_columns_named_like_ours_are_kept(write: Write, row: Any) -> None:
    path = write(
        [[*row(1, "STAR", "G2"), "x"]], header=[*"abcdefghi", "obsid", "class", "subclass", "type"]
    )
    assert scan(path).columns[-1] == "source_type"


def test_files_that_are_no_catalogue(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    with pytest.raises(UsageError, match="does not exist"):
        scan(path)
    for content, what in [
        (b"", "is empty"),
        (b"obsid|class|subclass\n", "no rows"),
        (b"<!DOCTYPE html><html>", "login page"),
        (b"\x00\x01\x02", "neither a CSV"),
        (b"SIMPLE  =", "no binary table"),
        (gzip.compress(b"obsid|class|subclass\n" * 99)[:-30], "truncated"),
        (b"obsid|class|class|subclass\n1|2|3|4\n", "two columns class"),
    ]:
        path.write_bytes(content)
        with pytest.raises(DataError, match=what):
            scan(path)
