"""Tables with a row a spectrum and a column a wavelength, as generators' samples are exchanged."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spectype.core.errors import ReadError
from spectype.core.spectra import Spectra

if TYPE_CHECKING:
    import polars as pl

_LEAST_COLUMNS = 100  # of wavelengths: fewer are a table of something else
_SUFFIXES = (".csv", ".parquet")
_HEAD = 1 << 20  # bytes in which the first line of a CSV ends


def wide_table(
    wave: NDArray[np.float64], flux: NDArray[np.float32], good: NDArray[np.bool_], **head: Any
) -> pl.DataFrame:
    """The columns `head`, then one a wavelength, null where a spectrum has no data.

    Parameters
    ----------
    wave : ndarray, shape (n_pix,)
        [Angstrom, vacuum]; names of the columns, to two decimals.
    flux, good : ndarray, shape (n, n_pix)
        Numbers, and where they count.
    """
    import polars as pl

    names = [f"{w:.2f}" for w in wave]
    values = pl.DataFrame(np.where(good, flux, np.nan), schema=names, orient="row")
    return pl.DataFrame(head).hstack(values).fill_nan(None)


def is_wide(path: str | Path) -> bool:
    """Whether a file is such a table: parquet or CSV whose later columns are all wavelengths."""
    if not os.fspath(path).endswith(_SUFFIXES):
        return False
    return len(_waves(_names(Path(path)))) >= _LEAST_COLUMNS


def _names(path: Path) -> list[str]:
    """Names of the columns; none where it is no table."""
    if path.suffix not in _SUFFIXES or not path.is_file():
        return []
    if path.suffix == ".csv":
        with path.open("rb") as handle:
            return handle.readline(_HEAD).decode("utf-8", "replace").strip().split(",")
    import polars as pl

    try:
        return list(pl.read_parquet_schema(path))
    except (pl.exceptions.PolarsError, OSError):
        return []


def _waves(names: list[str]) -> list[str]:
    """The last columns, as far as they rise as wavelengths do."""
    last, kept = np.inf, 0
    for name in reversed(names):
        try:
            wave = float(name)
        except ValueError:
            break
        if not 0 < wave < last:
            break
        last, kept = wave, kept + 1
    return names[len(names) - kept :]


def read_wide(path: str | Path) -> Spectra:
    """Read the spectra of a wide table.

    Returns
    -------
    Spectra
        At the wavelengths of the columns' names [Angstrom, vacuum], without errors. The other
        columns are metadata; ``subclass`` is made of a decimal ``code``, where there is one.

    Raises
    ------
    ReadError
        If it holds something else in a column of a wavelength, or no row.
    """
    import polars as pl

    from spectype.core import mk

    names = _names(Path(path))
    waves = _waves(names)
    try:
        table = (pl.read_csv if Path(path).suffix == ".csv" else pl.read_parquet)(path)
        flux = table.select(pl.col(waves).cast(pl.Float32)).to_numpy().astype(np.float32)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ReadError(f"cannot be read: {error}", path=path, remedy="write it again") from error
    if not len(flux):
        raise ReadError("holds no row", path=path, remedy="write it again")
    good = np.isfinite(flux)
    n = len(flux)
    meta = table.select(names[: len(names) - len(waves)]).to_dict(as_series=False)
    meta |= {"path": [str(path)] * n, "index": list(range(n)), "has_errors": [False] * n}
    if "code" in meta and "subclass" not in meta:
        codes = [np.nan if code is None else float(code) for code in meta["code"]]
        meta["subclass"] = [mk.format_code(c) if np.isfinite(c) else None for c in codes]
    return Spectra(
        wave=np.array([float(name) for name in waves]),
        flux=np.where(good, flux, 0).astype(np.float32),
        ivar=good.astype(np.float32),
        mask=~good,
        meta=meta,
    )
