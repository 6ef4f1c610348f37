"""Figures of synthetic spectra beside real ones. Each takes numbers and returns a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spectype.core import mk
from spectype.core.lines import lines_of
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
from spectype.draw.spectrum import draw_lines, draw_telluric
from spectype.fidelity.distances import distances, pairwise
from spectype.fidelity.judge import Evidence, Fidelity
from spectype.fidelity.lines import Correlations, LineScore
from spectype.fidelity.ratios import RATIOS, RatioScore
from spectype.fidelity.sets import Comparison, Group
from spectype.fidelity.two_sample import Components
from spectype.fidelity.verdicts import AUC_LIMIT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FloatArray = NDArray[np.float64]
_ZOOM = {**dict.fromkeys("OB", (4000.0, 4750.0)), **dict.fromkeys("AFGK", (3850.0, 4600.0)),
         "M": (6200.0, 7250.0)}  # fmt: skip
_SHOWN = 3  # triplets of neighbours of each sort
_BAND = (5, 95)


def draw_all(c: Comparison, found: Fidelity, evidence: Evidence) -> dict[str, Figure]:
    """Every figure of one type, by name."""
    drawn = {
        "spectra": spectra_figure(c),
        "two-sample": two_sample_figure(found),
        "distances": distance_figure(evidence.space),
        "neighbours": neighbour_figure(c, evidence.space),
        "embedding": embedding_figure(c),
    }
    if found.lines:
        drawn["widths"] = width_figure(found.lines, evidence.widths, type=c.type)
    if found.ratios:
        drawn["ratios"] = ratio_figure(found.ratios, evidence.ratios)
    if found.correlations is not None:
        drawn["correlations"] = correlation_figure(found.correlations)
    return drawn


def spectra_figure(c: Comparison) -> Figure:
    """Median and 5-95 % of real and synthetic spectra: all that is compared, and a closer look."""
    real = np.concatenate([c.train.bins, c.test.bins]) + 1.0
    made = c.synthetic.bins + 1.0
    low, high = _ZOOM[c.type]
    near = (c.bin_wave > low) & (c.bin_wave < high)
    with style():
        figure = new_figure(10.0, 6.0)
        whole, closer = figure.subplots(2, 1, height_ratios=[1.0, 1.25])
        for axes, chosen in ((whole, np.ones_like(near)), (closer, near)):
            wave = c.bin_wave[chosen]
            for flux, colour, name in ((real, ACCENT, "real"), (made, SECOND, "synthetic")):
                band = np.percentile(flux[:, chosen], _BAND, axis=0)
                x, lower, upper, middle = _with_gaps(
                    wave, band[0], band[1], np.median(flux[:, chosen], axis=0)
                )
                axes.fill_between(x, lower, upper, color=colour, alpha=0.22, lw=0)
                axes.plot(x, middle, color=colour, lw=1.0, label=f"{name} ({len(flux)})")
            axes.set_xlim(wave[0], wave[-1])
            bottom, top = axes.get_ylim()
            axes.set_ylim(bottom, top + 0.28 * (top - bottom))
            axes.set_ylabel("flux / broad shape")
            draw_telluric(axes, named=False)
            draw_lines(axes, lines_of(c.type))
        whole.legend(loc="lower right", ncols=2)
        closer.set_xlabel("vacuum wavelength at rest [Å]")
    return figure


def _with_gaps(wave: FloatArray, *curves: FloatArray) -> list[FloatArray]:
    """Break curves where bins are left out, so that no line bridges the gap."""
    breaks = np.flatnonzero(np.diff(wave) > 5 * np.median(np.diff(wave))) + 1
    return [np.insert(wave, breaks, wave[breaks]) if curve is wave else
            np.insert(curve, breaks, np.nan) for curve in (wave, *curves)]  # fmt: skip


def two_sample_figure(found: Fidelity) -> Figure:
    """AUC of every classifier in every comparison; the strongest with its interval."""
    rows = [
        ("synthetic against\nheld-out stars", found.held_out, SECOND),
        ("… as made: without noise\nand gaps of real spectra", found.as_made, SECOND),
        ("synthetic against all real,\nlearnt from or not", found.all_real, SECOND),
        ("real training stars\nagainst held-out stars", found.reference, ACCENT),
    ]
    with style():
        figure = new_figure(5.4, 3.4)
        axes = figure.add_subplot()
        for place, (_, results, colour) in enumerate(rows):
            best = results[0]
            axes.plot([best.low, best.high], [place, place], color=colour, lw=2.4, alpha=0.45,
                      solid_capstyle="round")  # fmt: skip
            axes.plot([a.value for a in results[1:]], [place] * (len(results) - 1), "o", ms=3.5,
                      mfc="white", mec=colour, mew=0.8)  # fmt: skip
            axes.plot(best.value, place, "o", ms=7, color=colour)
            axes.annotate(f"{best.value:.2f}", (best.value, place), xytext=(0, 6), ha="center",
                          textcoords="offset points", size=8, color=colour)  # fmt: skip
        axes.axvline(0.5, color=GREY, lw=0.8)
        axes.axvline(AUC_LIMIT, color=GREY, lw=0.8, ls=(0, (4, 3)))
        for x, text in ((0.5, "a coin"), (AUC_LIMIT, "limit"), (1.0, "certain")):
            axes.annotate(text, (x, 1), xycoords=("data", "axes fraction"), xytext=(0, 2), size=7,
                          textcoords="offset points", ha="center", color=GREY)  # fmt: skip
        axes.set_yticks(range(len(rows)), [name for name, *_ in rows], size=8)
        axes.set_ylim(len(rows) - 0.5, -0.6)
        lowest = min(a.value for _, results, _ in rows for a in results)
        axes.set_xlim(min(0.3, lowest - 0.04), 1.03)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        axes.set_xlabel("AUC (large: strongest classifier, 95 %; small: the others)")
    return figure


def distance_figure(space: Mapping[str, FloatArray]) -> Figure:
    """How far from the training spectra, and how far from each other."""
    kinds = {"test": ("held-out stars", ACCENT, "-"), "synthetic": ("synthetic", SECOND, "-"),
             "copies": ("copies of training spectra", GREY, (0, (3, 2)))}  # fmt: skip
    unit = float(np.median(pairwise(space["test"]))) or 1.0
    with style():
        figure = new_figure(8.6, 2.9, panels=2)
        left, right = figure.subplots(1, 2)
        for name, (label, colour, dash) in kinds.items():
            near = np.sort(distances(space[name], space["train"]).min(axis=1)) / unit
            left.step(np.r_[0, near], np.arange(near.size + 1) / near.size, where="post",
                      color=colour, ls=dash, label=label)  # fmt: skip
        left.set(xlabel="distance to the nearest training spectrum", ylabel="share nearer than",
                 ylim=(0, 1.02))  # fmt: skip
        values = {name: pairwise(space[name]) / unit for name in ("test", "synthetic")}
        top = max(float(np.percentile(v, 99)) for v in values.values())
        edges = np.linspace(0, max(top, 0.1), 31)
        for name, value in values.items():
            label, colour, _ = kinds[name]
            count, _ = np.histogram(np.minimum(value, edges[-1]), edges)
            right.stairs(count / count.sum(), edges, color=colour, fill=True, alpha=0.22)
            right.stairs(count / count.sum(), edges, color=colour, lw=1.2, label=label)
        right.set(xlabel="distance between two spectra", ylabel="share of pairs", yticks=[])
        for axes in (left, right):
            axes.set_xlim(0, None)
            axes.grid()
            axes.legend(loc="lower right" if axes is left else "upper right")
        figure.supxlabel("unit: median distance of two held-out stars", size=7.5, color=GREY)
    return figure


def neighbour_figure(c: Comparison, space: Mapping[str, FloatArray]) -> Figure:
    """Synthetic spectra over their nearest training and held-out spectra.

    Left those nearest to a training spectrum, where copies would be; right typical ones.
    """
    to_train = distances(space["synthetic"], space["train"])
    to_test = distances(space["synthetic"], space["test"])
    order = np.argsort(to_train.min(axis=1))
    n = min(_SHOWN, len(order) // 2) or 1
    middle = len(order) // 2
    columns = [order[:n], order[middle - n // 2 : middle - n // 2 + n]]
    unit = float(np.median(pairwise(space["test"]))) or 1.0
    low, high = _ZOOM[c.type]
    near = (c.bin_wave > low) & (c.bin_wave < high)
    with style():
        figure = new_figure(10.0, 2.15 * n + 0.7, panels=2)
        grid = figure.subplots(n, 2, sharex=True, squeeze=False)
        for column, picks in enumerate(columns):
            for row, pick in enumerate(picks):
                axes = grid[row, column]
                sides = [(c.synthetic, int(pick), SECOND, "synthetic", 0.0)]
                for group, table, colour, name in ((c.train, to_train, ACCENT, "training"),
                                                   (c.test, to_test, INK, "held out")):  # fmt: skip
                    best = int(table[pick].argmin())
                    sides.append((group, best, colour, name, float(table[pick, best]) / unit))
                _draw_neighbours(axes, c.bin_wave[near], near, sides)
        titles = ("nearest to a training spectrum", "typical")
        for axes, title in zip(grid[0], titles, strict=True):
            axes.set_title(title)
        for axes in grid[-1]:
            axes.set_xlabel("vacuum wavelength at rest [Å]")
    return figure


def _draw_neighbours(
    axes: Axes,
    wave: FloatArray,
    near: NDArray[np.bool_],
    sides: Sequence[tuple[Group, int, str, str, float]],
) -> None:
    curves = [group.bins[row, near] + 1.0 for group, row, *_ in sides]
    step = 0.9 * max(np.ptp(np.percentile(curve, [2, 98])) for curve in curves) + 0.02
    for i, (curve, (group, row, colour, name, apart)) in enumerate(zip(curves, sides, strict=True)):
        lifted = curve + step * (len(sides) - 1 - i)
        axes.plot(wave, lifted, color=colour, lw=0.9)
        code = mk.format_code(float(group.light.code[row]))
        text = f"{name} {code or ''}".strip()
        text += "" if i == 0 else f" · {group.light.survey[row]} · {apart:.2f} away"
        axes.annotate(text, (1.0, float(np.median(lifted))), xycoords=("axes fraction", "data"),
                      xytext=(-2, 6), textcoords="offset points", ha="right", size=7, color=colour,
                      bbox={"fc": "white", "ec": "none", "pad": 0.6, "alpha": 0.8})  # fmt: skip
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom, top + 0.1 * (top - bottom))
    axes.set_xlim(wave[0], wave[-1])
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def width_figure(
    scores: Sequence[LineScore], widths: Mapping[str, FloatArray], *, type: str
) -> Figure:
    """Every measured width, real and synthetic, with median and 5-95 %."""
    from spectype.fidelity.lines import WIDTHS

    place = {name: i for i, name in enumerate(WIDTHS[type])}
    rng = np.random.default_rng(0)
    with style():
        figure = new_figure(10.0, 3.1, panels=len(scores))
        for axes, score in zip(figure.subplots(1, len(scores)), scores, strict=True):
            shown = []
            for x, (kind, colour) in enumerate((("real", ACCENT), ("synthetic", SECOND))):
                values = widths[kind][:, place[score.name]]
                values = values[np.isfinite(values)]
                low, middle, high = np.percentile(values, [5, 50, 95])
                spread = rng.uniform(-0.24, 0.24, values.size)
                axes.plot(x + spread, values, "o", ms=2.2, color=colour, alpha=0.3, mew=0)
                axes.plot([x, x], [low, high], color=colour, lw=5, alpha=0.35,
                          solid_capstyle="butt")  # fmt: skip
                axes.plot([x - 0.3, x + 0.3], [middle, middle], color=colour, lw=1.8)
                shown += list(np.percentile(values, [1, 99]))
            axes.axhspan(score.real_low, score.real_high, color=PALE, alpha=0.5, lw=0, zorder=0)
            span = max(max(shown) - min(shown), 1e-3)
            axes.set_ylim(min(shown) - 0.1 * span, max(shown) + 0.1 * span)
            axes.set_xlim(-0.6, 1.6)
            axes.set_xticks([0, 1], ["real", "synth."])
            unit = f" [{score.unit}]" if score.unit else ""
            name = score.name.replace("C III/N III", "C III/N III\n")
            axes.set_title(f"{name}{unit}", size=8, loc="center",
                           color=INK if score.inside else SECOND,
                           weight="normal" if score.inside else "bold")  # fmt: skip
    return figure


def ratio_figure(scores: Sequence[RatioScore], ratios: Mapping[str, FloatArray]) -> Figure:
    """Ratios of lines against the subclass."""
    place = {name: 1 + i for i, name in enumerate(RATIOS)}
    with style():
        figure = new_figure(10.0, 3.2, panels=len(scores))
        row = figure.subplots(1, len(scores), squeeze=False)[0]
        for axes, score in zip(row, scores, strict=True):
            for kind, colour, size, alpha in (("synthetic", SECOND, 2.6, 0.4),
                                              ("real", ACCENT, 3.6, 0.8)):  # fmt: skip
                code, value = ratios[kind][:, 0], ratios[kind][:, place[score.name]]
                axes.plot(code, value, "o", ms=size, mew=0, color=colour, alpha=alpha, label=kind)
            first, last = axes.get_xlim()
            ticks = np.arange(np.ceil(first), last, 2)
            axes.set_xticks(ticks, [mk.format_code(float(t)) for t in ticks])
            axes.set_title(score.name, size=8)
            axes.grid()
        row[0].set_ylabel("log of the ratio of widths")
        row[0].legend(loc="best")
    return figure


def correlation_figure(found: Correlations) -> Figure:
    """Rank correlations between lines: real, synthetic, difference."""
    panels = (
        ("real", found.real),
        ("synthetic", found.synthetic),
        ("synthetic − real", found.synthetic - found.real),
    )
    n = len(found.names)
    short = [name.split(" 4640")[0] for name in found.names]
    with style():
        figure = new_figure(10.0, 4.2, panels=3)
        # The panels are square, and constrained layout clips where it has less than that.
        figure.set_figheight((figure.get_figwidth() - 0.6) / len(panels) + 1.05)
        for k, (axes, (title, table)) in enumerate(zip(figure.subplots(1, 3), panels, strict=True)):
            axes.imshow(table, cmap="RdBu_r", vmin=-1, vmax=1)
            for i, j in np.ndindex(n, n):
                if i != j:
                    dark = abs(table[i, j]) > 0.6
                    text = f"{table[i, j]:+.1f}".replace("0.", ".")
                    axes.text(j, i, text, ha="center", va="center", size=6.5,
                              color="white" if dark else INK)  # fmt: skip
            axes.set_xticks(range(n), short, rotation=60, ha="right", size=7)
            axes.set_yticks(range(n), short if k == 0 else [], size=7)
            axes.tick_params(length=0)
            axes.spines[:].set_visible(False)
            axes.set_title(title)
    return figure


def embedding_figure(c: Comparison) -> Figure:
    """Where the spectra lie among real stars of this and the neighbouring types."""
    real: list[Any] = [c.others_train, c.others_test, c.train, c.test]
    fit = Components(n=4).fit(np.concatenate([g.bins for g in real]))
    with style():
        figure = new_figure(8.6, 3.9, panels=2)
        for axes, (a, b) in zip(figure.subplots(1, 2), ((0, 1), (2, 3)), strict=True):
            for group in real[:2]:
                xy = fit.transform(group.bins)
                for kind in np.unique(group.light.type):
                    here = group.light.type == kind
                    label = f"{kind}, real" if group is c.others_train else None
                    axes.plot(xy[here, a], xy[here, b], "o", ms=2.6, mew=0, alpha=0.35,
                              color=TYPE_COLOURS[str(kind)], label=label)  # fmt: skip
            made = fit.transform(c.synthetic.bins)
            axes.plot(made[:, a], made[:, b], "o", ms=3.2, mew=0, alpha=0.55, color=SECOND,
                      label=f"{c.type}, synthetic")  # fmt: skip
            for group, fill, name in ((c.train, "white", "learnt from"), (c.test, INK, "held out")):
                xy = fit.transform(group.bins)
                axes.plot(xy[:, a], xy[:, b], "o", ms=4.6, mfc=fill, mec=INK, mew=0.9,
                          label=f"{c.type}, {name}")  # fmt: skip
            share = 100 * fit.pca_.explained_variance_ratio_
            axes.set_xlabel(f"component {a + 1} ({share[a]:.0f} %)")
            axes.set_ylabel(f"component {b + 1} ({share[b]:.0f} %)")
            axes.grid()
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure
