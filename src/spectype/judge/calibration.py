"""Are the probabilities, the sets and the warnings worth what they say?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spectype.core import mk
from spectype.judge.metrics import Share, share


@dataclass(frozen=True, slots=True)
class Bin:
    """Spectra whose stated probability lies in one bin: the mean of it, and the share right."""

    low: float
    high: float
    stated: float
    right: Share


@dataclass(frozen=True, slots=True)
class Sets:
    """How conformal sets do.

    Parameters
    ----------
    coverage : Share
        Spectra whose set holds the true type.
    mean_size : float
        Mean number of types in a set.
    single, empty : float
        Share of sets with one type and with none.
    by_type : dict of str to Share
        Coverage by true type.
    """

    coverage: Share
    mean_size: float
    single: float
    empty: float
    by_type: dict[str, Share]


@dataclass(frozen=True, slots=True)
class Detection:
    """How well a score tells strangers from the stars it was trained on.

    Parameters
    ----------
    threshold : float
        Score above which `false_alarms` of the known stars lie.
    detected : Share
        Strangers above it.
    false_alarms : float
        The share of false alarms that was asked for.
    area : float
        Area under the receiver operating characteristic: the probability that a stranger
        scores higher than a known star.
    """

    threshold: float
    detected: Share
    false_alarms: float
    area: float


def reliability(
    probability: ArrayLike, correct: ArrayLike, *, stars: ArrayLike | None = None, n_bins: int = 15
) -> list[Bin]:
    """Compare the stated probability of the winning type with how often it is right.

    Parameters
    ----------
    probability : array_like, shape (n_spec,)
        Probability of the winning type; rows with NaN are left out.
    correct : array_like of bool, shape (n_spec,)
        Whether it is right.
    stars : array_like, shape (n_spec,), optional
        Star identifiers; intervals count stars.
    n_bins : int
        Number of bins of equal width between 0 and 1; empty ones are left out.
    """
    p, hit = np.asarray(probability, dtype=np.float64), np.asarray(correct, dtype=bool)
    star = None if stars is None else np.asarray(stars, dtype=str)
    place = np.where(np.isfinite(p), np.clip(np.ceil(p * n_bins) - 1, 0, n_bins - 1), -1)
    bins = []
    for i in range(n_bins):
        inside = place == i
        if inside.any():
            names = None if star is None else star[inside]
            right = share(hit[inside], stars=names)
            bins.append(Bin(i / n_bins, (i + 1) / n_bins, float(p[inside].mean()), right))
    return bins


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """Mean distance of stated and found probability, weighted by the spectra in each bin.

    Guo et al. 2017, On Calibration of Modern Neural Networks, eq. 5. NaN without a bin.
    """
    total = sum(b.right.n for b in bins)
    if total == 0:
        return float("nan")
    return sum(b.right.n * abs(b.stated - b.right.value) for b in bins) / total


def log_loss(probabilities: ArrayLike, true: Sequence[str]) -> float:
    """Mean of ``-ln p(true type)`` of probabilities (n_spec, 7) in the order of the types."""
    p = np.asarray(probabilities, dtype=np.float64)
    picked = p[np.arange(len(p)), [mk.index(t) for t in true]]
    return float(-np.log(np.clip(picked, 1e-12, 1.0)).mean()) if len(p) else float("nan")


def covered(sets: Sequence[str | None], true: Sequence[str]) -> NDArray[np.bool_]:
    """Which sets, types separated by spaces, hold the true type, shape (n_spec,)."""
    found = [t in (text or "").split() for text, t in zip(sets, true, strict=True)]
    return np.array(found, dtype=bool)


def conformal_sets(
    sets: Sequence[str | None], true: Sequence[str], *, stars: ArrayLike | None = None
) -> Sets:
    """Judge prediction sets.

    Parameters
    ----------
    sets : sequence of str, length n_spec
        Types separated by spaces, as in the column ``type_set``; empty or None is an empty set.
    true : sequence of str, length n_spec
        True types.
    stars : array_like, shape (n_spec,), optional
        Star identifiers; intervals count stars.
    """
    held = covered(sets, true)
    sizes = np.array([len((text or "").split()) for text in sets])
    t = np.asarray(true, dtype=str)
    star = None if stars is None else np.asarray(stars, dtype=str)

    def of(rows: NDArray[np.bool_]) -> Share:
        return share(held[rows], stars=None if star is None else star[rows])

    nan = float("nan")
    return Sets(
        coverage=of(np.ones(held.size, dtype=bool)),
        mean_size=float(sizes.mean()) if sizes.size else nan,
        single=float((sizes == 1).mean()) if sizes.size else nan,
        empty=float((sizes == 0).mean()) if sizes.size else nan,
        by_type={type: of(t == type) for type in mk.TYPES if (t == type).any()},
    )


def detection(known: ArrayLike, strangers: ArrayLike, *, false_alarms: float = 0.05) -> Detection:
    """Rate of strangers found at a fixed rate of false alarms.

    Parameters
    ----------
    known, strangers : array_like, shape (n,) and (m,)
        Out-of-distribution scores, larger is stranger; NaN is left out of `known` and counts
        as not detected among `strangers`.
    false_alarms : float
        Share of known stars above the threshold.

    Raises
    ------
    ValueError
        Without a known star or a stranger.
    """
    inside = np.asarray(known, dtype=np.float64)
    inside = inside[np.isfinite(inside)]
    outside = np.asarray(strangers, dtype=np.float64)
    if inside.size == 0 or outside.size == 0:
        raise ValueError("detection needs known stars and strangers")
    outside = np.where(np.isfinite(outside), outside, -np.inf)
    # "higher": at most the asked share of known stars lies strictly above.
    threshold = float(np.quantile(inside, 1.0 - false_alarms, method="higher"))
    order = np.sort(inside)
    below = np.searchsorted(order, outside, side="left")
    ties = np.searchsorted(order, outside, side="right") - below
    area = float((below + 0.5 * ties).mean() / inside.size)
    return Detection(threshold, share(outside > threshold), false_alarms, area)
