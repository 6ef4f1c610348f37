"""specutils both ways: its spectra to ours and back, its loaders for files that we do not know.

With the extra ``specutils`` installed, `read` offers a FITS file that nothing here recognises to
specutils' own survey loaders before it gives up. And `register` gives specutils a loader::

    from spectype.surveys.specutils_io import register
    register()
    spectra = specutils.SpectrumList.read("spec-....fits.gz", format="LAMOST")
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np

from spectype.core.errors import ArgumentError, ReadError
from spectype.core.spectra import Spectra
from spectype.formats.blocks import PlainCards
from spectype.formats.slowfits import check_ends
from spectype.formats.source import Source
from spectype.reading import arms, arrays, frames
from spectype.reading.clean import Raw, assemble, parts_of

# Loaders that take any table or image: what they would make of it we have already tried.
_ANY = ("wcs1d-fits", "tabular-fits", "generic", "ascii", "ecsv", "ipac", "muscles", "cube")
# Of a spectrum's meta, by the names that `Spectra` gives them.
_KEPT = (
    "object",
    "obsid",
    "ra",
    "dec",
    "class",
    "subclass",
    "snr",
    "survey",
    "star_id",
    "redshift",
)


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
            check_ends(source)
            label, found = _load(source.path)
        if label is None:
            return None
        raws = [_read_raw(spectrum, label) for spectrum in found]
        pieces = [parts_of(raw, source, frame=frame, unit=raw.unit) for raw in raws]
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


def _read_raw(spectrum: Any, label: str) -> Raw:
    """A spectrum that a loader of specutils read, as arrays in Angstrom."""
    raw = _raw(spectrum)
    raw.notes = [f"read by specutils ({label})"]
    raw.meta |= {"survey": ["specutils"] * len(raw), "layout": [label] * len(raw)}
    del raw.meta["path"]
    return raw


def from_specutils(spectra: Any, *, frame: str | None = None) -> Spectra:
    """Make a batch of a specutils ``Spectrum``, ``SpectrumList`` or ``SpectrumCollection``.

    Parameters
    ----------
    spectra : specutils.Spectrum, SpectrumList, SpectrumCollection, or a list of the first
        With any spectral axis and uncertainty. A spectrum whose flux has several rows is as many.
    frame : {"air", "vacuum"}, optional
        Frame of the wavelengths where neither the spectrum's header (CTYPE1, AIRORVAC ...) nor
        its ``meta["wave_frame"]`` says; see `spectype.from_arrays`.

    Returns
    -------
    Spectra
        Padded with bad pixels where the axes differ in length. What the meta says under the names
        of `spectype.Spectra`, like ``object``, and a redshift are kept.

    Raises
    ------
    ArgumentError
        If it is something else, or its axis is none of wavelength, frequency or energy.

    Examples
    --------
    >>> import numpy as np, specutils
    >>> from astropy import units as u
    >>> axis, flux = np.linspace(400, 800, 1500) * u.nm, np.ones(1500) * u.Jy
    >>> from_specutils(specutils.Spectrum(spectral_axis=axis, flux=flux), frame="vacuum")
    Spectra(1 spectrum, 1500 pixels, 4000-8000 A)
    """
    return arrays.gather([_raw(one) for one in _each(spectra)], frame=frame)


def is_specutils(thing: Any) -> bool:
    """Whether it is one of specutils' own kinds; specutils itself is not imported for that."""
    return any(base.__module__.split(".")[0] == "specutils" for base in type(thing).__mro__)


def _each(spectra: Any) -> Iterator[Any]:
    """The single spectra of a list, a collection, or one alone."""
    if hasattr(spectra, "spectral_axis") and hasattr(spectra, "flux"):
        if np.ndim(spectra.spectral_axis) == 1:
            yield spectra
        else:  # a collection: a row of wavelengths a spectrum
            yield from (spectra[i] for i in range(len(spectra.flux)))
    elif isinstance(spectra, (list, tuple)):
        for one in spectra:
            yield from _each(one)
    else:
        raise ArgumentError(f"is a {type(spectra).__name__}, none of specutils", path="spectra")


