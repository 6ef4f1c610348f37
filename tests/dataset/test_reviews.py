"""Labels from people's decisions: the last that stands, where reviewers agree."""

from __future__ import annotations

import pytest

from spectype.core.errors import DataError
from spectype.dataset.labels import read_labels
from spectype.dataset.reviews import read_reviews
from spectype.web.review import Decision, Review

ROWS = {n: {"path": f"{n}.fits", "obsid": n, "type": "O", "subclass": "O9", "luminosity": "V"}
        for n in "1234567"}  # fmt: skip


def said(review, number, verdict, *, by="Ada", **fields):
    key = f"key-{by}-{number}-{verdict}-{len(fields)}"
    review.add(Decision(key=key, reviewer=by, verdict=verdict, **fields), ROWS[number])


def test_what_stands_and_is_agreed_becomes_a_label(tmp_path):
    file = tmp_path / "types.review.sqlite"
    review = Review(file, model="standard")
    said(review, "1", "accept")
    said(review, "2", "relabel", label="B0.5 III")
    said(review, "3", "reject")
    said(review, "4", "relabel", kind="hot subdwarf")
    said(review, "5", "accept")
    said(review, "5", "relabel", by="Bo", label="A0 V")  # of two minds
    said(review, "6", "accept")
    said(review, "6", "relabel", label="B2")  # the last one counts
    said(review, "7", "accept")
    review.undo("Ada")
    table = read_reviews(file)
    labels = dict(zip(table["obsid"], table["subclass"]))
    assert labels == {"1": "O9 V", "2": "B0.5III", "4": "sdB", "6": "B2"}
    assert set(table["survey"]) == {"review"}  # an expert's word, whatever survey took the spectrum
    assert read_labels(file).n_rows == 4


def test_another_database_is_named(tmp_path):
    import sqlite3

    file = tmp_path / "other.sqlite"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE t (x)")
    connection.commit()
    connection.close()
    with pytest.raises(DataError, match="is no review"):
        read_labels(file)
