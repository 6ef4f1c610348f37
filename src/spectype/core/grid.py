"""Wavelength grids: air and vacuum, log-linear grids, flux-conserving resampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spectype.core.spectra import Spectra, join_meta

Medium = Literal["air", "vacuum"]  #: what wavelengths are measured in
SPEED_OF_LIGHT = 299_792.458  #: km/s, exact
LOG_STEP = 1e-4  #: log10 step of LAMOST and SDSS pixels (69 km/s)
_AIR_FROM = 2000.0  # below 2000 A spectra are given in vacuum by convention


def vacuum_to_air(wave: ArrayLike) -> NDArray[np.float64]:
    """Convert vacuum to air wavelengths.

    Parameters
    ----------
    wave : array_like
        Vacuum wavelength [Angstrom].

    Returns
    -------
    ndarray, float64
        Wavelength in standard air (15 C, 101325 Pa) [Angstrom]; unchanged below 2000 A.

    References
    ----------
    Refractive index of Birch & Downs (1994, Metrologia 31, 315), as in Morton (2000,
    ApJS 130, 403, eq. 8).
    """
    vacuum = np.asarray(wave, dtype=np.float64)
    s2 = (1e4 / np.maximum(vacuum, 1.0)) ** 2
    n = 1.0 + 8.34254e-5 + 2.406147e-2 / (130.0 - s2) + 1.5998e-4 / (38.9 - s2)
    return np.where(vacuum >= _AIR_FROM, vacuum / n, vacuum)


def air_to_vacuum(wave: ArrayLike) -> NDArray[np.float64]:
    """Convert air to vacuum wavelengths: the inverse of `vacuum_to_air`.

    Parameters
    ----------
    wave : array_like
        Wavelength in standard air [Angstrom].

    Returns
    -------
    ndarray, float64
        Vacuum wavelength [Angstrom]; unchanged below 2000 A.

    Notes
    -----
    The index is a function of the vacuum wavelength; three fixed-point steps from the air
    wavelength bring the round trip below 1e-9 A over the optical.
    """
    air = np.asarray(wave, dtype=np.float64)
    vacuum = air.copy()
    for _ in range(3):
        vacuum = air * (vacuum / np.maximum(vacuum_to_air(vacuum), 1.0))
    return np.where(air >= _AIR_FROM, vacuum, air)


def log_grid(start: float, *, step: float = LOG_STEP, n_pix: int) -> NDArray[np.float64]:
    """Pixel centres ``10**(start + step * i)`` [Angstrom], shape (n_pix,).

    Parameters
    ----------
    start : float
        log10 of the first wavelength in Angstrom.
    step : float
        Step in log10.
    n_pix : int
        Number of pixels.
    """
    return np.asarray(10.0 ** (start + step * np.arange(n_pix)), dtype=np.float64)


#: LAMOST's own pixels, 3699.99-9088.2 A: the grid of stores and models.
STANDARD_GRID = log_grid(3.5682, n_pix=3904)


def edges(wave: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pixel edges of increasing centres `wave` (n_pix,): midpoints, shape (n_pix + 1,)."""
    if wave.size < 2:
        raise ValueError("a spectrum needs two pixels at least")
    middle = 0.5 * (wave[1:] + wave[:-1])
    first, last = 2 * wave[0] - middle[0], 2 * wave[-1] - middle[-1]
    return np.concatenate([[first], middle, [last]])


def aligned(wave: NDArray[np.float64], *, start: float, step: float) -> int | None:
    """Pixel of the grid ``10**(start + step * i)`` on which `wave` begins, if its pixels are all
    the grid's own to `ALIGNED` of a pixel; else None.

    Parameters
    ----------
    wave : ndarray, shape (n_pix,)
        Increasing [Angstrom]; a grid a spectrum (two dimensions) is never aligned.
    start, step : float
        Of the grid, log10 of Angstrom.

    Returns
    -------
    int or None
        May be negative, where `wave` begins before the grid. LAMOST's and SDSS's spectra are
        aligned with the standard grid.
    """
    if wave.ndim != 1 or wave.size < 2 or not wave[0] > 0:
        return None
    key = (id(wave), start, step)
    if key in _known and _known[key][0] is wave:
        return _known[key][1]
    pixel = (np.log10(wave) - start) / step
    offset = round(float(pixel[0]))
    off = np.abs(pixel - offset - np.arange(wave.size)).max()
    found = offset if off <= ALIGNED else None
    if not wave.flags.writeable and len(_known) < 256:  # readers share the grids of a survey
        _known[key] = (wave, found)
    return found


ALIGNED = 0.01  #: pixels of 69 km/s: wavelengths kept in single precision lie within it
_known: dict[tuple[int, float, float], tuple[NDArray[np.float64], int | None]] = {}


def place(spectra: Spectra, *, offset: int, wave: NDArray[np.float64]) -> Spectra:
    """Put spectra that are `aligned` on the grid `wave`, cut or padded with bad pixels."""
    if offset == 0 and spectra.n_pix == wave.size:
        return replace(spectra, wave=wave)
    return place_together([spectra], offsets=[offset], wave=wave)


