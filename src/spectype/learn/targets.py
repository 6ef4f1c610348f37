"""What a label says: soft targets along the sequence, allowed types, weights, systems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spectype.core import mk
from spectype.core.errors import DataError

if TYPE_CHECKING:
    import polars as pl

BINS_PER_SUBCLASS = 2
N_BINS = len(mk.TYPES) * 10 * BINS_PER_SUBCLASS
CROSSING = 0.1  #: weight of the part of a soft label in the neighbouring type
#: Decimal code of each half-subclass bin, shape (N_BINS,).
BIN_CODES: NDArray[np.float64] = np.arange(N_BINS) / BINS_PER_SUBCLASS


@dataclass(frozen=True)
class Source:
    """How far the labels of a survey or library can be trusted.

    Parameters
    ----------
    spread : float
        Standard deviation of its subclasses [subclass].
    weight : float
        Weight of a spectrum in the loss, relative to an expert's label.
    survey : bool
        Whether the labels are a survey pipeline's, so a shifted and noisy view of the MK type.
    """

    spread: float = 0.9
    weight: float = 1.0
    survey: bool = False


#: Labels by template matching are less sure than experts' (Gray & Corbally 2014, AJ 147, 80,
#: compare LAMOST's); types taken from one best-matching template least of all. LAMOST's labels of
#: two exposures of one star differ by 1.24 subclasses on average, so by 1.1 in standard
#: deviation each.
SOURCES = {
    "lamost": Source(spread=1.1, weight=1.0, survey=True),
    "sdss_faststars": Source(spread=2.5, weight=0.3),
    "sdss_templates": Source(spread=1.0, weight=0.7),
    "synthetic": Source(spread=0.6, weight=0.5),
}


@dataclass(frozen=True)
class Targets:
    """Targets of the rows of a store.

    Attributes
    ----------
    sequence : ndarray, shape (n, N_BINS), float32
        Soft distribution along the sequence; zero where the label has no subclass.
    type_index : ndarray, shape (n,), int64
        0-6 for O-M, -1 where there is no type.
    allowed : ndarray, shape (n, 7), bool
        Types that the label leaves open: the one it names, O and B for ``OB``, none without a type.
    luminosity : ndarray, shape (n,), int64
        0-4 for I-V, -1 where not known.
    outlier : ndarray, shape (n,), float32
        1 for what is known not to be a normal star, 0 for typed stars, NaN where not known.
    survey : ndarray, shape (n,), bool
        Labels of a survey's system.
    weight : ndarray, shape (n,), float32
        Weight in the loss.
    balance : ndarray, shape (n,), float64
        Probability of being drawn, rare types more often.
    """

    sequence: NDArray[np.float32]
    type_index: NDArray[np.int64]
    allowed: NDArray[np.bool_]
    luminosity: NDArray[np.int64]
    outlier: NDArray[np.float32]
    survey: NDArray[np.bool_]
    weight: NDArray[np.float32]
    balance: NDArray[np.float64]


OUTLIER_KINDS = ("galaxy", "quasar", "unknown", "white dwarf", "carbon", "cataclysmic", "emission")


def make_targets(meta: pl.DataFrame, *, balance: float, label_spread: float = 1.0) -> Targets:
    """Targets for the rows of a store's metadata.

    Parameters
    ----------
    meta : polars.DataFrame
        Columns ``survey``, ``type``, ``code``, ``luminosity``, ``kind``; ``code_low`` and
        ``code_high`` where the store has them.
    balance : float
        0 draws spectra as they are, 1 draws every part of the sequence equally often.
    label_spread : float
        Factor on the scatter of the sources' labels.
    """
    sources = [source_of(s) for s in meta["survey"].to_list()]
    code = meta["code"].cast(float).to_numpy().astype(float)
    spread = label_spread * np.array([s.spread for s in sources])
    types = [mk.index(t) if t else -1 for t in meta["type"].to_list()]
    type_index = np.array(types, np.int64)
    low, high = type_range(meta, code, type_index)
    middles = 10.0 * np.arange(len(mk.TYPES)) + 5.0
    allowed = (low[:, None] < middles) & (middles < high[:, None])
    kinds = np.array([k in OUTLIER_KINDS for k in meta["kind"].to_list()])
    # A library's star without any label is unknown to us, but no stranger.
    labels = meta["subclass"].to_list() if "subclass" in meta.columns else ["?"] * len(kinds)
    kinds &= np.array([bool(label) for label in labels])
    outlier = np.where(allowed.any(axis=1), 0.0, np.where(kinds, 1.0, np.nan))
    classes = list(mk.LUMINOSITIES)
    luminosity = [classes.index(v) if v in classes else -1 for v in meta["luminosity"].to_list()]
    survey = np.array([s.survey for s in sources])
    return Targets(
        sequence=soft_targets(code, spread),
        type_index=type_index,
        allowed=allowed,
        luminosity=np.array(luminosity, np.int64),
        outlier=outlier.astype(np.float32),
        survey=survey,
        weight=np.array([s.weight for s in sources], np.float32),
        balance=balance_weights(
            np.where(np.isnan(code), (low + high) / 2, code),
            np.asarray(allowed.any(axis=1)),
            survey,
            power=balance,
        ),
    )


def type_range(
    meta: pl.DataFrame, code: NDArray[np.float64], type_index: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest code that a label leaves open for the type, each (n,); NaN without one.

    A label that names a type leaves that; of one that does not, ``OB``, the store has the range.
    """
    low = np.where(type_index >= 0, 10.0 * type_index, np.nan)
    high = low + 10.0
    if "code_low" in meta.columns:
        ends = [
            meta[name].cast(float).to_numpy().astype(float) for name in ("code_low", "code_high")
        ]
        open_ = (type_index < 0) & np.isnan(code) & ~np.isnan(ends[0])
        low, high = (np.where(open_, end, known) for end, known in zip(ends, (low, high)))
    return low, high


