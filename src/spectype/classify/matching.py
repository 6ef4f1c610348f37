"""Template matching: spectra without their broad shape, and chi-square over velocities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.core.spectra import Spectra
from spectype.dataset.preprocess import Continuum

FARTHEST = 5  #: velocity search [pixels of 69 km/s to each side]
MODEL_ERROR = 0.05  #: of a template: resolution and calibration differ [of the flux]
LEAST_COMMON = 0.1  #: of the pixels, below which two spectra are not compared
_BLUR = 2.0  # common resolution: standard deviation [pixels]

Floats = NDArray[np.float32]


def normalised(spectra: Spectra, z: NDArray[np.float64]) -> tuple[Floats, Floats]:
    """Spectra as they are compared.

    Parameters
    ----------
    spectra : Spectra
        On one grid with equal steps in the logarithm.
    z : ndarray, shape (n,)
        Redshift of each.

    Returns
    -------
    flux : ndarray, shape (n, n_pix), float32
        Flux over its broad shape, minus 1, at rest and at the common resolution; 0 at bad pixels.
    weight : ndarray, shape (n, n_pix), float32
        Inverse variance with the model error added; 0 at bad pixels.
    """
    from scipy.ndimage import gaussian_filter1d

    flat = Continuum()(spectra)
    good = (~flat.mask & (flat.ivar > 0)).astype(np.float32)
    seen = gaussian_filter1d(good, _BLUR, axis=1, mode="constant")
    blurred = gaussian_filter1d((flat.flux - 1.0) * good, _BLUR, axis=1, mode="constant")
    good = good * (seen > 0.5)
    flux = np.where(good > 0, np.clip(blurred / np.maximum(seen, 0.1), -1.0, 2.0), 0.0)
    variance = 1.0 / np.where(good > 0, flat.ivar, 1.0) / (2.0 * np.sqrt(np.pi) * _BLUR)
    weight = good / (variance + MODEL_ERROR**2)
    step = np.median(np.diff(np.log(spectra.wave)))
    for row, pixels in enumerate(np.rint(np.log1p(z) / step).astype(int)):
        if pixels:
            flux[row], weight[row] = moved(flux[row], -pixels), moved(weight[row], -pixels)
    return flux.astype(np.float32), weight.astype(np.float32)


def moved(values: NDArray[Any], pixels: int) -> NDArray[Any]:
    """Values (..., n_pix) moved to the right; zeros come in."""
    out = np.roll(values, pixels, axis=-1)
    if pixels > 0:
        out[..., :pixels] = 0
    elif pixels < 0:
        out[..., pixels:] = 0
    return out


def nearest(flux: Floats, weight: Floats, templates: Floats, good: Floats) -> Floats:
    """Smallest reduced chi-square over velocities, (n, n_templates); see `chi_squares`."""
    best = np.full((len(flux), len(templates)), np.inf, np.float32)
    for _, chi2, _ in chi_squares(flux, weight, templates, good):
        np.minimum(best, chi2, out=best)
    return best


def chi_squares(
    flux: Floats, weight: Floats, templates: Floats, good: Floats, *, farthest: int = FARTHEST
) -> Iterator[tuple[int, Floats, Floats]]:
    """Reduced chi-square of each spectrum with each template, velocity by velocity.

    ``sum w (d - t - a - b x)^2`` expanded into products of matrices: the continua may differ by
    a straight line.

    Parameters
    ----------
    flux, weight : ndarray, shape (n, n_pix)
        Spectra, from `normalised`.
    templates, good : ndarray, shape (n_templates, n_pix)
        Templates, and 1 at their good pixels.
    farthest : int
        Pixels searched to each side.

    Yields
    ------
    pixels : int
        How far the spectra were moved to the right.
    chi2 : ndarray, shape (n, n_templates)
        Infinite with less than `LEAST_COMMON` of the pixels in common.
    common : ndarray, shape (n, n_templates)
        Pixels in common.
    """
    x = np.linspace(-1.0, 1.0, flux.shape[1], dtype=np.float32)
    mask, line, square = good.T, (templates * good).T, (templates**2 * good).T
    for pixels in range(-farthest, farthest + 1):
        d, w = moved(flux, pixels), moved(weight, pixels)
        both = (w > 0).astype(np.float32) @ mask
        s0, sx, sxx = w @ mask, (w * x) @ mask, (w * x**2) @ mask
        e = (w * d) @ mask - w @ line
        ex = (w * d * x) @ mask - (w * x) @ line
        ee = (w * d**2) @ mask - 2.0 * (w * d) @ line + w @ square
        determinant = s0 * sxx - sx**2
        usable = (both >= LEAST_COMMON * flux.shape[1]) & (determinant > 1e-6 * s0 * sxx)
        safe = np.where(usable, determinant, 1.0)
        gain = (sxx * e**2 - 2.0 * sx * e * ex + s0 * ex**2) / safe
        chi2 = np.where(usable, (ee - gain) / np.maximum(both, 1.0), np.inf)
        yield pixels, chi2, both
