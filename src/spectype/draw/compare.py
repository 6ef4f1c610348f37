"""Spectra one over another: the same star, or the same type, through different instruments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spectype.core.errors import DataError
from spectype.core.grid import SPEED_OF_LIGHT, log_grid, resample
from spectype.core.lines import lines_of
from spectype.core.spectra import Spectra
from spectype.draw.canvas import GREY, INK, new_figure, style
from spectype.draw.spectrum import NO_TYPE, draw_lines, draw_telluric, heading, optical
from spectype.surveys.resolution import native_fwhm

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FloatArray = NDArray[np.float64]
COLOURS = ("#1c2430", "#c2571a", "#27589c", "#3c8a4d", "#8a4d9e", "#d2ab2e")
_STEP = 5e-5  # log10; 34.5 km/s, finer than any of the surveys
_CONTINUUM = 9000.0  # km/s, the Gaussian that --normalise divides by


def compare_figure(
    spectra: Sequence[Spectra],
    *,
    names: Sequence[str] | None = None,
    types: str = NO_TYPE,
    offset: float = 0.0,
    fwhm: float | None = None,
    normalise: bool = False,
    between: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw spectra on one vacuum wavelength axis, scaled to each other.

    Parameters
    ----------
    spectra : sequence of Spectra
        Batches of one, on any grids. Each is moved to rest by its own ``redshift``.
    names : sequence of str, optional
        For the legend.
    types : str
        Name the lines of these types.
    offset : float
        Distance between the curves [median flux]; 0 lays one over the other and, for two,
        draws their ratio below.
    fwhm : float, optional
        Bring all to this full width at half maximum [km/s], given what each survey has.
    normalise : bool
        Divide each by its broad shape, so that reddening and calibration do not matter.
    between : (float, float), optional
        Wavelength range [Angstrom]; by default where at least two spectra have good pixels.
    title : str, optional
        Heading.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    DataError
        If there are fewer than two, or two of them share no wavelength.
    """
    if len(spectra) < 2:
        raise DataError(f"{len(spectra)} spectrum: a comparison needs two at least")
    labels = list(names) if names else [heading(s) or f"spectrum {i + 1}" for i, s in
                                        enumerate(spectra)]  # fmt: skip
    wave, fluxes = align(spectra, names=labels, fwhm=fwhm, normalise=normalise, between=between)
    with style():
        ratio = len(fluxes) == 2 and offset == 0.0
        figure = new_figure(11.0, 5.2 if ratio else 4.2 + 0.5 * len(fluxes) * bool(offset))
        if ratio:
            top, below = figure.subplots(2, 1, sharex=True, height_ratios=[3.2, 1.0])
            _draw_ratio(below, wave, fluxes[0] / fluxes[1])
            below.set_xlabel("vacuum wavelength at rest [Å]")
        else:
            top = figure.add_subplot()
            top.set_xlabel("vacuum wavelength at rest [Å]")
        _draw_curves(top, wave, fluxes, labels, offset=offset)
        measured = "flux / continuum" if normalise else "flux / common median"
        top.set_ylabel(f"{measured}\n+ {offset:g} a curve" if offset else measured)
        draw_telluric(top)
        above = draw_lines(top, lines_of(types))
        top.set_title(title or "", pad=8 + above)
    return figure


def align(
    spectra: Sequence[Spectra],
    *,
    names: Sequence[str],
    fwhm: float | None = None,
    normalise: bool = False,
    between: tuple[float, float] | None = None,
) -> tuple[FloatArray, list[FloatArray]]:
    """Bring spectra to rest, one grid, one resolution where asked, and one scale.

    Returns
    -------
    wave : ndarray, shape (n_pix,)
        Vacuum wavelength [Angstrom].
    fluxes : list of ndarray, shape (n_pix,)
        NaN where a spectrum has no good pixel; median 1 over the wavelengths all share.
    """
    rest = [_at_rest(s) for s in spectra]
    low, high = _common_range(rest, names) if between is None else between
    grid = log_grid(np.log10(low), step=_STEP, n_pix=int(np.log10(high / low) / _STEP) + 1)
    fluxes = []
    for spectrum in rest:
        on_grid = resample(spectrum, wave=grid)
        native = np.nan_to_num(native_fwhm(spectrum.get("survey")[0]))
        flux = np.where(on_grid.mask[0], np.nan, on_grid.flux[0]).astype(np.float64)
        if fwhm is not None and fwhm > native:
            flux = _smooth(flux, np.sqrt(fwhm**2 - native**2) / 2.3548)
        if normalise:
            broad = _smooth(flux, _CONTINUUM)
            flux = np.where(broad > 0, flux / np.where(broad > 0, broad, 1.0), np.nan)
        fluxes.append(flux)
    shared = np.all([np.isfinite(f) for f in fluxes], axis=0)
    for i, flux in enumerate(fluxes):
        use = shared if shared.any() else np.isfinite(flux)
        if not use.any():
            raise DataError(f"no good pixel of {names[i]} between {low:.0f} and {high:.0f} A")
        scale = float(np.nanmedian(flux[use]))
        fluxes[i] = flux / scale if scale > 0 else flux
    return grid, fluxes


