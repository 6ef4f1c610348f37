import numpy as np
import pytest
from PIL import Image

import spectype
from spectype.core.errors import ArgumentError
from spectype.core.lines import LINES
from tests.stars import star_batch


@pytest.fixture(scope="module")
def stars():
    return star_batch([5.0, 42.0, 64.0], meta={"object": ["one", "two", "three"]})


def texts(figure):
    return [t.get_text() for axes in figure.axes for t in axes.texts]


def test_one_spectrum_and_several(stars):
    types = spectype.load_model().predict(stars)
    figure = stars.plot(types=types)
    assert len(figure.axes) == 3
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert [title.split(" · ")[0] for title in titles] == ["one", "two", "three"]
    assert all(s in t for s, t in zip(types["subclass"], titles))
    assert len(stars[1].plot(types=types[1:2]).axes) == 2  # with the probabilities


def test_lines_are_named_with_their_wavelengths(stars):
    said = texts(stars[2].plot(lines="OM"))
    assert {"He II 4541", "He II 4686", "TiO 7054", "Hα"} <= set(said)
    named = [text for text in said if text]
    assert len(named) == len(set(named) | {"H₂O"}) + named.count("H₂O") - 1
    assert LINES["Na D1"].tag == "Na D"


def test_labels_stay_clear_of_the_title(stars):
    for width in ("one", "two", "screen"):
        figure = stars[2].plot(lines="FGKM", width=width)
        figure.draw_without_rendering()
        axes = figure.axes[0]
        title = axes._left_title.get_window_extent()
        labels = [t.get_window_extent() for t in axes.texts if t.get_rotation() == 90]
        assert labels and max(box.y1 for box in labels) <= title.y0 + 1
        assert title.x1 <= figure.bbox.x1 and title.y1 <= figure.bbox.y1 + 1


def test_width_and_dots_decide_the_picture(stars, tmp_path):
    stars[0].plot(width="two", output=tmp_path / "f.png")
    with Image.open(tmp_path / "f.png") as picture:
        assert picture.width == int(7.09 * 160)
    with pytest.raises(ArgumentError, match="spectra: holds no spectrum"):
        stars[:0].plot()
    many = star_batch(np.full(13, 22.0))
    with pytest.raises(ArgumentError, match=r"spectra\[:12\]"):
        many.plot()
    with pytest.raises(ArgumentError, match="types: has 3 rows for 1"):
        stars[0].plot(types=spectype.load_model().predict(stars))
