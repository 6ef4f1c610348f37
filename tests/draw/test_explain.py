"""Explanations drawn: the lines that weigh are named, the pull has its sign."""

from __future__ import annotations

import numpy as np
import pytest

from spectype.classify.explain import Explanation, attention
from spectype.core.grid import STANDARD_GRID
from spectype.core.lines import LINES
from spectype.draw.canvas import TYPE_COLOURS, to_svg
from spectype.draw.explain import attention_figure, explain_figure
from tests.stars import make_spectrum

STARTS = np.arange(0, 3881, 8)


def explanation(*pulls: dict[str, float]) -> Explanation:
    """Explanations with these pulls [subclasses] at these lines, of A stars."""
    middle = STANDARD_GRID[STARTS + 12]
    pull = np.zeros((len(pulls), STARTS.size))
    for row, lines in zip(pull, pulls, strict=True):
        for name, value in lines.items():
            row += value * np.exp(-0.5 * ((middle - LINES[name].wave) / 16.0) ** 2)
    good = np.ones((len(pulls), STANDARD_GRID.size), bool)
    return Explanation(wave=STANDARD_GRID, good=good, starts=STARTS, width=24,
                       weight=np.abs(pull), pull=pull, types=["A"] * len(pulls))  # fmt: skip


def test_lines_that_weigh_are_named_and_others_are_not() -> None:
    found = explanation({}, {"H beta": -2.0, "Ca II K": 1.0})
    figure = explain_figure(make_spectrum(), found, row=1, prediction={"type": "A", "p_A": 0.9})
    named = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert {"Hβ", "Ca II K"} <= named and "Hα" not in named
    assert "HD 0 · lamost · cz = +30 km/s" in figure.axes[0].get_title(loc="left")


def test_a_line_that_counts_by_its_absence_stands_in_parentheses() -> None:
    figure = explain_figure(make_spectrum(), explanation({"He I 5876": 2.0, "H beta": 1.0}))
    named = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert {"(He I 5876)", "Hβ"} <= named and "He I 5876" not in named
    assert "neighbouring types" in figure.axes[-1].get_xlabel()


def test_the_pull_is_drawn_up_for_later_and_down_for_earlier() -> None:
    from matplotlib.colors import to_hex

    found = explanation({"H beta": -2.0, "Ca II K": 1.0})
    figure = explain_figure(make_spectrum(), found)
    below = figure.axes[-1]
    reach = {}
    for area in below.collections:
        corners = area.get_paths()[0].vertices
        x, y = corners[np.abs(corners[:, 1]).argmax()]
        reach[to_hex(area.get_facecolor()[0])] = (float(x), float(y))
    later, earlier = reach[TYPE_COLOURS["M"]], reach[TYPE_COLOURS["B"]]
    assert later == pytest.approx((LINES["Ca II K"].wave, 1.0), rel=0.1)
    assert earlier == pytest.approx((LINES["H beta"].wave, -2.0), rel=0.1)
    low, high = below.get_ylim()
    assert low == -high and high > -earlier[1]


def test_a_spectrum_that_nothing_moves_is_drawn() -> None:
    assert "<path" in to_svg(explain_figure(make_spectrum(), explanation({})), title="flat")


def test_two_spectra_are_refused() -> None:
    with pytest.raises(ValueError, match="one spectrum is drawn, not 2"):
        explain_figure(make_spectrum(2), explanation({}))


def test_averages_say_how_much_lies_in_the_windows() -> None:
    found = attention(explanation({"H beta": 1.0}, {"H gamma": 1.0}, {"TiO 7054": 1.0}))
    figure = attention_figure(found, STANDARD_GRID)
    text = figure.axes[0].texts[0].get_text()
    assert f"{found['A'].ratio:.1f} (" in text and "3 spectra" in text
    assert figure.axes[0].get_ylabel() == "A" and len(figure.axes) == 1
    # Two of three maps lie at lines of hydrogen, blurred by a window.
    assert 0.25 < found["A"].share < 0.6
