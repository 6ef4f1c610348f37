"""Worse conditions: noise, gaps, motion, dust and blur put upon spectra."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from spectype.classify.quality import signal_to_noise
from spectype.core.dust import RV, extinction
from spectype.core.grid import SPEED_OF_LIGHT, resample
from spectype.core.spectra import Spectra
from spectype.dataset.preprocess import replace
from spectype.simulate.instrument import noise_variance
from spectype.surveys.resolution import NATIVE_FWHM, native_fwhm

_LEAST_LOST = 0.05  # of its good pixels: a cut that takes less is no stress
_FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))  # of a Gaussian, in standard deviations
Floats = NDArray[np.float64]


def add_noise(spectra: Spectra, rng: np.random.Generator, *, snr: float) -> Spectra:
    """Add the noise that LAMOST would have had on a fainter star, to a median S/N a pixel.

    The star's own flux, a median night sky and the detector decide where the noise is. The own
    noise of the spectrum counts; where it is not known it is estimated from the flux.

    Parameters
    ----------
    spectra : Spectra
        On one grid, of a median S/N above `snr`; others are left as they are.
    rng : numpy.random.Generator
        Source of the noise.
    snr : float
        Wanted median S/N a pixel.
    """
    flux, ivar = spectra.flux.astype(np.float64), spectra.ivar.astype(np.float64)
    has_errors = [value is not False for value in spectra.get("has_errors", True)]
    star, rest = noise_variance(spectra.wave)
    before = signal_to_noise(spectra)
    for i in np.flatnonzero(before > snr):
        good = ~spectra.mask[i] & (ivar[i] > 0)
        light = flux[i, good]
        level = float(np.median(light))
        own = 1.0 / ivar[i, good] if has_errors[i] else np.full(light.size, level / before[i]) ** 2
        shot, sky = np.clip(light, 0, None) * level * star[good], level**2 * rest[good]
        added = _fainter(snr, light, own, shot, sky)
        flux[i, good] += np.sqrt(added) * rng.standard_normal(added.size)
        ivar[i, good] = 1.0 / (own + added)
        has_errors[i] = True
    # The header's S/N is that of the untouched spectrum.
    meta = {**spectra.meta, "has_errors": has_errors, "snr": [None] * len(spectra)}
    return replace(spectra, flux=flux, ivar=ivar, meta=meta)


def _fainter(snr: float, light: Floats, own: Floats, shot: Floats, sky: Floats) -> Floats:
    """Variance that brings the median S/N, beside the variance `own`, down to `snr`.

    ``shot / photons + sky / photons**2``, with the photons found by bisection.
    """
    low, high = -6.0, 12.0  # log10 of the photons: a star below every limit, and above
    for _ in range(30):
        middle = 0.5 * (low + high)
        variance = own + shot / 10.0**middle + sky / 100.0**middle
        if np.median(light / np.sqrt(variance)) < snr:
            low = middle
        else:
            high = middle
    return np.asarray(shot / 10.0**high + sky / 100.0**high, dtype=np.float64)


def cut(spectra: Spectra, rng: np.random.Generator, *, low: float, high: float) -> Spectra:
    """Keep the wavelengths from `low` to `high` [Angstrom] alone."""
    outside = (spectra.wave < low) | (spectra.wave > high)
    return replace(spectra, mask=spectra.mask | outside)


def is_cut(spectra: Spectra, *, low: float, high: float) -> NDArray[np.bool_]:
    """Which spectra reach visibly beyond a range, shape (n,)."""
    good = ~spectra.mask
    outside = (spectra.wave < low) | (spectra.wave > high)
    return np.asarray((good & outside).sum(axis=1) > _LEAST_LOST * good.sum(axis=1))


def move(spectra: Spectra, rng: np.random.Generator, *, velocity: float) -> Spectra:
    """Give the stars another radial velocity [km/s]."""
    factor = 1.0 + velocity / SPEED_OF_LIGHT
    z = [None if v is None else (1.0 + v) * factor - 1.0 for v in spectra.get("redshift")]
    moved = Spectra(
        wave=spectra.wave * factor,
        flux=spectra.flux,
        ivar=spectra.ivar,
        mask=spectra.mask,
        meta={**spectra.meta, "redshift": z},
    )
    return resample(moved, wave=spectra.wave)


def redden(spectra: Spectra, rng: np.random.Generator, *, ebv: float) -> Spectra:
    """Put dust of E(B-V) magnitudes before the stars (Cardelli, Clayton & Mathis 1989)."""
    dimmed = 10.0 ** (-0.4 * ebv * (extinction(spectra.wave) - RV))
    return replace(spectra, flux=spectra.flux * dimmed, ivar=spectra.ivar / dimmed**2)


def broaden(spectra: Spectra, rng: np.random.Generator, *, resolving_power: float) -> Spectra:
    """Blur to a resolving power; what is as blunt already is left as it is.

    The noise becomes less a pixel and correlated between pixels, as in a real spectrum that is
    sampled too finely.
    """
    from scipy.ndimage import gaussian_filter1d

    native = np.array([native_fwhm(survey) for survey in spectra.get("survey")])
    native = np.where(np.isnan(native), NATIVE_FWHM["lamost"], native)
    step = SPEED_OF_LIGHT * float(np.median(np.diff(np.log(spectra.wave))))
    square = (SPEED_OF_LIGHT / resolving_power) ** 2 - native**2
    flux, ivar = spectra.flux.astype(np.float64), spectra.ivar.astype(np.float64)
    for i in np.flatnonzero(square > 0):
        sigma = float(np.sqrt(square[i])) / _FWHM / step
        good = (~spectra.mask[i] & (ivar[i] > 0)).astype(np.float64)
        variance = good / np.where(good > 0, ivar[i], 1.0)
        blur = partial(gaussian_filter1d, mode="constant", truncate=5.0)
        weight = np.maximum(blur(good, sigma), 1e-9)
        flux[i] = blur(flux[i] * good, sigma) / weight
        # The square of a Gaussian is one of sigma / sqrt 2, of area 1 / (2 sqrt(pi) sigma).
        narrow = blur(variance, sigma / np.sqrt(2.0)) / (2.0 * np.sqrt(np.pi) * max(sigma, 0.3))
        ivar[i] = np.where(good > 0, weight**2 / np.maximum(narrow, 1e-12), 0.0)
    return replace(spectra, flux=flux, ivar=ivar)


def louder(spectra: Spectra, *, snr: float) -> NDArray[np.bool_]:
    """Which spectra have a median S/N a pixel above `snr`, shape (n,)."""
    return np.asarray(signal_to_noise(spectra) > snr)
