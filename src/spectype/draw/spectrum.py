"""A spectrum as a spectroscopist wants to see it: lines named, errors, bad pixels, sky."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spectype.core import mk
from spectype.core.lines import TELLURIC, Line, lines_of
from spectype.core.spectra import Spectra
from spectype.draw.canvas import ACCENT, GREY, INK, PALE, SECOND, TYPE_COLOURS, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FloatArray = NDArray[np.float64]
_LABEL_SIZE = 7.0
NO_TYPE = "AG"  #: Lines to name where no type is known: hydrogen and metals.
OPTICAL = (3000.0, 10500.0)  #: Angstrom: what is drawn of spectra that go far beyond.
_NARROW = 5.0  # inch; a figure as narrow has no room for the probabilities
_NARROW_LETTERS = 48  # of its heading in a line
_NOISY = 15.0  # below this S/N a smoothed curve is drawn over the pixels
_NAME_WIDTH = 22.0  # points that the name of a telluric band needs
_FARTHEST = 4.0  # label widths between a line and its label
_MERGED = 80.0  # Angstrom; neighbours with one label share it


def spectrum_figure(
    spectrum: Spectra,
    *,
    prediction: Mapping[str, Any] | None = None,
    title: str | None = None,
    types: str | None = None,
    between: tuple[float, float] | None = None,
    redshift: float | None = None,
    smooth: int = 0,
) -> Figure:
    """Draw one spectrum, with its type where a prediction is given.

    Parameters
    ----------
    spectrum : Spectra
        A batch of one.
    prediction : mapping, optional
        A row of the table of `classify`: ``type``, ``p_O`` ... ``p_M``, ``subclass``,
        ``subclass_error``, ``luminosity``, ``type_set``, ``flag_names``.
    title : str, optional
        Heading; by default made of object, survey, label and S/N.
    types : str, optional
        Name the lines of these types; empty names none. By default those of the
        likely types, without a prediction of the label's.
    between : (float, float), optional
        Wavelength range [Angstrom].
    redshift : float, optional
        Where the lines are drawn; by default the spectrum's own ``redshift``.
    smooth : int
        Running mean over this many pixels; 0 decides by the S/N.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the batch does not hold one spectrum.
    """
    if len(spectrum) != 1:
        raise ValueError(f"one spectrum is drawn, not {len(spectrum)}")
    with style():
        figure = new_figure(11.0, 4.4)
        narrow = figure.get_figwidth() < _NARROW
        if prediction is None or narrow:
            axes = figure.add_subplot()
        else:
            grid = figure.add_gridspec(1, 2, width_ratios=[6.2, 1.0])
            axes = figure.add_subplot(grid[0])
            draw_probabilities(figure.add_subplot(grid[1]), prediction)
        z = _redshift(spectrum, redshift)
        draw_spectrum(axes, spectrum, between=between, smooth=smooth)
        draw_telluric(axes)
        wanted = likely_types(prediction, spectrum) if types is None else types
        above = draw_lines(axes, lines_of(wanted), redshift=z)
        gaps = _has_gaps(spectrum, axes.get_xlim()) and not narrow
        bad = " (orange below: bad pixels)" if gaps else ""
        axes.set_xlabel(f"vacuum wavelength [Å]{bad}")
        axes.set_ylabel("flux / median")
        said = title or heading(spectrum, redshift=z)
        if narrow:
            found = "" if prediction is None else in_words(prediction)
            said = "\n".join(filter(None, (textwrap.fill(said, _NARROW_LETTERS), found)))
        axes.set_title(said, pad=8 + above, size=8 if narrow else None)
    return figure


def in_words(prediction: Mapping[str, Any]) -> str:
    """Type, error and luminosity class of a row: ``G2 ± 1.2 V``."""
    error = prediction.get("subclass_error")
    parts = [str(prediction.get("subclass") or prediction.get("type") or "untyped")]
    parts += [f"± {error:.1f}"] if error is not None and np.isfinite(error) else []
    parts += [str(prediction["luminosity"])] if prediction.get("luminosity") else []
    return " ".join(parts)


def heading(spectrum: Spectra, *, redshift: float = 0.0) -> str:
    """Object, survey, label, S/N and velocity of one spectrum, as far as they are known."""
    row = {name: values[0] for name, values in spectrum.meta.items()}
    parts = [str(row[name]) for name in ("object", "survey") if row.get(name)]
    if not parts and row.get("path"):
        parts = [str(row["path"]).rsplit("/", 1)[-1]]
    if row.get("subclass"):
        parts.append(f"labelled {row['subclass']}")
    snr = row.get("snr")
    if snr is not None and np.isfinite(snr) and 0 < snr < 999:
        parts.append(f"S/N {snr:.0f}")
    if redshift:
        parts.append(f"cz = {redshift * 299_792.458:+.0f} km/s")
    return " · ".join(parts)


def likely_types(prediction: Mapping[str, Any] | None, spectrum: Spectra) -> str:
    """Types worth naming lines of: the winner and any other with a probability above 0.15.

    Without a prediction it is the type of the spectrum's label, so that no line is named that
    the star cannot have.
    """
    if prediction is None or not prediction.get("type"):
        return mk.parse(spectrum.get("subclass")[0]).type or NO_TYPE
    others = [t for t in mk.TYPES if (prediction.get(f"p_{t}") or 0.0) > 0.15]
    return "".join(dict.fromkeys([str(prediction["type"]), *others]))


def draw_spectrum(
    axes: Axes,
    spectrum: Spectra,
    *,
    between: tuple[float, float] | None = None,
    smooth: int = 0,
    colour: str = INK,
    max_points: int | None = None,
) -> None:
    """Draw flux over its median, the error band and the bad pixels of one spectrum.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where.
    spectrum : Spectra
        A batch of one.
    between : (float, float), optional
        Wavelength range [Angstrom]; by default that of the good pixels, if `OPTICAL`.
    smooth : int
        Running mean over this many pixels drawn over the pixels; 0 decides by the S/N.
    colour : str
        Of the curve.
    max_points : int, optional
        Average neighbours so that no more points are drawn.
    """
    wave = np.atleast_2d(spectrum.wave)[0]
    good = ~spectrum.mask[0] & (spectrum.ivar[0] > 0)
    if not good.any():
        axes.text(0.5, 0.5, "no good pixel", transform=axes.transAxes, ha="center", color=SECOND)
        return
    low, high = between or optical(float(wave[good][0]), float(wave[good][-1]))
    window = (wave >= low) & (wave <= high)
    wave, good = wave[window], good[window]
    flux = np.where(good, spectrum.flux[0][window], np.nan)
    ivar = np.where(good, spectrum.ivar[0][window], 0.0)
    if max_points and wave.size > max_points:
        wave, flux, ivar = _binned(wave, flux, ivar, int(np.ceil(wave.size / max_points)))
        good = ivar > 0
    if not good.any():
        axes.text(0.5, 0.5, "no good pixel here", transform=axes.transAxes, ha="center")
        return
    scale = float(np.nanmedian(flux))
    scale = scale if scale > 0 else float(np.nanmax(np.abs(flux))) or 1.0
    flux = flux / scale
    error = np.where(good, 1.0 / np.sqrt(np.where(good, ivar, 1.0)) / scale, np.nan)
    if bool(spectrum.get("has_errors", True)[0]):
        axes.fill_between(wave, flux - error, flux + error, color=PALE, lw=0, zorder=1)
    snr = float(np.nanmedian(flux / error))
    n_pix = smooth or (7 if snr < _NOISY and bool(spectrum.get("has_errors", True)[0]) else 1)
    if n_pix > 1:
        axes.plot(wave, flux, color="#a9b1bb", lw=0.5, zorder=2)
        axes.plot(wave, _running_mean(flux, ivar, n_pix), color=colour, lw=0.9, zorder=3)
    else:
        axes.plot(wave, flux, color=colour, lw=0.75, zorder=3)
    axes.set_xlim(low, high)
    _set_height(axes, flux if n_pix == 1 else _running_mean(flux, ivar, n_pix))
    _draw_bad(axes, wave, ~good)


def optical(first: float, last: float) -> tuple[float, float]:
    """The part of a range [Angstrom] that is `OPTICAL`; the range itself if none is."""
    low, high = max(first, OPTICAL[0]), min(last, OPTICAL[1])
    return (low, high) if low < high else (first, last)


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


def draw_probabilities(axes: Axes, prediction: Mapping[str, Any]) -> None:
    """Bars of the seven probabilities, headed by the type with its error and flags."""
    values = [float(prediction.get(f"p_{t}") or 0.0) for t in mk.TYPES]
    axes.barh(range(7), values, color=[TYPE_COLOURS[t] for t in mk.TYPES], height=0.7)
    axes.set_yticks(range(7), list(mk.TYPES), size=9)
    axes.set_ylim(6.5, -0.5)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1], ["0", "½", "1"])
    axes.tick_params(length=0)
    for place, value in enumerate(values):
        if value >= 0.005:
            inside = value > 0.7
            axes.text(
                value + (-0.03 if inside else 0.03), place, f"{value:.2f}", va="center", size=7,
                ha="right" if inside else "left", color="white" if inside else INK,
            )  # fmt: skip
    error = prediction.get("subclass_error")
    found = f"{prediction.get('subclass') or prediction.get('type') or 'untyped'}"
    found += f" {prediction['luminosity']}" if prediction.get("luminosity") else ""
    axes.set_title(found, size=15, weight="bold", pad=18, loc="left")
    about = f"± {error:.1f} subclasses" if error is not None and np.isfinite(error) else ""
    axes.text(0, 1.015, about, transform=axes.transAxes, size=7.5, color=GREY, va="bottom")
    notes = [f"set: {prediction['type_set']}"] if prediction.get("type_set") else []
    flags = str(prediction.get("flag_names") or "").split()
    notes += [flag.lower().replace("_", " ") for flag in flags]
    axes.set_xlabel("probability\n" + "\n".join(note for note in notes if note), size=8)


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


def _redshift(spectrum: Spectra, given: float | None) -> float:
    if given is not None:
        return given
    known = spectrum.get("redshift")[0]
    # Beyond 0.1 it is a galaxy's, or a pipeline's mistake; -9999 stands for none.
    return float(known) if known is not None and abs(known) < 0.1 else 0.0


def _binned(
    wave: FloatArray, flux: FloatArray, ivar: FloatArray, step: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    n = wave.size // step * step
    shape = (-1, step)
    weight = np.where(ivar > 0, 1.0, 0.0)[:n].reshape(shape)
    count = weight.sum(axis=1)
    total = np.nan_to_num(flux)[:n].reshape(shape).sum(axis=1)
    information = ivar[:n].reshape(shape).sum(axis=1)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return wave[:n].reshape(shape).mean(axis=1), mean, information


def _running_mean(flux: FloatArray, ivar: FloatArray, n_pix: int) -> FloatArray:
    """Mean of the good pixels weighted by ivar; NaN where the pixel itself is bad."""
    kernel = np.ones(n_pix)
    good = ivar > 0
    total = np.convolve(np.where(good, flux * ivar, 0.0), kernel, mode="same")
    weight = np.convolve(ivar, kernel, mode="same")
    return np.where(good, total / np.where(weight > 0, weight, 1.0), np.nan)


def _set_height(axes: Axes, flux: FloatArray) -> None:
    """Limits that a cosmic ray does not set, with room above for the labels."""
    values = flux[np.isfinite(flux)]
    low, high = np.percentile(values, [0.3, 99.7])
    middle = np.median(values)
    # Deep lines and emission count, single wild pixels do not.
    low, high = max(values.min(), low - 0.4 * (middle - low)), min(
        values.max(), high + 0.4 * (high - middle)
    )  # fmt: skip
    span = max(high - low, 1e-6)
    axes.set_ylim(low - 0.08 * span, high + 0.30 * span)


def _has_gaps(spectrum: Spectra, limits: tuple[float, float]) -> bool:
    wave = np.atleast_2d(spectrum.wave)[0]
    bad = spectrum.mask[0] | (spectrum.ivar[0] <= 0)
    return bool(bad[(wave >= limits[0]) & (wave <= limits[1])].any())


def _draw_bad(axes: Axes, wave: FloatArray, bad: NDArray[np.bool_]) -> None:
    """Mark runs of bad pixels along the lower edge."""
    if not bad.any():
        return
    starts = np.flatnonzero(bad & ~np.r_[False, bad[:-1]])
    ends = np.flatnonzero(bad & ~np.r_[bad[1:], False])
    step = float(np.median(np.diff(wave))) if wave.size > 1 else 1.0
    for a, b in zip(starts, ends, strict=True):
        axes.axvspan(wave[a] - step / 2, wave[b] + step / 2, 0.0, 0.025, color=SECOND, lw=0)
