"""From a model's distribution along the sequence to type, subclass, class, sets: numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.core import mk

Floats = NDArray[np.float64]


def softmax(
    logits: NDArray[np.floating[Any]], temperature: float = 1.0, bias: float | Floats = 0.0
) -> Floats:
    """Probabilities along the last axis of ``logits / temperature + bias``."""
    scaled = logits.astype(np.float64) / temperature + bias
    scaled = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(scaled / scaled.sum(axis=-1, keepdims=True))


def over_bins(types: Sequence[float], n_bins: int) -> Floats:
    """One value a type (7,) as one a bin of the sequence (n_bins,)."""
    return np.repeat(np.asarray(types, dtype=np.float64), n_bins // len(mk.TYPES))


def only_seen(sequence: Floats, seen: Sequence[str]) -> Floats:
    """Take the types that training never saw out of a distribution (n, n_bins)."""
    keep = over_bins([t in seen for t in mk.TYPES], sequence.shape[1]) > 0
    kept = np.where(keep, sequence, 0.0)
    total = kept.sum(axis=1, keepdims=True)
    return np.asarray(np.where(total > 1e-9, kept / np.maximum(total, 1e-9), keep / keep.sum()))


@dataclass(frozen=True)
class Sequence70:
    """A distribution over the sequence O0...M9.5 and what follows from it.

    Parameters
    ----------
    probability : ndarray, shape (n, n_bins)
        Probability of each bin; the bins divide the subclasses evenly.
    """

    probability: Floats

    @property
    def codes(self) -> Floats:
        """Decimal code of each bin, shape (n_bins,)."""
        n_bins = self.probability.shape[1]
        return np.asarray(np.arange(n_bins) * (10.0 * len(mk.TYPES) / n_bins))

    def types(self) -> Floats:
        """Probability of each type, shape (n, 7): sums over the decades."""
        n = len(self.probability)
        return np.asarray(self.probability.reshape(n, len(mk.TYPES), -1).sum(axis=2))

    def code(self) -> Floats:
        """Decimal code (n,): the median of the distribution within the most probable type.

        The median minimises the expected absolute error. It is taken over the whole sequence
        and, where it falls into a neighbouring type, moved to the nearest code of the most
        probable type, so that type and subclass agree.
        """
        best = self.types().argmax(axis=1)
        width = self.codes[1]
        cumulative = np.cumsum(self.probability, axis=1)
        above = (cumulative < 0.5).sum(axis=1).clip(max=self.codes.size - 1)
        rows = np.arange(len(self.probability))
        before = np.where(above > 0, cumulative[rows, above - 1], 0.0)
        inside = self.probability[rows, above]
        part = np.where(inside > 0, (0.5 - before) / np.where(inside > 0, inside, 1.0), 0.5)
        median = self.codes[above] + (part.clip(0, 1) - 0.5) * width
        # 9.4 prints as 9 (and O9.7 as O9.5), so that the printed subclass keeps the type.
        last = 10.0 * best + np.where(best == 0, 9.7, 9.4)
        return np.asarray(np.clip(median, 10.0 * best, last))

    def error(self) -> Floats:
        """Standard deviation of the distribution (n,) [subclass]."""
        mean = self.probability @ self.codes
        variance = self.probability @ self.codes**2 - mean**2
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)))


def calibrated(
    logits: NDArray[np.floating[Any]],
    *,
    temperature: float,
    bias: Sequence[float],
    seen: Sequence[str],
) -> Sequence70:
    """What logits along the sequence mean.

    Parameters
    ----------
    logits : ndarray, shape (n, n_bins)
        Of a network.
    temperature : float
        Divides them.
    bias : sequence of float, shape (7,)
        Added to the bins of each type.
    seen : sequence of str
        Types that training has seen; the others get no probability.
    """
    probability = softmax(logits, temperature, over_bins(bias, logits.shape[1]))
    return Sequence70(only_seen(probability, seen))


def mass_before(types: Floats) -> Floats:
    """Probability of all types that are more probable, for each type, shape (n, 7)."""
    order = np.argsort(-types, axis=1, kind="stable")
    ranked = np.take_along_axis(types, order, axis=1)
    before = np.cumsum(ranked, axis=1) - ranked
    out = np.empty_like(before)
    np.put_along_axis(out, order, before, axis=1)
    return out


def type_sets(types: Floats, mass: Floats) -> list[str]:
    """Adaptive conformal sets: types in the order of their probability up to a mass of `mass`.

    Parameters
    ----------
    types : ndarray, shape (n, 7)
        Probabilities.
    mass : ndarray, shape (n,)
        A type is in the set if all that are more probable have less than this together; so the
        most probable always is, and the more doubt the larger the set.

    Returns
    -------
    list of str
        Letters with blanks between, the most probable first.

    References
    ----------
    Romano, Sesia & Candes 2020 (NeurIPS, arXiv:2006.02544).
    """
    inside = mass_before(types) < mass[:, None]
    order = np.argsort(-types, axis=1, kind="stable")
    return [" ".join(mk.TYPES[i] for i in row if isin[i]) for row, isin in zip(order, inside)]
