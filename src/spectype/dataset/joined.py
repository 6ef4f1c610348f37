"""A store of real spectra and synthetic ones behind it, read as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spectype.core.errors import DataError
from spectype.dataset.store import Store, gather

if TYPE_CHECKING:
    import polars as pl


class Joined:
    """Real spectra first, with their row numbers; synthetic ones follow.

    Synthetic rows are marked: survey ``synthetic``, ``synthetic`` true, split ``train``. What
    is split, calibrated and judged is the real store alone.

    Parameters
    ----------
    real : Store
        Real spectra.
    synthetic : sequence of Store
        Stores on the same grid whose spectra serve training only.

    Raises
    ------
    DataError
        If a synthetic store is on another grid.
    """

    def __init__(self, real: Store, synthetic: Sequence[Store]) -> None:
        self.real = real
        self.stores = [real, *synthetic]
        self.wave, self.folder, self.manifest = real.wave, real.folder, real.manifest
        for store in synthetic:
            if store.wave.shape != real.wave.shape or not np.allclose(store.wave, real.wave):
                raise DataError(
                    f"is on another wavelength grid than {real.folder}",
                    path=store.folder,
                    remedy="sample or build both on the same grid",
                )
        self._start = np.concatenate([[0], np.cumsum([len(s) for s in self.stores])])

    def __len__(self) -> int:
        return int(self._start[-1])

    @property
    def meta(self) -> pl.DataFrame:
        """Metadata of all rows, the real ones first."""
        import polars as pl

        tables = [self.real.meta.drop("row").with_columns(synthetic=pl.lit(False))]
        for number, store in enumerate(self.stores[1:]):
            tables.append(
                store.meta.drop("row").with_columns(
                    survey=pl.lit("synthetic"),
                    synthetic=pl.lit(True),
                    split=pl.lit("train"),
                    star_id=pl.format("synthetic-{}-{}", pl.lit(number), pl.int_range(pl.len())),
                )
            )
        return pl.concat(tables, how="diagonal_relaxed").with_row_index("row")

    @property
    def synthetic(self) -> NDArray[np.bool_]:
        """Which rows are synthetic, shape (n,)."""
        return np.arange(len(self)) >= len(self.real)

    def arrays(
        self, rows: Sequence[int] | NDArray[np.integer[Any]]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Flux and error of these rows, each (n, n_pix) float32; error 0 is bad."""
        return gather(
            rows,
            self._start,
            lambda number, local: self.stores[number].arrays(local),
            n_pix=self.wave.size,
        )
