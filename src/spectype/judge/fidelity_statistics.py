"""Two- and three-sample tests between real and synthetic spectra, honest for few stars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.judge.metrics import wilson

FloatArray = NDArray[np.float64]
FOLDS, REPEATS = 5, 3
COMPONENTS = 10  #: principal components that the classifiers of the two-sample test see
NEIGHBOURS = 5  #: k of density and coverage, at most
PERMUTATIONS = 9999
_Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Auc:
    """Area under the curve of a classifier that tells synthetic from real.

    Parameters
    ----------
    name : str
        The classifier.
    value, low, high : float
        Area with its 95 % interval; 0.5 is a coin, 1 is certainty.
    n_real, n_synthetic : int
        Real stars and synthetic spectra scored.
    """

    name: str
    value: float
    low: float
    high: float
    n_real: int
    n_synthetic: int


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


def auc_interval(auc: float, n_first: int, n_second: int) -> tuple[float, float]:
    """95 % interval of an AUC that holds for few cases and at 0 and 1.

    Parameters
    ----------
    auc : float
        Area found.
    n_first, n_second : int
        Independent cases of each kind.

    References
    ----------
    Hanley & McNeil 1982, Radiology 143, 29, with the variance taken at the limit and not at the
    estimate: method 5 of Newcombe 2006, Stat. Med. 25, 559.
    """
    if min(n_first, n_second) < 1 or not np.isfinite(auc):
        return 0.0, 1.0
    a = np.linspace(0.0, 1.0, 4001)
    more = (n_first + n_second) / 2 - 1
    spread = 1 + more * (1 - a) / (2 - a) + more * a / (1 + a)
    sigma = np.sqrt(a * (1 - a) / (n_first * n_second) * spread)
    inside = a[np.abs(a - auc) <= _Z95 * sigma + 1e-12]
    if not inside.size:
        return auc, auc
    return float(min(inside[0], auc)), float(max(inside[-1], auc))


def classifiers(seed: int) -> dict[str, Callable[[], Any]]:
    """The classifiers of the two-sample test, fixed before any generator was judged."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    return {
        "logistic regression": lambda: make_pipeline(
            Components(seed), LogisticRegression(class_weight="balanced")
        ),
        "support vectors": lambda: make_pipeline(Components(seed), SVC(class_weight="balanced")),
        "nearest neighbours": lambda: make_pipeline(
            Components(seed), KNeighborsClassifier(5, weights="distance")
        ),
        "random forest": lambda: RandomForestClassifier(
            60, min_samples_leaf=2, class_weight="balanced", random_state=seed
        ),
    }


class Components:
    """Principal components, scaled to unit variance; no more than the spectra allow.

    Parameters
    ----------
    seed : int
        Of the solver.
    n : int
        Number of components.
    """

    def __init__(self, seed: int = 0, n: int = COMPONENTS) -> None:
        self.seed, self.n = seed, n

    def fit(self, x: FloatArray, y: Any = None) -> Components:
        """Find the components of `x`, shape (n_spec, n_bins)."""
        from sklearn.decomposition import PCA

        n = max(1, min(self.n, len(x) - 1, x.shape[1]))
        solver = "randomized" if n < min(x.shape) / 4 else "full"
        self.pca_ = PCA(n, svd_solver=solver, random_state=self.seed).fit(x)
        self.scale_ = np.sqrt(np.maximum(self.pca_.explained_variance_, 1e-12))
        return self

    def transform(self, x: FloatArray) -> FloatArray:
        """Scaled coefficients, shape (n_spec, n)."""
        return np.asarray(self.pca_.transform(x) / self.scale_)

    def fit_transform(self, x: FloatArray, y: Any = None) -> FloatArray:
        """`fit`, then `transform`."""
        return self.fit(x).transform(x)


def two_sample(
    real: FloatArray,
    synthetic: FloatArray,
    *,
    stars: NDArray[np.str_],
    widths: tuple[FloatArray, FloatArray] | None = None,
    seed: int = 0,
) -> list[Auc]:
    """How well classifiers tell synthetic spectra from real ones, strongest first.

    Parameters
    ----------
    real, synthetic : ndarray, shape (n, n_bins)
        Spectra.
    stars : ndarray of str, shape (n_real,)
        All spectra of a star are in one fold, and count as one.
    widths : pair of ndarray, shape (n, n_lines), optional
        Line widths of both, for one more classifier; NaN where not measured.
    seed : int
        Of folds and classifiers.

    Notes
    -----
    Five folds, three times. Scores are compared within a fold only, since those of different
    classifiers have no common zero. The interval is the wider of DeLong et al. 1988 (Biometrics
    44, 837), over the placements, and `auc_interval`. The strongest of several is chosen
    afterwards, which for few stars is above 0.5 even where there is nothing to tell.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    found = [
        _cross_validated(name, make, real, synthetic, stars, seed)
        for name, make in classifiers(seed).items()
    ]
    if widths is not None:
        usable = np.isfinite(widths[0]).any(axis=0) & np.isfinite(widths[1]).any(axis=0)
        if usable.any():
            both = [w[:, usable] for w in widths]
            middle = np.nanmedian(np.concatenate(both), axis=0)
            first, second = (np.where(np.isfinite(w), w, middle) for w in both)
            found.append(
                _cross_validated(
                    "logistic regression on line widths",
                    lambda: make_pipeline(
                        StandardScaler(), LogisticRegression(class_weight="balanced")
                    ),
                    first, second, stars, seed,
                )
            )  # fmt: skip
    return sorted(found, key=lambda one: -one.value)


def _cross_validated(
    name: str,
    make: Callable[[], Any],
    real: FloatArray,
    synthetic: FloatArray,
    stars: NDArray[np.str_],
    seed: int,
) -> Auc:
    names, star = np.unique(stars, return_inverse=True)
    n_folds = min(FOLDS, names.size, len(synthetic))
    above_real, above_synthetic = np.zeros(len(real)), np.zeros(len(synthetic))
    for repeat in range(REPEATS):
        rng = np.random.default_rng((seed, repeat))
        fold = (rng.permutation(names.size) % n_folds)[star]
        other = rng.permutation(len(synthetic)) % n_folds
        for k in range(n_folds):
            x = np.concatenate([real[fold != k], synthetic[other != k]])
            y = np.repeat([0, 1], [(fold != k).sum(), (other != k).sum()])
            machine = make().fit(x, y)
            a, b = _score(machine, real[fold == k]), _score(machine, synthetic[other == k])
            wins = (b[None] > a[:, None]) + 0.5 * (b[None] == a[:, None])
            above_real[fold == k] += wins.mean(axis=1) / REPEATS
            above_synthetic[other == k] += wins.mean(axis=0) / REPEATS
    by_star = np.bincount(star, above_real) / np.bincount(star)
    value = float(by_star.mean())
    low, high = auc_interval(value, names.size, len(synthetic))
    if names.size > 1 and len(synthetic) > 1:
        variance = by_star.var(ddof=1) / names.size
        half = _Z95 * np.sqrt(variance + above_synthetic.var(ddof=1) / len(synthetic))
        low, high = min(low, max(value - half, 0.0)), max(high, min(value + half, 1.0))
    return Auc(name, value, float(low), float(high), int(names.size), len(synthetic))


def _score(machine: Any, x: FloatArray) -> FloatArray:
    if hasattr(machine, "decision_function"):
        return np.asarray(machine.decision_function(x))
    return np.asarray(machine.predict_proba(x)[:, 1])


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
