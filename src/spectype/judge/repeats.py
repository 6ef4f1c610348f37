"""Agreement over exposures of one star, which needs no true label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from spectype.judge.metrics import Interval, Share, share

REPEAT_EDGES = (0.0, 20.0, 50.0, np.inf)  #: bins of `repeats_by_snr`


@dataclass(frozen=True, slots=True)
class Repeat:
    """Agreement over pairs of exposures of one star.

    Parameters
    ----------
    agreement : Share
        Pairs given the same type; ``n`` counts pairs.
    mean_abs : float
        Mean absolute difference of the decimal codes [subclasses].
    median_abs : float
        Its median.
    """

    agreement: Share
    mean_abs: float
    median_abs: float


@dataclass(frozen=True, slots=True)
class RepeatSnr:
    """Agreement over pairs whose poorer exposure has ``low <= S/N < high``."""

    low: float
    high: float
    predicted: Repeat
    labels: Repeat


def repeats_by_snr(
    stars: Sequence[str | None],
    snr: ArrayLike,
    *,
    types: Sequence[str | None],
    codes: ArrayLike,
    labels: Sequence[str | None],
    label_codes: ArrayLike,
    edges: Sequence[float] = REPEAT_EDGES,
) -> list[RepeatSnr]:
    """Agreement of predictions and of labels by the S/N of a pair's poorer exposure.

    Parameters
    ----------
    stars, types, labels : sequence of str, length n_spec
        Star identifiers, predicted types, labelled types.
    snr, codes, label_codes : array_like, shape (n_spec,)
        S/N (pairs where it is unknown are left out) and decimal codes.
    edges : sequence of float
        Bin edges, increasing; empty bins are left out.
    """
    found = []
    for low, high in pairwise(edges):
        between = (low, high)
        predicted = repeatability(stars, types, codes, snr=snr, between=between)
        labelled = repeatability(stars, labels, label_codes, snr=snr, between=between)
        if predicted.agreement.n:
            found.append(RepeatSnr(low, high, predicted, labelled))
    return found


def repeatability(
    stars: Sequence[str | None],
    types: Sequence[str | None],
    codes: ArrayLike,
    *,
    snr: ArrayLike | None = None,
    between: Interval = (-np.inf, np.inf),
) -> Repeat:
    """Compare the types of every pair of exposures of one star; needs no true label.

    Parameters
    ----------
    stars : sequence of str, length n_spec
        Star identifiers; None or empty stands for an unknown star.
    types : sequence of str, length n_spec
        Types; pairs with an untyped member are left out.
    codes : array_like, shape (n_spec,)
        Decimal codes; NaN is left out of the differences.
    snr : array_like, shape (n_spec,), optional
        S/N of each spectrum.
    between : tuple of float
        With `snr`: only pairs whose poorer exposure lies in this half-open range.
    """
    code = np.asarray(codes, dtype=np.float64)
    groups: dict[str, list[int]] = {}
    for i, (star, type) in enumerate(zip(stars, types, strict=True)):
        if star and type:
            groups.setdefault(star, []).append(i)
    pairs = [
        (i, j) for rows in groups.values() for k, i in enumerate(rows) for j in rows[k + 1 :]
    ]  # fmt: skip
    if snr is not None:
        s = np.asarray(snr, dtype=np.float64)
        low, high = between
        # The minimum with NaN is NaN and in no range: the S/N of a pair must be known.
        pairs = [(i, j) for i, j in pairs if low <= np.minimum(s[i], s[j]) < high]
    same = [types[i] == types[j] for i, j in pairs]
    apart = np.array([abs(code[i] - code[j]) for i, j in pairs])
    apart = apart[np.isfinite(apart)]
    return Repeat(
        agreement=share(same, stars=[str(stars[i]) for i, _ in pairs]),
        mean_abs=float(apart.mean()) if apart.size else float("nan"),
        median_abs=float(np.median(apart)) if apart.size else float("nan"),
    )
