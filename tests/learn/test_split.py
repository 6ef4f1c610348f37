import numpy as np
import polars as pl
import pytest

from spectype.core.errors import UsageError
from spectype.learn.recipe import TrainConfig
from spectype.learn.split import make_split

PARTS = np.array(["train", "validation", "test"])


def store_of(n, *, per_star=2, **columns):
    """Metadata of n spectra, `per_star` of each star, in some types."""
    star = np.arange(n) // per_star
    table = {
        "star_id": [f"star-{i}" for i in star],
        "type": [("F", "G", None)[i % 3] for i in star],
        "survey": ["lamost"] * n,
    }
    return pl.DataFrame(table | columns)


def test_ten_stars_more_deal_nothing_again():
    given = PARTS[np.arange(200) // 2 % 3].tolist()
    meta = store_of(220, split=given + [None] * 20)
    split = make_split(meta, TrainConfig())
    assert (split[:200] == given).all()
    new = split[200:].reshape(-1, 2)
    assert (new[:, 0] == new[:, 1]).all() and set(new[:, 0]) <= set(PARTS) and "test" in new


def test_a_star_keeps_its_part_in_rows_that_have_none():
    given = [PARTS[i // 2 % 3] if i % 2 else None for i in range(60)]
    split = make_split(store_of(60, split=given), TrainConfig()).reshape(-1, 2)
    assert (split[:, 0] == split[:, 1]).all() and (split[:, 0] == given[1::2]).all()


def test_a_star_on_two_sides_is_moved_and_it_is_said(caplog):
    given = ["train", "test"] + ["validation", "test"] + ["test"] * 6
    split = make_split(store_of(10, split=given), TrainConfig())
    assert split.tolist() == ["train"] * 2 + ["validation"] * 2 + ["test"] * 6
    assert "2 stars are given two parts of the split; their 2 spectra" in caplog.text


def test_spellings_and_words_that_are_no_part(caplog):
    words = ["Training", "val", "TEST ", "dev", "fold-1", "", None, "testing"]
    split = make_split(store_of(8, per_star=1, split=words), TrainConfig())
    assert split[[0, 1, 2, 3, 7]].tolist() == ["train", "validation", "test", "validation", "test"]
    assert set(split) <= set(PARTS) and "'fold-1'" in caplog.text


def test_without_names_or_places_there_is_no_split_by_star(caplog):
    meta = store_of(30, per_star=1, identified=[False] * 30)
    for config in (TrainConfig(), TrainConfig(leave_out=("lamost",))):
        with pytest.raises(UsageError, match=r"none of 30 spectra.*star_id, object, or ra and dec"):
            make_split(meta, config)
    # A split that is given needs no names.
    given = meta.with_columns(split=pl.Series(PARTS[np.arange(30) % 3]))
    assert (make_split(given, TrainConfig()) == PARTS[np.arange(30) % 3]).all()
    make_split(store_of(30, identified=[False] * 4 + [True] * 26), TrainConfig())
    assert "4 of 30 spectra have neither a position nor a star's name" in caplog.text
