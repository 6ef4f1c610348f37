"""Pages, filters and histograms against the same questions asked of the whole table."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from spectype.classify.output import write_table
from spectype.core.errors import DataError, UsageError
from spectype.web.agreement import encoded
from spectype.web.filters import Filter
from spectype.web.table import Table
from tests.web.conftest import make_table

QUESTIONS = [
    ({"type": "O,B"}, pl.col("type").is_in(["O", "B"])),
    ({"p_O": "0.5:"}, pl.col("p_O") >= 0.5),
    ({"snr": "10:50"}, pl.col("snr").is_between(10, 50)),
    ({"subclass": "O:B2"}, pl.col("subclass_code") <= 12),
    ({"subclass": "F3"}, pl.col("subclass") == "F3"),
    ({"flags": "LOW_SNR"}, pl.col("flags") == 1),
    ({"flags": "-LOW_SNR"}, pl.col("flags") == 0),
    ({"differs": "1"}, (pl.col("label") == "B2V") & (pl.col("type") != "B")),
    ({"text": "/27.CSV"}, pl.col("path") == "spectra/27.csv"),
    ({"text": "1011"}, pl.col("obsid") == 1011),
    ({"text": "b2v"}, pl.col("label") == "B2V"),
    ({"type": "G", "snr": "50:"}, (pl.col("type") == "G") & (pl.col("snr") >= 50)),
]


@pytest.mark.parametrize("query, expression", QUESTIONS, ids=lambda v: str(v)[:30])
def test_a_filter_selects_what_it_says(results, query, expression):
    page = Table(results).page(Filter.from_query(query), 0, 50)
    wanted = make_table(28).filter(expression)["path"].to_list()
    assert wanted and [row["path"] for row in page.rows] == wanted
    assert page.total == len(wanted)


@pytest.mark.parametrize("suffix", ["csv", "fits", "vot", "folder"])
def test_every_format_gives_the_same_rows(results, tmp_path, suffix):
    table, path = make_table(28), tmp_path / f"other.{suffix}"
    if suffix == "folder":
        path.mkdir()
        table[:10].write_parquet(path / "000.parquet")
        table[10:].drop("label").write_parquet(path / "001.parquet")  # of an earlier version
    elif suffix == "vot":
        path.write_bytes(encoded(table, "vot"))
    else:
        write_table(table, path)
    other = Table(path)
    chosen = Filter.from_query({"sort": "-snr", "type": "K,M"})
    expected = Table(results).page(chosen, 0, 5).rows
    found = other.page(chosen, 0, 5).rows
    assert [row["path"] for row in found] == [row["path"] for row in expected]
    assert np.allclose([r["snr"] for r in found], [r["snr"] for r in expected])
    assert len(other) == 28


def test_a_sorted_page_goes_on_where_the_last_ended(results):
    table, chosen = Table(results), Filter.from_query({"sort": "-type_probability"})
    pages = [table.page(chosen, offset, 10).rows for offset in (0, 10, 20)]
    values = [row["type_probability"] for page in pages for row in page]
    assert values == sorted(make_table(28)["type_probability"].to_list(), reverse=True)


def test_histograms_count_the_selection(results):
    table = Table(results)
    of_types = table.histogram(Filter.from_query({"type": "O", "snr": "50:"}), "type")
    assert sum(of_types["counts"]) == make_table(28).filter(pl.col("snr") >= 50).height
    of_numbers = table.histogram(Filter.from_query({"type": "O"}), "p_O")
    assert sum(of_numbers["counts"]) == 4 and of_numbers["counts"][36] == 4  # at 0.9 of 40 bins


@pytest.mark.parametrize(
    "query", [{"snr": "ten"}, {"nonesuch": "1"}, {"flags": "ODD"}, {"subclass": "Q1:Q2"},
              {"sort": "nonesuch"}]
)  # fmt: skip
def test_an_impossible_filter_is_refused_in_words(results, query):
    with pytest.raises(UsageError):
        Table(results).page(Filter.from_query(query), 0, 10)


def test_what_is_no_table_of_types_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("SPECTYPE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UsageError, match="does not exist"):
        Table(tmp_path / "none.parquet")
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match="path"):
        Table(tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError):
        Table(tmp_path / "b.parquet")
