"""What the standard generator learns from: spectra made alike, and their broad shapes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from spectype.core.errors import DataError
from spectype.dataset.store import Store
from spectype.generate.factors import KNOTS, LEVEL, black_body
from spectype.generate.harmonise import harmonise, known_codes, select
from spectype.generate.latent import Sequence
from spectype.generate.learnt import FEWEST, enough_arrays, fingerprint
from spectype.generate.recipes import GeneratorConfig
from spectype.learn.split import make_split
from spectype.learn.targets import source_of

_FEWEST_IN_GROUP = 20  # spectra of a source that make a noise profile of its own
_FLUX = (-1.0, 8.0)  # beyond, flux over the broad shape is a fault, not a line
_LEAST_GOOD = 0.3  # share of good pixels of a spectrum to learn from
_LEAST_TRUST = 0.5  # weight of a source's labels below which its stars are not learnt from
_WINDOW = 40  # pixels each side of a knot over which the broad shape is measured, at most


@dataclass(frozen=True)
class TrainingSet:
    """What the model learns from.

    Parameters
    ----------
    values, good : ndarray, shape (n, n_pix + n_knots)
        Flux over the broad shape, then the log shape at the knots, and where they are known.
    code : ndarray, shape (n,)
        Decimal codes; the middle of the type where the subclass is unknown.
    group : ndarray, shape (n,), int64
        Source whose noise profile a spectrum shares.
    rows : ndarray, shape (n,)
        Rows of the store.
    split : ndarray of str, shape (store rows,)
        Part of every row.
    blunter : tuple of str
        Sources that are blunter than the common resolution.
    """

    values: NDArray[np.float32]
    good: NDArray[np.bool_]
    code: NDArray[np.float64]
    group: NDArray[np.int64]
    rows: NDArray[np.int64]
    split: NDArray[np.str_]
    blunter: tuple[str, ...]

    def sequence(self, here: NDArray[np.bool_], neighbours: float) -> Sequence:
        """Kernels over some of the spectra."""
        return Sequence(self.code[here], neighbours)

    def fingerprint(self) -> str:
        """See `learnt.fingerprint`."""
        return fingerprint(self.values, self.good)


def training_set(store: Store, config: GeneratorConfig) -> TrainingSet:
    """The training spectra of a store, made alike.

    Raises
    ------
    DataError
        If a type has no spectrum, fewer than 8 are left for training, or one holds NaN.
    """
    rows = select(store, config.types)
    trust = np.array([source_of(s).weight for s in store.meta["survey"].to_list()])
    rows = rows[trust[rows] >= _LEAST_TRUST]
    split = make_split(store.meta, config)
    train = _thin(store, rows[split[rows] == "train"], config)
    enough_arrays(store, train, n_all=len(rows), of=f"types {config.types}")
    alike = harmonise(store, train, resolving_power=config.resolving_power)
    good = alike.good & (alike.flux > _FLUX[0]) & (alike.flux < _FLUX[1])
    enough = good.mean(axis=1) > _LEAST_GOOD
    alike, good, train = alike.take(enough), good[enough], train[enough]
    if len(train) < FEWEST:
        raise DataError(f"{len(train)} spectra with enough good pixels", path=store.folder)
    code = known_codes(alike.code, alike.type)
    shape, known = log_shape(store, train, alike.flux, good, code=code)
    return TrainingSet(
        values=np.concatenate([np.where(good, alike.flux, 0), shape], axis=1).astype(np.float32),
        good=np.concatenate([good, known], axis=1),
        code=code,
        group=_groups(alike.survey),
        rows=train,
        split=split,
        blunter=alike.blunter,
    )


def log_shape(
    store: Store,
    rows: NDArray[np.int64],
    flat: NDArray[np.float32],
    good: NDArray[np.bool_],
    *,
    code: NDArray[np.float64],
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Logarithm of the broad shape over the type's black body, and where it is known.

    The broad shape is what the flux of the store has more than the flux over the broad shape.
    Both are (n, n_knots); zero on average over the knots between 4400 and 5500 Angstrom.
    """  # fmt: skip
    flux, _ = store.arrays(rows)
    value, known = shape_at_knots(store.wave, flux, flat, good)
    value = value - black_body(code)
    level = (value * known)[:, LEVEL].sum(axis=1) / np.maximum(known[:, LEVEL].sum(axis=1), 1)
    known &= known[:, LEVEL].any(axis=1, keepdims=True)
    value = np.clip(value - level[:, None], -4, 4)
    return np.where(known, value, 0).astype(np.float32), known


def shape_at_knots(
    wave: NDArray[np.float64],
    flux: NDArray[np.float32],
    flat: NDArray[np.float32],
    good: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Logarithm of flux over flux over its broad shape at `KNOTS`, (n, n_knots), and if known."""
    value = np.zeros((len(flux), KNOTS.size))
    known = np.zeros(value.shape, bool)
    for j, at in enumerate(np.searchsorted(wave, KNOTS)):
        reach = int(np.clip(min(at, wave.size - at), 1, _WINDOW))
        window = slice(max(at - reach, 0), at + reach)
        use = good[:, window]
        count = np.maximum(use.sum(axis=1), 1)
        raw = np.where(use, flux[:, window], 0).sum(axis=1) / count
        over = np.where(use, flat[:, window], 0).sum(axis=1) / count
        known[:, j] = (use.mean(axis=1) > 0.5) & (raw > 0) & (over > 0) if use.size else False
        value[known[:, j], j] = np.log(raw[known[:, j]] / over[known[:, j]])
    return value, known


def _thin(store: Store, train: NDArray[np.int64], config: GeneratorConfig) -> NDArray[np.int64]:
    """At most `crowd` spectra a subclass, in the order of the store."""
    meta = store.meta[train.tolist()]
    code = meta["code"].cast(pl.Float64).to_numpy().astype(float)
    types = meta["type"].to_numpy().astype(str)
    place = np.floor(known_codes(code, types)).astype(np.int64)
    order = np.random.default_rng(config.seed).permutation(len(train))
    kept = [order[place[order] == p][: config.crowd] for p in np.unique(place)]
    return train[np.sort(np.concatenate(kept))] if kept else train


def _groups(survey: NDArray[np.str_]) -> NDArray[np.int64]:
    """Number of each spectrum's source; small sources share the last one."""
    names, place, count = np.unique(survey, return_inverse=True, return_counts=True)
    large = np.flatnonzero(count >= _FEWEST_IN_GROUP)
    number = np.full(names.size, len(large))
    number[large] = np.arange(len(large))
    return np.asarray(number[place], np.int64)
