"""A batch as a FITS file: a table with a row a spectrum, which `spectype.read` and TOPCAT read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import spectype
from spectype.core.errors import ArgumentError, UsageError
from spectype.core.files import atomic_path, check_writable
from spectype.core.identifiers import identifier
from spectype.core.spectra import Spectra, number

SUFFIXES = (".fits", ".fit", ".fits.gz")
#: Columns of metadata: our name, FITS's, UCD, unit of numbers (None: text).
_META = (
    ("object", "OBJECT", "meta.id;src", None),
    ("obsid", "OBSID", "meta.id;obs", None),
    ("survey", "SURVEY", "meta.dataset", None),
    ("subclass", "SUBCLASS", "src.spType", None),
    ("ra", "RA", "pos.eq.ra;meta.main", "deg"),
    ("dec", "DEC", "pos.eq.dec;meta.main", "deg"),
    ("redshift", "Z", "src.redshift", ""),
    ("snr", "SNR", "stat.snr", ""),
)  # fmt: skip
_ARRAYS = {"WAVELENGTH": "em.wl", "FLUX": "phot.flux.density;em.wl", "IVAR": "stat.weight"}


def is_fits_name(path: str | Path) -> bool:
    """Whether a name is one of a FITS file."""
    return Path(path).name.lower().endswith(SUFFIXES)


def write_spectra(spectra: Spectra, path: str | Path) -> Path:
    """Write a batch to a FITS file.

    Parameters
    ----------
    spectra : Spectra
        Any batch.
    path : path-like
        Its name ends in .fits, .fit or .fits.gz; an earlier file is replaced.

    Returns
    -------
    Path
        The file: a binary table with the vectors WAVELENGTH [Angstrom, vacuum], FLUX and IVAR
        (0: a bad pixel; absent where a batch has no errors), and what is known of each spectrum.

    Raises
    ------
    UsageError
        If it cannot be written, or its name ends otherwise.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from spectype import from_arrays, read
    >>> star = from_arrays(range(3800, 8800, 2), [1.0, 1.1] * 1250, frame="vacuum")
    >>> path = star.write(pathlib.Path(tempfile.mkdtemp()) / "star.fits")
    >>> read(path)
    Spectra(1 spectrum, 2500 pixels, 3800-8798 A)
    """
    from astropy.io import fits

    if not is_fits_name(path):
        raise UsageError("is no name of a FITS file", path=path, remedy="end it in .fits")
    if not len(spectra):
        raise ArgumentError("holds no spectrum to write", path="spectra")
    target = check_writable(path)
    columns = [*_vectors(spectra), *_about(spectra)]
    hdu = fits.BinTableHDU.from_columns([column for column, _ in columns], name="SPECTRA")
    for place, (_, ucd) in enumerate(columns, 1):
        hdu.header.set(f"TUCD{place}", ucd, after=f"TFORM{place}")
    hdu.header["CREATOR"] = f"spectype {spectype.__version__}"
    hdu.header["VACUUM"] = (True, "WAVELENGTH is in vacuum")
    with atomic_path(target) as temporary:
        hdu.writeto(temporary, overwrite=True)
    return target


def _vectors(spectra: Spectra) -> list[tuple[Any, str]]:
    from astropy.io import fits

    width = spectra.n_pix
    good = ~spectra.mask
    arrays = {
        "WAVELENGTH": np.broadcast_to(spectra.wave, spectra.flux.shape),
        "FLUX": np.where(good, spectra.flux, np.nan),
        "IVAR": np.where(good, spectra.ivar, 0.0),
    }
    if not any(v is not False for v in spectra.get("has_errors", True)):
        del arrays["IVAR"]
    kinds = {"WAVELENGTH": ("D", "Angstrom")}
    return [
        (
            fits.Column(
                name=name,
                format=f"{width}{kinds.get(name, ('E', None))[0]}",
                unit=kinds.get(name, ("E", None))[1],
                array=array,
            ),
            _ARRAYS[name],
        )
        for name, array in arrays.items()
    ]


def _about(spectra: Spectra) -> list[tuple[Any, str]]:
    """Columns of what is known of the spectra; a name of which nothing is known is left out."""
    from astropy.io import fits

    columns = []
    for ours, theirs, ucd, unit in _META:
        values = spectra.get(ours)
        if all(value is None for value in values):
            continue
        if unit is None:
            texts = [identifier(value) or "" for value in values]
            raw = [text.encode("ascii", "backslashreplace") for text in texts]
            width = max(map(len, raw)) or 1
            column = fits.Column(name=theirs, format=f"{width}A", array=np.array(raw))
        else:
            numbers = [np.nan if (n := number(value)) is None else n for value in values]
            column = fits.Column(name=theirs, format="D", unit=unit or None, array=numbers)
        columns.append((column, ucd))
    return columns
