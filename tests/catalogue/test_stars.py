"""Stars behind rows, and splits that never divide one."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectype.catalogue.stars import SPLITS, assign_splits, by_position, number_stars, star_name
from spectype.core.errors import DataError

ARCSEC = 1 / 3600


def groups(**columns: object) -> list[int]:
    return number_stars(pl.DataFrame(columns)).tolist()


def test_three_arcseconds_on_the_sky_not_in_coordinates() -> None:
    dec = 60.0
    stretch = 1 / np.cos(np.radians(dec))
    ra = [10.0, 10.0 + 2.5 * ARCSEC * stretch, 10.0 + 9 * ARCSEC * stretch]
    assert groups(ra=ra, dec=[dec] * 3) == [0, 0, 1]
    assert groups(ra=[10.0, 10.0 + 2.5 * ARCSEC * stretch], dec=[0.0, 0.0]) == [0, 1]


def test_across_zero_hours_and_at_the_pole() -> None:
    assert groups(ra=[359.9999, 0.0001], dec=[0.0, 0.0]) == [0, 0]
    assert groups(ra=[0.0, 180.0], dec=[90 - ARCSEC, 90 - ARCSEC]) == [0, 0]


def test_rows_without_position_are_stars_of_their_own() -> None:
    assert groups(ra=[None, None, 5.0], dec=[1.0, None, 5.0]) == [0, 1, 2]


def test_a_complete_uid_decides_alone() -> None:
    near = {"ra": [1.0, 1.0, 50.0], "dec": [1.0, 1.0, 1.0]}
    assert groups(uid=["a", "b", "a"], **near) == [0, 1, 0]


def test_an_incomplete_gaia_source_is_joined_with_positions() -> None:
    # Row 1 has no source but stands on row 0; rows 0 and 2 share a source far apart.
    assert groups(
        gaia_source_id=["9", "", "9", "-9999", "0"],
        ra=[1.0, 1.0, 80.0, 40.0, 90.0],
        dec=[1.0, 1.0, 1.0, 1.0, 1.0],
    ) == [0, 0, 0, 1, 2]


def test_nothing_to_tell_stars_apart() -> None:
    with pytest.raises(DataError, match="cannot be told apart"):
        groups(obsid=[1, 2])


def test_names_of_stars() -> None:
    rows = pl.DataFrame(
        {"obsid": [1, 2, 3], "gaia_source_id": ["", "77", ""], "designation": ["J1", "J2", ""]}
    )
    names = rows.select(star_name(rows.columns).alias("n"))["n"]
    assert names.to_list() == ["J1", "gaia:77", "obsid:3"]


@given(st.integers(0, 2**31), st.integers(1, 40))
def test_strips_change_nothing(seed: int, n_strip: int) -> None:
    """Groups are the same however thin the strips are, thinner than the radius too."""
    rng = np.random.default_rng(seed)
    ra, dec = rng.uniform(0, 20, 120) * ARCSEC, rng.uniform(-15, 15, 120) * ARCSEC
    ra[rng.random(120) < 0.05] = np.nan
    dec[rng.random(120) < 0.05] = np.nan
    whole = by_position(ra, dec, radius=2.0)
    parts = by_position(ra, dec, radius=2.0, n_strip=n_strip)
    same = [np.unique(g, return_inverse=True)[1] for g in (whole, parts)]
    pairs = set(zip(*(g.tolist() for g in same)))
    assert len(pairs) == same[0].max() + 1 == same[1].max() + 1
    assert 1 < len(pairs) < 120


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6)), min_size=1, max_size=200),
    st.integers(0, 2**31),
)
def test_no_star_is_on_two_sides(rows: list[tuple[int, int]], seed: int) -> None:
    stars, strata = np.array(rows).T
    parts = assign_splits(stars, strata, rng=np.random.default_rng(seed))
    for star in np.unique(stars):
        assert np.unique(parts[stars == star]).size == 1
    assert set(parts.tolist()) <= {0, 1, 2} and len(SPLITS) == 3


def test_shares_hold_within_each_type() -> None:
    rng = np.random.default_rng(5)
    stars = np.arange(4000)
    strata = np.repeat([0, 3, 6], [100, 900, 3000])
    parts = assign_splits(stars, strata, fractions=(7, 2, 1), rng=rng)
    for stratum, n in ((0, 100), (3, 900), (6, 3000)):
        counts = np.bincount(parts[strata == stratum], minlength=3)
        assert counts.tolist() == [0.7 * n, 0.2 * n, 0.1 * n]
    assert np.bincount(parts[:50], minlength=3).min() > 0  # shuffled, not cut in order