def source_of(survey: str | None) -> Source:
    """The trust put in labels of this survey or library; experts' unless known otherwise."""
    name = (survey or "").lower()
    return next((source for key, source in SOURCES.items() if name.startswith(key)), Source())


def soft_targets(code: NDArray[np.float64], spread: NDArray[np.float64]) -> NDArray[np.float32]:
    """Gaussians of `spread` subclasses about `code` on the bins, shape (n, N_BINS).

    Rows of NaN codes are zero. Of the part of a Gaussian that falls into the neighbouring type
    `CROSSING` is kept: F9 and G0 are neighbours, but the label says which side. More would pull
    the types' boundaries: K0 is a frequent label that leaks to G, G9 a rare one.
    """
    offset = (BIN_CODES - code[:, None]) / spread[:, None]
    weight = np.exp(-0.5 * np.nan_to_num(offset, nan=1e3) ** 2)
    same = np.floor(BIN_CODES / 10) == np.floor(code / 10)[:, None]
    weight *= np.where(same, 1.0, CROSSING)
    total = weight.sum(axis=1, keepdims=True)
    return np.where(total > 0, weight / np.where(total > 0, total, 1.0), 0.0).astype(np.float32)


def balance_weights(
    place: NDArray[np.float64],
    typed: NDArray[np.bool_],
    survey: NDArray[np.bool_],
    *,
    power: float,
) -> NDArray[np.float64]:
    """Drawing probabilities (n,) that even out the sequence, within each system.

    The density along the sequence is smoothed over two subclasses; a spectrum is drawn in
    proportion to density**-power. A star without subclass has its `place` in the middle of its
    type, or of what its label leaves open. Rows that are not `typed` share a tenth of the draws.
    """
    weight = np.zeros(len(place))
    for system in (False, True):
        rows = np.flatnonzero(typed & (survey == system))
        if not rows.size:
            continue
        counts = np.bincount(np.clip(place[rows].astype(int), 0, 69), minlength=70).astype(float)
        kernel = np.exp(-0.5 * (np.arange(-6, 7) / 2.0) ** 2)
        density = np.convolve(counts, kernel / kernel.sum(), mode="same")
        w = np.maximum(density[np.clip(place[rows].astype(int), 0, 69)], 0.3) ** -power
        weight[rows] = w / w.sum()
    others = np.flatnonzero(~typed)
    if weight.sum() == 0:
        raise DataError("no spectrum of the store has a type", remedy="give labels to build")
    if others.size:
        weight[others] = 0.1 * weight.sum() / others.size
    return np.asarray(weight / weight.sum())
