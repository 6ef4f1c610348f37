"""What every generator asks of the spectra that it learns from."""

from __future__ import annotations

from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from spectype.core.errors import DataError
from spectype.dataset.store import Store

FEWEST = 8  #: training spectra without which no distribution can be learnt
FEWEST_AT_PIXEL = 2  #: training spectra that make a pixel of the samples good


def enough_arrays(
    store: Store, train: NDArray[np.int64], *, n_all: int, of: str, fewest: int = FEWEST
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Flux and error of the training spectra, as `Store.arrays` gives them.

    Parameters
    ----------
    store : Store
        Where they are.
    train : ndarray of int64
        Their rows.
    n_all : int
        Spectra of the types before any were kept out.
    of : str
        What they are, for messages: ``type O``, ``types OBA``.
    fewest : int
        Spectra needed.

    Raises
    ------
    DataError
        If they are too few, or one holds NaN or infinity; the first ones are named.
    """
    if len(train) < fewest:
        raise DataError(
            f"{len(train)} spectra of {of} are left for training of {n_all}; {fewest} are "
            "needed at least",
            path=store.folder,
            remedy="gather more, take more types (--types OB), or keep fewer stars out (--test)",
        )
    flux, error = store.arrays(train)
    broken = ~(np.isfinite(flux) & np.isfinite(error)).all(axis=1)
    if broken.any():
        names = ", ".join(f"row {r}" for r in train[broken][:5])
        raise DataError(
            f"{broken.sum()} training spectra hold NaN or infinity ({names})",
            path=store.folder,
            remedy="build the store again; `build` masks such pixels",
        )
    return flux, error


def fingerprint(values: NDArray[np.float32], good: NDArray[np.generic]) -> str:
    """A checksum of the training data: a checkpoint resumes on the same data only."""
    return f"{crc32(good.tobytes(), crc32(values.tobytes())):08x}"
