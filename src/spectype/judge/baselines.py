"""What simpler methods reach on the stars of a run: the table that a network has to beat.

Every method learns from the run's training and validation stars and is scored on its test
stars, each spectrum with the label of its own system. All are given spectra divided by their
broad shape and moved to rest by the redshift in the metadata, which the network is not told;
only the reference study's network, which is among the methods, takes spectra as they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spectype.classify.matching import nearest, normalised
from spectype.core import mk
from spectype.core.errors import DataError, DependencyError
from spectype.core.files import atomic_path
from spectype.core.indices import measure
from spectype.core.progress import track
from spectype.dataset.labels import is_pipeline
from spectype.dataset.store import Store

if TYPE_CHECKING:
    import polars as pl

FILE = "baselines.parquet"  #: in the run's folder: method, row, type, code
MOST_TEMPLATES = 2000
TREES = 300
# The best of three values each on validation stars of LAMOST and the libraries.
COMPONENTS = 25
NEIGHBOURS = 7
PENALTY = 1.0  # C of the support vector machines
_BIN = 4  # pixels averaged for the methods that see pixels
_CHUNK = 512

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Guess = tuple[list[str], NDArray[np.float64]]


@dataclass(frozen=True)
class Sample:
    """Spectra as the baselines see them.

    Attributes
    ----------
    flux : ndarray, shape (n, n_pix), float32
        Flux over its broad shape, minus 1; 0 at bad pixels.
    weight : ndarray, shape (n, n_pix), float32
        Inverse variance with the model error added; 0 at bad pixels.
    indices : ndarray, shape (n, n_indices)
        Line indices; NaN where not measurable.
    types : ndarray of str, shape (n,)
    codes : ndarray, shape (n,)
        Decimal codes; NaN where the label has no subclass.
    expert : ndarray, shape (n,), bool
        Whether the label is an expert's, not a survey pipeline's.
    """

    flux: Floats
    weight: Floats
    indices: NDArray[np.float64]
    types: NDArray[np.str_]
    codes: NDArray[np.float64]
    expert: Bools

    def __len__(self) -> int:
        return len(self.flux)

    def binned(self) -> tuple[Floats, Bools]:
        """Means of the good pixels of each `_BIN`, and which have one; (n, n_pix / _BIN)."""
        n = self.flux.shape[1] // _BIN * _BIN
        shape = (len(self), n // _BIN, _BIN)
        good = (self.weight[:, :n] > 0).reshape(shape)
        count = good.sum(axis=2)
        total = (self.flux[:, :n].reshape(shape) * good).sum(axis=2)
        return (total / np.maximum(count, 1)).astype(np.float32), count > 0


def read_sample(store: Store, meta: pl.DataFrame) -> Sample:
    """The spectra of these rows of a store's metadata, ready for the baselines."""
    parts = []
    for start in range(0, meta.height, _CHUNK):
        rows = meta["row"].to_numpy()[start : start + _CHUNK]
        spectra = store.spectra(rows)
        z = np.array([np.nan if v is None else float(v) for v in spectra.get("redshift")])
        z = np.where(np.abs(z) < 0.1, z, 0.0)  # NaN, -9999 and galaxies: left as they are
        columns = measure(spectra, redshift=z)
        indices = np.stack([v for k, v in columns.items() if not k.endswith("_error")], axis=1)
        parts.append((*normalised(spectra, z), indices))
    flux, weight, indices = (np.concatenate(kind) for kind in zip(*parts, strict=True))
    codes = [np.nan if code is None else float(code) for code in meta["code"]]
    return Sample(
        flux=flux,
        weight=weight,
        indices=indices,
        types=np.array(meta["type"].to_list(), dtype=str),
        codes=np.array(codes, dtype=np.float64),
        expert=~is_pipeline(meta["survey"]),
    )


def template_matching(train: Sample, test: Sample, *, seed: int = 0) -> Guess:
    """The type of the template with the smallest reduced chi-square at any velocity.

    Templates are the training spectra with experts' labels; where there are none, all. The
    continua may differ by a straight line.
    """
    chosen = np.flatnonzero(train.expert & np.isfinite(train.codes))
    if not chosen.size:
        chosen = np.flatnonzero(np.isfinite(train.codes))
    if not chosen.size:
        chosen = np.arange(len(train))
    if chosen.size > MOST_TEMPLATES:
        generator = np.random.default_rng(seed)
        chosen = np.sort(generator.choice(chosen, MOST_TEMPLATES, replace=False))
    flux, good = train.flux[chosen], (train.weight[chosen] > 0).astype(np.float32)
    best = np.concatenate(
        [
            nearest(test.flux[part], test.weight[part], flux, good).argmin(axis=1)
            for start in range(0, len(test), _CHUNK)
            for part in [slice(start, start + _CHUNK)]
        ]
    )
    return train.types[chosen][best].tolist(), train.codes[chosen][best]


