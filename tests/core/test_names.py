import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectype.core.names import as_path, as_text, twins

# Whatever bytes a name on disk may have.
names = st.binary(max_size=12) | st.lists(
    st.sampled_from([b"\\", b"x", b"e9", b"\\xe9", b"\xe9", "é".encode(), b"a"]), max_size=8
).map(b"".join)


@given(names)
def test_every_name_is_text_and_comes_back(data):
    name = os.fsdecode(data)
    text = as_text(name)
    assert text.encode("utf-8").decode() == text  # no surrogate is left
    assert as_path(text) == name


@given(names, names)
def test_no_two_names_are_written_alike(one, other):
    assert (as_text(os.fsdecode(one)) == as_text(os.fsdecode(other))) == (one == other)


@pytest.mark.parametrize("name", ["étoile.fits", "C:\\data\\a.fits", "a b.csv", ""])
def test_names_in_utf8_stay_as_they_are(name):
    assert as_text(name) == name == as_path(name)


def test_links_lead_to_one_file(tmp_path):
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("a")
    (tmp_path / "soft").symlink_to(tmp_path / "a")
    (tmp_path / "hard").hardlink_to(tmp_path / "a")
    paths = [str(tmp_path / n) for n in ("a", "b", "soft", "hard", "gone", "sub/../a", "\0")]
    (tmp_path / "sub").mkdir()
    assert twins(tmp_path / "soft", paths) == [paths[i] for i in (0, 2, 3, 5)]
    assert twins(tmp_path / "gone", paths) == []
