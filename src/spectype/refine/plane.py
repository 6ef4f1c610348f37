"""Kernels over type, height between the luminosity sequences, and metallicity."""

from __future__ import annotations

from collections.abc import Sequence as Listed

import numpy as np
import polars as pl
from numpy.typing import NDArray

from spectype.core import mk
from spectype.generate.latent import Floats, Sequence
from spectype.simulate.objects import LUMINOSITIES
from spectype.simulate.templates import METALLICITIES
from spectype.starlight.calibration import HEIGHT

CODE, LEVEL, METALS, LEVEL_SPREAD, METALS_SPREAD = range(5)  #: columns of a point
#: Least widths along height and [Fe/H]: the scatter within a class, and between catalogues [dex].
_HEIGHT_WIDTH, _METALS_WIDTH = 0.3, 0.3
SUBCLASSES_A_HEIGHT = 6.0  #: what one class up is worth along the sequence
SUBCLASSES_A_DEX = 8.0  #: and a dex of [Fe/H]
_NEAR = 2.0  # width along the sequence of what supports a star [subclass]
#: [Fe/H] of library stars of which it is not known, and its spread [dex].
_USUAL_METALS = (-0.1, 0.2)


def points(
    code: Floats,
    height: Floats | float,
    feh: Floats | float,
    *,
    height_spread: Floats | float = 0.0,
    feh_spread: Floats | float = 0.0,
) -> Floats:
    """Places in the plane, shape (n, 5): decimal codes, heights, [Fe/H], and how unsure the last
    two are."""
    columns = np.broadcast_arrays(code, height, feh, height_spread, feh_spread)
    return np.stack([np.asarray(c, np.float64) for c in columns], axis=-1)


def settled(at: Floats, rng: np.random.Generator) -> Floats:
    """Places (n, 5) with the heights and [Fe/H] that are unsure drawn by lot, so no longer so."""
    at = at.copy()
    for value, spread, ends in (
        (LEVEL, LEVEL_SPREAD, (0.0, 2.0)), (METALS, METALS_SPREAD, METALLICITIES[[0, -1]]),
    ):  # fmt: skip
        at[:, value] += at[:, spread] * rng.standard_normal(len(at))
        at[:, value], at[:, spread] = np.clip(at[:, value], *ends), 0.0
    return at


def stars_at(meta: pl.DataFrame, code: Floats) -> Floats:
    """Places of a store's rows, shape (n, 5).

    A star without a luminosity class stands at the mean of the heights that stars of its type have
    and is as unsure as they are spread; one without [Fe/H] is like most stars nearby.

    Parameters
    ----------
    meta : polars.DataFrame
        Rows with ``luminosity``, and ``feh`` where the store has it.
    code : ndarray, shape (n,)
        Their decimal codes.
    """
    classes = meta["luminosity"].to_list()
    pairs = [_height_of(k, mk.type_of(c)) for k, c in zip(classes, code, strict=True)]
    height, height_spread = np.array(pairs, np.float64).reshape(-1, 2).T
    feh, feh_spread = np.full(len(code), _USUAL_METALS[0]), np.full(len(code), _USUAL_METALS[1])
    if "feh" in meta.columns:
        given = meta["feh"].cast(pl.Float64).fill_null(np.nan).to_numpy()
        known = np.isfinite(given)
        feh[known], feh_spread[known] = given[known], 0.0
    return points(code, height, feh, height_spread=height_spread, feh_spread=feh_spread)


def _height_of(luminosity: str | None, type: str) -> tuple[float, float]:
    if luminosity in HEIGHT:
        return HEIGHT[luminosity], 0.0
    heights = np.array([HEIGHT[k] for k in mk.LUMINOSITIES[::-1]])
    share = np.array(LUMINOSITIES[type])
    mean = float(share @ heights)
    return mean, float(np.sqrt(share @ (heights - mean) ** 2))


class Plane(Sequence):
    """Kernels over type, height and [Fe/H], as wide as the number of spectra asks for.

    Parameters
    ----------
    at : ndarray, shape (n, 5)
        Places of the spectra, from `stars_at` or `points`.
    neighbours : float
        Effective number of spectra under a kernel.
    """

    _widths = 25

    def __init__(self, at: Floats, neighbours: float) -> None:
        super().__init__(at[:, CODE], neighbours)
        self.at = at

    @property
    def points(self) -> Floats:
        """Where the spectra stand."""
        return self.at

    def take(self, index: NDArray[np.bool_]) -> Plane:
        """The plane of some of the spectra."""
        return Plane(self.at[index], self.neighbours)

    def lines(self, at: Floats) -> Floats:
        """Weights of a regression that is linear along the sequence, shape (m, n)."""
        return self._linear(self.weights(at), self.code - at[:, CODE, None])

    def speaking(self, at: Floats) -> Floats:
        """How much each spectrum has to say of a place, 0 to 1, shape (m, n).

        The kernel here is as narrow as a correction is alike, however few spectra there are.
        """
        return self._kernel(at, np.full(len(at), _NEAR))

    def support(self, at: Floats) -> Floats:
        """Effective number of spectra that speak for places `at`, shape (m,)."""
        return np.asarray(self.speaking(at).sum(axis=1))

    def _kernel(self, at: Floats, width: Floats) -> Floats:
        weight = np.exp(-0.5 * ((at[:, CODE, None] - self.code) / width[:, None]) ** 2)
        for value, spread, least, rate in (
            (LEVEL, LEVEL_SPREAD, _HEIGHT_WIDTH, SUBCLASSES_A_HEIGHT),
            (METALS, METALS_SPREAD, _METALS_WIDTH, SUBCLASSES_A_DEX),
        ):
            own = (least**2 + (width / rate) ** 2)[:, None]
            unsure = at[:, spread, None] ** 2 + self.at[:, spread] ** 2
            offset = at[:, value, None] - self.at[:, value]
            # A spectrum that may stand anywhere has less to say of each place.
            weight *= np.sqrt(own / (own + unsure)) * np.exp(-0.5 * offset**2 / (own + unsure))
        return np.asarray(weight)


def heights(luminosities: Listed[str]) -> Floats:
    """Heights of luminosity classes, shape (n,)."""
    return np.array([HEIGHT[k] for k in luminosities], np.float64)
