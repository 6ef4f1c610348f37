"""Figures of the report show the numbers they are given."""

from __future__ import annotations

import numpy as np

from spectype.judge import figures, metrics
from spectype.judge.calibration import reliability


def labels(figure) -> list[str]:  # type: ignore[no-untyped-def]
    return [t.get_text() for axes in figure.axes for t in axes.texts]


def test_confusion_is_by_rows() -> None:
    counts = metrics.confusion(["A"] * 4 + ["F"], ["A", "A", "A", "F", "F"])
    shown = labels(figures.confusion_figure(counts))
    assert ".75" in shown and ".25" in shown and "1" in shown and "3" in shown
    image = figures.confusion_figure(counts).axes[0].images[0].get_array()
    assert image.shape == (7, 7)
    untyped = figures.confusion_figure(metrics.confusion(["A"], [None]))
    assert untyped.axes[0].images[0].get_array().shape == (7, 8)


def test_recall_figure_draws_the_values() -> None:
    scores = metrics.by_class(["A"] * 10 + ["F"] * 10, ["A"] * 7 + ["F"] * 13)
    drawn = {
        round(float(x), 6)
        for line in figures.recall_figure(scores).axes[0].lines
        for x in np.atleast_1d(line.get_xdata())
    }
    assert {0.7, 1.0, round(10 / 13, 6)} <= drawn


def test_snr_calibration_code_and_training_draw_their_values() -> None:
    snr = metrics.by_snr(
        [8.0, 9.0, 200.0], [True, False, True], true_code=[1.0] * 3, code=[2.0] * 3
    )
    points = figures.snr_figure(snr).axes[0].lines[0].get_ydata()
    assert list(points) == [0.5, 1.0]
    bins = reliability([0.9, 0.9, 0.3], [True, False, True])
    line = figures.calibration_figure(bins, error=0.25).axes[0].lines[1]
    assert list(line.get_ydata()) == [1.0, 0.5]
    code = figures.code_figure([42.0, 30.0, np.nan], [43.0, 30.0, 1.0])
    assert len(code.axes[0].collections[0].get_offsets()) == 2
    crowd = np.linspace(1, 69, 4000)
    assert figures.code_figure(crowd, crowd).axes[0].collections
    log = [{"epoch": e, "validation_loss": abs(e - 3.0), "train_loss": None} for e in range(1, 6)]
    training = figures.training_figure(log)
    assert training.axes[1].lines[-1].get_xdata()[0] == 3
