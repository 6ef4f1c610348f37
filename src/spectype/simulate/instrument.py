"""LAMOST as it meets a star's light: air, resolution, two arms, sky, noise, faults.

`observe` turns light on the fine grid of `spectype.starlight.physics.WAVE` into what a LAMOST
low-resolution file holds: flux, inverse variance and masks on 10**(3.5682 + 1e-4 i).

Sources. Resolution and arms: Cui et al. 2012 (RAA 12, 1197): R ~ 1800 with the slit at two
thirds, blue arm 3700-5900, red arm 5700-9000 Angstrom. Night-sky lines: Osterbrock et al. 1996
(PASP 108, 277), strengths rounded. Throughput and noise constants were set so that the S/N in
u, r, i and z against that in g of A, G and M stars are those of LAMOST's own headers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.core.errors import UsageError
from spectype.simulate.light import redden, rotate, shift
from spectype.starlight.physics import STEP, WAVE

Floats = NDArray[np.float64]
FIRST_LOG, LOG_STEP = 3.5682, 1e-4
BANDS = {
    "u": (3700, 4000), "g": (4000, 5500), "r": (5600, 6900), "i": (6900, 8200), "z": (8200, 9000),
}  # fmt: skip
MOST_PIXELS = 3909
WIDTHS = np.array([0.9, 1.0, 1.1, 1.22])  # line-spread functions of fibres, relative to the mean
_SKY_LEVEL = 25.0  # median of the sky's counts a pixel, before throughput


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """How one exposure goes.

    Parameters
    ----------
    snr_g : float
        Wanted median S/N a pixel in g (4000-5500 Angstrom); positive.
    velocity : float
        Radial velocity [km/s].
    rotation : float
        Projected rotation v sin i [km/s].
    ebv : float
        Reddening E(B-V) [mag]; not negative.
    n_pixels : int
        Pixels of the file, 3751-3909 in LAMOST.
    zero_tail : int
        Pixels at the red end with flux 0 and a positive inverse variance, as LAMOST writes them.
    """

    snr_g: float
    velocity: float = 0.0
    rotation: float = 0.0
    ebv: float = 0.0
    n_pixels: int = 3909
    zero_tail: int = 20

    def __post_init__(self) -> None:
        if not 0 < self.snr_g < 1e6:
            raise UsageError(f"S/N {self.snr_g:g} is not a positive number below a million")
        if not self.ebv >= 0:
            raise UsageError(f"E(B-V) {self.ebv:g} is negative")
        if not abs(self.velocity) < 3000:
            raise UsageError(f"radial velocity {self.velocity:g} km/s is not below 3000 km/s")
        if not 0 <= self.rotation <= 600:
            raise UsageError(f"v sin i {self.rotation:g} km/s is outside 0-600 km/s")
        if not (1000 <= self.n_pixels <= 3909 and 0 <= self.zero_tail < self.n_pixels):
            raise UsageError(
                f"{self.n_pixels} pixels with {self.zero_tail} zeros is no LAMOST file"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """One simulated spectrum: arrays of shape (n_pixels,) and the S/N reached in each band."""

    wave: Floats
    flux: NDArray[np.float32]
    ivar: NDArray[np.float32]
    andmask: NDArray[np.float32]
    ormask: NDArray[np.float32]
    snr: dict[str, float]


def pixels(n: int = MOST_PIXELS) -> Floats:
    """LAMOST's wavelengths [Angstrom, vacuum], shape (n,)."""
    return np.asarray(10 ** (FIRST_LOG + LOG_STEP * np.arange(n)), dtype=np.float64)


def fwhm(wave: Floats) -> Floats:
    """Mean full width at half maximum of LAMOST's line-spread function [Angstrom]."""
    blue = 2.65 + 0.25 * ((wave - 4800) / 1000) ** 2
    red = 3.75 + 0.30 * ((wave - 7400) / 1500) ** 2
    return np.where(wave < 5800, blue, red)


def throughput(wave: Floats) -> Floats:
    """Detected fraction of the light, relative: two arms that join at 5700-5900 Angstrom."""
    blue = (
        np.exp(-0.5 * ((wave - 4950) / 620) ** 2) * _edge(wave, 3800, 95) * _edge(-wave, -5830, 45)
    )
    red = (
        np.exp(-0.5 * ((wave - 7350) / 1150) ** 2)
        * _edge(wave, 5780, 45)
        * _edge(-wave, -8900, 150)
    )
    return np.asarray(0.55 * blue + red + 0.004, dtype=np.float64)