def principal_components(train: Sample, test: Sample, *, seed: int = 0) -> Guess:
    """Nearest neighbours in the space of principal components.

    Bad pixels are filled from the components, fitted again and so on; coefficients come from
    the good pixels alone.
    """
    from sklearn.decomposition import PCA
    from sklearn.neighbors import KNeighborsClassifier

    flux, good = train.binned()
    n_components = min(COMPONENTS, len(train) - 1)
    mean = (flux * good).sum(axis=0) / np.maximum(good.sum(axis=0), 1)
    filled = np.where(good, flux, mean)
    for _ in range(3):
        fit = PCA(n_components, svd_solver="randomized", random_state=seed).fit(filled)
        known = _coefficients(flux, good, fit)
        filled = np.where(good, flux, fit.inverse_transform(known)).astype(np.float32)
    asked = _coefficients(*test.binned(), fit)
    neighbours = KNeighborsClassifier(min(NEIGHBOURS, len(train)), weights="distance")
    neighbours.fit(known, train.types)
    types = neighbours.predict(asked)
    distance, index = neighbours.kneighbors(asked)
    codes = _weighted_median(train.codes[index], 1.0 / np.maximum(distance, 1e-9))
    return types.tolist(), codes


def _coefficients(flux: Floats, good: Bools, fit: Any) -> NDArray[np.float64]:
    """Coefficients (n, n_components) that fit the good pixels best; slightly damped."""
    basis = fit.components_.astype(np.float64)
    k = len(basis)
    pairs = (basis[:, None] * basis[None]).reshape(k * k, -1)
    products = (good.astype(np.float64) @ pairs.T).reshape(-1, k, k) + 1e-3 * np.eye(k)
    right = np.where(good, flux - fit.mean_, 0.0) @ basis.T
    return np.asarray(np.linalg.solve(products, right[:, :, None])[:, :, 0])


