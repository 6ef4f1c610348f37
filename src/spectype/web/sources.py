"""What is opened: results, a mined list, a run or a store, as a table and its spectra."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from spectype.core.errors import DataError, UsageError
from spectype.core.files import MANIFEST, read_json
from spectype.core.spectra import Spectra
from spectype.dataset.joined import Joined
from spectype.dataset.store import Store
from spectype.judge.predictions import open_store
from spectype.web.shelf import Shelf
from spectype.web.table import GROUP, Table, converted

if TYPE_CHECKING:
    import polars as pl

STORE_ROW = "store_row"  #: the row of a spectrum in its store; `row` is its place in the table


class Spectrums(Protocol):
    """Whatever holds the spectra behind the rows of a table."""

    def spectrum(self, row: Mapping[str, Any]) -> Spectra:
        """The spectrum of a row, a batch of one."""
        ...


@dataclass(frozen=True)
class Source:
    """A table and the spectra behind its rows.

    Parameters
    ----------
    table : Table
    spectra : Spectrums
    queue : bool
        Whether the rows are to be judged one after another: a mined list.
    epochs : sequence of mapping
        Of a run: the lines of its log, an epoch each.
    synthetic : bool
        Whether there are synthetic spectra among them.
    """

    table: Table
    spectra: Spectrums
    queue: bool = False
    epochs: Sequence[Mapping[str, Any]] = field(default=())
    synthetic: bool = False


class Cabinet:
    """Spectra of stores by the column `STORE_ROW`, as a network sees them."""

    def __init__(self, stores: Sequence[Store]) -> None:
        self._stores = stores

    def spectrum(self, row: Mapping[str, Any]) -> Spectra:
        """The spectrum of a row, a batch of one."""
        number = int(row[STORE_ROW])
        for store in self._stores:
            if number < len(store):
                return store.spectra(np.array([number]))
            number -= len(store)
        raise DataError(f"holds no row {row[STORE_ROW]}", path=self._stores[0].folder)


def open_source(
    path: Path,
    *,
    store: Path | None = None,
    synthetic: Path | None = None,
    said: Mapping[str, str | None] | None = None,
) -> Source:
    """Open what a path is, by its manifest where it has one.

    Parameters
    ----------
    path : Path
        Results of ``classify``, the folder of ``mine``, a run that was evaluated, or a store.
    store : Path, optional
        With a run: its store, if it has moved.
    synthetic : Path, optional
        With a store: synthetic spectra to look at beside its own.
    said : mapping, optional
        What the user says of the files: frame, columns, unit.
    """
    manifest = read_json(path / MANIFEST) if (path / MANIFEST).is_file() else {}
    kind = manifest.get("kind") if isinstance(manifest, dict) else None
    if synthetic is not None and kind != "store":
        raise UsageError("--synthetic goes with a store", path=path)
    if store is not None and kind != "run":
        raise UsageError("--store goes with a run", path=path)
    if kind == "store":
        return _store(path, synthetic)
    if kind == "run":
        return _run(path, store)
    if kind == "candidates":
        file = path / "candidates.csv"
        return Source(Table(file), Shelf(file, **(said or {})), queue=True)
    return Source(Table(path), Shelf(path, **(said or {})))


def _store(path: Path, synthetic: Path | None) -> Source:
    stores = [Store(path)] + ([] if synthetic is None else [Store(synthetic)])
    joined = Joined(stores[0], stores[1:])

    def write(target: Path) -> None:
        # A store's own word is what is looked at; nothing was typed.
        table = joined.meta.rename({"row": STORE_ROW, "code": "subclass_code"})
        _named(table).write_parquet(target, row_group_size=GROUP)

    files = [store.folder / "meta.parquet" for store in stores]
    table, made = Table(path, [converted(files, write)]), any(s.synthetic.any() for s in stores)
    return Source(table, Cabinet(stores), synthetic=made or synthetic is not None)


def _run(path: Path, place: Path | None) -> Source:
    file = path / "predictions.parquet"
    if not file.is_file():
        raise UsageError(
            "was not evaluated yet", path=path, remedy=f"run spectype evaluate {path} first"
        )
    store = open_store(path, place)

    def write(target: Path) -> None:
        import polars as pl

        table = pl.read_parquet(file).rename({"row": STORE_ROW})
        truth = store.meta.select(pl.col("row").alias(STORE_ROW), "index", label="subclass")
        table = table.drop("label", "index", strict=False)
        table = table.join(truth, on=STORE_ROW, how="left", maintain_order="left")
        _named(table).write_parquet(target, row_group_size=GROUP)

    log = path / "log.jsonl"
    lines = log.read_text().splitlines() if log.is_file() else []
    made = converted([file, store.folder / "meta.parquet"], write)
    return Source(Table(path, [made]), Cabinet([store]), epochs=[json.loads(x) for x in lines])


def _named(table: pl.DataFrame) -> pl.DataFrame:
    """With a name for each spectrum, as `classify` gives one, that no other row has."""
    import polars as pl

    path = pl.when(pl.col("path").fill_null("") == "").then("star_id").otherwise("path")
    alone = path.is_unique()
    name = pl.when(alone).then(path).otherwise(pl.format("{}[{}]", path, pl.col("index")))
    table = table.with_columns(path=name)
    twice = ~pl.col("path").is_unique()
    return table.with_columns(
        path=pl.when(twice)
        .then(pl.format("{}#{}", pl.col("path"), pl.col(STORE_ROW)))
        .otherwise("path")
    )