def _edge(wave: Floats, at: float, width: float) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh((wave - at) / (2 * width))), dtype=np.float64)


# Night-sky lines: vacuum wavelength, relative strength; then the OH bands' strongest branches.
SKY_LINES = (
    (4047.8, 0.3), (4359.6, 0.8), (5462.3, 0.9), (5578.9, 14.0), (5891.6, 3.0), (5897.6, 2.0),
    (6302.0, 7.0), (6365.5, 2.3), (6500.5, 0.4), (6555.0, 0.6), (6835.2, 0.8), (6865.7, 1.0),
    (6925.2, 0.8), (6950.9, 0.6), (7246.6, 1.2), (7278.3, 2.0), (7286.5, 0.6), (7318.3, 2.0),
    (7331.3, 0.9), (7342.9, 2.2), (7360.7, 1.0), (7371.4, 1.6), (7394.2, 0.5), (7403.8, 0.9),
    (7526.0, 0.6), (7573.9, 0.6), (7714.0, 0.8), (7718.6, 0.7), (7752.7, 2.6), (7761.2, 1.0),
    (7782.6, 0.9), (7796.3, 2.6), (7810.6, 0.9), (7823.3, 2.8), (7843.4, 1.2), (7855.5, 1.4),
    (7872.5, 0.5), (7880.9, 0.7), (7893.7, 0.9), (7915.8, 4.0), (7923.7, 3.9), (7951.6, 1.6),
    (7966.8, 4.2), (7981.5, 1.1), (7995.8, 4.2), (8016.5, 1.4), (8027.9, 2.6), (8053.5, 1.0),
    (8064.3, 1.4), (8281.8, 1.6), (8290.9, 1.4), (8301.1, 2.9), (8313.6, 1.1), (8346.9, 4.6),
    (8355.0, 1.2), (8384.7, 1.9), (8401.7, 5.5), (8417.6, 1.3), (8432.5, 5.5), (8454.7, 1.8),
    (8467.7, 3.9), (8495.9, 1.5), (8507.0, 2.3), (8541.1, 0.9), (8551.0, 1.3), (8763.1, 2.1),
    (8770.2, 2.3), (8780.5, 3.0), (8793.1, 2.0), (8829.7, 5.0), (8838.1, 1.6), (8852.6, 2.8),
    (8870.3, 1.9), (8888.1, 6.0), (8906.1, 2.0), (8922.1, 6.2), (8945.8, 2.3), (8960.5, 5.3),
    (8991.0, 2.5), (9003.9, 3.6), (9041.0, 1.6), (9052.2, 1.9),
)  # fmt: skip
# Telluric bands: first and last wavelength [Angstrom, vacuum], depth at one air mass, kind.
TELLURIC = (
    (6278, 6315, 0.06, "oxygen"), (6868, 6890, 0.28, "oxygen"), (6886, 6945, 0.15, "oxygen"),
    (7595, 7620, 0.60, "oxygen"), (7615, 7700, 0.36, "oxygen"),
    (5880, 5915, 0.02, "water"), (6460, 6600, 0.015, "water"), (6930, 7060, 0.05, "water"),
    (7168, 7340, 0.17, "water"), (8105, 8240, 0.14, "water"), (8930, 9100, 0.33, "water"),
)  # fmt: skip


@lru_cache(maxsize=8)
def line_spread(width: float, n_pixels: int = MOST_PIXELS) -> Any:
    """Matrix (n_pixels, len(WAVE)): line-spread function and pixel, as one sparse product."""
    from scipy.sparse import csr_array

    centre = pixels(n_pixels)
    sigma = width * fwhm(centre) / 2.3548 / centre / STEP  # fine pixels
    sigma = np.hypot(sigma, 4 / np.sqrt(12))  # the box of a LAMOST pixel: four fine ones
    position = (np.log(centre) - np.log(WAVE[0])) / STEP
    reach = int(np.ceil(4 * sigma.max()))
    offset = np.arange(-reach, reach + 1)
    column = np.rint(position).astype(np.int64)[:, None] + offset
    weight = np.exp(-0.5 * ((column - position[:, None]) / sigma[:, None]) ** 2)
    column = np.clip(column, 0, len(WAVE) - 1)
    weight /= weight.sum(axis=1, keepdims=True)
    rows = np.repeat(np.arange(n_pixels), len(offset))
    return csr_array(
        (weight.ravel(), (rows, column.ravel())), shape=(n_pixels, len(WAVE))
    )  # fmt: skip


