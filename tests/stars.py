"""Toy stars for tests: Planck continuum and a few lines, on any grid."""

from __future__ import annotations

import numpy as np

from spectype.core.grid import STANDARD_GRID
from spectype.core.lines import LINES
from spectype.core.spectra import Spectra

# Effective temperature at subclass 0 of O B A F G K M and at the end of M.
TEMPERATURES = (45000.0, 30000.0, 9700.0, 7200.0, 5900.0, 5250.0, 3850.0, 2400.0)


def temperature(code):
    """Effective temperature [K] of decimal codes, log-interpolated between types."""
    return np.exp(np.interp(code, np.arange(0, 80, 10), np.log(TEMPERATURES)))


def star_flux(code, wave):
    """Flux of a star of decimal `code` on `wave` [Angstrom], of order 1."""
    teff = temperature(code)
    x = 1.4388e8 / (wave * teff)
    flux = (5500.0 / wave) ** 5 * (np.exp(1.4388e8 / (5500.0 * teff)) - 1) / np.expm1(x)
    hydrogen = 0.7 * np.exp(-0.5 * ((code - 21) / 9.0) ** 2)
    helium = 0.25 * np.exp(-0.5 * ((code - 11) / 5.0) ** 2)
    calcium = 0.8 / (1 + np.exp(-(code - 35) / 5.0))
    oxide = 0.6 / (1 + np.exp(-(code - 62) / 2.0))
    for centre, depth, width in (
        (4102.9, hydrogen, 12),
        (4341.7, hydrogen, 12),
        (4862.7, hydrogen, 12),
        (6564.6, hydrogen, 10),
        (4472.7, helium, 4),
        (3934.8, calcium, 8),
        (5175.0, 0.6 * calcium, 15),
        (7100.0, oxide, 60),
        (6190.0, oxide, 50),
    ):
        flux = flux * (1 - depth * np.exp(-0.5 * ((wave - centre) / width) ** 2))
    return flux


def star_batch(codes, *, snr=60.0, wave=STANDARD_GRID, seed=0, meta=None):
    """Spectra of stars of these codes with Gaussian noise."""
    rng = np.random.default_rng(seed)
    flux = np.stack([star_flux(code, wave) for code in codes])
    sigma = np.median(flux, axis=1, keepdims=True) / snr * np.ones_like(flux)
    flux = (flux + sigma * rng.normal(size=flux.shape)).astype(np.float32)
    return Spectra(
        wave=wave,
        flux=flux,
        ivar=(1 / sigma**2).astype(np.float32),
        mask=np.zeros(flux.shape, bool),
        meta=meta or {},
    )


def make_spectrum(n_spec: int = 1, *, noise: float = 0.02, seed: int = 1) -> Spectra:
    """Hydrogen lines on a slope, with errors and a run of bad pixels."""
    rng = np.random.default_rng(seed)
    flux = 1.0 + (5500.0 - STANDARD_GRID) / 6000.0
    for name in ("H alpha", "H beta", "H gamma", "H delta"):
        flux = flux * (1 - 0.5 * np.exp(-0.5 * ((STANDARD_GRID - LINES[name].wave) / 8) ** 2))
    flux = flux + noise * rng.standard_normal((n_spec, STANDARD_GRID.size))
    mask = np.zeros(flux.shape, bool)
    mask[:, 1000:1050] = True
    return Spectra(
        wave=STANDARD_GRID,
        flux=np.where(mask, np.nan, flux).astype(np.float32),
        ivar=np.where(mask, 0.0, noise**-2).astype(np.float32),
        mask=mask,
        meta={
            "object": [f"HD {i}" for i in range(n_spec)],
            "redshift": [1e-4] * n_spec,
            "has_errors": [True] * n_spec,
            "survey": ["lamost"] * n_spec,
        },
    )
