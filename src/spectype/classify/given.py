"""What a caller or a command may name for spectra, and how it becomes batches.

A file, one spectrum of a file (``FILE[3]``), a training store or samples of a generator
(``STORE``, ``STORE[3]``), a wide table of them, a batch, what specutils holds, a list of these.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from spectype import surveys
from spectype.core.errors import ArgumentError, DataError, UsageError
from spectype.core.files import MANIFEST, read_json
from spectype.core.spectra import Spectra
from spectype.dataset.store import Store
from spectype.dataset.wide import is_wide, read_wide
from spectype.reading.names import ColumnChoice
from spectype.surveys.specutils_io import from_specutils, is_specutils

_ROW = re.compile(r"^(.+)\[(\d+)\]$")
#: What `batches` takes; specutils' own kinds, too, which need not be installed.
Given: TypeAlias = Any


def read(
    path: str | os.PathLike[str],
    *,
    frame: str | None = None,
    columns: ColumnChoice | None = None,
    unit: str | None = None,
) -> Spectra:
    """Read the spectra of a file, of a store, or one of them: ``FILE[3]``, ``STORE[3]``.

    Parameters
    ----------
    path : path-like
        A FITS file (LAMOST, SDSS, DESI, libraries, tables, images), a text table, a VOTable,
        plain or compressed; a store that ``build``, ``simulate`` or ``gan sample`` made, or a
        table of samples. In brackets the row, from 0.
    frame : {"air", "vacuum"}, optional
        Frame of the wavelengths of a file that does not say, and is of no survey that is known;
        one that contradicts is noted and not followed. By default vacuum on the SDSS pixel
        grid, else air.
    columns : mapping, sequence or str, optional
        Names or numbers (from 0) of the columns, for tables without conventional names:
        ``{"wave": "LAM", "flux": "F", "error": "DF"}``, ``["LAM", "F"]`` or ``"wave=LAM,flux=F"``.
        Roles: wave, flux, error, ivar, variance, mask, good.
    unit : str, optional
        Unit of the wavelengths: Angstrom, nm, micron, m, log10 or ln (of Angstrom), or one of
        frequency, wavenumber or energy. By default what the file says, else judged by the
        size of the numbers.

    Returns
    -------
    Spectra
        Wavelengths in vacuum Angstrom, increasing. Spectra without a single good pixel are
        returned too, wholly masked. ``meta["notes"]`` says what was assumed, decided or left
        out.

    Raises
    ------
    ReadError
        If the file cannot be read as spectra; it names the file, what is wrong, what to do.
    UsageError
        If `frame` is neither air nor vacuum.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "star.csv"
    >>> rows = [f"{3800 + 2 * i},{1 + 0.01 * (i % 7)},0.02" for i in range(2000)]
    >>> _ = path.write_text("wave,flux,error\\n" + "\\n".join(rows))
    >>> read(path, frame="vacuum")
    Spectra(1 spectrum, 2000 pixels, 3800-7798 A)
    """
    name = os.fspath(path)
    whole, row = split_row(name)
    if is_store(whole):
        return _of_store(whole, row)
    if is_wide(whole):
        found = read_wide(whole)
    else:
        found = surveys.read(whole, frame=frame, columns=columns, unit=unit)
    if row is None:
        return found
    if row >= len(found):
        raise _no_row(row, len(found), whole)
    return found[row]


def split_row(name: str) -> tuple[str, int | None]:
    """A name without its row in brackets, and the row; a file of that very name comes first."""
    match = _ROW.match(name)
    if match is None or Path(name).exists():
        return name, None
    return match[1], int(match[2])


def is_store(path: str | os.PathLike[str]) -> bool:
    """Whether a folder is a finished store of spectra."""
    if not os.path.isdir(path):  # noqa: PTH112 (asked of every file: a Path costs ten times that)
        return False
    manifest = Path(path) / MANIFEST
    try:
        content = read_json(manifest) if manifest.is_file() else None
    except (DataError, OSError):
        return False
    return isinstance(content, dict) and content.get("kind") == "store"


def n_spectra(path: str) -> int | None:
    """How many spectra a store holds, without reading them; None for anything else."""
    return len(_opened(path)) if is_store(path) else None


def _opened(folder: str) -> Store:
    return _store(folder, (Path(folder) / MANIFEST).stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _store(folder: str, _: int) -> Store:
    """A store, opened once for all the rows that are asked for, until it is built again."""
    return Store(folder)


def _of_store(folder: str, row: int | None) -> Spectra:
    store = _opened(folder)
    if row is not None and row >= len(store):
        raise _no_row(row, len(store), folder)
    rows = range(len(store)) if row is None else [row]
    found = store.spectra(list(rows))
    return replace(found, meta={**found.meta, "path": [f"{folder}[{i}]" for i in rows]})


def _no_row(row: int, n: int, path: str) -> UsageError:
    return UsageError(f"has no spectrum {row}; the last is {n - 1}", path=path)


def batches(given: Given) -> list[Spectra]:
    """The batches behind what a caller gives to be typed, in order.

    Parameters
    ----------
    given : Spectra, path-like, specutils object, or iterable of these
        Paths as `read` takes them.

    Raises
    ------
    ArgumentError
        If something else is given.
    """
    if isinstance(given, Spectra):
        return [given]
    if isinstance(given, (str, os.PathLike)):
        return [read(given)]
    if is_specutils(given):
        return [from_specutils(given)]
    if isinstance(given, Iterable) and not hasattr(given, "dtype"):
        return [batch for one in given for batch in batches(one)]
    kind = type(given).__name__
    raise ArgumentError(
        f"is a {kind}",
        path="spectra",
        remedy="give what from_arrays(wave, flux) makes, a path, a specutils object, or a list",
    )