def _weighted_median(
    values: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Median of each row of `values` (n, k); unknown ones (NaN) do not count."""
    weights = np.where(np.isfinite(values), weights, 0.0)
    order = np.argsort(values, axis=1)
    values = np.take_along_axis(values, order, axis=1)
    share = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    place = (share >= 0.5 * share[:, -1:]).argmax(axis=1)
    return np.asarray(values[np.arange(len(values)), place])


def random_forest(train: Sample, test: Sample, *, seed: int = 0) -> Guess:
    """Trees on line indices; those that cannot be measured are missing values."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    usable = np.isfinite(train.indices).any(axis=0)
    known, asked = train.indices[:, usable], test.indices[:, usable]
    options: dict[str, Any] = {"n_estimators": TREES, "random_state": seed, "n_jobs": -1}
    trees = RandomForestClassifier(class_weight="balanced_subsample", **options)
    types = trees.fit(known, train.types).predict(asked)
    regressor = RandomForestRegressor(max_features=1 / 3, **options)
    return types.tolist(), _regressed(regressor, known, train, asked)


def support_vectors(train: Sample, test: Sample, *, seed: int = 0) -> Guess:
    """Linear support vector machines on continuum-normalised flux."""
    from sklearn.svm import LinearSVC, LinearSVR

    flux, good = train.binned()
    mean = (flux * good).sum(axis=0) / np.maximum(good.sum(axis=0), 1)
    asked, there = test.binned()
    known, asked = np.where(good, flux - mean, 0.0), np.where(there, asked - mean, 0.0)
    options: dict[str, Any] = {"C": PENALTY, "dual": False, "random_state": seed, "max_iter": 5000}
    machine = LinearSVC(class_weight="balanced", tol=1e-2, **options)
    types = machine.fit(known, train.types).predict(asked)
    line = LinearSVR(loss="squared_epsilon_insensitive", tol=1e-3, **options)
    return types.tolist(), _regressed(line, known, train, asked)


def _regressed(
    method: Any, known: NDArray[Any], train: Sample, asked: NDArray[Any]
) -> NDArray[np.float64]:
    """Codes by regression on the training spectra with a subclass; NaN if there are none."""
    rows = np.isfinite(train.codes)
    if not rows.any():
        return np.full(len(asked), np.nan)
    # Centred and of order 1: the intercept of a linear machine is penalised like a slope.
    middle = float(train.codes[rows].mean())
    method.fit(known[rows], (train.codes[rows] - middle) / 10.0)
    codes = np.asarray(method.predict(asked), dtype=np.float64) * 10.0 + middle
    return np.asarray(np.clip(codes, 0.0, 10.0 * len(mk.TYPES)))


METHODS: dict[str, Callable[..., Guess]] = {
    "template matching": template_matching,
    "PCA and nearest neighbours": principal_components,
    "random forest on line indices": random_forest,
    "linear support vectors": support_vectors,
}


@dataclass(frozen=True)
class ReferenceSize:
    """Size of the reference network among the baselines, small so that it takes minutes.

    Parameters
    ----------
    reference_epochs : int
        Its epochs; the study had 140. 0 leaves it out.
    reference_dense : int
        Units of its dense layer; the study had 11,500.
    """

    reference_epochs: int = 20
    reference_dense: int = 256

    @property
    def method(self) -> str:
        """The name in the table, which says the size."""
        return f"reference CNN, {self.reference_epochs} epochs, dense {self.reference_dense}"


def reference_network(
    store: Store, known: pl.DataFrame, asked: pl.DataFrame, *, size: ReferenceSize, seed: int = 0
) -> Guess:
    """The reference study's network, convolving along wavelength; it gives no subclasses.

    Parameters
    ----------
    store : Store
        Where the spectra are.
    known, asked : polars.DataFrame
        Metadata of the spectra to learn from and of those to type.
    size : ReferenceSize
        Epochs and units.
    seed : int
        Of weights and order.
    """
    from spectype.study.fitting import fit_types
    from spectype.study.recipes import ReferenceConfig

    rows = np.concatenate([known["row"].to_numpy(), asked["row"].to_numpy()])
    flux, error = store.arrays(rows)
    types = fit_types(
        flux,
        error > 0,
        np.array([*known["type"].to_list(), *[""] * asked.height], dtype=str),
        wave=store.wave,
        train=np.arange(rows.size) < known.height,
        config=ReferenceConfig(epochs=size.reference_epochs, dense=size.reference_dense),
        seed=seed,
    )
    return types[known.height :].tolist(), np.full(asked.height, np.nan)


def run_baselines(
    run: str | Path, store: Store, *, seed: int = 0, size: ReferenceSize | None = None
) -> pl.DataFrame:
    """Train every method on a run's training stars and type its test stars.

    Parameters
    ----------
    run : path-like
        A finished run, whose ``split.parquet`` decides.
    store : Store
        Its store.
    seed : int
        Of what is random in the methods.
    size : ReferenceSize, optional
        Of the reference network; by default it takes some minutes.

    Returns
    -------
    polars.DataFrame
        Columns ``method``, ``row``, ``type``, ``code``, ``seconds`` (of the method); also in
        ``baselines.parquet`` of the run.

    Raises
    ------
    DependencyError
        Without scikit-learn. DataError if training has fewer than two types.
    """
    import polars as pl

    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise DependencyError(
            "baselines need scikit-learn", remedy="pip install 'spectype[train]'"
        ) from error
    folder = Path(run)
    split = pl.read_parquet(folder / "split.parquet").select("row", part="split")
    meta = store.meta.join(split, on="row").filter(pl.col("type").is_in(list(mk.TYPES)))
    known = meta.filter((pl.col("part") != "test") & ~pl.col("synthetic").fill_null(False))
    asked = meta.filter(pl.col("part") == "test")
    if known["type"].n_unique() < 2 or not asked.height:
        raise DataError("has too few types or no test stars for a comparison", path=folder)
    train, test = read_sample(store, known), read_sample(store, asked)
    jobs: dict[str, Callable[[], Guess]] = {
        name: partial(method, train, test, seed=seed) for name, method in METHODS.items()
    }
    size = size or ReferenceSize()
    if size.reference_epochs:
        jobs[size.method] = partial(reference_network, store, known, asked, size=size, seed=seed)
    tables = []
    for name, job in track(jobs.items(), title="baselines"):
        start = time.perf_counter()
        types, codes = job()
        seconds = time.perf_counter() - start
        tables.append(
            asked.select(pl.lit(name).alias("method"), "row").with_columns(
                type=pl.Series(types, dtype=pl.String),
                code=pl.Series(codes, dtype=pl.Float64),
                seconds=pl.lit(seconds),
            )
        )
    table = pl.concat(tables)
    with atomic_path(folder / FILE) as path:
        table.write_parquet(path)
    return table
