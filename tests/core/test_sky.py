import numpy as np
import pytest

from spectype.core import sky


def test_positions_across_zero_hours_and_at_the_pole():
    arcsec = 1 / 3600
    ra = [359.9999, 0.0, 10.0, 10.0, 120.0, 300.0, np.nan]
    dec = [0.0, 0.0, 45.0, 45.0 + 5 * arcsec, 90 - arcsec, 90 - arcsec, 0.0]
    group = sky.group_by_position(ra, dec, radius=3.0)
    assert group[0] == group[1]
    assert group[2] != group[3]
    assert group[4] == group[5]  # 180 degrees apart in right ascension, 2 arcsec on the sky
    assert len(set(group)) == 5


@pytest.mark.parametrize(
    "one, other",
    [("HD 005384", "HD5384"), ("hd 5384", "HD005384"), ("BD+62 249", "BD+62249")],
)
def test_names_of_one_star(one, other):
    assert sky.normal_name(one) == sky.normal_name(other)


def test_names_of_other_stars():
    assert sky.normal_name("HD 100") != sky.normal_name("HD 1000")
    assert sky.normal_name("BD+02 10") != sky.normal_name("BD+02 1")


def test_name_and_position_hang_together():
    star = sky.identify(
        names=["HD 1", None, "HD 001", None, None],
        ra=[10.0, 10.0, np.nan, np.nan, np.nan],
        dec=[20.0, 20.0001, np.nan, np.nan, np.nan],
    )
    assert star[0] == star[1] == star[2]
    assert len(set(star)) == 3
