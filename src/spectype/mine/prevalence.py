"""How often each type occurs, and what that does to a probability."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.core import mk
from spectype.simulate.plan import read_weights

Floats = NDArray[np.float64]
#: Words of the column ``kind`` and those of the survey's counts.
_KINDS = {
    "carbon": "Carbon",
    "white dwarf": "WD",
    "composite": "DoubleStar",
    "galaxy": "GALAXY",
    "quasar": "QSO",
}
#: Probabilities of far types below about this are the network's caution, not the stars': fitted on
#: simulated stars of S/N 3-20 (recipes/tail_floor.py: 1.9 for O, 0.10 for B).
FLOOR = 0.4
EVEN_KINDS = 13  #: kinds that training drew evenly


def shares(table: Path | None = None) -> dict[str, float]:
    """Share of the types among normal stars, and of kinds of objects among all spectra.

    Parameters
    ----------
    table : Path, optional
        CSV with columns type and count (as of ``simulate --types``); by default the counts of
        LAMOST DR6 and DR3 (`simulate.plan.survey_weights`).
    """
    weights = read_weights(table, balanced=False)
    stars = sum(weights.get(t, 0.0) for t in mk.TYPES)
    total = sum(weights.values())
    found = {t: weights.get(t, 0.0) / stars for t in mk.TYPES} if stars else {}
    return found | {k: weights[v] / total for k, v in _KINDS.items() if weights.get(v)}


def shifted(types: Floats, prevalence: Mapping[str, float], *, floor: float = 0.0) -> Floats:
    """Probabilities of types where types occur as often as they do.

    Parameters
    ----------
    types : ndarray, shape (n, 7)
        Probabilities of a model whose training drew all types evenly.
    prevalence : mapping
        Share of each type.
    floor : float
        Of `believed`; 0 takes the probabilities as they are.

    Returns
    -------
    ndarray, shape (n, 7)

    References
    ----------
    Saerens, Latinne & Decaestecker (2002, Neural Computation 14, 21), eq. 2.4.
    """
    raw = believed(np.nan_to_num(types), floor) * np.array(
        [prevalence.get(t, 0.0) for t in mk.TYPES]
    )
    total = raw.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(raw, total, out=np.zeros_like(raw), where=total > 0))


def believed(p: Any, floor: float) -> Any:
    """A probability, array or expression, without the caution that a small one holds."""
    return p * p / (p + (floor + 1e-30))


def shifted_kind(probability: Floats, share: float) -> Floats:
    """Probability of a kind of object that has this share of all spectra, likewise."""
    even = 1.0 / EVEN_KINDS
    yes = probability * share / even
    no = (1.0 - probability) * (1.0 - share) / (1.0 - even)
    return np.asarray(yes / np.maximum(yes + no, 1e-300))


def estimate(types: Floats, *, rounds: int = 200) -> dict[str, float]:
    """Shares of the types in a sample, from their probabilities alone: maximum likelihood by EM.

    Parameters
    ----------
    types : ndarray, shape (n, 7)
        Probabilities of a model whose training drew all types evenly.
    rounds : int
        Iterations at most; it ends when no share changes by a thousandth of itself.

    References
    ----------
    Saerens et al. (2002), eqs. 2.8-2.9.
    """
    share: dict[str, float] = dict.fromkeys(mk.TYPES, 1.0 / len(mk.TYPES))
    for _ in range(rounds):
        new = dict(zip(mk.TYPES, shifted(types, share).mean(axis=0).tolist()))
        settled = all(abs(new[t] - share[t]) <= 1e-3 * share[t] for t in mk.TYPES)
        share = new
        if settled:
            break
    return share


def purity(probability: Floats, *, level: float = 0.9) -> tuple[Floats, Floats, Floats]:
    """Expected share of true members among the first 1, 2, ... n of a list.

    Parameters
    ----------
    probability : ndarray, shape (n,)
        Of each entry, calibrated, in the list's order.
    level : float
        Of the central interval.

    Returns
    -------
    expected, low, high : ndarray, shape (n,)
        Mean of the probabilities down to each depth, and the quantiles of a beta distribution
        with as many successes and failures as are expected and half of each (Jeffreys), widened
        to whole members.
    """
    from scipy.stats import beta

    depth = np.arange(1, len(probability) + 1)
    members = np.cumsum(probability)
    a, b = members + 0.5, depth - members + 0.5
    low, high = (beta.ppf(q, a, b) for q in ((1 - level) / 2, (1 + level) / 2))
    # Members are whole: at a depth of 20, 19.99 expected ones are 19 or 20.
    low = np.minimum(low, np.floor(members) / depth)
    high = np.maximum(high, np.minimum(np.ceil(members), depth) / depth)
    return members / depth, low, high


def describe(prevalence: Mapping[str, float]) -> dict[str, Any]:
    """Shares to three digits, for a manifest."""
    return {name: float(f"{value:.3g}") for name, value in prevalence.items()}
