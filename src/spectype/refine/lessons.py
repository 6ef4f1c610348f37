"""What networks learn from: real and refined simulated stars over their bare simulated ones.

Both are logarithms of ratios in bins of two pixels (the simulated star has the sharp lines), then
of the broad shape's at ten wavelengths, each over its own usual size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spectype.core.errors import DataError
from spectype.dataset.store import Store
from spectype.fidelity.sets import scatter
from spectype.generate.factors_data import training_set
from spectype.generate.latent import balance
from spectype.generate.learnt import fingerprint
from spectype.refine.data import Ratios, ratios
from spectype.refine.networks import encode
from spectype.refine.plane import CODE, points, settled
from spectype.refine.simulator import RefinedGenerator
from spectype.simulate.templates import METALLICITIES

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Bools = NDArray[np.bool_]
BIN = 2  #: pixels
_VERSIONS = 8  # draws of a star's unknown luminosity class and metallicity
_SMOOTH = 20.0  # bins over which the usual size of a ratio is taken
_LEAST = 0.01  # of that size: below, all is noise


@dataclass(frozen=True)
class Stars:
    """Stars to learn from.

    Parameters
    ----------
    values : ndarray, shape (n, n_col), float32
        Ratios over `Lessons.scale`; 0 where unknown.
    good : ndarray, shape (n, n_col), bool
        Where they are known.
    noise : ndarray, shape (n, n_col), float32
        Standard deviation of the noise in them, likewise over `Lessons.scale`.
    at : ndarray, shape (n, 5)
        Their places.
    """

    values: Singles
    good: Bools
    noise: Singles
    at: Floats

    def __len__(self) -> int:
        return len(self.values)


class Picks(NamedTuple):
    """Which stars make a batch: real ones, and simulated ones in place of the first of them."""

    real: NDArray[np.int64]
    simulated: NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """A batch for a step, all tensors of float32.

    Parameters
    ----------
    values, good, noise : Tensor, shape (n, n_col)
        As in `Stars`; simulated stars wear coverage and noise of real ones.
    condition : Tensor, shape (n, n_features)
        Places as `networks.encode` gives them.
    quiet : Tensor, shape (n, 1)
        1 for simulated stars, whose values have no noise yet.
    """

    values: Tensor
    good: Tensor
    noise: Tensor
    condition: Tensor
    quiet: Tensor


@dataclass(frozen=True)
class Lessons:
    """Everything a network learns from.

    Parameters
    ----------
    real : Stars
        Versions of every real star: its class and [Fe/H], where unknown, are drawn.
    simulated : Stars
        Samples of the refined simulator, half of them spread evenly over the plane.
    alone : ndarray, bool
        Which of these stand where no real star supports them.
    scale : ndarray, shape (n_col,), float32
        Usual size of the ratios.
    ratios : Ratios
        The real stars on all pixels, for the check.
    """

    real: Stars
    simulated: Stars
    alone: Bools
    scale: Singles
    ratios: Ratios

    @property
    def rows(self) -> NDArray[np.int64]:
        """Rows of the store."""
        return self.ratios.rows

    @property
    def split(self) -> NDArray[np.str_]:
        """Part of every row of the store."""
        return self.ratios.split

    def fingerprint(self) -> str:
        """See `learnt.fingerprint`; simulated stars count, too."""
        both = (self.real, self.simulated)
        return "-".join(fingerprint(stars.values, stars.good) for stars in both)

    def picks(
        self, n: int, size: int, *, simulated: bool, rehearsal: float, rng: np.random.Generator
    ) -> Iterator[Picks]:
        """`n` batches: simulated stars alone, or real ones and a share of `rehearsal`."""
        weight = balance(self.real.at[:, CODE])
        weight /= weight.sum()
        pool = np.arange(len(self.simulated)) if simulated else np.flatnonzero(self.alone)
        for _ in range(n):
            real = rng.choice(len(self.real), size, p=weight)
            count = size if simulated else int(rng.binomial(size, rehearsal)) * bool(pool.size)
            yield Picks(real, rng.choice(pool, count) if count else pool[:0])

    def batch(self, picks: Picks) -> Batch:
        """Real stars, the first of them replaced by simulated ones with their coverage."""
        first = len(picks.simulated)
        values, at = self.real.values[picks.real], self.real.at[picks.real]
        good, noise = self.real.good[picks.real], self.real.noise[picks.real]
        values[:first] = self.simulated.values[picks.simulated]
        at[:first] = self.simulated.at[picks.simulated]
        quiet = (np.arange(len(at)) < first).astype(np.float32)[:, None]
        tensors = (values * good, good.astype(np.float32), noise, encode(at), quiet)
        return Batch(*map(torch.from_numpy, tensors))


def lessons(
    store: Store, simulator: RefinedGenerator, *, rows: list[int], pool: int, seed: int
) -> Lessons:
    """Real and simulated stars of a store and of the simulator that was trained on it.

    Parameters
    ----------
    store : Store
        Real spectra.
    simulator : RefinedGenerator
        Trained.
    rows : list of int
        Rows it has learnt from, by its manifest.
    pool : int
        Simulated stars to draw.
    seed : int
        Of the draws.

    Raises
    ------
    DataError
        If the store is not the simulator's; and as `training_set`.
    """
    data = training_set(store, simulator.config)
    if data.rows.tolist() != list(rows):
        raise DataError(
            "is not the store that the simulator was trained on, or its labels have changed",
            path=store.folder,
            remedy="train the simulator again: gan train STORE --recipe refined",
        )
    real = ratios(store, data, simulator.atlas)
    rng = np.random.default_rng([seed, 31])
    at = _spread_out(simulator, pool, rng)
    log, n_pix = simulator.ratios(at, rng), simulator.wave.size
    drawn, _ = to_bins(log, np.ones(log.shape, bool), n_pix)
    scale = _scale(drawn, drawn.shape[1] - (log.shape[1] - n_pix))
    clean = Stars(drawn / scale, np.ones(drawn.shape, bool), np.zeros_like(drawn), at)
    return Lessons(
        real=_versions(real, simulator, scale, rng),
        simulated=clean,
        alone=simulator.extrapolated(at),
        scale=scale,
        ratios=real,
    )


def to_bins(log: Singles, good: Bools, n_pix: int) -> tuple[Singles, Bools]:
    """Means of bins of the first `n_pix` columns and the others as they are, (n, n_col).

    A last pixel that fills no bin is left out.
    """
    n = n_pix // BIN
    shape = (len(log), n, BIN)
    there = good[:, : n * BIN].reshape(shape)
    total = (log[:, : n * BIN].reshape(shape) * there).sum(axis=2)
    values = np.concatenate([total / np.maximum(there.sum(axis=2), 1), log[:, n_pix:]], axis=1)
    known = np.concatenate([there.any(axis=2), good[:, n_pix:]], axis=1)
    return np.where(known, values, 0).astype(np.float32), known


def from_bins(values: Singles, n_pix: int, n_knots: int) -> Singles:
    """The way back: cubic splines through the bins, shape (n, n_pix + n_knots)."""
    from scipy.interpolate import CubicSpline

    n = values.shape[1] - n_knots
    middle = BIN * np.arange(n) + 0.5 * (BIN - 1)
    at = np.clip(np.arange(n_pix), middle[0], middle[-1])
    fine = CubicSpline(middle, values[:, :n], axis=1, bc_type="natural")(at)
    return np.concatenate([fine, values[:, n:]], axis=1).astype(np.float32)


def _spread_out(simulator: RefinedGenerator, n: int, rng: np.random.Generator) -> Floats:
    """Places of real stars, and as many all over the plane."""
    seed = int(rng.integers(2**31))
    known, code = simulator.places(n - n // 2, seed=seed), simulator.stars.code
    anywhere = points(
        rng.uniform(code.min(), code.max(), n // 2),
        rng.uniform(0.0, 2.0, n // 2),
        rng.uniform(METALLICITIES[0], METALLICITIES[-1], n // 2),
    )
    return np.concatenate([known, anywhere])


def _scale(drawn: Singles, n_bins: int) -> Singles:
    """Root mean square of the ratios, along wavelength a smooth one."""
    from scipy.ndimage import gaussian_filter1d

    square = (drawn.astype(np.float64) ** 2).mean(axis=0)
    square[:n_bins] = gaussian_filter1d(square[:n_bins], _SMOOTH, mode="nearest")
    return np.asarray(np.maximum(np.sqrt(square), _LEAST), np.float32)


def _versions(
    real: Ratios, simulator: RefinedGenerator, scale: Singles, rng: np.random.Generator
) -> Stars:
    """Each real star several times, over the simulated star of a class it may have."""
    row = np.repeat(np.arange(len(real.at)), _VERSIONS)
    at, n_pix = settled(real.at[row], rng), simulator.wave.size
    before = np.concatenate(simulator.atlas.light(real.at[row]), axis=1)
    after = np.concatenate(simulator.atlas.light(at), axis=1)
    values, good = to_bins(real.values[row] + before - after, real.good[row], n_pix)
    noise = np.zeros(values.shape, np.float32)
    n_bins = n_pix // BIN
    level = scatter(real.values[:, :n_pix], real.good[:, :n_pix])[row] * np.sqrt(4 / BIN)
    middle = (np.arange(level.shape[1]) + 0.5) / level.shape[1] * n_bins
    noise[:, :n_bins] = [np.interp(np.arange(n_bins), middle, one) for one in level]
    return Stars(values / scale, good, noise / scale, at)
