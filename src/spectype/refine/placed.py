"""Stars at places of the plane: what a generator shares that multiplies simulated stars.

A sample is the simulated star of its type, luminosity and metallicity, brought to the common
footing, times exp(ratio). Recipes differ in how they draw the ratio.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from spectype.core import mk
from spectype.core.errors import UsageError
from spectype.generate.factors import shape_between
from spectype.generate.latent import chances, distinct
from spectype.generate.recipes import RefinedConfig
from spectype.generate.samples import Samples
from spectype.refine.atlas import Atlas
from spectype.refine.plane import CODE, LEVEL, METALS, Plane, points, settled
from spectype.simulate.templates import METALLICITIES
from spectype.starlight.calibration import COOLEST, HEIGHT, HOTTEST

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
_FAINT, _BRIGHT = -3.5, 2.5  # range of log flux over the broad shape


class PlacedGenerator(ABC):
    """A generator of simulated stars times what real ones have more.

    Parameters
    ----------
    atlas : Atlas
        The template stars.
    at : ndarray, shape (n, 5)
        Places of all training spectra (`plane.points`).
    wave : ndarray, shape (n_pix,), float64
        Grid [Angstrom, vacuum].
    config : RefinedConfig
        Of the refined simulator: types, and how many real stars support a place.
    """

    recipe: str

    def __init__(self, *, atlas: Atlas, at: Floats, wave: Floats, config: RefinedConfig) -> None:
        self.atlas, self.wave, self.config = atlas, wave, config
        self.stars = Plane(at, config.neighbours)
        self.types = "".join(t for t in mk.TYPES if t in config.types)

    @abstractmethod
    def ratios(self, at: Floats, rng: np.random.Generator) -> Singles:
        """Draws of log flux and log shape over the simulated star's, (n, n_pix + n_knots).

        Parameters
        ----------
        at : ndarray, shape (n, 5)
            Places, a draw each.
        rng : numpy.random.Generator
            Chance.
        """

    @abstractmethod
    def correction(self, at: Floats) -> Singles:
        """Mean of `ratios` at places (m, 5), shape (m, n_pix + n_knots)."""

    def places(self, n: int, *, type: str | None = None, seed: int = 0) -> Floats:
        """Places of real spectra at random, rarer subclasses more often, shape (n, 5).

        Parameters
        ----------
        n : int
            How many.
        type : str, optional
            Of this type, or these: ``"OB"``.
        seed : int
            Seed.
        """
        share = chances(self.stars.code, type, known=self.types)
        rng = np.random.default_rng(seed)
        return settled(self.stars.at[rng.choice(len(share), n, p=share)], rng)

    def sample(
        self, n: int, *, code: float | ArrayLike | None = None, seed: int = 0,
        at: Floats | None = None,
    ) -> Samples:  # fmt: skip
        """Draw `n` spectra.

        Parameters
        ----------
        n : int
            How many.
        code : float or array_like, shape (n,), optional
            Decimal type codes; height and [Fe/H] are then those of real stars nearby.
        seed : int
            Seed; the same seed gives the same spectra.
        at : ndarray, shape (n, 5), optional
            Places (`plane.points`) in place of `code`; by default `places`.

        Raises
        ------
        UsageError
            If `n` is not positive, or a place is none that can be simulated.
        """
        if n < 1:
            raise UsageError(f"{n} samples cannot be drawn", remedy="give a positive number")
        if at is None:
            at = self.places(n, seed=seed) if code is None else self.around(n, code, seed=seed)
        self._check(at, n)
        log, shape = self._draw(at, np.random.default_rng([seed, 20226]))
        flux = np.exp(np.clip(log, _FAINT, _BRIGHT)).astype(np.float32)
        return Samples(
            wave=self.wave,
            flux=flux,
            good=np.ones(flux.shape, bool),
            code=at[:, CODE].copy(),
            type=np.array([mk.type_of(c) for c in at[:, CODE]]),
            shape=shape_between(shape, self.wave),
            labels={
                "luminosity": luminosity_of(at[:, LEVEL]),
                "height": at[:, LEVEL].copy(),
                "feh": at[:, METALS].copy(),
                "extrapolated": self.extrapolated(at),
            },
        )

    def extrapolated(self, at: Floats) -> NDArray[np.bool_]:
        """Which places (m, 5) too few real stars support."""
        found, place = distinct(np.round(at, 2))
        return np.asarray(self.stars.support(found) < self.config.supported)[place]

    def _draw(self, at: Floats, rng: np.random.Generator) -> tuple[Singles, Singles]:
        """Log flux over the broad shape and log shape at the knots of places (n, 5)."""
        log, (flat, shape) = self.ratios(at, rng), self.atlas.light(at)
        n_pix = self.wave.size
        return log[:, :n_pix] + flat, log[:, n_pix:] + shape

    def around(self, n: int, code: float | ArrayLike, *, seed: int = 0) -> Floats:
        """Places of these codes, each with height and [Fe/H] of a real star nearby, (n, 5)."""
        wanted = np.asarray(code, np.float64)
        if wanted.ndim and wanted.shape != (n,):
            raise UsageError(f"{wanted.size} codes for {n} samples", remedy="give one, or one each")
        wanted = np.broadcast_to(wanted, (n,))
        rng = np.random.default_rng(seed)
        offset = np.abs(wanted[:, None] - self.stars.code)
        nearest = np.argsort(offset + 1e-6 * rng.random(offset.shape), axis=1)[:, :12]
        star = nearest[np.arange(n), rng.integers(0, nearest.shape[1], n)]
        at = self.stars.at[star]
        return points(wanted, np.clip(at[:, LEVEL], 0, 2), at[:, METALS])

    def _check(self, at: Floats, n: int) -> None:
        if at.shape != (n, 5):
            raise UsageError(f"{len(at)} places for {n} samples", remedy="give one each")
        for value, name, low, high in (
            (CODE, "code", HOTTEST, COOLEST), (LEVEL, "height", 0.0, 2.0),
            (METALS, "[Fe/H]", METALLICITIES[0], METALLICITIES[-1]),
        ):  # fmt: skip
            ok = (at[:, value] >= low) & (at[:, value] <= high)
            if not ok.all():
                raise UsageError(
                    f"{name} {at[~ok, value][0]:g} cannot be simulated",
                    remedy=f"{low:g} to {high:g}",
                )


def kept(generator: PlacedGenerator) -> dict[str, torch.Tensor]:
    """Stars and places of a generator as a file keeps them, for `again`."""
    return {
        "at": torch.from_numpy(generator.stars.at),
        "wave": torch.from_numpy(generator.wave),
        "atlas.flat": torch.from_numpy(generator.atlas.flat),
        "atlas.shape": torch.from_numpy(generator.atlas.shape),
    }


def again(tensors: Mapping[str, torch.Tensor], config: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `PlacedGenerator`, of what is `kept` and its configuration as plain data."""
    listed = {name: tuple(config[name]) for name in ("leave_out", "joints")}
    return {
        "atlas": Atlas(tensors["atlas.flat"].numpy(), tensors["atlas.shape"].numpy()),
        "at": tensors["at"].numpy(),
        "wave": tensors["wave"].numpy(),
        "config": RefinedConfig(**{**config, **listed}),
    }


def luminosity_of(height: Floats) -> NDArray[np.str_]:
    """The luminosity class nearest to each height."""
    names, levels = np.array(list(HEIGHT)), np.array(list(HEIGHT.values()))
    return np.asarray(names[np.abs(height[:, None] - levels).argmin(axis=1)])
