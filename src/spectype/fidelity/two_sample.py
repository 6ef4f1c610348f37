"""Can a classifier tell synthetic spectra from real ones? Honest for few stars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.judge.metrics import Z95

FloatArray = NDArray[np.float64]
FOLDS, REPEATS = 5, 3
COMPONENTS = 10  #: principal components that the classifiers of the two-sample test see


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
    inside = a[np.abs(a - auc) <= Z95 * sigma + 1e-12]
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
        half = Z95 * np.sqrt(variance + above_synthetic.var(ddof=1) / len(synthetic))
        low, high = min(low, max(value - half, 0.0)), max(high, min(value + half, 1.0))
    return Auc(name, value, float(low), float(high), int(names.size), len(synthetic))


def _score(machine: Any, x: FloatArray) -> FloatArray:
    if hasattr(machine, "decision_function"):
        return np.asarray(machine.decision_function(x))
    return np.asarray(machine.predict_proba(x)[:, 1])
