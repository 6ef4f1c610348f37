"""What a label says: soft targets along the sequence, weights, systems, star-disjoint splits."""

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
        to each; zero where there is no type.
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
        Columns ``survey``, ``type``, ``code``, ``luminosity``, ``kind``; ``label_spread``, the
        standard deviation of a spectrum's own label [subclass], wins over its source's.
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
    return Targets(
        sequence=sequence,
        types=soft_types(sequence, type_index, unsure=spread >= UNSURE),
        type_index=type_index,
        luminosity=np.array(luminosity, np.int64),
        kind=kind_targets(meta, type_index),
        survey=survey,
        anchored=survey & ~caught_all(code),
        weight=np.array([s.weight for s in sources], np.float32),
        balance=balance_weights(code, type_index, survey, power=balance),
    )


#: Subclasses that LAMOST's pipeline gives to stars of many types: beside their neighbours in MILES
#: "F9" spans F8 to K0, "G5" G5 to K1, and "F2" lies near F8 (docs/experiments.md, 2026-11-25).
CATCH_ALLS = ((32.0, 33.5), (38.0, 39.5), (44.0, 45.5))


def caught_all(code: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which codes (n,) lie in one of a survey's `CATCH_ALLS`, shape (n,)."""
    return np.asarray(np.any([(code >= low) & (code <= high) for low, high in CATCH_ALLS], axis=0))


def kind_targets(meta: pl.DataFrame, type_index: NDArray[np.int64]) -> NDArray[np.int64]:
    """Index of each row's kind (n,), -1 where nothing is known.

    A star with a type is a star unless its label says more. A label that no type was found in
    ("HB", "AGB") does not make it a stranger, and a library's star without any label is unknown
    to us, but no stranger either.
    """
    found = [kinds.of_label(kind) for kind in meta["kind"].to_list()]
    index = np.array([-1 if k in (None, "other") else kinds.KINDS.index(str(k)) for k in found])
    sure = (
        meta["kind"].is_in(["brown dwarf", "S star", "Wolf-Rayet", "planetary nebula"]).to_numpy()
    )
    index = np.where(sure, kinds.KINDS.index("other"), index)
    typed_star = (index == kinds.STAR) & (type_index < 0)
    return np.asarray(np.where(typed_star, -1, index), np.int64)


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
    code: NDArray[np.float64],
    type_index: NDArray[np.int64],
    survey: NDArray[np.bool_],
    *,
    power: float,
) -> NDArray[np.float64]:
    """Drawing probabilities (n,) that even out the sequence, within each system.

    The density along the sequence is smoothed over two subclasses; a spectrum is drawn in
    proportion to density**-power. Typed stars without subclass count with their type's middle.
    Rows without a type share a tenth of the draws.
    """
    place = np.where(np.isnan(code), 10.0 * type_index + 5.0, code)
    weight = np.zeros(len(place))
    typed = type_index >= 0
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


def split_by_star(
    star: NDArray[np.str_], type_index: NDArray[np.int64], *, seed: int, shares: tuple[float, float]
) -> NDArray[np.str_]:
    """Split rows into train, validation and test so that no star is on two sides.

    Parameters
    ----------
    star : ndarray of str, shape (n,)
        Star of each row.
    type_index : ndarray, shape (n,), int64
        Type of each row (-1 unknown): stars are dealt type by type, so rare types reach
        every part.
    seed : int
        Seed.
    shares : (float, float)
        Shares of stars for validation and for test.

    Returns
    -------
    ndarray of str, shape (n,)
        ``"train"``, ``"validation"`` or ``"test"``.
    """
    names, first, inverse = np.unique(star, return_index=True, return_inverse=True)
    rng = np.random.default_rng(seed)
    part = np.full(names.size, "train", dtype="<U10")
    for kind in np.unique(type_index):
        members = rng.permutation(np.flatnonzero(type_index[first] == kind))
        n_test = round(shares[1] * members.size)
        n_validation = round(shares[0] * members.size)
        part[members[:n_test]] = "test"
        part[members[n_test : n_test + n_validation]] = "validation"
    return np.asarray(part[inverse])
