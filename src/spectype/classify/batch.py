"""Files to rows: one a spectrum, or one that says why there is none."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spectype.classify.runtime import DEFAULT, Model, digits, schema
from spectype.core.errors import SpectypeError
from spectype.core.indices import measure
from spectype.core.lines import INDICES
from spectype.core.names import as_text
from spectype.core.spectra import FloatArray, Spectra
from spectype.dataset.preprocess import BadPixels

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger("spectype")
_NO_REDSHIFT = -9999.0  # as the survey writes it


@dataclass(frozen=True)
class ClassifyConfig:
    """How files are typed.

    Parameters
    ----------
    model : str
        A shipped model, or the folder of a model or run.
    system : str
        ``mk`` or ``survey``.
    frame : str, optional
        ``air`` or ``vacuum`` for files that do not say which their wavelengths are.
    columns : str, optional
        Columns of tables without conventional names, like ``wave=LAM,flux=F,error=DF``, or their
        numbers from 0: ``wave=0,flux=1``.
    unit : str, optional
        Unit of the wavelengths: Angstrom, nm, micron, m, log10 or ln (of Angstrom).
    workers : int
        Processes; 0 takes all cores for many files and one for few.
    shard : str
        ``i/n`` types every n-th file, beginning with the i-th (1 to n).
    indices : bool
        Add line indices and equivalent widths with their errors, as columns after the others.
    """

    model: str = DEFAULT
    system: str = "mk"
    frame: str | None = None
    columns: str | None = None
    unit: str | None = None
    workers: int = 0
    shard: str = "1/1"
    indices: bool = False


def classify_file(
    path: str, model: Model, config: ClassifyConfig, data: bytes | None = None
) -> pl.DataFrame:
    """One row a spectrum of a file; a file that cannot be read gives one row with an error."""
    import polars as pl

    from spectype.surveys import read, read_bytes

    said: dict[str, Any] = {"frame": config.frame, "columns": config.columns, "unit": config.unit}
    try:
        spectra = read(path, **said) if data is None else read_bytes(data, path, **said)
        table = model.predict(spectra, system=config.system)
        faults = untyped(spectra, table["type"].is_null().to_numpy(), model.wave)
        if config.indices:
            table = table.hstack(measure_indices(spectra))
    except SpectypeError as error:
        problem = error.problem + (f" ({error.remedy})" if error.remedy else "")
        return error_row(path, problem, config)
    except Exception as error:  # one bad file among a million must not stop the others
        log.debug("unexpected error in %s", path, exc_info=True)
        return error_row(path, f"unexpected {type(error).__name__}: {error}", config)
    name = as_text(path)
    names = [name] if len(table) == 1 else [f"{name}[{i}]" for i in range(len(table))]
    return table.with_columns(
        path=pl.Series(names, dtype=pl.String), error=pl.Series(faults, dtype=pl.String)
    )


def untyped(spectra: Spectra, without: NDArray[np.bool_], grid: FloatArray) -> list[str | None]:
    """Why spectra have no type: no good pixel, or too little of the model's `grid` [Angstrom].

    Parameters
    ----------
    spectra : Spectra
        As read.
    without : ndarray, shape (n_spec,), bool
        Which have no type.
    grid : ndarray, shape (n_pix,)
        What the model sees.
    """
    faults: list[str | None] = [None] * len(spectra)
    low, high = np.round(grid[[0, -1]], -2)
    for i in np.flatnonzero(without | spectra.mask.all(axis=1)):
        wave = spectra.wave if spectra.wave.ndim == 1 else spectra.wave[i]
        good = wave[~spectra.mask[i]]
        if not good.size:
            faults[i] = "has no good pixel"
            continue
        apart = good[-1] < grid[0] or good[0] > grid[-1]
        faults[i] = (
            f"{'no' if apart else 'too little'} overlap with {low:.0f}-{high:.0f} A: "
            f"its good pixels span {good[0]:.0f}-{good[-1]:.0f} A"
        )
    return faults


def measure_indices(spectra: Spectra) -> pl.DataFrame:
    """Line indices of a batch as read: columns ``NAME``, ``NAME_error`` of `core.lines.INDICES`.

    Measured on the file's own pixels, without its bad pixels and cosmic rays, at the rest
    frame of its own redshift where it gives one. Null where a band lacks good pixels, an
    error alone where the file has none.
    """
    import polars as pl

    z = np.array([_NO_REDSHIFT if v is None else float(v) for v in spectra.get("redshift")])
    found = measure(BadPixels()(spectra), redshift=np.where(z > -0.5, z, np.nan))
    columns = {name: digits(values) for name, values in found.items()}
    return pl.DataFrame(columns, schema=index_schema()).fill_nan(None)


def index_schema() -> dict[str, Any]:
    """Polars types of the columns that ``indices`` adds."""
    import polars as pl

    return {name: pl.Float64 for index in INDICES for name in (index, f"{index}_error")}


def output_schema(config: ClassifyConfig) -> dict[str, Any]:
    """Polars types of the output's columns, in order."""
    return schema() | (index_schema() if config.indices else {})


def error_row(path: str, problem: str, config: ClassifyConfig) -> pl.DataFrame:
    """A row that carries nothing but the path and what is wrong."""
    import polars as pl

    columns = output_schema(config)
    values: dict[str, list[Any]] = {name: [None] for name in columns}
    values |= {"path": [as_text(path)], "error": [as_text(problem)]}
    values |= {"flags": [0], "flag_names": [""]}
    return pl.DataFrame(values, schema=columns)