@lru_cache(maxsize=1)
def _air() -> tuple[Floats, Floats]:
    """Optical depth of oxygen and of water at one air mass on the fine grid."""
    depth = {"oxygen": np.zeros_like(WAVE), "water": np.zeros_like(WAVE)}
    for first, last, strength, kind in TELLURIC:
        width = 0.12 * (last - first)
        window = _edge(WAVE, first, max(1.0, 0.3 * width)) * _edge(-WAVE, -last, width)
        depth[kind] -= np.log1p(-strength) * window
    return depth["oxygen"], depth["water"]


@lru_cache(maxsize=1)
def _sky() -> tuple[Floats, Floats, Floats]:
    """Night sky (counts before throughput, continuum 1), its lines alone, and their gradient."""
    lines = _sky_lines(pixels())
    return 1 + lines, lines, np.gradient(lines)


@lru_cache(maxsize=1)
def _response() -> Floats:
    """Photons a pixel for flux a wavelength, relative, on all pixels."""
    return _photons(pixels())


def _photons(wave: Floats) -> Floats:
    return np.asarray(throughput(wave) * (wave / 5000) ** 2, dtype=np.float64)


def _sky_lines(wave: Floats) -> Floats:
    sigma = fwhm(wave) / 2.3548
    lines = np.zeros_like(wave)
    for centre, strength in SKY_LINES:
        lines += 3.0 * strength * np.exp(-0.5 * ((wave - centre) / sigma) ** 2)
    return lines


def noise_variance(wave: Floats) -> tuple[Floats, Floats]:
    """What the variance of an exposure under a median sky is made of, each shape (n_pix,).

    A pixel of flux f (per wavelength, of order 1) that is seen with p photons (counts a pixel for
    flux 1 at 5000 Angstrom, before throughput) has variance ``f * own / p + rest / p**2``: the
    star's own photons, and the sky and the detector.

    Parameters
    ----------
    wave : ndarray, shape (n_pix,)
        Vacuum wavelength [Angstrom].
    """
    response = _photons(wave)
    sky_counts = _SKY_LEVEL * response * (1 + _sky_lines(wave))
    rest = _variance(np.zeros_like(wave), sky_counts) / response**2
    return np.asarray(1 / response, dtype=np.float64), rest


def _variance(counts: Floats, sky_counts: Floats) -> Floats:
    """Of the star's photons, of the sky's and of those it was measured with, of the detector."""
    return np.asarray(np.clip(counts, 0, None) + 1.1 * sky_counts + 4.0**2, dtype=np.float64)


def observe(light: Floats, conditions: Conditions, rng: np.random.Generator) -> Exposure:
    """Observe a star with LAMOST.

    Parameters
    ----------
    light : ndarray, shape (len(WAVE),)
        Flux per wavelength at the star, rest frame, on `spectype.starlight.physics.WAVE`.
    conditions : Conditions
        S/N, velocity, rotation, reddening, pixels.
    rng : numpy.random.Generator
        Source of all noise and faults.

    Returns
    -------
    Exposure
        With the wanted S/N in g; the other bands follow from the star's colour.

    Raises
    ------
    UsageError
        If there is no light in g.
    """
    n = conditions.n_pixels
    light = shift(rotate(light, conditions.rotation), conditions.velocity)
    light = _through_air(redden(light, conditions.ebv), rng)
    # All pixels, then the file's: so one matrix serves files of every length.
    flux = (line_spread(float(rng.choice(WIDTHS))) @ light)[:n]
    wave = pixels(n)
    middle = np.median(flux[_in_band("g")])
    if not (np.isfinite(flux).all() and middle > 0):
        raise UsageError("the object has no light in the g band")
    flux = flux / middle
    response, sky = _response()[:n], _sky()[0][:n]
    # A brighter star is observed under the same sky: sky counts go as the S/N wanted allows.
    sky_counts = response * sky * rng.lognormal(np.log(_SKY_LEVEL), 0.5)
    photons = _photons_for(conditions.snr_g, flux * response, sky_counts, _in_band("g"))
    counts = photons * flux * response
    variance = _variance(counts, sky_counts)
    noisy = counts + rng.standard_normal(n) * np.sqrt(variance)
    noisy += sky_counts * _sky_residual(n, rng)
    per_flux = photons * response
    ivar = per_flux**2 / variance
    noise_free_snr = counts / np.sqrt(variance)
    spectrum = noisy / per_flux
    gain = _calibration_error(wave, rng)
    scale = float(10 ** rng.uniform(1.5, 3.5))
    return _finish(
        wave, spectrum * gain * scale, ivar / (gain * scale) ** 2, noise_free_snr, conditions, rng
    )