def _at_rest(spectrum: Spectra) -> Spectra:
    if len(spectrum) != 1:
        raise ValueError(f"one spectrum a curve, not {len(spectrum)}")
    z = spectrum.get("redshift")[0]
    z = float(z) if z is not None and abs(z) < 0.1 else 0.0
    return Spectra(
        wave=np.atleast_2d(spectrum.wave)[0] / (1.0 + z),
        flux=spectrum.flux,
        ivar=spectrum.ivar,
        mask=spectrum.mask,
        meta=spectrum.meta,
    )


def _common_range(spectra: Sequence[Spectra], names: Sequence[str]) -> tuple[float, float]:
    """The wavelengths where two spectra at least have good pixels."""
    edges = []
    for spectrum, name in zip(spectra, names, strict=True):
        good = ~spectrum.mask[0] & (spectrum.ivar[0] > 0)
        if not good.any():
            raise DataError(f"{name} has no good pixel")
        edges.append((float(spectrum.wave[good][0]), float(spectrum.wave[good][-1])))
    low, high = sorted(a for a, _ in edges)[1], sorted(b for _, b in edges)[-2]
    if low >= high:
        spans = ", ".join(f"{n} {a:.0f}-{b:.0f}" for n, (a, b) in zip(names, edges, strict=True))
        raise DataError(f"the spectra share no wavelength ({spans})")
    return optical(low, high)


def _smooth(flux: FloatArray, sigma: float) -> FloatArray:
    """Gaussian mean of the finite pixels, standard deviation `sigma` [km/s]."""
    from scipy.ndimage import gaussian_filter1d

    pixels = sigma / (SPEED_OF_LIGHT * np.log(10.0) * _STEP)
    good = np.isfinite(flux)
    weight = gaussian_filter1d(good.astype(np.float64), pixels, mode="constant")
    total = gaussian_filter1d(np.where(good, flux, 0.0), pixels, mode="constant")
    return np.asarray(np.where(good, total / np.maximum(weight, 1e-9), np.nan))


def _draw_curves(
    axes: Axes, wave: FloatArray, fluxes: Sequence[FloatArray], labels: Sequence[str], *,
    offset: float,
) -> None:  # fmt: skip
    shown = []
    for i, (flux, label) in enumerate(zip(fluxes, labels, strict=True)):
        lifted = flux + offset * (len(fluxes) - 1 - i)
        colour = COLOURS[i % len(COLOURS)]
        axes.plot(wave, lifted, color=colour, lw=0.8, label=label, zorder=3 + i)
        shown.append(lifted)
        if offset:
            _name_curve(axes, wave, lifted, label, colour)
    values = np.concatenate([f[np.isfinite(f)] for f in shown])
    low, high = np.percentile(values, [0.2, 99.8])
    span = high - low
    axes.set_ylim(low - 0.12 * span, high + 0.42 * span)
    axes.set_xlim(wave[0], wave[-1])
    if not offset:
        axes.legend(loc="upper right", bbox_to_anchor=(1.0, 0.85))


def _name_curve(axes: Axes, wave: FloatArray, flux: FloatArray, label: str, colour: str) -> None:
    """Write the label just above a quiet middle part of the curve."""
    finite = np.flatnonzero(np.isfinite(flux))
    middle = finite[int(0.62 * (finite.size - 1))]
    near = np.abs(np.log(wave / wave[middle])) < 0.05
    height = np.nanpercentile(flux[near], 98)
    axes.annotate(label, (wave[middle], height), xytext=(0, 6), textcoords="offset points",
                  ha="center", va="bottom", size=8, color=colour, zorder=9)  # fmt: skip


def _draw_ratio(axes: Axes, wave: FloatArray, ratio: FloatArray) -> None:
    finite = ratio[np.isfinite(ratio)]
    axes.axhline(1.0, color=GREY, lw=0.6)
    axes.plot(wave, ratio, color=INK, lw=0.6)
    if finite.size:
        low, high = np.percentile(finite, [1, 99])
        axes.set_ylim(low - 0.15 * (high - low) - 0.02, high + 0.15 * (high - low) + 0.02)
    axes.set_ylabel("ratio")
    axes.set_xlim(wave[0], wave[-1])
    draw_telluric(axes, named=False)
