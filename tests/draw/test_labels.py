"""Names of lines over a spectrum: apart, in order, near their places."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spectype.core.lines import lines_of
from spectype.draw import canvas
from spectype.draw.labels import draw_lines, spread
from spectype.draw.spectrum import draw_spectrum
from tests.stars import make_spectrum


@given(
    st.lists(st.floats(3700, 9000), min_size=1, max_size=40),
    st.floats(1.0, 300.0),
)
def test_labels_never_overlap_and_keep_their_order(waves: list[float], gap: float) -> None:
    places = spread(np.sort(waves), gap=gap, low=3700.0, high=9000.0)
    room = min(gap, 5300.0 / max(len(waves) - 1, 1))
    assert (np.diff(places) >= room - 1e-6).all()
    assert places.min() >= 3700.0 - 1e-6 and places.max() <= 9000.0 + 1e-6


def test_labels_stay_put_where_there_is_room() -> None:
    waves = np.array([4000.0, 5000.0, 6000.0])
    np.testing.assert_allclose(spread(waves, gap=50.0, low=3700.0, high=9000.0), waves)


def test_crowded_labels_keep_the_main_lines() -> None:
    figure = canvas.new_figure(4.0, 2.0)
    axes = figure.add_subplot()
    draw_spectrum(axes, make_spectrum())
    draw_lines(axes, lines_of("OBAFGKM"))
    assert len(axes.texts) < 30 and "Hα" in [text.get_text() for text in axes.texts]
