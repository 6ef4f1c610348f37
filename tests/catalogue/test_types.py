"""Labels of catalogues: types by MK parsing, and what is no type."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectype.catalogue.types import TABLES, classify, with_types
from spectype.core import mk


@pytest.mark.parametrize(
    ("group", "subclass", "table", "kind", "code"),
    [
        ("STAR", "O", "O", "star", None),
        ("STAR", "B6", "B", "star", 16.0),
        ("STAR", "A7V", "A", "star", 27.0),
        ("star ", " F5", "F", "star", 35.0),
        ("STAR", "dM3", "M", "star", 63.0),
        ("STAR", "gM0", "M", "star", 60.0),
        ("STAR", "sdM1", "M", "star", 61.0),
        ("STAR", "M5", "M", "star", 65.0),
        ("STAR", "Carbon", "other", "carbon", None),
        ("STAR", "CV", "other", "cataclysmic", None),
        ("STAR", "DoubleStar", "other", "binary", None),
        ("STAR", "EM", "other", "emission", None),
        ("STAR", "WDMagnetic", "other", "white dwarf", None),
        ("STAR", "Non", "unknown", "unknown", None),
        ("Unknown", "Non", "unknown", "unknown", None),
        ("GALAXY", "A7", "other", "galaxy", None),
        ("QSO", "Non", "other", "quasar", None),
        ("", "", "unknown", "unknown", None),
        ("SKY", "G2", "other", "class 'SKY'", None),
        ("b'STAR    '", "b'G2'", "G", "star", 42.0),
    ],
)
def test_labels(group: str, subclass: str, table: str, kind: str, code: float | None) -> None:
    label = classify(group, subclass)
    assert (label.table, label.kind, label.code) == (table, kind, code)
    assert label.type == (table if table in mk.TYPES else None)


def test_ob_is_neither_o_nor_b() -> None:
    assert classify("STAR", "OB").ob and classify("STAR", "OB").table == "OB"
    assert not classify("STAR", "O").ob and not classify("STAR", "O9.5").ob


@given(st.lists(st.tuples(st.sampled_from(["STAR", "GALAXY", "", "x"]), st.text(max_size=8))))
def test_a_column_is_classified_row_by_row(labels: list[tuple[str, str]]) -> None:
    frame = pl.LazyFrame(labels, schema=["class", "subclass"], orient="row").cast(pl.String)
    found = with_types(frame).collect()
    expected = [classify(*label) for label in labels]
    assert found["type"].to_list() == [e.type for e in expected]
    assert found["_table"].to_list() == [e.table for e in expected]
    assert found["code"].to_list() == [e.code for e in expected]
    assert set(found["_table"]) <= set(TABLES)
