"""The training store: shards of spectra on disk, read by memory map.

A folder with ``flux-NNNN.npy`` and ``error-NNNN.npy`` (float16, shape (rows, n_pix); error 0
marks a bad pixel), ``meta.parquet`` (a row a spectrum, in shard order) and, written last,
``manifest.json`` (grid, preprocess chain, sources, counts).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spectype.core.errors import DataError, UsageError
from spectype.core.files import MANIFEST, atomic_path, read_manifest, write_manifest
from spectype.core.spectra import Spectra

if TYPE_CHECKING:
    import polars as pl

SHARD_ROWS = 4096
_SMALLEST, _LARGEST = 6.2e-5, 6.0e4  # the normal range of float16


class StoreWriter:
    """Writes spectra of one grid into a new store, a shard at a time.

    Parameters
    ----------
    folder : path-like
        New folder; one that holds a finished store is refused unless `overwrite`.
    wave : ndarray, shape (n_pix,), float64
        The grid [Angstrom, vacuum].
    overwrite : bool
        Replace a store that is there.
    """

    def __init__(
        self, folder: str | Path, *, wave: NDArray[np.float64], overwrite: bool = False
    ) -> None:
        self.folder = Path(folder)
        if (self.folder / MANIFEST).exists():
            if not overwrite:
                raise UsageError(
                    "holds an artefact already", path=folder, remedy="give --overwrite or another"
                )
            (self.folder / MANIFEST).unlink()
        self.folder.mkdir(parents=True, exist_ok=True)
        for stale in [*self.folder.glob("flux-*.npy"), *self.folder.glob("error-*.npy")]:
            stale.unlink()
        self.wave = wave
        self.rows = 0
        self._waiting: list[tuple[NDArray[np.float16], NDArray[np.float16]]] = []
        self._shards: list[int] = []

    def append(self, flux: NDArray[np.float16], error: NDArray[np.float16]) -> None:
        """Add spectra as `encode` gives them, each (n_spec, n_pix)."""
        if flux.shape != (len(flux), self.wave.size) or error.shape != flux.shape:
            raise ValueError(f"flux {flux.shape}, error {error.shape}: not on this grid")
        self._waiting.append((flux, error))
        self.rows += len(flux)
        while sum(len(f) for f, _ in self._waiting) >= SHARD_ROWS:
            self._flush(SHARD_ROWS)

    def _flush(self, n_rows: int) -> None:
        flux = np.concatenate([f for f, _ in self._waiting])
        error = np.concatenate([e for _, e in self._waiting])
        for name, array in (("flux", flux), ("error", error)):
            target = self.folder / f"{name}-{len(self._shards):04d}.npy"
            with atomic_path(target) as path, path.open("wb") as file:
                np.save(file, array[:n_rows])
        self._shards.append(min(n_rows, len(flux)))
        self._waiting = [(flux[n_rows:], error[n_rows:])]

    def close(self, rows: Sequence[Mapping[str, Any]], manifest: Mapping[str, Any]) -> Store:
        """Write what is left, a metadata row a spectrum, and the manifest; open the store."""
        import polars as pl

        if len(rows) != self.rows:
            raise ValueError(f"{len(rows)} rows of metadata for {self.rows} spectra")
        if sum(len(f) for f, _ in self._waiting):
            self._flush(SHARD_ROWS)
        with atomic_path(self.folder / "meta.parquet") as path:
            pl.DataFrame(list(rows), infer_schema_length=None).write_parquet(path)
        log = np.log10(self.wave)
        grid = {"start": float(log[0]), "step": float(log[1] - log[0]), "n_pix": self.wave.size}
        write_manifest(
            self.folder,
            "store",
            {"rows": self.rows, "shards": self._shards, "grid": grid, **manifest},
        )
        return Store(self.folder)


class Store:
    """A finished store, opened for reading.

    Parameters
    ----------
    folder : path-like
        The store's folder.

    Raises
    ------
    DataError
        If the folder is not a finished store or its shards disagree with the manifest.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.manifest = read_manifest(folder, "store")
        grid = self.manifest["grid"]
        self.wave: NDArray[np.float64] = 10.0 ** (
            grid["start"] + grid["step"] * np.arange(grid["n_pix"])
        )
        sizes = self.manifest["shards"]
        self._flux = [self._open("flux", i, n) for i, n in enumerate(sizes)]
        self._error = [self._open("error", i, n) for i, n in enumerate(sizes)]
        self._start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    def _open(self, name: str, shard: int, rows: int) -> NDArray[np.float16]:
        path = self.folder / f"{name}-{shard:04d}.npy"
        try:
            array: NDArray[np.float16] = np.load(path, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise DataError(
                f"cannot be opened: {error}", path=path, remedy="build again"
            ) from error
        if array.shape != (rows, self.wave.size):
            raise DataError(
                f"has shape {array.shape}, not {(rows, self.wave.size)}",
                path=path,
                remedy="build again",
            )
        return array

    def __len__(self) -> int:
        return int(self._start[-1])

    @cached_property
    def meta(self) -> pl.DataFrame:
        """The metadata, a row a spectrum, with the row number in ``row``."""
        import polars as pl

        return pl.read_parquet(self.folder / "meta.parquet").with_row_index("row")

    @property
    def synthetic(self) -> NDArray[np.bool_]:
        """Which rows are a generator's or a simulation's, shape (n,)."""
        meta = self.meta
        if "synthetic" not in meta.columns:
            return np.zeros(meta.height, dtype=bool)
        return meta["synthetic"].fill_null(False).to_numpy()

    def arrays(
        self, rows: Sequence[int] | NDArray[np.integer[Any]]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Flux and error of these rows, each (n, n_pix) float32; error 0 is bad."""
        return gather(
            rows,
            self._start,
            lambda shard, local: (self._flux[shard][local], self._error[shard][local]),
            n_pix=self.wave.size,
        )

    def spectra(self, rows: Sequence[int] | NDArray[np.integer[Any]]) -> Spectra:
        """These rows as a batch on the store's grid, with their metadata."""
        flux, error = self.arrays(rows)
        good = error > 0
        ivar = np.where(good, 1.0 / np.where(good, error, 1.0) ** 2, 0.0).astype(np.float32)
        meta = self.meta[[int(r) for r in rows]].to_dict(as_series=False)
        return Spectra(wave=self.wave, flux=flux, ivar=ivar, mask=~good, meta=meta)


def gather(
    rows: Sequence[int] | NDArray[np.integer[Any]],
    start: NDArray[np.int64],
    read: Callable[[int, NDArray[np.int64]], tuple[NDArray[Any], NDArray[Any]]],
    *,
    n_pix: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Flux and error of rows that lie in several parts, in the order asked for.

    Parameters
    ----------
    rows : sequence of int, shape (n,)
        Rows over all parts.
    start : ndarray, shape (n_parts + 1,)
        First row of each part, then the number of rows.
    read : callable
        ``read(part, local)`` gives flux and error of a part's own rows.
    n_pix : int
        Pixels of a spectrum.

    Returns
    -------
    flux, error : ndarray, shape (n, n_pix), float32
    """
    index = np.asarray(rows, dtype=np.int64)
    flux = np.empty((index.size, n_pix), np.float32)
    error = np.empty_like(flux)
    part = np.searchsorted(start, index, side="right") - 1
    for number in np.unique(part):
        here = np.flatnonzero(part == number)
        flux[here], error[here] = read(number, index[here] - start[number])
    return flux, error


def encode(spectra: Spectra) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """Flux and error of a batch as the float16 arrays of a shard, each (n_spec, n_pix)."""
    good = ~spectra.mask & (spectra.ivar > 0)
    error = 1.0 / np.sqrt(np.where(good, spectra.ivar, 1.0))
    error = np.where(good, np.clip(error, _SMALLEST, _LARGEST), 0.0)
    flux = np.where(good, np.clip(spectra.flux, -_LARGEST, _LARGEST), 0.0)
    return flux.astype(np.float16), error.astype(np.float16)
