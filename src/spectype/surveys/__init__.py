"""Readers: files of any survey or library to `Spectra`, told apart by their structure.

`read` is the one entry; `SURVEYS` lists what it knows, with whom to cite.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from spectype.core.errors import ReadError, SpectypeError, UsageError
from spectype.core.spectra import Spectra
from spectype.formats.source import Source, from_bytes, load
from spectype.reading import generic
from spectype.reading.names import ColumnChoice
from spectype.surveys import desi, jacoby, lamost, lamost_mrs, sdss, sdss_v
from spectype.surveys.libraries import LIBRARIES, Library

__all__ = ["SURVEYS", "Survey", "read", "read_bytes"]

_FRAMES = ("air", "vacuum")


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """A survey or library that `read` knows.

    Parameters
    ----------
    name : str
        Short name, found in the metadata column ``survey``.
    title, citation : str
        What it is and whom to cite.
    recognise : callable
        Whether a `Source` is of it, by structure.
    read : callable
        ``read(source, frame)``: its `Spectra`; `frame` is the user's word or None.
    """

    name: str
    title: str
    citation: str
    recognise: Callable[[Source], bool]
    read: Callable[[Source, str | None], Spectra]


def _of_library(library: Library) -> Survey:
    def read_library(source: Source, frame: str | None) -> Spectra:
        return generic.read(
            source,
            frame=frame,
            columns=library.columns,
            survey=library.name,
            adjust=library.adjust,
        )

    return Survey(
        name=library.name,
        title=library.title,
        citation=library.citation,
        recognise=library.recognise,
        read=read_library,
    )


def _of_module(name: str, title: str, module: Any) -> Survey:
    """The entry of a module with ``CITATION``, ``recognise`` and ``read(source, frame=)``."""
    return Survey(
        name=name,
        title=title,
        citation=module.CITATION,
        recognise=module.recognise,
        read=lambda source, frame: module.read(source, frame=frame),
    )


#: What `read` knows, in the order in which it asks.
SURVEYS: tuple[Survey, ...] = (
    _of_module("lamost", "LAMOST low-resolution survey", lamost),
    _of_module("lamost_mrs", "LAMOST medium-resolution survey", lamost_mrs),
    _of_module("desi", "DESI coadds and spectra", desi),
    _of_module("sdss_v", "SDSS-V Milky Way Mapper (mwmVisit, mwmStar)", sdss_v),
    _of_module("sdss", "SDSS and BOSS spectra and stellar templates", sdss),
    _of_module("jacoby", "Jacoby, Hunter & Christian atlas", jacoby),
    *(_of_library(library) for library in LIBRARIES),
)


def read(
    path: str | os.PathLike[str],
    *,
    frame: str | None = None,
    columns: ColumnChoice | None = None,
    unit: str | None = None,
) -> Spectra:
    """Read the spectra of a file.

    Parameters
    ----------
    path : path-like
        A FITS file (LAMOST, SDSS, Jacoby, tables, images) or a text table, plain or gzipped.
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
    >>> spectra = read("spec-55859-F5902_sp01-001.fits.gz")  # doctest: +SKIP
    """
    return _dispatch(load(path), frame, columns, unit)


def read_bytes(
    data: bytes,
    name: str,
    *,
    frame: str | None = None,
    columns: ColumnChoice | None = None,
    unit: str | None = None,
) -> Spectra:
    """Read the spectra of a file whose content is in memory, like a member of an archive.

    Parameters
    ----------
    data : bytes
        The content, gzipped or not.
    name : str
        What the file is called.
    frame, columns, unit
        As for `read`.
    """
    return _dispatch(from_bytes(data, name), frame, columns, unit)


def _read_unknown(
    source: Source, frame: str | None, columns: ColumnChoice | None, unit: str | None
) -> Spectra:
    """By names and numbers; what that cannot read is offered to specutils, if it is there."""
    try:
        return generic.read(source, frame=frame, columns=columns, unit=unit)
    except ReadError:
        if columns is not None or unit is not None:
            raise
        from spectype.surveys import specutils_io

        spectra = specutils_io.read(source, frame=frame)
        if spectra is None:
            raise
        return spectra


def _dispatch(
    source: Source, frame: str | None, columns: ColumnChoice | None, unit: str | None
) -> Spectra:
    if frame is not None and frame not in _FRAMES:
        raise UsageError(f"frame {frame!r} is not known", remedy="air or vacuum")
    try:
        with np.errstate(all="ignore"):  # what is infinite or overflows is masked, without a word
            if columns is None and unit is None:
                for survey in SURVEYS:
                    if survey.recognise(source):
                        return survey.read(source, frame)
            return _read_unknown(source, frame, columns, unit)
    except SpectypeError:
        raise
    except Exception as error:  # a file can lie in more ways than were foreseen, here or in astropy
        words = " ".join(str(error).split())[:200]
        raise source.fail(
            f"cannot be understood: {type(error).__name__}: {words}",
            remedy="the file is damaged, or of a kind not known",
        ) from error
