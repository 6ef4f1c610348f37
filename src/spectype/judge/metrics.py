"""Scores of predicted types, each with the number of stars behind it and an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spectype.core import mk

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Interval = tuple[float, float]
Mean = tuple[float, float, float]  # a mean with the ends of its 95 % interval

SNR_EDGES = (0.0, 5.0, 10.0, 20.0, 30.0, 50.0, 100.0, np.inf)  #: bins of `by_snr`
_RESAMPLES = 400
Z95 = 1.959963984540054  #: 97.5 % point of the normal distribution


@dataclass(frozen=True, slots=True)
class Share:
    """A proportion.

    Parameters
    ----------
    value : float
        Successes over trials; NaN without a trial.
    low, high : float
        95 % Wilson interval.
    n : int
        Spectra counted.
    n_stars : int
        Stars among them: the number of independent trials behind the interval.
    """

    value: float
    low: float
    high: float
    n: int
    n_stars: int


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Recall, precision and F1 of one class; `recall.n` true, `precision.n` predicted members."""

    name: str
    recall: Share
    precision: Share
    f1: float


@dataclass(frozen=True, slots=True)
class CodeScore:
    """Differences of decimal codes, predicted minus true [subclasses].

    Parameters
    ----------
    mean_abs, low, high : float
        Mean absolute difference and its 95 % interval.
    median_abs, bias : float
        Median absolute and mean signed difference.
    within_one, within_two : float
        Share within one and two subclasses.
    n, n_stars : int
        Spectra and stars compared.
    """

    mean_abs: float
    low: float
    high: float
    median_abs: float
    bias: float
    within_one: float
    within_two: float
    n: int
    n_stars: int


@dataclass(frozen=True, slots=True)
class SnrScore:
    """Scores of the spectra with ``low <= S/N < high``; `coverage` of their sets, if known."""

    low: float
    high: float
    accuracy: Share
    code: CodeScore
    coverage: Share | None = None


def wilson(successes: ArrayLike, trials: ArrayLike, *, z: float = Z95) -> tuple[
    FloatArray, FloatArray
]:  # fmt: skip
    """Wilson (1927) interval of a proportion; (0, 1) without a trial.

    Parameters
    ----------
    successes, trials : array_like
        Counts; need not be whole numbers.
    z : float
        Half width in standard deviations; 1.96 is 95 %.

    Returns
    -------
    low, high : ndarray, float64
        Shape of the inputs.

    References
    ----------
    Wilson, E. B. 1927, J. Am. Stat. Assoc. 22, 209; recommended by Brown, Cai & DasGupta
    2001, Statist. Sci. 16, 101.
    """
    k, n = np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    safe = np.where(n > 0, n, 1.0)
    p = k / safe
    centre = (p + z**2 / (2 * safe)) / (1 + z**2 / safe)
    half = z / (1 + z**2 / safe) * np.sqrt(np.maximum(p * (1 - p) / safe, 0) + (z / 2 / safe) ** 2)
    low = np.where(n > 0, np.maximum(centre - half, 0.0), 0.0)
    high = np.where(n > 0, np.minimum(centre + half, 1.0), 1.0)
    return low, high


def share(hits: ArrayLike, *, stars: ArrayLike | None = None) -> Share:
    """The proportion of true `hits`, shape (n,), with an interval that counts stars.

    Several spectra of one star are not independent trials, so the interval is that of as many
    trials as there are stars in `stars` (shape (n,), identifiers).
    """
    hit = np.asarray(hits, dtype=bool)
    n_stars = hit.size if stars is None else int(np.unique(np.asarray(stars, dtype=str)).size)
    value = float(hit.mean()) if hit.size else float("nan")
    low, high = wilson(value * n_stars if hit.size else 0.0, n_stars)
    return Share(value, float(low), float(high), int(hit.size), n_stars)


def confusion(
    true: Sequence[str | None], predicted: Sequence[str | None], *, labels: Sequence[str] = mk.TYPES
) -> IntArray:
    """Count spectra by true (row) and predicted (column) label.

    Parameters
    ----------
    true, predicted : sequence of str, length n_spec
        Rows whose true label is none of `labels` are left out. A prediction that is none of
        them (untyped, an error) is counted in the last column: it is a miss, not an absence.
    labels : sequence of str
        Classes in order.

    Returns
    -------
    ndarray, shape (n_labels, n_labels + 1), int64
    """
    place = {label: i for i, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels) + 1), dtype=np.int64)
    for t, p in zip(true, predicted, strict=True):
        if t is not None and t in place:
            counts[place[t], len(labels) if p is None else place.get(p, len(labels))] += 1
    return counts


def by_class(
    true: Sequence[str | None],
    predicted: Sequence[str | None],
    *,
    labels: Sequence[str] = mk.TYPES,
    stars: ArrayLike | None = None,
) -> list[ClassScore]:
    """Recall, precision and F1 of each class, in the order of `labels`.

    F1 is ``2 TP / (2 TP + FP + FN)``, NaN for a class that is neither true nor predicted.
    """
    known = np.array([t in labels if t else False for t in true], dtype=bool)
    t = np.array([str(x or "") for x in true])[known]
    p = np.array([str(x or "") for x in predicted])[known]
    star = None if stars is None else np.asarray(stars, dtype=str)[known]
    scores = []
    for label in labels:
        is_true, is_predicted = t == label, p == label
        hits = int((is_true & is_predicted).sum())
        total = int(is_true.sum() + is_predicted.sum())
        scores.append(
            ClassScore(
                name=label,
                recall=share(is_predicted[is_true], stars=None if star is None else star[is_true]),
                precision=share(
                    is_true[is_predicted], stars=None if star is None else star[is_predicted]
                ),
                f1=2 * hits / total if total else float("nan"),
            )
        )
    return scores


