"""Equivalent widths and line indices of spectra, with errors, by the bands of `core.lines`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spectype.core.lines import INDICES, Band, FloatArray, Index
from spectype.core.spectra import Spectra

MIN_COVERED = 0.7  #: a band with a smaller share of good pixels gives no measurement


def measure(
    spectra: Spectra,
    indices: Sequence[str] | None = None,
    *,
    redshift: ArrayLike | None = None,
) -> dict[str, FloatArray]:
    """Measure several indices.

    Parameters
    ----------
    spectra : Spectra
        The batch.
    indices : sequence of str, optional
        Names in `INDICES`; all by default.
    redshift : array_like, shape (n_spec,), optional
        Moves the bands to each star; not finite counts as 0.

    Returns
    -------
    dict of str to ndarray, shape (n_spec,), float64
        A column ``NAME`` and a column ``NAME_error`` for each index.

    Raises
    ------
    KeyError
        If a name is unknown; the message lists the known ones.
    """
    names = list(INDICES) if indices is None else list(indices)
    if unknown := [name for name in names if name not in INDICES]:
        raise KeyError(f"no index {unknown[0]!r}; there are {', '.join(INDICES)}")
    table: dict[str, FloatArray] = {}
    for name in names:
        table[name], table[f"{name}_error"] = equivalent_width(
            spectra, INDICES[name], redshift=redshift
        )
    return table


def equivalent_width(
    spectra: Spectra, index: Index, *, redshift: ArrayLike | None = None
) -> tuple[FloatArray, FloatArray]:
    """Measure an index and its error.

    Parameters
    ----------
    spectra : Spectra
        The batch, on one grid or a grid a spectrum.
    index : Index
        What to measure.
    redshift : array_like, shape (n_spec,), optional
        Moves the bands to each star; not finite counts as 0. Widths are those at rest.

    Returns
    -------
    value, error : ndarray, shape (n_spec,), float64
        Value and one standard deviation, in the unit of ``index.kind``. NaN where a band has
        less than 70 % good pixels or the continuum is not positive; the error alone is NaN
        where the file has no errors.

    Notes
    -----
    Band edges cut pixels in proportion. The continuum is the straight line through the mean
    flux of the side bands at their centres (Worthey et al. 1994, eqs. 1-3); more than two are
    fitted by least squares with their widths as weights (after Cenarro et al. 2001). Masked
    pixels count as much as the mean of the band's good ones. The error is the first-order
    propagation of the pixels' independent errors through feature and continuum together.
    """
    z = np.zeros(len(spectra)) if redshift is None else np.asarray(redshift, dtype=np.float64)
    z = np.where(np.isfinite(z), z, 0.0)
    wave = spectra.wave if spectra.wave.ndim == 1 and not z.any() else _rest(spectra, z)
    low, high = index.span
    if wave.ndim == 1:
        cut = slice(*np.searchsorted(wave, [low - 10.0, high + 10.0]))
    else:
        inside = np.flatnonzero(((wave > low - 10.0) & (wave < high + 10.0)).any(axis=0))
        cut = slice(inside[0], inside[-1] + 1) if inside.size else slice(0, 0)
    wave = np.atleast_2d(wave[..., cut])
    if wave.shape[1] < 3:
        return np.full(len(spectra), np.nan), np.full(len(spectra), np.nan)
    good = ~spectra.mask[:, cut] & (spectra.ivar[:, cut] > 0)
    flux = np.where(good, spectra.flux[:, cut], 0.0).astype(np.float64)
    variance = np.where(good, 1.0 / np.where(good, spectra.ivar[:, cut], 1.0), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        value, gradient = _value_and_gradient(wave, flux, good, index)
        error = np.sqrt((gradient**2 * variance).sum(axis=1))
    has_errors = np.array([bool(known) for known in spectra.get("has_errors", True)], dtype=bool)
    return value, np.where(np.isfinite(value) & has_errors, error, np.nan)


def _rest(spectra: Spectra, z: FloatArray) -> FloatArray:
    return np.asarray(np.broadcast_to(spectra.wave, spectra.flux.shape) / (1.0 + z)[:, None])


def _overlaps(wave: FloatArray, band: Band) -> FloatArray:
    """Width of each pixel inside `band` [Angstrom], shape of `wave` (n or 1, n_pix)."""
    middle = 0.5 * (wave[:, 1:] + wave[:, :-1])
    left = np.concatenate([2 * wave[:, :1] - middle[:, :1], middle], axis=1)
    right = np.concatenate([middle, 2 * wave[:, -1:] - middle[:, -1:]], axis=1)
    inside = np.minimum(right, band[1]) - np.maximum(left, band[0])
    return np.asarray(np.maximum(inside, 0.0))


def _mean_weights(wave: FloatArray, good: NDArray[np.bool_], band: Band) -> FloatArray:
    """Weights (n_spec, n_pix) that average good pixels over `band`; NaN if too few are good."""
    weights = _overlaps(wave, band) * good
    total = weights.sum(axis=1, keepdims=True)
    enough = total >= MIN_COVERED * (band[1] - band[0])
    return np.asarray(np.where(enough, weights / np.where(enough, total, 1.0), np.nan))


def _value_and_gradient(
    wave: FloatArray, flux: FloatArray, good: NDArray[np.bool_], index: Index
) -> tuple[FloatArray, FloatArray]:
    """Value (n_spec,) and its derivative by each pixel's flux (n_spec, n_pix)."""
    sides = [_mean_weights(wave, good, band) for band in index.continuum]
    level = np.stack([(w * flux).sum(axis=1) for w in sides], axis=1)  # (n_spec, n_bands)
    if index.kind == "ratio":
        weights = _mean_weights(wave, good, index.features[0])
        below = np.where(level[:, :1] > 0, level[:, :1], np.nan)
        value = (weights * flux).sum(axis=1, keepdims=True) / below
        return value[:, 0], (weights - value * sides[0]) / below
    # The line's value at a pixel is a fixed linear combination of the side bands' levels.
    shares = _line_shares(wave, index.continuum)  # (n or 1, n_pix, n_bands)
    line = np.einsum("npb,nb->np", np.broadcast_to(shares, (*flux.shape, len(sides))), level)
    value = np.zeros(flux.shape[0])
    gradient = np.zeros(flux.shape)
    for band in index.features:
        weights = _mean_weights(wave, good, band)
        used = weights != 0
        continuum = np.where(used, np.where(line > 0, line, np.nan), 1.0)
        mean = (weights * flux / continuum).sum(axis=1)
        by_level = np.einsum("np,npb->nb", weights * flux / continuum**2,
                             np.broadcast_to(shares, (*flux.shape, len(sides))))  # fmt: skip
        slope = weights / continuum - sum(by_level[:, b : b + 1] * w for b, w in enumerate(sides))
        if index.kind == "width":
            value += (band[1] - band[0]) * (1.0 - mean)
            gradient -= (band[1] - band[0]) * slope
        else:
            positive = np.where(mean > 0, mean, np.nan)
            value += -2.5 * np.log10(positive)
            gradient -= 2.5 / np.log(10.0) * slope / positive[:, None]
    return value, gradient


def _line_shares(wave: FloatArray, bands: Sequence[Band]) -> FloatArray:
    """Share of each side band's level in the straight line at each pixel.

    Weighted least squares of a line through (centre, level) with weight = width; for two
    bands it is the line through both. Shape (n or 1, n_pix, n_bands).
    """
    centre = np.array([0.5 * (a + b) for a, b in bands])
    width = np.array([b - a for a, b in bands])
    share = width / width.sum()
    offset = centre - (share * centre).sum()
    spread = (share * offset**2).sum()
    x = wave - (share * centre).sum()
    return np.asarray(share * (1.0 + x[..., None] * offset / spread))
