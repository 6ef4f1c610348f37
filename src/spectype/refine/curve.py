"""The curve of a training: fidelity against time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spectype.draw.canvas import ACCENT, GREY, INK, new_figure, save, style


def draw_curve(lines: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw AUC and offset of line widths at every checkpoint against minutes of training.

    Parameters
    ----------
    lines : sequence of mapping
        Lines of ``log.jsonl``; those with ``auc`` count.
    path : Path
        The figure.
    """
    measured = [line for line in lines if "auc" in line]
    if not measured:
        return
    minutes = [line["minutes"] for line in measured]
    real = [line["minutes"] for line in lines if not line["simulated"]]
    with style():
        figure = new_figure(7.0, 5.0)
        apart, widths = figure.subplots(2, 1, sharex=True)
        apart.plot(minutes, [line["auc"] for line in measured], color=ACCENT, marker="o", ms=3)
        apart.axhline(0.5, color=GREY, lw=0.6)
        apart.set(ylim=(0.45, 1.02), ylabel="AUC, strongest of four")
        widths.plot(minutes, [line["lines"] for line in measured], color=INK, marker="o", ms=3)
        widths.set(ylim=(0, None), ylabel="line medians off\n(5–95 % ranges)")
        widths.set_xlabel("minutes of training")
        if real and real[0] > minutes[0]:
            for axes in (apart, widths):
                axes.axvline(real[0], color=GREY, lw=0.6)
            apart.annotate("real stars from here", (real[0], 0.98), size=7, color=GREY,
                           xytext=(3, 0), textcoords="offset points", va="top")  # fmt: skip
        figure.suptitle("Samples against stars kept for validation", color=INK)
        save(figure, path, dpi=110)
