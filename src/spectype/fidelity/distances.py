"""Copies, coverage and diversity of synthetic spectra, from distances between spectra."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spectype.judge.metrics import wilson

FloatArray = NDArray[np.float64]
NEIGHBOURS = 5  #: k of density and coverage, at most
PERMUTATIONS = 9999


@dataclass(frozen=True, slots=True)
class Copying:
    """The three-sample test for copies of the training spectra.

    Parameters
    ----------
    statistic : float
        C_T: mean over cells of Z_U; far below 0 means copies, far above 0 that synthetic
        spectra lie farther from the training spectra than real stars do.
    p_copying, p_remote : float
        One-sided p-values for the one and the other, by permutation within cells.
    cells : int
        Cells used.
    n_test, n_synthetic : int
        Spectra in these cells.
    """

    statistic: float
    p_copying: float
    p_remote: float
    cells: int
    n_test: int
    n_synthetic: int


@dataclass(frozen=True, slots=True)
class Spread:
    """A number with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Coverage:
    """Density and coverage of Naeem et al. 2020, at equal numbers of real and synthetic.

    Parameters
    ----------
    coverage : Spread
        Share of real spectra with a synthetic one among their nearest neighbours.
    expected : float
        The same for two samples of one population.
    density : Spread
        How many real neighbourhoods hold a synthetic spectrum, on average, over k; 1 for two
        samples of one population.
    k, n : int
        Neighbours, and spectra of each kind.
    """

    coverage: Spread
    expected: float
    density: Spread
    k: int
    n: int


def distances(first: FloatArray, second: FloatArray) -> FloatArray:
    """Euclidean distances, shape (n_first, n_second)."""
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(first, second))


def mann_whitney_z(test: FloatArray, synthetic: FloatArray) -> float:
    """Z_U of Meehan et al. 2020, eq. 1: below 0 where `synthetic` distances are the smaller."""
    from scipy.stats import rankdata

    n, m = test.size, synthetic.size
    u = rankdata(np.concatenate([test, synthetic]))[n:].sum() - m * (m + 1) / 2
    return float((u - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12))


