"""Figures come out whole, the same twice, and leave the user's settings alone."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import pytest

from spectype.core.errors import UsageError
from spectype.draw import canvas
from spectype.draw.spectrum import spectrum_figure
from tests.stars import make_spectrum


@pytest.mark.parametrize(
    ("suffix", "magic"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")]
)
def test_files_are_of_their_kind_and_the_same_twice(
    tmp_path: Path, suffix: str, magic: bytes
) -> None:
    paths = [
        canvas.save(spectrum_figure(make_spectrum()), tmp_path / f"{i} ä.{suffix}") for i in "ab"
    ]
    first, second = (path.read_bytes() for path in paths)
    assert first.startswith(magic) and first == second


def test_bad_names_are_refused_before_the_work(tmp_path: Path) -> None:
    for name, message in (("x.jpg", "as .jpg"), ("x", "without suffix")):
        with pytest.raises(UsageError, match=message):
            canvas.check_output(tmp_path / name)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError):
        canvas.check_output(tmp_path / "file" / "x.png")


def test_the_user_s_matplotlib_settings_survive() -> None:
    with mpl.rc_context({"font.size": 33.0}):
        spectrum_figure(make_spectrum())
        assert mpl.rcParams["font.size"] == 33.0


@pytest.mark.parametrize("width, inches", [("one", 3.46), ("two", 7.09), ("screen", 11.0)])
def test_a_page_decides_the_width_and_letters_keep_their_size(width, inches):
    with canvas.page(width):
        figure = canvas.new_figure(11.0, 4.4)
    assert figure.get_figwidth() == inches and figure.get_figheight() <= 4.4
    assert canvas.new_figure(11.0, 4.4).get_figwidth() == 11.0  # outside the page