def _photons_for(snr: float, counts: Floats, sky: Floats, band: slice) -> float:
    """Scale of `counts` at which the median S/N in `band` is the wanted one.

    The S/N grows with the scale to a power between a half and one: secants in logarithms find it.
    """
    c, s = counts[band], sky[band]
    wanted = np.log10(snr)
    x, power, before = 2 * wanted - np.log10(np.median(c)), 0.75, (0.0, 0.0)
    for step in range(60):
        a = 10**x * c
        reached = float(np.log10(np.median(a / np.sqrt(_variance(a, s)))))
        if abs(reached - wanted) < 1e-6:
            break
        if step and abs(x - before[0]) > 1e-9:
            power = float(np.clip((reached - before[1]) / (x - before[0]), 0.4, 1.2))
        before = (x, reached)
        x += (wanted - reached) / power
    return float(10**x)


@lru_cache(maxsize=8)
def _in_band(band: str) -> slice:
    """Pixels of a band; a file may end before its last."""
    first, last = np.searchsorted(pixels(), BANDS[band])
    return slice(int(first), int(last))


def _through_air(light: Floats, rng: np.random.Generator) -> Floats:
    """Telluric bands: the survey's correction leaves residuals of either sign."""
    oxygen, water = _air()
    airmass = rng.uniform(1.0, 1.6)
    left = rng.normal(0.35, 0.25, size=2)
    depth = left[0] * oxygen + left[1] * rng.uniform(0.4, 1.6) * water
    return np.asarray(light * np.exp(-airmass * depth), dtype=np.float64)


def _sky_residual(n: int, rng: np.random.Generator) -> Floats:
    """Part of the sky that the subtraction leaves: a scale error and a shift of its lines."""
    sky, lines, gradient = (part[:n] for part in _sky())
    scale, strength, move = rng.normal(0, [0.003, 0.015, 0.02])
    shape = strength * lines + move * gradient
    return np.asarray(scale + shape / sky, dtype=np.float64)


def _calibration_error(wave: Floats, rng: np.random.Generator) -> Floats:
    """Relative error of the flux calibration: smooth, with a step and a wiggle at the join."""
    x = (wave - 6400) / 2700
    smooth = np.polynomial.chebyshev.chebval(x, rng.normal(0, [0.0, 0.06, 0.04, 0.025, 0.015]))
    step = rng.normal(0, 0.03) * _edge(wave, 5800, 25)
    wiggle = rng.normal(0, 0.04) * np.exp(-0.5 * ((wave - 5800 + rng.normal(0, 30)) / 60) ** 2)
    blue_end = rng.normal(0, 0.10) * np.exp(-(wave - 3700) / 150)
    return np.asarray(
        np.exp(np.clip(smooth + step + wiggle + blue_end, -0.6, 0.6)), dtype=np.float64
    )


def _finish(
    wave: Floats, flux: Floats, ivar: Floats, snr: Floats, conditions: Conditions,
    rng: np.random.Generator,
) -> Exposure:  # fmt: skip
    """Cosmic rays, bad columns, masks, the zero tail, and the S/N of each band."""
    n = len(wave)
    andmask = np.zeros(n, dtype=np.float32)
    ormask = np.zeros(n, dtype=np.float32)
    level = float(np.median(np.abs(flux)))
    for _ in range(rng.poisson(0.6)):  # cosmic rays that survived; half of them are flagged
        at = int(rng.integers(5, n - 40))
        flux[at : at + 2] += level * rng.exponential(1.0) * np.array([1.0, 0.5])
        if rng.random() < 0.5:
            ormask[at : at + 2] = 1.0
    for _ in range(rng.poisson(0.3)):  # bad columns: no information
        at, wide = int(rng.integers(5, n - 40)), int(rng.integers(2, 12))
        ivar[at : at + wide] = 0
        ormask[at : at + wide] = 1.0
        if rng.random() < 0.5:
            andmask[at : at + wide] = 1.0
    if conditions.zero_tail:
        flux[-conditions.zero_tail :] = 0
    reached = {band: float(np.round(max(np.median(snr[_in_band(band)]), 0.0), 2)) for band in BANDS}
    return Exposure(
        wave=wave, flux=flux.astype(np.float32), ivar=ivar.astype(np.float32),
        andmask=andmask, ormask=ormask, snr=reached,
    )  # fmt: skip
