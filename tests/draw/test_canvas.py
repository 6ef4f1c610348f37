"""Figures come out whole, the same twice, and leave the user's settings alone."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
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


def test_panels_side_by_side_are_clipped_nowhere_and_take_two_columns():
    """As the correlations of a fidelity page once were: square panels and slanted names."""
    from spectype.fidelity.figures import correlation_figure
    from spectype.fidelity.lines import Correlations

    names = ("He II 4541", "C III/N III 4640–50", "He I 4471")
    found = Correlations(names=names, real=np.eye(3), synthetic=np.eye(3), difference=0.0,
                         by_chance=0.1)  # fmt: skip
    for width in ("screen", "one"):
        with canvas.page(canvas.Paper(width)):
            figure = correlation_figure(found)
        figure.canvas.draw()
        box = figure.get_tightbbox()
        assert box.x0 > -0.01 and box.y0 > -0.01
        assert box.x1 < figure.get_figwidth() + 0.01 and box.y1 < figure.get_figheight() + 0.01
    assert figure.get_figwidth() == canvas.WIDTHS["two"]


def test_paper_decides_how_wide_and_fine_a_picture_and_the_pages_of_a_book_are(tmp_path):
    with canvas.page(canvas.Paper("one", 100)):
        drawn = [canvas.new_figure(11.0, 4.0) for _ in range(2)]
        canvas.save(drawn[0], tmp_path / "a.png")
        book = canvas.save_pages(iter(drawn), tmp_path / "book.pdf").read_bytes()
    assert int.from_bytes((tmp_path / "a.png").read_bytes()[16:20], "big") == 346
    assert book.count(b"/Type /Page ") == 2 and b"249.12" in book and b"CreationDate" not in book


def test_figures_of_a_page_are_written_as_wide_as_asked(tmp_path):
    def draw():
        figure = canvas.new_figure(5.2, 3.0)
        figure.add_subplot().plot([0, 1])
        return {"a-line": figure}

    svgs = canvas.illustrate(draw, tmp_path, paper=canvas.Paper(width="one"), prefix="O-")
    assert "<title>O a line</title>" in svgs["a-line"] and "min-width:349px" in svgs["a-line"]
    assert {path.name for path in tmp_path.iterdir()} == {"O-a-line.svg", "O-a-line.pdf"}
    assert 'width="249.12pt"' in (tmp_path / "O-a-line.svg").read_text()
    with pytest.raises(UsageError, match="dots an inch"):
        canvas.illustrate(draw, tmp_path, paper=canvas.Paper(dpi=3))


@pytest.mark.parametrize("width, inches", [("one", 3.46), ("two", 7.09), ("screen", 11.0)])
def test_a_page_decides_the_width_and_letters_keep_their_size(width, inches):
    with canvas.page(canvas.Paper(width)):
        figure = canvas.new_figure(11.0, 4.4)
    assert figure.get_figwidth() == inches and figure.get_figheight() <= 4.4
    assert canvas.new_figure(11.0, 4.4).get_figwidth() == 11.0  # outside the page
