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


@pytest.mark.parametrize(
    "text, hours, value",
    [
        ("12:30:00.0", True, 187.5),
        ("12 30 00", True, 187.5),
        ("12h30m00s", True, 187.5),
        ("12h30m", True, 187.5),
        ("187d30m00s", True, 187.5),
        ("187°30'00\"", True, 187.5),
        ("-00:30:00.0", False, -0.5),
        ("\u221200 30 00,0", False, -0.5),
        ("+89 59 59.99", False, 89.9999972),
        ("187,5", True, 187.5),
        (187.5, True, 187.5),
        ("12:61:00", True, None),
        ("north", False, None),
        ("nan", False, None),
        (None, False, None),
    ],
)
def test_positions_as_written(text, hours, value):
    assert sky.degrees(text, hours=hours) == (value if value is None else pytest.approx(value))


def test_a_place_off_the_sky_is_no_position():
    known = sky.known_positions([10.0, -9999.0, np.nan, 10.0], [20.0, -9999.0, 0.0, 91.0])
    assert known.tolist() == [True, False, False, False]
    group = sky.group_by_position([-9999.0, -9999.0, 5.0], [-9999.0, -9999.0, 5.0])
    assert len(set(group.tolist())) == 3
