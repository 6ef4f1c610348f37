"""A factor model of spectra along the sequence: few data, gaps, and a covariance that moves.

A spectrum is ``mean + W' z + noise`` with z ~ N(m(c), S(c)): one basis W for all, so that rare
types borrow from their neighbours, and mean and covariance of the factors that follow the decimal
type code c by kernel regression. Missing pixels have no weight: W, z and the noise are found by
expectation-maximisation (Tipping & Bishop 1999, J. R. Stat. Soc. B 61, 611; with noise a pixel
it is factor analysis, Rubin & Thayer 1982, Psychometrika 47, 69).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.core import mk
from spectype.core.errors import UsageError

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
NARROWEST, WIDEST = 0.8, 20.0  # bandwidths along the sequence [subclass]
WIDER = 3.0  # bandwidth of the covariance that the local one is shrunk to, relative
SHRUNK = 0.5  # share of that wider covariance
DIAGONAL = 0.1  # share of the covariance's own diagonal
_LOADING = 0.1  # expected size of the basis, for factors of unit variance: where data are few
_LEAST_NOISE = 1e-6  # variance, of flux around 1
#: Least noise variance of a spectrum over the median. A factor of its own would fit a spectrum to
#: the last digit (a Heywood case) and make of its gaps what it likes.
_HEYWOOD = 0.5
_GAP = 0.005  # weight of what neighbours show where a spectrum has no data
_PROFILE = (0.2, 100.0)  # range of a pixel's noise variance over the spectrum's median


class Sequence:
    """Kernels along the sequence over a set of spectra, as wide as their number asks for.

    Parameters
    ----------
    code : ndarray, shape (n,)
        Decimal type codes of the spectra.
    neighbours : float
        Effective number of spectra under a kernel.
    """

    _widths = 40  # that are tried, from the narrowest to the widest

    def __init__(self, code: Floats, neighbours: float) -> None:
        self.code = code
        self.neighbours = min(neighbours, 0.5 * len(code))

    @property
    def points(self) -> Floats:
        """Where the spectra stand, as `weights` takes places."""
        return self.code

    def width(self, at: Floats) -> Floats:
        """Bandwidth along the sequence at places `at` (m, ...): the least with enough spectra."""
        out = np.full(len(at), WIDEST)
        todo = np.ones(len(at), bool)
        for width in np.geomspace(NARROWEST, WIDEST, self._widths):
            weight = self._kernel(at[todo], np.full(int(todo.sum()), width))
            total = weight.sum(axis=1)
            effective = total**2 / np.maximum((weight**2).sum(axis=1), 1e-300)
            enough = np.flatnonzero(todo)[np.minimum(total, effective) >= self.neighbours]
            out[enough], todo[enough] = width, False
            if not todo.any():
                break
        return out

    def weights(self, at: Floats, *, widen: float = 1.0) -> Floats:
        """Kernel weights, rows summing to 1, shape (m, n)."""
        weight = self._kernel(at, widen * self.width(at)) + 1e-12
        return np.asarray(weight / weight.sum(axis=1, keepdims=True))

    def _kernel(self, at: Floats, width: Floats) -> Floats:
        """Kernels of these widths (m,) at places `at`, shape (m, n)."""
        return np.asarray(np.exp(-0.5 * ((at[:, None] - self.code) / width[:, None]) ** 2))

    def lines(self, at: Floats) -> Floats:
        """Weights of local linear regression, shape (m, n): values @ result.T is the fit.

        A small ridge turns it into the local mean where the codes do not spread.
        """
        return self._linear(self.weights(at), self.code - at[:, None])

    @staticmethod
    def _linear(weight: Floats, offset: Floats) -> Floats:
        """From kernel weights and offsets along the sequence, both (m, n), to `lines`."""
        first = (weight * offset).sum(axis=1, keepdims=True)
        second = (weight * offset**2).sum(axis=1, keepdims=True) + 1e-3
        line = weight * (second - first * offset)
        return np.asarray(line / line.sum(axis=1, keepdims=True))


@dataclass
class Factors:
    """State of the model between two iterations.

    Attributes
    ----------
    mean : ndarray, shape (n_col,), float32
        Mean of all spectra.
    basis : ndarray, shape (k, n_col), float32
        W.
    scatter : ndarray, shape (n,), float64
        Noise variance of each spectrum, times `profile` of its group.
    profile : ndarray, shape (n_groups, n_col), float32
        Relative noise variance of the columns.
    z : ndarray, shape (n, k), float64
        Posterior means of the factors.
    spread : ndarray, shape (n, k, k), float32
        Posterior covariances.
    """

    mean: Singles
    basis: Singles
    scatter: Floats
    profile: Singles
    z: Floats
    spread: Singles

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The state by name, for a checkpoint."""
        return dict(vars(self))

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> Factors:
        """The state from `arrays`."""
        return cls(**{name: np.asarray(arrays[name]) for name in cls.__dataclass_fields__})