def copying(
    train: FloatArray, test: FloatArray, synthetic: FloatArray, *, cells: int | None = None,
    seed: int = 0,
) -> Copying:  # fmt: skip
    """Are synthetic spectra nearer to the training spectra than new stars are?

    Parameters
    ----------
    train, test, synthetic : ndarray, shape (n, n_dim)
        Spectra learnt from, real spectra held out, synthetic ones.
    cells : int, optional
        Cells of the k-means partition; one for every ten training spectra, at most five, by
        default.
    seed : int
        Of partition and permutations.

    Notes
    -----
    The statistic C_T of Meehan, Chaudhuri & Dasgupta 2020 (AISTATS, arXiv:2004.05675): in each
    cell, distances to the nearest training spectrum of the cell, of test and of synthetic
    spectra, are compared by Mann and Whitney's U, normalised; the mean is weighted by the test
    spectra, over cells with a test spectrum and as many synthetic ones as one for every twenty
    of their even share. The paper compares C_T with a normal distribution; with the few test
    stars there are here, labels are permuted within cells instead.
    """
    from sklearn.cluster import KMeans

    wanted = max(1, min(5, len(train) // 10)) if cells is None else cells
    partition = KMeans(min(wanted, len(train)), n_init=5, random_state=seed).fit(train)
    home, at, made = partition.labels_, partition.predict(test), partition.predict(synthetic)
    least = 0.05 * len(synthetic) / partition.n_clusters
    rng = np.random.default_rng(seed)
    value, permuted, weight, n_test, n_made, used = 0.0, np.zeros(PERMUTATIONS), 0, 0, 0, 0
    for cell in range(partition.n_clusters):
        p, q = test[at == cell], synthetic[made == cell]
        if not len(p) or not len(q) or len(q) < least:
            continue
        near = train[home == cell]
        lengths = [distances(x, near).min(axis=1) for x in (p, q)]
        value += len(p) * mann_whitney_z(lengths[0], lengths[1])
        permuted += len(p) * _permuted(lengths[0], lengths[1], rng)
        weight, n_test, n_made, used = weight + len(p), n_test + len(p), n_made + len(q), used + 1
    if not weight:
        return Copying(float("nan"), 1.0, 1.0, 0, 0, 0)
    lower = (1 + (permuted <= value + 1e-9).sum()) / (1 + PERMUTATIONS)
    upper = (1 + (permuted >= value - 1e-9).sum()) / (1 + PERMUTATIONS)
    return Copying(value / weight, float(lower), float(upper), used, n_test, n_made)


def _permuted(test: FloatArray, synthetic: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Z_U with the labels drawn anew, shape (PERMUTATIONS,)."""
    from scipy.stats import rankdata

    n, m = test.size, synthetic.size
    ranks = rankdata(np.concatenate([test, synthetic]))
    keys = rng.random((PERMUTATIONS, n + m), dtype=np.float32)
    called_test = np.argpartition(keys, n - 1, axis=1)[:, :n]
    u = ranks.sum() - ranks[called_test].sum(axis=1) - m * (m + 1) / 2
    return np.asarray((u - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12))


def coverage(
    real: FloatArray,
    synthetic: FloatArray,
    *,
    k: int | None = None,
    draws: int = 200,
    seed: int = 0,
) -> Coverage:
    """Density and coverage at equal numbers, with bootstrap intervals.

    Parameters
    ----------
    real, synthetic : ndarray, shape (n, n_dim)
        Spectra, one a star.
    k : int, optional
        Neighbours that make a neighbourhood; a quarter of the spectra, at most five, by
        default: more, and any few spectra would cover all.
    draws : int
        Random subsets, as large as the smaller sample, of the larger.

    References
    ----------
    Naeem et al. 2020 (ICML, arXiv:2002.09797), eqs. 3 and 6; the expectation is that of their
    section 4.2.
    """
    n = min(len(real), len(synthetic))
    k = max(1, min(n // 4 if k is None else k, NEIGHBOURS if k is None else n - 1))
    rng = np.random.default_rng(seed)
    shares, by_star = [], np.zeros((len(real), 3))
    inner, outer = distances(real, real), distances(real, synthetic)
    for _ in range(draws):
        a, b = (np.sort(rng.permutation(size)[:n]) for size in (len(real), len(synthetic)))
        radius = np.partition(inner[np.ix_(a, a)], k, axis=1)[:, k]  # 0 is the star itself
        inside = outer[np.ix_(a, b)] < radius[:, None]
        by_star[a] += np.stack([inside.any(axis=1), inside.sum(axis=1) / k, np.ones(n)], axis=1)
        shares.append(inside.any(axis=1).mean())
    places = np.arange(1, k + 1)
    expected = 1.0 - np.prod((n - places) / (2 * n - places))
    each = by_star[:, :2] / np.maximum(by_star[:, 2:], 1)
    value = float(np.mean(shares))
    (low,), (high,) = wilson([value * n], [n])
    spread = _bootstrap_mean(each[:, 0], rng)
    return Coverage(
        Spread(value, float(min(low, spread[0])), float(max(high, spread[1]))),
        float(expected),
        Spread(float(each[:, 1].mean()), *_bootstrap_mean(each[:, 1], rng)),
        k,
        n,
    )


def _bootstrap_mean(values: FloatArray, rng: np.random.Generator) -> tuple[float, float]:
    means = values[rng.integers(values.size, size=(2000, values.size))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def pairwise(x: FloatArray) -> FloatArray:
    """Distances of all pairs, shape (n * (n - 1) / 2,)."""
    from scipy.spatial.distance import pdist

    return np.asarray(pdist(x))


def diversity(
    real: FloatArray, synthetic: FloatArray, *, draws: int = 500, seed: int = 0
) -> Spread:
    """Median distance of two synthetic spectra over that of two real ones.

    Parameters
    ----------
    real, synthetic : ndarray, shape (n, n_dim)
        Spectra, one a star.
    draws : int
        Bootstrap draws of the spectra of both; a spectrum drawn twice makes no pair with itself.
    """
    rng = np.random.default_rng(seed)
    tables = [distances(x, x) for x in (real, synthetic)]
    medians = []
    for table in tables:
        picks = rng.integers(len(table), size=(draws, len(table)))
        medians.append(np.array([_median_pair(table, pick) for pick in picks]))
    ratio = medians[1] / np.maximum(medians[0], 1e-12)
    value = float(np.median(pairwise(synthetic)) / max(np.median(pairwise(real)), 1e-12))
    low, high = np.percentile(ratio, [2.5, 97.5])
    return Spread(value, float(min(low, value)), float(max(high, value)))


def _median_pair(table: FloatArray, pick: NDArray[np.int64]) -> float:
    upper = np.triu_indices(pick.size, 1)
    first, second = pick[upper[0]], pick[upper[1]]
    apart = first != second
    return float(np.median(table[first[apart], second[apart]])) if apart.any() else 0.0
