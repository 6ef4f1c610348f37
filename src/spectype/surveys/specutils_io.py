"""specutils both ways: its loaders for files that no reader of ours knows, ours for LAMOST in it.

With the extra ``specutils`` installed, `read` offers a FITS file that nothing here recognises to
specutils' own survey loaders before it gives up. And `register` gives specutils a loader::

    from spectype.surveys.specutils_io import register
    register()
    spectra = specutils.SpectrumList.read("spec-....fits.gz", format="LAMOST")
"""

from __future__ import annotations

import warnings
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np

from spectype.core.errors import ReadError
from spectype.core.spectra import Spectra
from spectype.formats.source import Source
from spectype.reading import arms
from spectype.reading.clean import Raw, assemble, parts_of
from spectype.reading.units import is_per_frequency

# Loaders that take any table or image: what they would make of it we have already tried.
_ANY = ("wcs1d-fits", "tabular-fits", "generic", "ascii", "ecsv", "ipac", "muscles", "cube")


def is_installed() -> bool:
    """Whether specutils can be imported."""
    return util.find_spec("specutils") is not None


def read(source: Source, *, frame: str | None = None) -> Spectra | None:
    """What a survey loader of specutils reads of the file; None where none knows it.

    Parameters
    ----------
    source : Source
        A file on disk.
    frame : {"air", "vacuum"}, optional
        The user's word; specutils says nothing of it.
    """
    if not (source.is_fits and is_installed() and Path(source.path).is_file()):
        return None
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            label, found = _load(source.path)
        if label is None:
            return None
        raws = [_raw(spectrum, label) for spectrum in found]
        pieces = [parts_of(raw, source, frame=frame, unit=None) for raw in raws if raw is not None]
        return assemble(arms.gather(pieces), source) if pieces else None
    except Exception:  # whatever another's loader says, ours has said what is wrong
        return None


def _load(path: str) -> tuple[str | None, list[Any]]:
    """The name of the loader that knows a file, and its spectra."""
    import specutils
    from specutils.io.registers import identify_spectrum_format

    for kind in (specutils.SpectrumList, specutils.Spectrum):
        formats = identify_spectrum_format(path, dtype=kind) or []
        formats = [formats] if isinstance(formats, str) else list(formats)
        known = [name for name in formats if not any(word in name.lower() for word in _ANY)]
        if known:
            found = kind.read(path, format=known[0])
            return known[0], list(found) if isinstance(found, list) else [found]
    return None, []


def _raw(spectrum: Any, label: str) -> Raw | None:
    """A specutils spectrum as arrays in Angstrom; None where its axis is no wavelength."""
    from astropy import units as u

    wave = spectrum.spectral_axis.to_value(u.AA, u.spectral())
    flux = np.atleast_2d(np.asarray(spectrum.flux.value, np.float64))
    if wave.size < 2 or flux.shape[-1] != wave.size:
        return None
    raw = Raw(wave=wave, flux=flux, unit="angstrom", notes=[f"read by specutils ({label})"])
    raw.power = 2 if is_per_frequency(spectrum.flux.unit) else 0
    if spectrum.uncertainty is not None:
        from astropy.nddata import InverseVariance

        ivar = spectrum.uncertainty.represent_as(InverseVariance).array
        raw.ivar = np.broadcast_to(np.atleast_2d(np.asarray(ivar, np.float64)), flux.shape)
    if spectrum.mask is not None:
        raw.bad = np.broadcast_to(np.atleast_2d(np.asarray(spectrum.mask, bool)), flux.shape)
    raw.meta = {"survey": ["specutils"] * len(raw), "layout": [label] * len(raw)}
    return raw


def register() -> None:
    """Register loaders for LAMOST with specutils: formats ``LAMOST`` and ``LAMOST MRS``.

    Raises
    ------
    ModuleNotFoundError
        If specutils is not installed.
    """
    import specutils
    from specutils.io.registers import data_loader

    from spectype.formats.source import load
    from spectype.surveys import lamost, lamost_mrs

    for label, reader in (("LAMOST", lamost), ("LAMOST MRS", lamost_mrs)):

        def identify(origin: Any, path: Any, *args: Any, reader: Any = reader, **kw: Any) -> bool:
            try:
                return origin == "read" and bool(reader.recognise(load(path)))
            except (ReadError, TypeError):
                return False

        def load_list(path: Any, reader: Any = reader, **kw: Any) -> Any:
            return specutils.SpectrumList(_to_specutils(reader.read(load(path))))

        decorate = data_loader(label, identifier=identify, dtype=specutils.SpectrumList, force=True)
        decorate(load_list)


def _to_specutils(spectra: Spectra) -> list[Any]:
    """Our batch as specutils' spectra, in vacuum Angstrom, with ivar and mask."""
    import specutils
    from astropy import units as u
    from astropy.nddata import InverseVariance

    return [
        specutils.Spectrum(
            spectral_axis=np.array(one.wave) * u.AA,
            flux=one.flux[0] * u.dimensionless_unscaled,
            uncertainty=InverseVariance(one.ivar[0]),
            mask=one.mask[0],
            meta={name: values[0] for name, values in one.meta.items()},
        )
        for one in spectra
    ]
