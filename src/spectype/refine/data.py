"""What the refined simulator learns from: log real spectra over their simulated stars."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spectype.classify.correlation import flattened, peaks, transform
from spectype.classify.velocity import STEP, WINDOWS
from spectype.core.grid import SPEED_OF_LIGHT
from spectype.dataset.store import Store
from spectype.generate.factors import black_body
from spectype.generate.factors_data import TrainingSet
from spectype.refine.atlas import FAINTEST, Atlas
from spectype.refine.plane import CODE, Plane, stars_at

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Bools = NDArray[np.bool_]
_COOL = 58.0  # K8: from here on other lines can be trusted
_MOST = 400.0  # a star's velocity that a library can have left in [km/s]
_REACH = 1.5  # log flux over the simulation beyond which a pixel is a fault or emission's core


@dataclass(frozen=True)
class Ratios(TrainingSet):
    """The training spectra over their simulated stars.

    Parameters
    ----------
    at : ndarray, shape (n, 5)
        Their places in the plane.
    flat : ndarray, shape (n, n_pix), float32
        The spectra themselves, over their broad shape, at rest.
    """

    at: Floats
    flat: Singles

    def sequence(self, here: Bools, neighbours: float) -> Plane:
        """Kernels over type, height and metallicity."""
        return Plane(self.at[here], neighbours)


def ratios(store: Store, data: TrainingSet, atlas: Atlas) -> Ratios:
    """Training spectra over the simulated stars of their types and classes.

    Libraries leave in velocities; a star is first moved to where its simulated star is.

    Parameters
    ----------
    store : Store
        Where the spectra are from, for luminosity classes and metallicities.
    data : TrainingSet
        The spectra.
    atlas : Atlas
        The template stars.
    """
    at = stars_at(store.meta[data.rows.tolist()], data.code)
    simulated, shape = atlas.light(at)
    n_pix = store.wave.size
    flux, good = data.values[:, :n_pix], data.good[:, :n_pix]
    flux, good = at_rest(flux, good, simulated, at[:, CODE], wave=store.wave)
    log = np.log(np.maximum(flux, FAINTEST)) - simulated
    good &= np.abs(log) < _REACH
    # The store's knots are over the type's black body: both count from the same zero.
    knots = data.values[:, n_pix:] + black_body(data.code) - shape
    known = data.good[:, n_pix:]
    values = np.concatenate([np.where(good, log, 0), np.where(known, knots, 0)], axis=1)
    fields = vars(replace(data, values=values.astype(np.float32),
                          good=np.concatenate([good, known], axis=1)))  # fmt: skip
    return Ratios(**fields, at=at, flat=np.where(good, flux, 0).astype(np.float32))


def at_rest(
    flux: Singles, good: Bools, simulated: Singles, code: Floats, *, wave: Floats
) -> tuple[Singles, Bools]:
    """Spectra moved to where their simulated stars are; parameters as in `velocities`."""
    moved = velocities(flux, good, simulated, code, wave=wave)
    moved = np.where(np.isfinite(moved) & (np.abs(moved) < _MOST), moved, 0.0)
    return _shifted(flux, good, -moved / (STEP * SPEED_OF_LIGHT))


def velocities(
    flux: Singles, good: Bools, simulated: Singles, code: Floats, *, wave: Floats
) -> Floats:
    """Shift of each spectrum against its own simulated star [km/s], NaN where none is clear.

    Parameters
    ----------
    flux, good : ndarray, shape (n, n_pix)
        Flux over the broad shape, and where it is known.
    simulated : ndarray, shape (n, n_pix)
        Log flux of the simulated stars.
    code : ndarray, shape (n,)
        Decimal codes, which decide what lines are looked at.
    wave : ndarray, shape (n_pix,)
        The grid [Angstrom].
    """
    windows = {
        name: np.any([(wave > a) & (wave < b) for a, b in WINDOWS[name]], axis=0)
        for name in ("warm", "cool")
    }
    used = good & np.where(code[:, None] >= _COOL, windows["cool"], windows["warm"])
    ones = np.ones_like(flux)
    data, weight = flattened(flux, ones, good, used)
    standard, _ = flattened(np.exp(simulated), ones, np.ones_like(good), np.ones_like(good))
    found = np.full(len(flux), np.nan)
    for i in range(0, len(flux), 256):
        part = slice(i, i + 256)
        here = standard[part]
        near = np.arange(len(here))[:, None]
        lag = peaks(data[part], weight[part], near, plain=transform(here).conj(),
                    squared=transform(here**2).conj()).lag  # fmt: skip
        found[part] = lag * STEP * SPEED_OF_LIGHT
    return found


def _shifted(flux: Singles, good: Bools, pixels: Floats) -> tuple[Singles, Bools]:
    """Spectra moved by fractions of a pixel; a good pixel's neighbours must be good, too."""
    from scipy.ndimage import shift

    out, kept = flux.copy(), good.copy()
    for i in np.flatnonzero(np.abs(pixels) > 0.02):
        filled = np.where(good[i], flux[i], 1.0)
        out[i] = shift(filled, pixels[i], order=3, mode="nearest")
        kept[i] = shift(good[i].astype(np.float32), pixels[i], order=1, cval=0.0) > 0.99
    return out, kept
