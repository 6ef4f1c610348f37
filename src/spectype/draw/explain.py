"""What moved the decision, drawn under the spectrum; where the network looks, type by type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spectype.classify.explain import Attention, Explanation, leading_lines
from spectype.classify.standards import Match, flattened
from spectype.core.grid import SPEED_OF_LIGHT
from spectype.core.spectra import Spectra
from spectype.draw.canvas import ACCENT, GREY, INK, PALE, SECOND, TYPE_COLOURS, new_figure, style
from spectype.draw.spectrum import (
    draw_lines,
    draw_probabilities,
    draw_spectrum,
    draw_telluric,
    heading,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMED = 18  # lines in a figure
_APART = 1.15  # of two standards, in units of the largest spread of one
_HIGHEST = 99.8  # percentile of the curve that fills an average's panel


def explain_figure(
    spectrum: Spectra,
    explanation: Explanation,
    *,
    row: int = 0,
    prediction: Mapping[str, Any] | None = None,
    title: str | None = None,
    matches: Sequence[Match] = (),
) -> Figure:
    """Draw a spectrum over the pull of each of its wavelengths on the type.

    Parameters
    ----------
    spectrum : Spectra
        A batch of one.
    explanation : Explanation
        Of it, perhaps among others.
    row : int
        Its place among them.
    prediction : mapping, optional
        Its row of the table of `classify`.
    title : str, optional
        Heading; by default made of object, survey, label and S/N.
    matches : sequence of Match
        Nearest standards, drawn below everything, the best on top.

    Returns
    -------
    matplotlib.figure.Figure
        Above: the spectrum with the lines that matter most named and the wavelengths shaded by
        their weight. Below: how many subclasses later (up) or earlier (down) the features at
        each wavelength make the star look.
    """
    if len(spectrum) != 1:
        raise ValueError(f"one spectrum is drawn, not {len(spectrum)}")
    z = spectrum.get("redshift")[0]
    redshift = float(z) if z is not None and abs(z) < 0.1 else 0.0
    with style():
        rows = 3 if matches else 2
        figure = new_figure(11.0, 6.0 + 1.1 * len(matches))
        columns = 1 if prediction is None else 2
        grid = figure.add_gridspec(
            rows,
            columns,
            height_ratios=[1.9, 1.0, 0.55 * len(matches)][:rows],
            width_ratios=[6.2, 1.0][:columns],
        )
        above = figure.add_subplot(grid[0, 0])
        below = figure.add_subplot(grid[1, 0], sharex=above)
        if prediction is not None:
            bars = figure.add_subplot(grid[:2, 1])
            bars.set_box_aspect(2.6)
            bars.set_anchor("N")
            draw_probabilities(bars, prediction)
        draw_spectrum(above, spectrum)
        draw_weight(above, explanation, row=row)
        draw_telluric(above)
        named = sorted(leading_lines(explanation, row, n=_NAMED), key=lambda line: line.wave)
        over = draw_lines(above, named, redshift=redshift)
        above.tick_params(labelbottom=False)
        above.set_ylabel("flux / median")
        above.set_title(title or heading(spectrum, redshift=redshift), pad=8 + over)
        draw_pull(below, explanation, row=row)
        lowest = below
        if matches:
            lowest = figure.add_subplot(grid[2, 0], sharex=above)
            below.tick_params(labelbottom=False)
            draw_standards(lowest, spectrum, matches, wave=explanation.wave)
        lowest.set_xlabel("vacuum wavelength [Å]")
    return figure


def draw_standards(
    axes: Axes, spectrum: Spectra, matches: Sequence[Match], *, wave: NDArray[np.float64]
) -> None:
    """Draw a spectrum over each of its nearest standards, without their broad shapes.

    Parameters
    ----------
    axes : Axes
        Where.
    spectrum : Spectra
        A batch of one.
    matches : sequence of Match
        From `Standards.nearest`, of a store on the grid `wave`.
    wave : ndarray, shape (n_pix,)
        [Angstrom, vacuum].
    """
    own = flattened(spectrum, wave)
    step = _APART * float(np.nanmax([np.nanpercentile(m.flux, 99) - np.nanpercentile(m.flux, 1)
                                     for m in matches]))  # fmt: skip
    low, high = axes.get_xlim()
    for place, match in enumerate(matches):
        up = step * (len(matches) - 1 - place)
        moved = wave * (1.0 + match.velocity / SPEED_OF_LIGHT)
        axes.plot(wave, own + up, color=GREY, lw=0.5, alpha=0.8)
        axes.plot(moved, match.flux + up, color=TYPE_COLOURS[match.type], lw=0.9)
        axes.annotate(
            f"{match.name}  {match.label}  ({match.survey})   χ² {match.distance:.2f}   "
            + f"{match.velocity:+.0f} km/s".replace("-", "−"),
            (0.995, 1.0 + up), xycoords=("axes fraction", "data"), xytext=(0, 9),
            textcoords="offset points", ha="right", size=7.5, color=TYPE_COLOURS[match.type],
            bbox={"fc": "white", "ec": "none", "alpha": 0.75, "pad": 1.0},
        )  # fmt: skip
    axes.set_xlim(low, high)
    axes.set_ylim(1.0 - 0.75 * step, 1.0 + step * (len(matches) - 0.35))
    axes.set_yticks([])
    axes.set_ylabel("nearest standards\nflux / broad shape")


def draw_weight(axes: Axes, explanation: Explanation, *, row: int = 0) -> None:
    """Shade the wavelengths of a drawn spectrum by their weight."""
    from matplotlib.colors import LinearSegmentedColormap

    curve = explanation.by_pixel(explanation.weight)[row]
    if not curve.max() > 0:
        return
    low, high = axes.get_xlim()
    bottom, top = axes.get_ylim()
    n = explanation.wave.size // 4
    depth = curve[: 4 * n].reshape(n, 4).mean(axis=1) / curve.max()
    edges = np.append(explanation.wave[: 4 * n : 4], explanation.wave[4 * n - 1])
    shades = LinearSegmentedColormap.from_list("weight", ["#ffffff", "#f3c97b"])
    axes.pcolormesh(edges, [0.0, 1.0], depth[None], cmap=shades, vmin=0, vmax=1, zorder=0,
                    rasterized=True, transform=axes.get_xaxis_transform())  # fmt: skip
    axes.set_xlim(low, high)
    axes.set_ylim(bottom, top)


def draw_pull(axes: Axes, explanation: Explanation, *, row: int = 0) -> None:
    """Fill how much later (up, red) or earlier (down, blue) each wavelength makes the star."""
    wave = explanation.wave
    curve = explanation.by_pixel(explanation.pull)[row]
    later, earlier = TYPE_COLOURS["M"], TYPE_COLOURS["B"]
    axes.fill_between(wave, np.maximum(curve, 0), color=later, lw=0, alpha=0.85)
    axes.fill_between(wave, np.minimum(curve, 0), color=earlier, lw=0, alpha=0.85)
    axes.axhline(0, color=GREY, lw=0.6)
    reach = 1.15 * max(float(np.abs(curve).max()), 0.05)
    axes.set_ylim(-reach, reach)
    axes.set_ylabel("pull [subclasses]")
    place: dict[str, Any] = {"transform": axes.transAxes, "size": 7.5, "ha": "right"}
    axes.text(0.995, 0.95, "features here make it later", color=later, va="top", **place)
    axes.text(0.995, 0.05, "features here make it earlier", color=earlier, va="bottom", **place)


def attention_figure(found: Mapping[str, Attention], wave: Any, *, title: str = "") -> Figure:
    """Draw where the network looks, a row a type, over the windows of the type's criteria.

    Parameters
    ----------
    found : mapping of str to Attention
        By type.
    wave : ndarray, shape (n_pix,)
        The model's grid [Angstrom, vacuum].
    title : str
        Heading.
    """
    with style():
        figure = new_figure(11.0, 0.9 + 1.15 * len(found))
        rows = figure.subplots(len(found), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (type, one) in zip(rows, found.items(), strict=True):
            _draw_attention(axes, one, wave)
            axes.set_ylabel(type, rotation=0, size=14, weight="bold", ha="right", va="center",
                            color=TYPE_COLOURS[type])  # fmt: skip
        rows[0].set_title(title or "Where the network looks, and where spectroscopists do")
        rows[-1].set_xlabel(
            "vacuum wavelength [Å] (shaded: near the lines that define the type's subclasses)"
        )
    return figure


def _draw_attention(axes: Axes, one: Attention, wave: Any) -> None:
    curve = one.curve * wave.size  # 1 is a network that looks everywhere alike
    top = 1.1 * max(float(np.percentile(curve, _HIGHEST)), 2.0)
    axes.fill_between(wave, 0, top, where=one.inside, color=PALE, lw=0, step="mid")
    axes.fill_between(wave, curve, color=TYPE_COLOURS[one.type], alpha=0.9, lw=0)
    axes.axhline(1.0, color=INK, lw=0.5, ls=(0, (2, 2)))
    axes.set_ylim(0, top)
    axes.set_xlim(wave[0], wave[-1])
    axes.set_yticks([1])
    axes.set_yticklabels(["1"])
    interval = f" ({one.low:.1f}–{one.high:.1f})" if np.isfinite(one.low) else ""
    axes.text(
        0.995, 0.93, f"{one.ratio:.1f}{interval} times more in the shade than its width explains\n"
        f"{one.n} {'spectrum' if one.n == 1 else 'spectra'}",
        transform=axes.transAxes, ha="right", va="top", size=7.5,
        color=ACCENT if one.low > 1 else SECOND,
    )  # fmt: skip