def _raw(spectrum: Any) -> Raw:
    """A specutils spectrum as checked arrays."""
    axis, flux = spectrum.spectral_axis, spectrum.flux
    flux = flux.reshape(-1, flux.shape[-1]) if flux.ndim > 2 else flux
    rows = int(np.atleast_2d(flux.value).shape[0])
    ivar = mask = None
    if spectrum.uncertainty is not None and spectrum.uncertainty.uncertainty_type != "unknown":
        from astropy.nddata import InverseVariance

        with np.errstate(all="ignore"):
            found = spectrum.uncertainty.represent_as(InverseVariance).array
        ivar = np.nan_to_num(np.reshape(found, flux.shape), nan=0.0, posinf=0.0)
        ivar = ivar if (ivar > 0).any() else None
    if spectrum.mask is not None:
        mask = np.reshape(np.broadcast_to(spectrum.mask, spectrum.flux.shape), flux.shape)
    raw = arrays.to_raw(np.asarray(axis.value), flux, ivar=ivar, mask=mask, unit=axis.unit)
    about = spectrum.meta if isinstance(spectrum.meta, Mapping) else {}
    header = about.get("header")
    said = str(about.get("wave_frame", ""))
    raw.frame = said if said in arrays.FRAMES else None
    if raw.frame is None and isinstance(header, Mapping):
        found_frame = frames.of_headers([PlainCards(header)])
        raw.frame = None if found_frame is None else found_frame.name
    raw.meta |= {name: [about[name]] * rows for name in _KEPT if about.get(name) is not None}
    redshift = float(getattr(spectrum, "redshift", 0.0))
    if redshift:
        raw.meta["redshift"] = [redshift] * rows
    return raw


def to_specutils(spectra: Spectra) -> Any:
    """The batch as specutils' spectra, in vacuum Angstrom, with inverse variance and mask.

    Parameters
    ----------
    spectra : Spectra
        Any batch. Padding at the ends is left out.

    Returns
    -------
    specutils.SpectrumList
        A spectrum each; ``meta`` holds its metadata. The flux has the unit that it came with,
        where that is known (`from_arrays`, `from_specutils`), else none.

    Raises
    ------
    ModuleNotFoundError
        If specutils is not installed (the extra ``specutils``).

    Examples
    --------
    >>> import numpy as np
    >>> from spectype import from_arrays
    >>> batch = from_arrays(np.linspace(400, 800, 1500), np.ones((2, 1500)), frame="vacuum")
    >>> [spectrum.flux.shape for spectrum in to_specutils(batch)]  # or batch.to_specutils()
    [(1500,), (1500,)]
    """
    import specutils
    from astropy import units as u
    from astropy.nddata import InverseVariance

    found = []
    for one in spectra:
        meta = {name: values[0] for name, values in one.meta.items()}
        wave = np.atleast_2d(one.wave)[0]
        seen = np.flatnonzero(~one.mask[0] | (one.ivar[0] > 0))
        cut = slice(seen[0], seen[-1] + 1) if seen.size > 1 else slice(None)
        scale = float(meta.pop("flux_scale", None) or 1.0)
        unit = u.Unit(meta.get("flux_unit") or "")
        has_errors = meta.get("has_errors") is not False
        ivar = one.ivar[0, cut].astype(np.float64) / scale**2
        found.append(
            specutils.Spectrum(
                spectral_axis=np.array(wave[cut]) * u.AA,
                flux=one.flux[0, cut].astype(np.float64) * scale * unit,
                uncertainty=InverseVariance(ivar, unit=unit**-2) if has_errors else None,
                mask=np.array(one.mask[0, cut]),
                meta=meta | {"wave_frame": "vacuum"},
            )
        )
    return specutils.SpectrumList(found)


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
            return to_specutils(reader.read(load(path)))

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
