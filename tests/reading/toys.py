"""Toy stars with enough lines to be told apart, and writers of the files that people have."""

from __future__ import annotations

import numpy as np
from astropy.io import fits

from spectype.core.grid import log_grid
from tests.surveys.miniature import to_bytes

WAVE = log_grid(3.5690, n_pix=3890)  # vacuum Angstrom
LINEAR = np.arange(3750.0, 9000.0, 1.5)  # vacuum Angstrom, on nobody's grid
_TEFF = {"A": 8800.0, "F": 6600.0, "K": 4500.0}
_BALMER = {"A": (0.75, 14.0), "F": (0.4, 6.0), "K": (0.12, 2.5)}  # depth, width [A]
_METALS = {"A": 0.1, "F": 0.7, "K": 2.0}


def star(kind: str, wave: np.ndarray = WAVE, *, noise: float = 0.005) -> np.ndarray:
    """Flux per Angstrom of a toy star of type A, F or K: a black body with lines; median 1."""
    flux = wave**-5 / np.expm1(1.4388e8 / wave / _TEFF[kind])
    depth, width = _BALMER[kind]
    tau = np.zeros_like(wave)
    for n in range(3, 30):
        centre = 911.7534 / (0.25 - 1.0 / n**2)
        core = (wave - centre) / (width * centre / 4861)
        tau += depth * min(1.0, (7.0 / n) ** 1.5) / (1 + core**2)
    for centre in (3934.8, 3969.6, 4227.9, 4305.0, 5168.8, 5174.1, 5185.0, 5891.6, 5897.6, 8544.4):
        tau += _METALS[kind] * 0.6 * np.exp(-0.5 * ((wave - centre) / 3.5) ** 2)
    rng = np.random.default_rng(7)
    weak = rng.exponential(0.15 * _METALS[kind], 300)
    for centre, d in zip(rng.uniform(3800, 6600, 300), weak):
        tau += d * np.exp(-0.5 * ((wave - centre) / 2.2) ** 2)
    noisy = 1 + np.random.default_rng(ord(kind)).normal(0, noise, wave.size)
    flux = flux * np.exp(-tau) * noisy
    return flux / np.median(flux)


def image(data: np.ndarray, cards: dict[str, object], *more: fits.hdu.base.ExtensionHDU) -> bytes:
    """A FITS file with an image in its primary HDU."""
    hdu = fits.PrimaryHDU(np.asarray(data, dtype=np.float32))
    for key, value in cards.items():
        hdu.header[key] = value
    return to_bytes([hdu, *more])


def table_hdu(columns: dict[str, np.ndarray], name: str = "", **cards: object) -> fits.BinTableHDU:
    """A binary table; two-dimensional arrays are a vector a row."""
    made = []
    for key, value in columns.items():
        values = np.asarray(value)
        letter = {"f": "D", "i": "K", "b": "L"}.get(values.dtype.kind, f"{values.itemsize}A")
        count = values.shape[1] if values.ndim > 1 else ""
        made.append(fits.Column(key, f"{count}{letter}", array=values))
    hdu = fits.BinTableHDU.from_columns(made, name=name)
    hdu.header.update(cards)
    return hdu


def table(*hdus: fits.BinTableHDU) -> bytes:
    """A FITS file of tables."""
    return to_bytes([fits.PrimaryHDU(), *hdus])


def text(*columns: np.ndarray, head: str = "", sep: str = " ", foot: str = "") -> bytes:
    """A text table."""
    rows = (sep.join(f"{value:.7g}" for value in row) for row in zip(*columns))
    return (head + "\n".join(rows) + "\n" + foot).encode()
