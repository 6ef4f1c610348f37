"""Correlation of spectra with standards: shifts to a fraction of a pixel, with errors.

The spectrum and a standard, both without their broad shape, are compared by

    chi2(v) = min over a of sum w (d - a t(v))^2,

which expands into two correlations, ``sum w d t(v)`` and ``sum w t(v)^2``, so that masked pixels
weigh nothing at any shift. Fast Fourier transforms give the whole search range a pixel apart; about
the minimum the same sums are evaluated at fractions of a pixel, exactly, by the shift theorem. The
error is that of the curvature there, scaled by the reduced chi-square.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from spectype.core.spectra import BoolArray
from spectype.core.spectra import FloatArray as Floats

REACH = 15  #: shifts searched [pixels to each side]: +-1,030 km/s on LAMOST's
_LENGTH = 4000  # of the transforms: the grid, and room for REACH so that nothing wraps round
_SHAPE_HALF = 25  # half a running mean [pixels]; three of them take the broad shape
_FRACTIONS = np.arange(-4, 5) * 0.25  # pixels about the minimum at which chi-square is evaluated
_LEAST_SIGMA = 6.0  # significance of a peak
_LEAST_LEAD = 9.0  # chi-square by which it must lead the next one


def flattened(
    flux: Floats, ivar: Floats, good: BoolArray, used: BoolArray
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Flux over its broad shape, minus 1, and its inverse variance; 0 where not used.

    Parameters
    ----------
    flux, ivar, good : ndarray, shape (n, n_pix)
        Spectra and their good pixels, of which the shape is made.
    used : ndarray, shape (n, n_pix), bool
        Pixels wanted.
    """
    shape = broad_shape(flux, good)
    level = np.abs(np.where(good, shape, 0)).max(axis=1, keepdims=True)
    ok = used & (shape > 0.01 * level)
    safe = np.where(ok, shape, 1.0).astype(np.float32)
    flat = np.where(ok, flux / safe - 1.0, 0.0)
    # No star has a line of three times its light: what is left of cosmic rays and sky.
    ok &= np.abs(flat) < 2.0
    weight = np.where(ok, ivar * safe**2, 0.0)
    weight /= np.maximum(weight.mean(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return np.where(ok, flat, 0.0).astype(np.float32), weight.astype(np.float32)


def broad_shape(flux: Floats, good: BoolArray) -> NDArray[np.float32]:
    """Mean flux about each pixel, bad ones left out, shape (n, n_pix).

    Three running means, in effect a Gaussian of 1,760 km/s: narrow enough to take out what
    calibration, dust and broad molecular bands do.
    """
    from scipy.ndimage import uniform_filter1d

    total, count = np.where(good, flux, 0).astype(np.float32), good.astype(np.float32)
    for _ in range(3):
        total, count = (
            uniform_filter1d(a, 2 * _SHAPE_HALF + 1, axis=-1, mode="constant")
            for a in (total, count)
        )
    return np.asarray(np.where(count > 0.01, total / np.maximum(count, 0.01), 0), np.float32)


def transform(values: Floats) -> NDArray[np.complex64]:
    """Fourier transform of values (n, n_pix), padded so that shifts within REACH do not wrap."""
    return np.fft.rfft(values.astype(np.float32), _LENGTH, axis=-1).astype(np.complex64)


@dataclass(frozen=True)
class Peaks:
    """Where the standards fit n spectra best.

    Attributes
    ----------
    lag : ndarray, shape (n,)
        Shift of the spectrum to the red [pixels]; NaN where no peak is clear: where it stands out
        by less than 6 sigma, or leads the next by less than 3, or lies at the search's end.
    sigma : ndarray, shape (n,)
        Its formal error [pixels].
    standard : ndarray, shape (n,), int
        Row of the best standard.
    """

    lag: NDArray[np.float64]
    sigma: NDArray[np.float64]
    standard: NDArray[np.int64]


def peaks(
    flux: NDArray[np.float32],
    weight: NDArray[np.float32],
    near: NDArray[np.int64],
    *,
    plain: NDArray[np.complex64],
    squared: NDArray[np.complex64],
) -> Peaks:
    """Shifts at which spectra fit best, and the standards that do.

    Parameters
    ----------
    flux, weight : ndarray, shape (n, n_pix)
        From `flattened`.
    near : ndarray, shape (n, k), int
        Standards to try for each.
    plain, squared : ndarray, shape (n_standards, n_frequencies), complex64
        Conjugates of the `transform` of the standards' flux and of its square.
    """
    data, weights = transform(weight * flux), transform(weight)
    gains = np.stack([_coarse(data * plain[t], weights * squared[t]) for t in near.T], axis=1)
    each, flat = np.arange(len(flux)), gains.reshape(len(flux), -1)
    which, place = np.unravel_index(flat.argmax(axis=1), gains.shape[1:])
    standard = near[each, which]
    gain = _fine(data * plain[standard], weights * squared[standard], place - REACH)
    k = np.clip(gain.argmax(axis=1), 1, len(_FRACTIONS) - 2)
    before, here, after = (gain[each, k + i] for i in (-1, 0, 1))
    bend = 2 * here - before - after
    inside = (bend > 0) & (here >= before) & (here >= after)
    safe, step = np.where(inside, bend, 1.0), _FRACTIONS[1] - _FRACTIONS[0]
    lag = place - REACH + _FRACTIONS[k] + step * 0.5 * (after - before) / safe
    total = np.einsum("ij,ij->i", weight, flux**2)
    freedom = np.maximum((weight > 0).sum(axis=1) - 3, 1)
    reduced = np.maximum(total - here, 0) / freedom
    clear = inside & (np.abs(lag) < REACH) & (here > _LEAST_SIGMA**2 * reduced)
    clear &= here - _runner_up(gains[each, which], place) > _LEAST_LEAD * reduced
    return Peaks(
        lag=np.where(clear, lag, np.nan),
        sigma=np.where(clear, step * np.sqrt(2 * reduced / safe), np.nan),
        standard=standard,
    )


def _coarse(top: NDArray[np.complex64], bottom: NDArray[np.complex64]) -> Floats:
    """Gain in chi-square of whole-pixel shifts -REACH ... REACH, from the correlations' spectra."""
    a, b = (np.fft.irfft(x, _LENGTH, axis=-1) for x in (top, bottom))
    lags = np.arange(-REACH, REACH + 1)
    return _gain(a[:, lags], b[:, lags])


def _fine(
    top: NDArray[np.complex64], bottom: NDArray[np.complex64], lag: NDArray[np.int64]
) -> Floats:
    """The same at `_FRACTIONS` about the whole-pixel shifts `lag` (n,)."""
    shift, by_fractions = _turns()
    to_lag = shift[lag[:, None] * np.arange(top.shape[1]) % _LENGTH]
    a, b = (((x * to_lag) @ by_fractions).real.astype(np.float64) for x in (top, bottom))
    return _gain(a, b)


@lru_cache(maxsize=1)
def _turns() -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
    """Phases of the shift theorem: of whole pixels (_LENGTH,), of fractions (n_freq, n_fractions).

    The latter carry the weights of the inverse transform of real values.
    """
    turn, frequency = 2j * np.pi / _LENGTH, np.arange(_LENGTH // 2 + 1)
    weight = np.where((frequency == 0) | (frequency == _LENGTH // 2), 1.0, 2.0) / _LENGTH
    whole = np.exp(turn * np.arange(_LENGTH))
    parts = np.exp(turn * np.outer(frequency, _FRACTIONS)) * weight[:, None]
    return whole.astype(np.complex64), parts.astype(np.complex64)


def _gain(top: Floats, bottom: Floats) -> Floats:
    """How much a standard lowers chi-square; nothing where lines would have to be turned over."""
    return np.where((top > 0) & (bottom > 0), top**2 / np.maximum(bottom, 1e-12), 0.0)


def _runner_up(gain: Floats, place: NDArray[np.int64]) -> Floats:
    """Largest gain of a local peak other than the one at `place` (n,)."""
    middle = gain[:, 1:-1]
    peak = (middle >= gain[:, :-2]) & (middle >= gain[:, 2:])
    peak &= np.abs(np.arange(1, gain.shape[1] - 1) - place[:, None]) > 1
    return np.asarray(np.where(peak, middle, 0.0).max(axis=1))