class Law:
    """Distribution of the factors along the sequence, from posterior moments.

    Parameters
    ----------
    sequence : Sequence
        Kernels over the training spectra.
    z, spread : ndarray, shape (n, k) and (n, k, k)
        Posterior means and covariances.
    """

    def __init__(self, sequence: Sequence, z: Floats, spread: Singles) -> None:
        self.sequence, self.z, self.spread = sequence, z, spread
        self.points, self.place = distinct(sequence.points)
        self.residual = z - (sequence.lines(self.points) @ z)[self.place]
        outer = self.residual[:, :, None] * self.residual[:, None, :] + spread
        self.outer = outer.reshape(len(z), -1).astype(np.float32)

    def mean(self, at: Floats) -> Floats:
        """m(c), shape (m, k)."""
        return np.asarray(self.sequence.lines(at) @ self.z)

    def covariance(self, at: Floats) -> Floats:
        """S(c), shape (m, k, k): the local one, shrunk to a wider one and to its diagonal."""
        weight = (1 - SHRUNK) * self.sequence.weights(at)
        weight += SHRUNK * self.sequence.weights(at, widen=WIDER)
        k = self.z.shape[1]
        s = (weight.astype(np.float32) @ self.outer).reshape(-1, k, k).astype(np.float64)
        diagonal = np.einsum("mii->mi", s)
        s = (1 - DIAGONAL) * s + DIAGONAL * diagonal[:, :, None] * np.eye(k)
        return np.asarray(s + 1e-6 * np.eye(k))

    def draw(self, at: Floats, *, smoothing: float, rng: np.random.Generator) -> Floats:
        """Factors at codes (or other places) `at`, shape (m, k).

        Each is the deviation of a neighbour on the sequence from its mean, shrunk, plus a draw
        from the covariance: a kernel density estimate that keeps mean and covariance (West
        1993, J. R. Stat. Soc. B 55, 409). With `smoothing` 1 it is a Gaussian, with 0 the
        neighbours themselves.
        """
        codes, place = distinct(np.round(at, 1))
        mean, root = self.mean(codes), np.linalg.cholesky(self.covariance(codes))
        chance = np.cumsum(self.sequence.weights(codes), axis=1)
        u = rng.random(len(at)) * chance[place, -1]
        parent = (chance[place] < u[:, None]).sum(axis=1)
        k = self.z.shape[1]
        fresh = np.einsum("mij,mj->mi", root[place], rng.standard_normal((len(at), k)))
        # What a parent's gaps left open is drawn anew for each child.
        own = np.linalg.cholesky(self.spread[parent].astype(np.float64) + 1e-9 * np.eye(k))
        kept = self.residual[parent]
        kept = kept + np.einsum("mij,mj->mi", own, rng.standard_normal((len(at), k)))
        return np.asarray(mean[place] + np.sqrt(1 - smoothing**2) * kept + smoothing * fresh)


