"""Figures of an evaluation. Each takes scores and returns a matplotlib figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spectype.core import mk
from spectype.draw.canvas import (
    ACCENT,
    GREY,
    INK,
    PALE,
    SECOND,
    TYPE_COLOURS,
    new_figure,
    style,
)
from spectype.judge.calibration import Bin
from spectype.judge.metrics import ClassScore, Share, SnrScore

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CROWDED = 3000  # above this many spectra a density is drawn, not points


def confusion_figure(
    counts: NDArray[np.int64], *, labels: Sequence[str] = mk.TYPES, what: str = "type"
) -> Figure:
    """Confusion matrix by rows: each row adds up to 1 over what became of its true members.

    Parameters
    ----------
    counts : ndarray, shape (n, n + 1)
        As `metrics.confusion` gives it; the last column counts untyped spectra and is drawn
        where there are any.
    labels : sequence of str
        Names of the classes.
    what : str
        What they are classes of.
    """
    untyped = bool(counts[:, -1].any())
    shown = counts if untyped else counts[:, :-1]
    columns = [*labels, "none"] if untyped else list(labels)
    totals = counts.sum(axis=1, keepdims=True)
    share = np.divide(shown, totals, out=np.zeros(shown.shape), where=totals > 0)
    with style():
        figure = new_figure(5.2, 4.5)
        axes = figure.add_subplot()
        axes.imshow(share**0.6, cmap="Blues", vmin=0, vmax=1.15, aspect="auto")
        for i, j in np.ndindex(shown.shape):
            if shown[i, j]:
                dark = share[i, j] > 0.45
                text = "1" if share[i, j] == 1 else f"{share[i, j]:.2f}".lstrip("0")
                at: dict[str, Any] = {"ha": "center", "va": "center"}
                axes.text(j, i - 0.08, text, size=9, color="white" if dark else INK, **at)
                axes.text(
                    j, i + 0.27, f"{shown[i, j]}", size=6.5, color="#dce6f2" if dark else GREY, **at
                )
        rows = [f"{label}  ({total})" for label, total in zip(labels, totals[:, 0], strict=True)]
        axes.set_yticks(range(len(labels)), rows, size=9)
        axes.set_xticks(range(len(columns)), columns, size=9)
        axes.xaxis.tick_top()
        axes.xaxis.set_label_position("top")
        axes.set_xlabel(f"predicted {what}")
        axes.set_ylabel(f"true {what} (spectra)")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(len(labels) + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", lw=1.5)
        axes.tick_params(which="minor", length=0)
    return figure


def recall_figure(
    scores: Sequence[ClassScore], *, colours: Mapping[str, str] | None = None
) -> Figure:
    """Recall and precision of each class with 95 % intervals and the stars behind them."""
    tint = TYPE_COLOURS if colours is None else colours
    seen = [s for s in scores if s.recall.n]
    with style():
        figure = new_figure(5.2, 0.45 * max(len(seen), 3) + 1.0)
        axes = figure.add_subplot()
        for place, score in enumerate(seen):
            colour = tint.get(score.name, ACCENT)
            for shift, part, marker, alpha in (
                (-0.14, score.recall, "o", 1.0),
                (0.16, score.precision, "D", 0.45),
            ):
                if part.n:
                    axes.plot([part.low, part.high], [place + shift] * 2, color=colour, lw=2.2,
                              alpha=0.5 * alpha, solid_capstyle="round")  # fmt: skip
                    axes.plot(part.value, place + shift, marker, color=colour, alpha=alpha,
                              ms=6 if marker == "o" else 4.5)  # fmt: skip
        axes.set_yticks(
            range(len(seen)), [f"{s.name}  ({s.recall.n_stars} stars)" for s in seen], size=9
        )
        axes.set_ylim(len(seen) - 0.5, -0.5)
        lows = [p.low for s in seen for p in (s.recall, s.precision) if p.n]
        axes.set_xlim(max(0.0, min(lows, default=0.0) - 0.05), 1.01)
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
        axes.plot([], [], "o", color=GREY, label="recall")
        axes.plot([], [], "D", color=GREY, alpha=0.5, ms=4.5, label="precision")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, borderpad=0)
        axes.set_xlabel("share, with 95 % interval")
    return figure


def snr_figure(scores: Sequence[SnrScore]) -> Figure:
    """Accuracy and subclass error against S/N."""
    names = [
        f"{s.low:g}–{s.high:g}" if np.isfinite(s.high) else f"> {s.low:g}" for s in scores
    ]  # fmt: skip
    places = np.arange(len(scores))
    with style():
        figure = new_figure(5.4, 3.9)
        top, below = figure.subplots(2, 1, sharex=True, height_ratios=[1.4, 1.0])
        _points(top, places, [s.accuracy for s in scores], ACCENT)
        for place, score in zip(places, scores, strict=True):
            top.annotate(f"{score.accuracy.n}", (place, 0), xycoords=("data", "axes fraction"),
                         xytext=(0, 3), textcoords="offset points", ha="center", size=7,
                         color=GREY)  # fmt: skip
        top.set_ylabel("types right")
        lowest = min((s.accuracy.low for s in scores), default=0.0)
        top.set_ylim(max(0.0, lowest - 0.12), 1.02)
        top.grid(axis="y")
        errors = [s.code for s in scores]
        below.vlines(places, [e.low for e in errors], [e.high for e in errors],
                     color=SECOND, lw=2.2, alpha=0.5)  # fmt: skip
        below.plot(places, [e.mean_abs for e in errors], "o-", color=SECOND, lw=0.8, ms=5)
        below.set_ylabel("mean |Δ| [subclasses]")
        below.set_ylim(0, None)
        below.grid(axis="y")
        below.set_xticks(places, names)
        below.set_xlabel("S/N (small numbers: spectra)")
    return figure


def calibration_figure(bins: Sequence[Bin], *, error: float) -> Figure:
    """How often a stated probability comes true, and how the probabilities are spread."""
    with style():
        figure = new_figure(5.2, 4.6)
        top, below = figure.subplots(2, 1, sharex=True, height_ratios=[3.4, 1.0])
        top.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls=(0, (4, 3)))
        stated = np.array([b.stated for b in bins])
        _points(top, stated, [b.right for b in bins], ACCENT)
        top.set_ylim(0, 1.02)
        top.set_ylabel("share that is right")
        top.text(0.03, 0.95, f"expected calibration error {error:.3f}", transform=top.transAxes,
                 va="top")  # fmt: skip
        top.grid()
        for b in bins:
            below.bar((b.low + b.high) / 2, b.right.n, width=0.9 * (b.high - b.low), color=PALE,
                      edgecolor=GREY, lw=0.5)  # fmt: skip
        below.set_ylabel("spectra")
        below.set_xlabel("stated probability of the winning type")
        below.set_xlim(0, 1.01)
    return figure


def code_figure(true: ArrayLike, predicted: ArrayLike) -> Figure:
    """Predicted against true decimal code, with the differences below."""
    t, p = np.asarray(true, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    both = np.isfinite(t) & np.isfinite(p)
    t, p = t[both], p[both]
    with style():
        figure = new_figure(5.2, 5.6)
        top, below = figure.subplots(2, 1, sharex=True, height_ratios=[3.2, 1.2])
        low = 10.0 * np.floor(min(t.min(initial=70), p.min(initial=70)) / 10.0)
        high = 10.0 * np.ceil(max(t.max(initial=0), p.max(initial=0)) / 10.0)
        for axes, y in ((top, p), (below, p - t)):
            if t.size > _CROWDED:
                axes.hexbin(t, y, gridsize=90, bins="log", cmap="Blues", mincnt=1, lw=0.1)
            elif t.size:
                # Labels are whole or half subclasses: spread the columns a little.
                jitter = np.random.default_rng(0).uniform(-0.25, 0.25, t.size)
                colours = [TYPE_COLOURS[mk.TYPES[i]] for i in mk.type_indices(t)]
                axes.scatter(t + jitter, y, s=7, c=colours, alpha=0.45, lw=0, rasterized=True)
            axes.grid()
        top.plot([low, high], [low, high], color=INK, lw=0.7)
        top.fill_between([low, high], [low - 2, high - 2], [low + 2, high + 2], color=PALE,
                         alpha=0.5, lw=0, zorder=0)  # fmt: skip
        below.axhspan(-2, 2, color=PALE, alpha=0.5, lw=0, zorder=0)
        below.axhline(0, color=INK, lw=0.7)
        spread = np.percentile(np.abs(p - t), 99) if t.size else 2.0
        below.set_ylim(-max(spread, 4) * 1.1, max(spread, 4) * 1.1)
        ticks = np.arange(low, high + 1, 5)
        names = [mk.format_code(c) for c in ticks]
        below.set_xticks(ticks, [n if c % 10 == 0 else "" for n, c in zip(names, ticks)])
        top.set_yticks(ticks, [n if c % 10 == 0 else "" for n, c in zip(names, ticks)])
        top.set(xlim=(low - 0.5, high), ylim=(low - 0.5, high), ylabel="predicted")
        below.set(xlabel="true (grey band: ± 2 subclasses)", ylabel="Δ [subclasses]")
    return figure


def training_figure(log: Sequence[Mapping[str, Any]]) -> Figure:
    """Accuracy and loss of training and validation against the epoch."""
    epoch = [row["epoch"] for row in log]
    with style():
        figure = new_figure(8.6, 2.9, panels=2)
        pair = figure.subplots(1, 2)
        for axes, quantity in zip(pair, ("accuracy", "loss"), strict=True):
            for part, colour in (("train", GREY), ("validation", ACCENT)):
                values = [_number(row.get(f"{part}_{quantity}")) for row in log]
                axes.plot(
                    epoch, values, color=colour, label="training" if part == "train" else part
                )
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.set_xlabel("epoch")
            axes.set_ylabel(quantity)
            axes.grid()
            axes.legend()
        best = int(np.nanargmin(_finite([row.get("validation_loss") for row in log])))
        for axes in pair:
            axes.axvline(epoch[best], color=SECOND, lw=0.8, ls=(0, (4, 3)))
        pair[1].annotate("lowest validation loss", (epoch[best], 1), rotation=90, size=7,
                         xycoords=("data", "axes fraction"), xytext=(3, -3), color=SECOND,
                         textcoords="offset points", va="top")  # fmt: skip
    return figure


def _points(axes: Axes, x: ArrayLike, shares: Sequence[Share], colour: str) -> None:
    axes.vlines(x, [s.low for s in shares], [s.high for s in shares], color=colour, lw=2.2,
                alpha=0.4)  # fmt: skip
    axes.plot(np.asarray(x), [s.value for s in shares], "o-", color=colour, lw=0.8, ms=5)


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _finite(values: Sequence[Any]) -> NDArray[np.float64]:
    """As floats, infinite where there is none, so that a minimum can be found."""
    numbers = np.array([_number(v) for v in values])
    return np.where(np.isfinite(numbers), numbers, np.inf)
