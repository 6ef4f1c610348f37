"""Files to rows: read one by one, typed in batches across them.

Most of a survey's files lie on the model's own pixels, so they go into one array; the others are
resampled first. A file that cannot be read is a row with an error among the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from spectype.classify import columns
from spectype.classify.columns import digits, schema
from spectype.classify.quality import coverage_faults
from spectype.classify.runtime import DEFAULT, Model, System
from spectype.classify.velocity import velocity_schema, with_velocity
from spectype.core.errors import SpectypeError
from spectype.core.grid import Medium, aligned, place_together
from spectype.core.indices import measure
from spectype.core.lines import INDICES
from spectype.core.names import as_text
from spectype.core.spectra import Spectra, concatenate
from spectype.dataset.preprocess import BadPixels, run_chain

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
        Whose types: the MK system, or the survey's pipeline.
    frame : str, optional
        Frame of the wavelengths of files that do not say.
    columns : str, optional
        Columns of tables without conventional names, like ``wave=LAM,flux=F,error=DF``, or their
        numbers from 0: ``wave=0,flux=1``.
    unit : str, optional
        Unit of the wavelengths: Angstrom, nm, micron, m, log10 or ln (of Angstrom).
    workers : int, optional
        Processes; 0 takes all cores for many files and one for few. By default the command line
        takes all, a call from Python one.
    shard : str
        ``i/n`` types every n-th file, beginning with the i-th (1 to n).
    velocity : bool
        Add the radial velocity and its error, ``rv`` and ``rv_error`` [km/s], as columns after
        the others.
    indices : bool
        Add line indices and equivalent widths with their errors, as columns after the others.
    """

    model: str = DEFAULT
    system: System = "mk"
    frame: Medium | None = None
    columns: str | None = None
    unit: str | None = None
    workers: int | None = None
    shard: str = "1/1"
    velocity: bool = False
    indices: bool = False


@dataclass(frozen=True, slots=True)
class File:
    """A file to type.

    Parameters
    ----------
    path : str
        Where it lies; for a member of an archive, its name in the output.
    data : bytes, optional
        Its content, where that is not to be read from the disk.
    problem : str, optional
        Why it cannot be typed, where that is known already.
    """

    path: str
    data: bytes | None = None
    problem: str | None = None


@dataclass
class _Group:
    """Spectra of several files, and what to say of each beside its type."""

    spectra: list[Spectra] = field(default_factory=list)
    places: list[int] = field(default_factory=list)  #: of their rows in the output
    names: list[str] = field(default_factory=list)
    extra: list[pl.DataFrame] = field(default_factory=list)


@dataclass
class _Batch:
    """What has come of some files: spectra and rows of errors, each with its place."""

    #: On the model's pixels as read: placed and sent through the chain together.
    raw: _Group = field(default_factory=_Group)
    offsets: list[int] = field(default_factory=list)  #: of `raw`: the pixel where each begins
    #: Through the chain, and why some of them cannot be typed.
    done: _Group = field(default_factory=_Group)
    faults: list[str | None] = field(default_factory=list)
    errors: list[pl.DataFrame] = field(default_factory=list)
    error_places: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.raw.places) + len(self.done.places) + len(self.errors)


def classify_files(files: Sequence[File], model: Model, config: ClassifyConfig) -> pl.DataFrame:
    """One row a spectrum of these files, in their order.

    Parameters
    ----------
    files : sequence of File
        Some hundred at most: their spectra are in memory together.
    model : Model
        What types them.
    config : ClassifyConfig
        How.

    Returns
    -------
    polars.DataFrame
        Columns of `output_schema`; a file that cannot be read gives one row with an error.
    """
    batch = _Batch()
    for file in files:
        if file.problem:
            _add_error(batch, file.path, file.problem, config)
            continue
        try:
            _add(batch, file.path, _read(file, config), model, config)
        except SpectypeError as error:
            problem = error.problem + (f" ({error.remedy})" if error.remedy else "")
            _add_error(batch, file.path, problem, config)
        except Exception as error:  # one bad file among a million must not stop the others
            log.debug("unexpected error in %s", file.path, exc_info=True)
            _add_error(batch, file.path, f"unexpected {type(error).__name__}: {error}", config)
    return _typed(batch, model, config)


def _read(file: File, config: ClassifyConfig) -> Spectra:
    from spectype.classify.given import read
    from spectype.surveys import read_bytes

    said: dict[str, Any] = {"frame": config.frame, "columns": config.columns, "unit": config.unit}
    if file.data is None:
        return read(file.path, **said)
    return read_bytes(file.data, file.path, **said)


