"""What a label says: soft targets along the sequence, weights, systems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spectype.core import kinds, mk
from spectype.core.errors import DataError

if TYPE_CHECKING:
    import polars as pl

BINS_PER_SUBCLASS = 2
N_BINS = len(mk.TYPES) * 10 * BINS_PER_SUBCLASS
CROSSING = 0.1  #: weight of the part of a soft label in the neighbouring type
UNSURE = 1.5  #: spread [subclass] from which a label does not say on which side of a boundary
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
    "sdss_dr2": Source(spread=1.5, weight=0.5),
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
    types : ndarray, shape (n, 7), float32
        Soft label of the type: one type, or, where the label is unsure, what `sequence` leaves
        to each; O and B alike for ``OB``; zero where there is no type.
    type_index : ndarray, shape (n,), int64
        0-6 for O-M, -1 where there is no type.
    luminosity : ndarray, shape (n,), int64
        0-4 for I-V, -1 where not known.
    kind : ndarray, shape (n,), int64
        Index into `core.kinds.KINDS`, -1 where not known.
    survey : ndarray, shape (n,), bool
        Labels of a survey's system.
    anchored : ndarray, shape (n,), bool
        Those of a survey's labels that may say something of the MK type: not its catch-alls.
    weight : ndarray, shape (n,), float32
        Weight in the loss.
    balance : ndarray, shape (n,), float64
        Probability of being drawn, rare types more often.
    """

    sequence: NDArray[np.float32]
    types: NDArray[np.float32]
    type_index: NDArray[np.int64]
    luminosity: NDArray[np.int64]
    kind: NDArray[np.int64]
    survey: NDArray[np.bool_]
    anchored: NDArray[np.bool_]
    weight: NDArray[np.float32]
    balance: NDArray[np.float64]


def make_targets(meta: pl.DataFrame, *, balance: float, label_spread: float = 1.0) -> Targets:
    """Targets for the rows of a store's metadata.

    Parameters
    ----------
    meta : polars.DataFrame
        Columns ``survey``, ``type``, ``code``, ``luminosity``, ``kind``; where the store has them,
        ``label_spread``, the standard deviation of a spectrum's own label [subclass], wins over
        its source's, and ``code_low`` and ``code_high`` are the range of a label without a type.
    balance : float
        0 draws spectra as they are, 1 draws every part of the sequence equally often.
    label_spread : float
        Factor on the scatter of the sources' labels.
    """
    sources = [source_of(s) for s in meta["survey"].to_list()]
    code = meta["code"].cast(float).to_numpy().astype(float)
    spread = label_spread * np.array([s.spread for s in sources])
    if "label_spread" in meta.columns:
        own = meta["label_spread"].cast(float).to_numpy().astype(float)
        spread = np.where(own > 0, own, spread)
    types = [mk.index(t) if t else -1 for t in meta["type"].to_list()]
    type_index = np.array(types, np.int64)
    classes = list(mk.LUMINOSITIES)
    luminosity = [classes.index(v) if v in classes else -1 for v in meta["luminosity"].to_list()]
    survey = np.array([s.survey for s in sources])
    sequence = soft_targets(code, spread)
    open_ = open_types(meta, type_index)
    soft = np.where(
        (type_index >= 0)[:, None], soft_types(sequence, type_index, unsure=spread >= UNSURE), open_
    )
    typed = np.asarray(soft.any(axis=1))
    return Targets(
        sequence=sequence,
        types=soft.astype(np.float32),
        type_index=type_index,
        luminosity=np.array(luminosity, np.int64),
        kind=kind_targets(meta, typed),
        survey=survey,
        anchored=survey & ~caught_all(code),
        weight=np.array([s.weight for s in sources], np.float32),
        balance=balance_weights(place_of(code, soft), typed, survey, power=balance),
    )


def open_types(meta: pl.DataFrame, type_index: NDArray[np.int64]) -> NDArray[np.float64]:
    """Shares (n, 7) of the types that a label without a type leaves open: ``OB`` is O or B."""
    shares = np.zeros((len(type_index), len(mk.TYPES)))
    if "code_low" in meta.columns:
        low, high = (
            meta[name].cast(float).to_numpy().astype(float) for name in ("code_low", "code_high")
        )
        middle = 10.0 * np.arange(len(mk.TYPES)) + 5.0
        inside = (low[:, None] < middle) & (middle < high[:, None]) & (type_index < 0)[:, None]
        shares = inside / np.maximum(inside.sum(axis=1), 1)[:, None]
    return shares


def place_of(code: NDArray[np.float64], types: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where a star stands on the sequence, (n,): its code, or the middle of what its label says."""
    return np.where(np.isnan(code), types @ (10.0 * np.arange(len(mk.TYPES)) + 5.0), code)


#: Subclasses that LAMOST's pipeline gives to stars of many types: beside their neighbours in MILES
#: "F9" spans F8 to K0, "G5" G5 to K1, and "F2" lies near F8 (docs/experiments.md, 2026-11-25).
CATCH_ALLS = ((32.0, 33.5), (38.0, 39.5), (44.0, 45.5))


def caught_all(code: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which codes (n,) lie in one of a survey's `CATCH_ALLS`, shape (n,)."""
    return np.asarray(np.any([(code >= low) & (code <= high) for low, high in CATCH_ALLS], axis=0))


def kind_targets(meta: pl.DataFrame, typed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Index of each row's kind (n,), -1 where nothing is known.

    A star with a type is a star unless its label says more; one without a type, and a library's
    star without any label, is unknown to us, but no stranger.
    """
    found = [kinds.of_label(kind) for kind in meta["kind"].to_list()]
    index = np.array([-1 if kind is None else kinds.KINDS.index(kind) for kind in found])
    untyped_star = (index == kinds.STAR) & ~typed
    return np.asarray(np.where(untyped_star, -1, index), np.int64)


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
    weight *= np.where(same | (spread >= UNSURE)[:, None], 1.0, CROSSING)
    total = weight.sum(axis=1, keepdims=True)
    return np.where(total > 0, weight / np.where(total > 0, total, 1.0), 0.0).astype(np.float32)


def soft_types(
    sequence: NDArray[np.float32], type_index: NDArray[np.int64], *, unsure: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Labels of the seven types, shape (n, 7): see `Targets.types`."""
    one = np.eye(len(mk.TYPES), dtype=np.float32)[type_index] * (type_index >= 0)[:, None]
    sums = sequence.reshape(len(sequence), len(mk.TYPES), -1).sum(axis=2)
    return np.where((unsure & sequence.any(axis=1))[:, None], sums, one).astype(np.float32)


def balance_weights(
    place: NDArray[np.float64],
    typed: NDArray[np.bool_],
    survey: NDArray[np.bool_],
    *,
    power: float,
) -> NDArray[np.float64]:
    """Drawing probabilities (n,) that even out the sequence, within each system.

    The density along the sequence is smoothed over two subclasses; a spectrum is drawn in
    proportion to density**-power. Rows that are not `typed` share a tenth of the draws.
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
