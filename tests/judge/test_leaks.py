"""The leak check passes a clean split and names what is wrong with any other."""

from __future__ import annotations

import polars as pl
import pytest

from spectype.core.errors import DataError
from spectype.judge.leaks import check

SPLIT = pl.DataFrame(
    {
        "row": [0, 1, 2, 3, 4, 5],
        "star_id": ["a", "a", "b", "c", "d", "d"],
        "split": ["train", "train", "validation", "train", "test", "test"],
        "ra": [10.0, 10.0, 50.0, 359.9999, 120.0, 120.0],
        "dec": [0.0, 0.0, 89.0, -30.0, 45.0, 45.0],
    }
)
TEST = pl.DataFrame({"row": [4, 5], "star_id": ["d", "d"], "synthetic": [False, False]})


def changed(**columns: list) -> pl.DataFrame:
    return TEST.with_columns(**{name: pl.Series(values) for name, values in columns.items()})


def test_clean_split_passes_with_its_counts() -> None:
    assert check(TEST, SPLIT) == {"spectra": 2, "stars": 1, "seen_stars": 3, "positions": 0}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"synthetic": [False, True]}, r"1 test spectra are synthetic.*row 5 \(star d\)"),
        ({"synthetic": [None, False]}, "synthetic or not known to be real"),
        ({"star_id": ["a", "d"]}, r"1 test spectra show stars.*row 4 \(star a\)"),
        ({"star_id": ["d", "b"]}, "training or validation.*star b"),
        ({"star_id": ["d", None]}, "no star_id"),
        ({"star_id": ["d", ""]}, "no star_id"),
        ({"row": [4, 3]}, "in training or validation themselves: row 3"),
    ],
)
def test_leaks_are_refused(columns: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        check(changed(**columns), SPLIT)


def test_same_position_under_another_name_is_refused() -> None:
    near = changed(ra=[0.0001, 120.0], dec=[-30.0003, 45.0], path=["x y.fits", "z.fits"])
    # 0.0002 degree of right ascension across 0 h and 0.0003 of declination: 1.2 arcsec.
    with pytest.raises(DataError, match=r"within 3 arcsec.*row 4 \(star d, x y.fits\)"):
        check(near, SPLIT)
    away = changed(ra=[0.0001, 120.0], dec=[-30.002, 45.0])
    assert check(away, SPLIT)["positions"] == 2
    unknown = changed(ra=[None, None], dec=[None, None])
    assert check(unknown.cast({"ra": pl.Float64, "dec": pl.Float64}), SPLIT)["positions"] == 0


def test_many_offenders_are_counted_and_the_first_listed() -> None:
    rows = list(range(100, 120))
    test = pl.DataFrame({"row": rows, "star_id": ["a"] * 20, "synthetic": [False] * 20})
    with pytest.raises(DataError) as caught:
        check(test, SPLIT)
    text = str(caught.value)
    assert text.startswith("20 test spectra") and "row 104" in text and "row 105" not in text


def test_missing_column_is_named() -> None:
    with pytest.raises(DataError, match="test set has no column 'synthetic'"):
        check(TEST.drop("synthetic"), SPLIT)
    with pytest.raises(DataError, match="split has no column 'split'"):
        check(TEST, SPLIT.drop("split"))
