"""Names over a spectrum: its lines and the bands of the air, side by side, each near its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spectype.core.lines import TELLURIC, Line
from spectype.draw.canvas import ACCENT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
_LABEL_SIZE = 7.0
_NAME_WIDTH = 22.0  # points that the name of a telluric band needs
_FARTHEST = 4.0  # label widths between a line and its label
_MERGED = 80.0  # Angstrom; neighbours with one label share it


def draw_telluric(axes: Axes, *, named: bool = True) -> None:
    """Shade the bands of the Earth's atmosphere and, if asked and there is room, name them."""
    low, high = axes.get_xlim()
    room = _NAME_WIDTH * (high - low) / _points(axes)
    previous = low
    for name, first, last in TELLURIC:
        if last > low and first < high:
            axes.axvspan(max(first, low), min(last, high), color="#e3edf7", lw=0, zorder=0)
            middle = (max(first, low) + min(last, high)) / 2
            if not named or min(middle - previous, 2 * (high - middle)) < room:
                continue
            previous = middle
            axes.annotate(
                name.replace("2", "₂"),
                (middle, 0.0),
                xycoords=("data", "axes fraction"),
                xytext=(0, 9),
                textcoords="offset points",
                ha="center",
                va="bottom",
                size=6,
                color="#6d8fb3",
            )


def draw_lines(axes: Axes, lines: Sequence[Line], *, redshift: float = 0.0) -> float:
    """Name lines above the spectrum, labels side by side, each with a leader to its line.

    Where labels would end up far from their lines, only the main lines are named.

    Returns
    -------
    float
        How far labels reach over the axes [points]: what a title has to keep clear of.
    """
    low, high = axes.get_xlim()
    visible = [x for x in lines if low < x.wave * (1 + redshift) < high]
    gap = 1.25 * _LABEL_SIZE / _points(axes) * (high - low)
    for chosen in (visible, [x for x in visible if x.main]):
        groups = _grouped(chosen)
        if not groups:
            return 0.0
        centres = np.array([np.mean([x.wave for x in g]) for g in groups]) * (1 + redshift)
        places = spread(centres, gap=gap, low=low + gap / 2, high=high - gap / 2)
        if np.abs(places - centres).max() < _FARTHEST * gap:
            break
    for group, centre, place in zip(groups, centres, places, strict=True):
        for line in group:
            axes.plot(
                [line.wave * (1 + redshift)] * 2, [0.0, 0.84], color=ACCENT, lw=0.5, alpha=0.4,
                ls=(0, (1, 2)), transform=axes.get_xaxis_transform(), zorder=1,
            )  # fmt: skip
        axes.plot(
            [centre, place], [0.84, 0.88], color=ACCENT, lw=0.5, alpha=0.7, clip_on=False,
            transform=axes.get_xaxis_transform(),
        )  # fmt: skip
        axes.text(
            place, 0.89, group[0].tag, rotation=90, ha="center", va="bottom",
            size=_LABEL_SIZE, color=ACCENT, transform=axes.get_xaxis_transform(),
        )  # fmt: skip
    # A letter is 0.6 of its size wide; the layout will leave the axes 0.9 of this height.
    height = 72.0 * 0.9 * axes.get_window_extent().height / axes.figure.dpi
    longest = max(len(group[0].tag) for group in groups) * 0.6 * _LABEL_SIZE
    return max(0.0, longest - 0.11 * height)


def _points(axes: Axes) -> float:
    """Width of the axes [points]."""
    return float(axes.get_window_extent().width) / axes.figure.dpi * 72.0


def spread(positions: FloatArray, *, gap: float, low: float, high: float) -> FloatArray:
    """Move sorted positions as little as possible until neighbours are `gap` apart.

    The least-squares answer is an isotonic regression of ``position - i * gap`` (pool adjacent
    violators). If they do not fit between `low` and `high`, the gap shrinks until they do.

    >>> spread(np.array([1.0, 1.0, 5.0]), gap=1.0, low=0.0, high=9.0).tolist()
    [0.5, 1.5, 5.0]
    """
    n = positions.size
    if n > 1 and gap * (n - 1) > high - low:
        gap = (high - low) / (n - 1)
    blocks: list[tuple[float, int]] = []
    for value in positions - gap * np.arange(n):
        blocks.append((float(value), 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, i), (b, j) = blocks.pop(-2), blocks.pop(-1)
            blocks.append(((a * i + b * j) / (i + j), i + j))
    flat = np.concatenate([np.full(count, value) for value, count in blocks] or [np.empty(0)])
    return np.asarray(np.clip(flat, low, high - gap * max(n - 1, 0)) + gap * np.arange(n))


def _grouped(lines: Sequence[Line]) -> list[list[Line]]:
    """Neighbours that carry one label, as one group (the sodium doublet, Mg b)."""
    groups: list[list[Line]] = []
    for line in lines:
        last = groups[-1][-1] if groups else None
        if last is not None and last.tag == line.tag and line.wave - last.wave < _MERGED:
            groups[-1].append(line)
        else:
            groups.append([line])
    return groups