def place_together(
    batches: Sequence[Spectra], *, offsets: Sequence[int], wave: NDArray[np.float64]
) -> Spectra:
    """Put several batches that are `aligned` on the grid `wave` into one.

    Parameters
    ----------
    batches : sequence of Spectra
        Of any numbers of pixels.
    offsets : sequence of int
        Pixel of `wave` on which each begins.
    wave : ndarray, shape (n_pix,)
        The grid [Angstrom].

    Returns
    -------
    Spectra
        All their spectra in order, cut or padded with bad pixels.
    """
    shape = (sum(len(batch) for batch in batches), wave.size)
    flux, ivar = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    mask = np.ones(shape, np.bool_)
    row = 0
    for batch, offset in zip(batches, offsets):
        rows = slice(row, row := row + len(batch))
        first, last = max(offset, 0), min(offset + batch.n_pix, wave.size)
        if last > first:
            there, here = slice(first - offset, last - offset), slice(first, last)
            good = (batch.ivar[:, there] > 0) > batch.mask[:, there]
            np.logical_not(good, out=mask[rows, here])
            np.copyto(flux[rows, here], batch.flux[:, there], where=good)
            np.copyto(ivar[rows, here], batch.ivar[:, there], where=good)
    return Spectra(wave=wave, flux=flux, ivar=ivar, mask=mask, meta=join_meta(batches))


def resample(spectra: Spectra, *, wave: NDArray[np.float64], min_covered: float = 0.5) -> Spectra:
    """Resample onto pixels `wave`, conserving flux and information.

    The flux of a new pixel is the mean flux density over its good part. Its variance is that
    which the same light would have had on the new pixels: information (ivar per Angstrom) is
    neither made nor lost, so a spectrum put on finer pixels does not gain S/N an Angstrom.
    Neighbouring pixels are then correlated, which is not recorded.

    Parameters
    ----------
    spectra : Spectra
        Input, on one grid (n_pix,) or a grid a spectrum.
    wave : ndarray, shape (n_new,), float64
        New pixel centres [Angstrom], increasing.
    min_covered : float
        A new pixel is bad if less than this share of its width has good flux.

    Returns
    -------
    Spectra
        On `wave`; metadata unchanged.
    """
    shape = (len(spectra), wave.size)
    flux, ivar = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    if spectra.wave.ndim == 1:
        _resample_shared(spectra, spectra.wave, wave, min_covered, flux, ivar)
    else:
        for i in range(len(spectra)):
            row = slice(i, i + 1)
            _resample_shared(spectra[row], spectra.wave[i], wave, min_covered, flux[row], ivar[row])
    return Spectra(wave=wave, flux=flux, ivar=ivar, mask=ivar <= 0, meta=spectra.meta)


def _resample_shared(
    spectra: Spectra,
    old: NDArray[np.float64],
    new: NDArray[np.float64],
    min_covered: float,
    flux_out: NDArray[np.float32],
    ivar_out: NDArray[np.float32],
) -> None:
    """Fill `flux_out` and `ivar_out` by differences of cumulative integrals at the new edges."""
    old_edges, new_edges = edges(old), edges(new)
    width = np.diff(old_edges)
    good = ~spectra.mask & (spectra.ivar > 0)
    where = np.clip(new_edges, old_edges[0], old_edges[-1])
    index = np.clip(np.searchsorted(old_edges, where, side="right") - 1, 0, old.size - 1)
    part = (where - old_edges[index]) / width[index]

    def integral(density: NDArray[Any]) -> NDArray[np.float64]:
        """Integrals of `density` over the new pixels, shape (n_spec, n_new)."""
        amount = density * width
        total = np.zeros((amount.shape[0], old.size + 1))
        np.cumsum(amount, axis=1, out=total[:, 1:])
        return np.diff(total[:, index] + part * amount[:, index], axis=1)

    covered = integral(good.astype(np.float64))
    keep = covered >= min_covered * np.diff(new_edges)
    safe = np.where(keep, covered, 1.0)
    # Where old pixels are much wider than new ones a step function would show; a spline
    # through the cumulative flux has the same integrals over old pixels and is smooth.
    coarse = np.interp(new, old, width) > 1.5 * np.diff(new_edges)
    flux = integral(np.where(good, spectra.flux, 0.0)) / safe
    if coarse.any():
        smooth = _smooth_means(spectra, old, good, old_edges, where)
        flux = np.where(coarse, smooth, flux)
    variance = np.where(good, 1.0 / np.where(good, spectra.ivar, 1.0), 0.0)
    noise = integral(variance * width) / safe**2
    np.copyto(flux_out, np.where(keep, flux, 0.0))
    with np.errstate(divide="ignore"):
        np.copyto(ivar_out, np.where(keep & (noise > 0), 1.0 / np.where(noise > 0, noise, 1.0), 0))


def _smooth_means(
    spectra: Spectra,
    old: NDArray[np.float64],
    good: NDArray[np.bool_],
    old_edges: NDArray[np.float64],
    where: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Mean flux between the positions `where` by a cubic spline through the cumulative flux."""
    from scipy.interpolate import CubicSpline

    filled = np.array(spectra.flux, dtype=np.float64)
    for row, ok in zip(filled, good):
        if ok.any() and not ok.all():
            row[~ok] = np.interp(old[~ok], old[ok], row[ok])
    total = np.zeros((filled.shape[0], old.size + 1))
    np.cumsum(filled * np.diff(old_edges), axis=1, out=total[:, 1:])
    step = np.diff(where)
    means = np.diff(CubicSpline(old_edges, total, axis=1)(where), axis=1)
    return np.asarray(means / np.where(step > 0, step, 1.0))