def distinct(points: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """The different ones of some places along the first axis, and which each of them is."""
    found, place = np.unique(points, axis=0, return_inverse=True)
    return found, np.asarray(place, np.int64).reshape(-1)


def balance(code: Floats) -> Floats:
    """Weights of spectra in the basis, rarer parts of the sequence more, mean 1; shape (n,)."""
    density = np.exp(-0.5 * ((code[:, None] - code) / 2.0) ** 2).sum(axis=1)
    weight = density**-0.7
    return np.asarray(weight / weight.mean())


def chances(code: Floats, type: str | None, *, known: str) -> Floats:
    """Chance of each spectrum to be drawn, rarer subclasses more often, shape (n,), sum 1.

    Parameters
    ----------
    code : ndarray, shape (n,)
        Decimal codes.
    type : str or None
        Only of this type, or these: ``"OB"``.
    known : str
        Types of the generator, for the message.

    Raises
    ------
    UsageError
        If no spectrum is of the type.
    """
    weight = balance(code)
    if type is not None:
        wanted = [mk.index(letter) for letter in type]
        weight = weight * np.isin(mk.type_indices(code), wanted)
    if not weight.sum() > 0:
        raise UsageError(f"the generator knows {', '.join(known)}, no {type!r}")
    return np.asarray(weight / weight.sum())


def bridge(values: Singles, good: NDArray[np.bool_], sequence: Sequence) -> tuple[Singles, Singles]:
    """Let spectra say a little in their gaps: to be like their neighbours on the sequence.

    As many factors as there are here would else carry what is known of a spectrum far off where
    it has no data.

    Parameters
    ----------
    values, good : ndarray, shape (n, n_col)
        Spectra (0 where not good) and where they have data.
    sequence : Sequence
        Kernels over these spectra.

    Returns
    -------
    values, weight : ndarray, shape (n, n_col), float32
        Spectra with their gaps filled, and the weight of every pixel: 1 where it is good, a little
        where it is filled, 0 where no neighbour has data.
    """
    filled, there = _neighbours(values, good, sequence, least=1e-6)
    weight = np.where(good, 1.0, np.where(there > 0.1, _GAP, 0.0))
    return np.where(good, values, filled).astype(np.float32), weight.astype(np.float32)


def _neighbours(
    values: Singles, good: NDArray[np.bool_], sequence: Sequence, *, least: float
) -> tuple[Singles, Singles]:
    """Means of what neighbours on the sequence show, and the share of them that have data there.

    Both (n, n_col); where less than a share of `least` has data the mean tends to 0.
    """
    near = sequence.weights(sequence.points).astype(np.float32)
    there = near @ good.astype(np.float32)
    mean = (near @ np.where(good, values, 0)) / np.maximum(there, least)
    return mean.astype(np.float32), there


def start(values: Singles, good: NDArray[np.bool_], sequence: Sequence, *, k: int,
          groups: int) -> Factors:  # fmt: skip
    """First state: principal components of the spectra, gaps filled by their neighbours."""
    n, n_col = values.shape
    weight = balance(sequence.code).astype(np.float32)[:, None]
    count = (good * weight).sum(axis=0)
    mean = np.where(count > 0, (values * good * weight).sum(axis=0) / np.maximum(count, 1e-6), 1.0)
    offset = np.where(good, values - mean, 0).astype(np.float32)
    near, _ = _neighbours(offset, good, sequence, least=1e-3)
    filled = np.where(good, offset, near)
    scaled = filled * np.sqrt(weight)
    _, vectors = np.linalg.eigh((scaled @ scaled.T).astype(np.float64))
    basis = vectors[:, ::-1][:, :k].T.astype(np.float32) @ scaled / np.sqrt(n)
    return Factors(
        mean=mean.astype(np.float32),
        basis=basis.astype(np.float32),
        scatter=np.full(n, 2e-4),
        profile=np.ones((groups, n_col), np.float32),
        z=np.zeros((n, k)),
        spread=np.repeat(np.eye(k, dtype=np.float32)[None], n, axis=0),
    )


def iterate(
    state: Factors,
    values: Singles,
    good: NDArray[np.bool_],
    *,
    sequence: Sequence,
    group: NDArray[np.int64],
    weight: Singles | None = None,
) -> tuple[Factors, float]:
    """One iteration of expectation and maximisation.

    Parameters
    ----------
    state : Factors
        Where it stands.
    values, good : ndarray, shape (n, n_col)
        Spectra and where they have data.
    sequence : Sequence
        Kernels over these spectra.
    group : ndarray, shape (n,), int64
        Which noise profile each has.
    weight : ndarray, shape (n, n_col), float32, optional
        Weights of the pixels, as `bridge` gives them; `good` by default.

    Returns
    -------
    Factors, float
        The next state, and the log-likelihood a pixel of the one before.
    """
    law = Law(sequence, state.z, state.spread)
    prior_mean, prior = law.mean(law.points)[law.place], law.covariance(law.points)
    weight = good.astype(np.float32) if weight is None else weight
    offset = np.where(weight > 0, values - state.mean, 0).astype(np.float32)
    ivar = weight / (state.scatter[:, None].astype(np.float32) * state.profile[group])
    z, spread, kept, likelihood = _expect(
        state, offset, ivar, law.place, prior_mean, prior
    )  # fmt: skip
    basis = _basis(offset, ivar * balance(sequence.code).astype(np.float32)[:, None], z, spread)
    square = np.where(good, (offset - z.astype(np.float32) @ basis) ** 2, 0)
    n_good = np.maximum(good.sum(axis=1), 1)
    scatter = (square / state.profile[group]).sum(axis=1) / n_good + state.scatter * kept / n_good
    scatter = np.maximum(scatter, max(_LEAST_NOISE, _HEYWOOD * float(np.median(scatter))))
    profile = state.profile.copy()
    for g in range(len(profile)):
        here = group == g
        count = good[here].sum(axis=0)
        if not count.any():
            continue
        ratio = (square[here] / scatter[here, None]).sum(axis=0) / np.maximum(count, 1)
        seen = count > 0
        level = float(np.median(ratio[seen]))
        if level > 0:
            profile[g] = np.where(seen, np.clip(ratio / level, *_PROFILE), 1.0)
    basis, z, spread = _whiten(basis, z, spread)
    new = Factors(state.mean, basis, scatter, profile, z, spread)
    return new, likelihood / float(good.sum())


def _expect(
    state: Factors, offset: Singles, ivar: Singles, place: NDArray[np.int64],
    prior_mean: Floats, prior: Floats,
) -> tuple[Floats, Singles, Floats, float]:  # fmt: skip
    """Posterior means and covariances, effective number of factors spent, log-likelihood."""
    n, k = state.z.shape
    inverse = np.linalg.inv(prior)
    log_prior = np.linalg.slogdet(prior)[1]
    z, spread, kept = np.empty((n, k)), np.empty((n, k, k), np.float32), np.empty(n)
    total = 0.0
    # Single precision would lose the weakest factors beside the strongest.
    basis = state.basis.astype(np.float64)
    for i in range(n):
        weighted = basis * ivar[i]
        gain = weighted @ basis.T
        left = offset[i] - prior_mean[i] @ basis
        pull = weighted @ left
        covariance = np.linalg.inv(gain + inverse[place[i]])
        z[i] = prior_mean[i] + covariance @ pull
        spread[i] = covariance
        kept[i] = np.vdot(covariance, gain)
        used = ivar[i] > 0
        chi2 = float((ivar[i] * left**2).sum(dtype=np.float64)) - pull @ covariance @ pull
        logs = np.log(ivar[i, used].astype(np.float64)).sum() - used.sum() * np.log(2 * np.pi)
        determinant = log_prior[place[i]] - np.linalg.slogdet(covariance)[1]
        total += 0.5 * (logs - determinant - chi2)
    return z, spread, kept, total


def _whiten(basis: Singles, z: Floats, spread: Singles) -> tuple[Singles, Floats, Singles]:
    """The same model in factors of unit variance over all spectra: well-conditioned sums."""
    second = (z.T @ z + spread.sum(axis=0)) / len(z)
    root = np.linalg.cholesky(second)
    inverse = np.linalg.inv(root)
    moved = inverse @ spread.astype(np.float64) @ inverse.T
    return (root.T @ basis).astype(np.float32), z @ inverse.T, moved.astype(np.float32)


def _basis(offset: Singles, weight: Singles, z: Floats, spread: Singles) -> Singles:
    """The basis that explains the spectra best given their factors, shape (k, n_col)."""
    n, k = z.shape
    second = (z[:, :, None] * z[:, None, :] + spread).reshape(n, -1).astype(np.float32)
    out = np.empty((k, offset.shape[1]), np.float32)
    for first in range(0, offset.shape[1], 512):
        part = slice(first, first + 512)
        normal = (weight[:, part].T @ second).reshape(-1, k, k) + _LOADING**-2 * np.eye(k)
        right = (weight[:, part] * offset[:, part]).T @ z.astype(np.float32)
        out[:, part] = np.linalg.solve(normal.astype(np.float64), right[:, :, None])[:, :, 0].T
    return out
