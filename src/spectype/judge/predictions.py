"""Predictions for the test stars of a run: what every score and report starts from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spectype.classify.runtime import Model, load_model
from spectype.core.errors import DataError, UsageError
from spectype.core.files import atomic_path, read_manifest
from spectype.dataset.labels import is_pipeline
from spectype.dataset.store import Store
from spectype.judge import leaks

if TYPE_CHECKING:
    import polars as pl

BATCH = 512
SYSTEMS = ("mixed", "mk", "survey")


def open_store(run: Path, store: str | Path | None) -> Store:
    """The store a run was trained on, or the one given in its place."""
    manifest = read_manifest(run, "run")
    place = Path(store) if store is not None else Path(manifest["store"])
    if not place.is_dir():
        raise UsageError("the run's store is gone", path=place, remedy="name it with --store")
    opened = Store(place)
    if len(opened) != manifest["store_rows"]:
        raise DataError(
            f"has {len(opened)} spectra, the run was trained on {manifest['store_rows']}",
            path=place,
            remedy="name the run's own store with --store",
        )
    return opened


def predict_test(run: str | Path, store: Store, *, system: str = "mixed") -> pl.DataFrame:
    """Type the test stars of a run, after the leak check, and keep the table in the run.

    Parameters
    ----------
    run : path-like
        A finished run.
    store : Store
        Its store.
    system : str
        ``mk`` or ``survey`` for all spectra; ``mixed`` takes the survey's system for spectra
        with a survey's labels and MK for the others.

    Returns
    -------
    polars.DataFrame
        The classify columns and ``true_type``, ``true_code``, ``true_luminosity``,
        ``true_kind``, ``survey``, ``row``, ``star_id``, ``synthetic``; also in
        ``predictions.parquet``.

    Raises
    ------
    DataError
        If a test star was in training, a test spectrum is synthetic, or there are none.
    """
    import polars as pl

    if system not in SYSTEMS:
        raise UsageError(f"unknown system {system!r}", remedy=", ".join(SYSTEMS))
    folder = Path(run)
    model = load_model(folder)
    meta = store.meta
    split = pl.read_parquet(folder / "split.parquet").join(
        meta.select("row", "ra", "dec"), on="row", how="left"
    )
    test = meta.join(split.filter(pl.col("split") == "test").select("row"), on="row", how="semi")
    if not test.height:
        raise DataError("the run has no test stars", path=folder, remedy="train with --test 0.2")
    leaks.check(test, split)
    rows = test["row"].to_numpy()
    table = predict_rows(model, store, rows, survey=in_system(test["survey"], system))
    truth = test.select(
        "row", "star_id", "survey", "synthetic", true_kind="kind",
        true_type="type", true_code="code", true_luminosity="luminosity",
    )  # fmt: skip
    # The store knows a spectrum's survey better than its file, whose word the table has.
    predictions = pl.concat([table.drop("survey"), truth], how="horizontal")
    with atomic_path(folder / "predictions.parquet") as path:
        predictions.write_parquet(path)
    return predictions


def in_system(survey: Sequence[str | None] | pl.Series, system: str) -> NDArray[np.bool_]:
    """Which spectra of these surveys are typed in the survey's system, shape (n,); others in MK."""
    if system == "mixed":
        return is_pipeline(survey)
    return np.full(len(survey), system == "survey")


def predict_rows(
    model: Model, store: Store, rows: NDArray[np.integer[Any]], *, survey: NDArray[np.bool_]
) -> pl.DataFrame:
    """Type rows of a store, those of `survey` in the survey's system, in order."""
    import polars as pl

    parts = []
    for start in range(0, len(rows), BATCH):
        part = slice(start, start + BATCH)
        for name, chosen in (("survey", survey[part]), ("mk", ~survey[part])):
            if chosen.any():
                spectra = store.spectra(rows[part][chosen])
                table = model.predict(spectra, system=name, preprocess=False)
                place = pl.Series("_i", start + np.flatnonzero(chosen))
                parts.append(table.with_columns(place))
    return pl.concat(parts).sort("_i").drop("_i")
