"""SDSS-V Milky Way Mapper: mwmVisit and mwmStar files, a spectrum a row in tables by telescope.

Data model: https://data.sdss.org/datamodel/files/MWM_ASTRA/; Kollmeier+2025 (arXiv:2507.06989).
Optical spectra (BOSS) and infrared ones (APOGEE) stand in tables of their own; only the optical
are read where there are any. Wavelengths are vacuum, at rest in mwmVisit and mwmStar.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spectype.core.spectra import Spectra, number
from spectype.formats.slowfits import open_fits
from spectype.formats.source import Source
from spectype.reading import quality
from spectype.reading.clean import Raw, assemble, parts_of

CITATION = "SDSS Collaboration, Kollmeier et al. 2025, arXiv:2507.06989"


def recognise(source: Source) -> bool:
    """Whether `source` is of Astra's mwm products: its primary names version and star."""
    if len(source.hdus) < 2:
        return False
    header = source.hdus[0].header
    return "V_ASTRA" in header and "SDSS_ID" in header


def read(source: Source, *, frame: str | None = None) -> Spectra:
    """Read the spectra of all optical tables, or the infrared ones where there are no others.

    Raises
    ------
    ReadError
        If no table has a spectrum.
    """
    with open_fits(source) as hdus:
        primary = hdus[0].header
        tables = [h for h in hdus[1:] if _spectra_in(h)]
        if not tables:
            raise source.fail(
                "is an SDSS-V file without a spectrum in any table",
                remedy="the star was not observed by this telescope; take another product",
            )
        optical = [h for h in tables if "BOSS" in h.name.upper()] or tables
        raws = [_raw(hdu, primary, source) for hdu in optical]
    left = len(tables) - len(optical)
    for raw in raws:
        raw.notes += [f"{left} infrared tables left out"] if left else []
    parts = [p for raw in raws for p in parts_of(raw, source, frame=frame, unit=None)]
    return assemble(parts, source)


def _spectra_in(hdu: Any) -> bool:
    names = {name.lower() for name in getattr(getattr(hdu, "columns", None), "names", [])}
    return "flux" in names and hdu.data is not None and len(hdu.data) > 0


def _raw(hdu: Any, primary: Any, source: Source) -> Raw:
    """The spectra of one table; visits have their wavelengths in the header."""
    data = {name.lower(): hdu.data[name] for name in hdu.columns.names}
    flux = np.atleast_2d(np.asarray(data["flux"], np.float64))
    flux = flux.reshape(len(hdu.data), -1)
    if "wavelength" in data:
        wave: Any = np.asarray(data["wavelength"], np.float64).reshape(len(hdu.data), -1)
    else:
        start, step = number(hdu.header.get("CRVAL")), number(hdu.header.get("CDELT"))
        if start is None or step is None:
            raise source.fail(
                f"table {hdu.name} has no wavelengths", remedy="the file is damaged: fetch it again"
            )
        wave = 10.0 ** (start + step * np.arange(flux.shape[1]))
    values = {
        role: np.asarray(data[name]).reshape(flux.shape)
        for role, name in (("ivar", "ivar"), ("error", "e_flux"), ("mask", "pixel_flags"))
        if name in data and np.size(data[name]) == flux.size
    }
    found = quality.judge(flux, values)
    raw = Raw(
        wave=wave,
        flux=flux,
        ivar=found.ivar,
        bad=found.bad,
        unit="angstrom",
        frame="vacuum",
        name=hdu.name,
        notes=found.notes,
    )
    n_spec = len(raw)
    star = str(primary["SDSS_ID"])
    visits = data.get("visit_pk", data.get("mjd", [None] * n_spec))
    raw.meta = {
        "survey": ["sdss_v"] * n_spec,
        "layout": ["mwmVisit" if "mjd" in data else "mwmStar"] * n_spec,
        "object": [f"SDSS-V {star}"] * n_spec,
        "star_id": [f"SDSS-V {star}"] * n_spec,
        "obsid": [f"{star}-{v}" if v is not None else star for v in visits],
        "ra": [number(primary.get("RA"))] * n_spec,
        "dec": [number(primary.get("DEC"))] * n_spec,
        "snr": [number(v) for v in data.get("snr", [None] * n_spec)],
    }
    return raw