def _add(batch: _Batch, path: str, spectra: Spectra, model: Model, config: ClassifyConfig) -> None:
    """Put the spectra of a file into the batch, or nothing of it if that fails."""
    extra = [measure_indices(spectra)] if config.indices else []
    name, n, first = as_text(path), len(spectra), len(batch)
    offset = _grid_offset(spectra, model)
    if offset is None:
        group, kept = batch.done, run_chain(spectra, model.chain)
        batch.faults += coverage_faults([spectra], kept, model.wave)
    else:
        group, kept = batch.raw, spectra
        batch.offsets.append(offset)
    group.spectra.append(kept)
    group.places += range(first, first + n)
    group.names += [name] if n == 1 else [f"{name}[{i}]" for i in range(n)]
    group.extra += extra


def _add_error(batch: _Batch, path: str, problem: str, config: ClassifyConfig) -> None:
    batch.error_places.append(len(batch))
    batch.errors.append(error_row(path, problem, config))


def _grid_offset(spectra: Spectra, model: Model) -> int | None:
    """Pixel of the model's grid on which spectra begin that need no more than to be moved there.

    None for all others. Those of many files are moved, and go through the chain, at once.
    """
    grid = model.grid_first
    return None if grid is None else aligned(spectra.wave, start=grid.start, step=grid.step)


def _typed(batch: _Batch, model: Model, config: ClassifyConfig) -> pl.DataFrame:
    """Type a batch; the rows in the order of the files."""
    import polars as pl

    raw, done = batch.raw, batch.done
    tables = list(batch.errors)
    if raw.spectra or done.spectra:
        ready, faults = _ready(batch, model)
        rows = model.rows(ready, system=config.system)
        rows["path"] = raw.names + done.names
        rows["error"] = [own or said for own, said in zip(faults, rows["error"])]
        table = columns.table(rows)
        if config.velocity:
            table = with_velocity(table, ready)
        if config.indices:
            table = table.hstack(pl.concat(raw.extra + done.extra))
        tables.insert(0, table)
    if not tables:
        return pl.DataFrame(schema=output_schema(config))
    found = pl.concat(tables) if len(tables) > 1 else tables[0]
    places = raw.places + done.places + batch.error_places
    return found if places == sorted(places) else found[np.argsort(places)]


def _ready(batch: _Batch, model: Model) -> tuple[Spectra, list[str | None]]:
    """All spectra of a batch on the model's grid, and why some of them cannot be typed."""
    raw, done = batch.raw.spectra, batch.done.spectra
    if not raw:
        return concatenate(done), batch.faults
    placed = place_together(raw, offsets=batch.offsets, wave=model.wave)
    faults = coverage_faults(raw, placed, model.wave)
    return concatenate([run_chain(placed, model.chain), *done]), faults + batch.faults


def prepare(spectra: Sequence[Spectra], model: Model) -> Spectra:
    """Spectra of several files as the model is given them, for those who want no rows.

    Those on the model's pixels come first.
    """
    batch = _Batch()
    for one in spectra:
        _add(batch, "", one, model, ClassifyConfig())
    return _ready(batch, model)[0]


def measure_indices(spectra: Spectra) -> pl.DataFrame:
    """Line indices of a batch as read: columns ``NAME``, ``NAME_error`` of `core.lines.INDICES`.

    Measured on the file's own pixels, without its bad pixels and cosmic rays, at the rest
    frame of its own redshift where it gives one. Null where a band lacks good pixels, an
    error alone where the file has none.
    """
    import polars as pl

    z = np.array([_NO_REDSHIFT if v is None else float(v) for v in spectra.get("redshift")])
    found = measure(BadPixels()(spectra), redshift=np.where(z > -0.5, z, np.nan))
    measured = {name: digits(values) for name, values in found.items()}
    return pl.DataFrame(measured, schema=index_schema()).fill_nan(None)


def index_schema() -> dict[str, Any]:
    """Polars types of the columns that ``indices`` adds."""
    import polars as pl

    return {name: pl.Float64 for index in INDICES for name in (index, f"{index}_error")}


def output_schema(config: ClassifyConfig) -> dict[str, Any]:
    """Polars types of the output's columns, in order."""
    velocity = velocity_schema() if config.velocity else {}
    return schema() | velocity | (index_schema() if config.indices else {})


def error_row(path: str, problem: str, config: ClassifyConfig) -> pl.DataFrame:
    """A row that carries nothing but the path and what is wrong."""
    import polars as pl

    types = output_schema(config)
    values: dict[str, list[Any]] = {name: [None] for name in types}
    values |= {"path": [as_text(path)], "error": [as_text(problem)]}
    values |= {"flags": [0], "flag_names": [""]}
    return pl.DataFrame(values, schema=types)