def macro(scores: Sequence[ClassScore], name: str = "recall") -> float:
    """Unweighted mean over the classes that have true members of their recall, precision or f1.

    A class that is never predicted has precision 0 here, as elsewhere in the field.
    """
    values = [
        score.f1 if name == "f1" else getattr(score, name).value
        for score in scores
        if score.recall.n > 0
    ]
    return float(np.mean(np.nan_to_num(values))) if values else float("nan")


def code_score(
    true: ArrayLike, predicted: ArrayLike, *, stars: ArrayLike | None = None
) -> CodeScore:
    """Compare decimal codes where both are known.

    Parameters
    ----------
    true, predicted : array_like, shape (n_spec,)
        Decimal codes; NaN where unknown.
    stars : array_like, shape (n_spec,), optional
        Star identifiers; the interval counts stars.
    """
    t, p = np.asarray(true, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    both = np.isfinite(t) & np.isfinite(p)
    difference = (p - t)[both]
    n = int(difference.size)
    if n == 0:
        nan = float("nan")
        return CodeScore(nan, nan, nan, nan, nan, nan, nan, 0, 0)
    n_stars = n if stars is None else int(np.unique(np.asarray(stars, dtype=str)[both]).size)
    absolute = np.abs(difference)
    mean = float(absolute.mean())
    half = Z95 * float(absolute.std(ddof=1)) / np.sqrt(n_stars) if n > 1 else float("nan")
    return CodeScore(
        mean_abs=mean,
        low=max(mean - half, 0.0),
        high=mean + half,
        median_abs=float(np.median(absolute)),
        bias=float(difference.mean()),
        within_one=float((absolute <= 1.0).mean()),
        within_two=float((absolute <= 2.0).mean()),
        n=n,
        n_stars=n_stars,
    )


def by_snr(
    snr: ArrayLike,
    correct: ArrayLike,
    *,
    true_code: ArrayLike,
    code: ArrayLike,
    stars: ArrayLike | None = None,
    covered: ArrayLike | None = None,
    edges: Sequence[float] = SNR_EDGES,
) -> list[SnrScore]:
    """Accuracy, subclass error and coverage in bins of S/N; empty bins are left out.

    Parameters
    ----------
    snr : array_like, shape (n_spec,)
        S/N; spectra where it is unknown (NaN) are left out.
    correct : array_like of bool, shape (n_spec,)
        Whether the type is right.
    true_code, code : array_like, shape (n_spec,)
        Decimal codes.
    stars : array_like, shape (n_spec,), optional
        Star identifiers.
    covered : array_like of bool, shape (n_spec,), optional
        Whether the set of types holds the true one.
    edges : sequence of float
        Bin edges, increasing.
    """
    s, hit = np.asarray(snr, dtype=np.float64), np.asarray(correct, dtype=bool)
    t, c = np.asarray(true_code, dtype=np.float64), np.asarray(code, dtype=np.float64)
    star = None if stars is None else np.asarray(stars, dtype=str)
    held = None if covered is None else np.asarray(covered, dtype=bool)
    scores = []
    for low, high in pairwise(edges):
        inside = (s >= low) & (s < high)
        if inside.any():
            names = None if star is None else star[inside]
            scores.append(
                SnrScore(
                    low=low,
                    high=high,
                    accuracy=share(hit[inside], stars=names),
                    code=code_score(t[inside], c[inside], stars=names),
                    coverage=None if held is None else share(held[inside], stars=names),
                )
            )
    return scores


def macro_f1(
    true: Sequence[str],
    predicted: Sequence[str],
    *,
    labels: Sequence[str],
    stars: Sequence[str],
    seed: int = 0,
) -> Mean:
    """Unweighted mean F1 over `labels` and its 95 % interval, by bootstrap over stars.

    Parameters
    ----------
    true, predicted, stars : sequence of str, length n_spec
        Rows of other true classes count where they are taken for one of `labels`.
    labels : sequence of str
        Classes that enter the mean; those without a true member are left out.
    seed : int
        Of the bootstrap.
    """
    t, p = np.array(true, dtype=str), np.array(predicted, dtype=str)
    present = [label for label in labels if (t == label).any()]
    if not present:
        return float("nan"), float("nan"), float("nan")
    _, star = np.unique(np.array(stars, dtype=str), return_inverse=True)
    rng = np.random.default_rng(seed)
    n = int(star.max()) + 1
    # How often each star is drawn is the weight of its spectra; the first row is the sample.
    weights = np.vstack([np.ones(n), rng.multinomial(n, np.full(n, 1 / n), _RESAMPLES)])[:, star]
    parts = []
    for label in present:
        hits = weights @ ((t == label) & (p == label))
        total = weights @ ((t == label).astype(float) + (p == label))
        parts.append(2 * hits / np.where(total > 0, total, 1))
    means = np.mean(parts, axis=0)
    low, high = np.percentile(means[1:], [2.5, 97.5])
    return float(means[0]), float(low), float(high)


def mean_recall(scores: Sequence[ClassScore]) -> tuple[float, float, float]:
    """Unweighted mean recall over the classes with true members, and its 95 % interval.

    The half widths of the classes' intervals add in quadrature.
    """
    seen = [s.recall for s in scores if s.recall.n > 0]
    if not seen:
        return float("nan"), 0.0, 1.0
    mean = float(np.mean([s.value for s in seen]))
    below = float(np.sqrt(np.sum([(s.value - s.low) ** 2 for s in seen]))) / len(seen)
    above = float(np.sqrt(np.sum([(s.high - s.value) ** 2 for s in seen]))) / len(seen)
    return mean, max(mean - below, 0.0), min(mean + above, 1.0)
