"""SDSS and BOSS: spec files, the older spSpec files, and the stellar templates.

Data model: https://data.sdss.org/datamodel/; York+2000 (AJ 120, 1579), Dawson+2013 (AJ 145, 10).
Wavelengths are vacuum, heliocentric, on the grid ``10**(1e-4 k)`` Angstrom.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from spectype.core.spectra import Spectra, number
from spectype.formats.slowfits import open_fits
from spectype.formats.source import Source
from spectype.reading.clean import Raw, finish
from spectype.reading.quality import variance_inverse

CITATION = "York et al. 2000, AJ 120, 1579; Dawson et al. 2013, AJ 145, 10"

# Bits of SPPIXMASK that make a coadded pixel useless: FULLREJECT, NOSKY, BRIGHTSKY, NODATA,
# COMBINEREJ, REDMONSTER (https://www.sdss4.org/dr17/algorithms/bitmasks/#SPPIXMASK).
BAD_BITS = sum(1 << bit for bit in (18, 22, 23, 24, 25, 28))
# In spSpec files (https://classic.sdss.org/dr7/products/spectra/spbitmask.html) the third row
# gives the error, 0 where the pixel is bad, so that no bit need be asked.
_ROLES = ("flux", "loglam", "ivar", "and_mask")


def layout_of(source: Source) -> str | None:
    """Which SDSS layout `source` has: "spec", "spSpec", "spEigenStar"; None if none."""
    if not source.hdus:
        return None
    header = source.hdus[0].header
    if header.get("NAXIS") == 2 and "COEFF0" in header:
        if "NAME0" in header and header.get("OBJECT") == "STAR":
            return "spEigenStar"
        if header.get("NAXIS2") == 5 and str(header.get("TELESCOP", "")).startswith("SDSS"):
            return "spSpec"
    if len(source.hdus) > 1:
        table = source.hdus[1].header
        count = int(table.number("TFIELDS") or 0)
        columns = {str(table.get(f"TTYPE{i}", "")).lower(): i for i in range(1, count + 1)}
        if {"flux", "loglam", "ivar"} <= columns.keys():
            # A pixel a row; rows of vectors are spectra, and of somebody else.
            form = str(table.get(f"TFORM{columns['flux']}", "")).strip()
            return "spec" if form.lstrip("1") in ("E", "D") else None
    return None


def recognise(source: Source) -> bool:
    """Whether `source` is an SDSS spectrum or template file."""
    return layout_of(source) is not None


def read(source: Source, *, frame: str | None = None) -> Spectra:
    """Read an SDSS file; the templates give a spectrum a row.

    Raises
    ------
    ReadError
        If the arrays are not what the headers promise.
    """
    layout = layout_of(source)
    with open_fits(source) as hdus:
        raw = {"spec": _spec, "spSpec": _spspec, "spEigenStar": _eigenstar}[str(layout)](hdus)
    n_spec = raw.flux.shape[0]
    raw.frame = "vacuum"
    raw.meta.setdefault("survey", ["sdss"] * n_spec)
    raw.meta["layout"] = [layout] * n_spec
    return finish(raw, source, frame=frame, unit=None)


def _spec(hdus: Any) -> Raw:
    """``spec-PLATE-MJD-FIBER.fits`` of DR8 and later, SDSS-V included."""
    data = {name.lower(): np.asarray(hdus[1].data[name]) for name in hdus[1].columns.names}
    flat = {name: np.ravel(data[name]) for name in _ROLES if name in data}
    raw = Raw(
        wave=np.asarray(flat["loglam"], np.float64),
        flux=np.asarray(flat["flux"], np.float64)[None],
        ivar=np.asarray(flat["ivar"], np.float64)[None],
        unit="log10",
    )
    if "and_mask" in flat:
        raw.bad = ((flat["and_mask"].astype(np.int64) & BAD_BITS) != 0)[None]
    row: dict[str, Any] = {}
    if len(hdus) > 2 and hdus[2].data is not None and len(hdus[2].data):
        row = {name.lower(): hdus[2].data[name][0] for name in hdus[2].columns.names}
    _describe_spec(raw, row, hdus[0].header)
    return raw


def _describe_spec(raw: Raw, row: dict[str, Any], header: Any) -> None:
    """Metadata of a spec file from its SPECOBJ (SPALL) row and primary header."""
    meta: dict[str, Any] = {
        "class": _text(row.get("class")),
        "subclass": _text(row.get("subclass")),
        "redshift": number(row.get("z")),
        "ra": number(row.get("plug_ra", row.get("racat", header.get("PLUG_RA")))),
        "dec": number(row.get("plug_dec", row.get("deccat", header.get("PLUG_DEC")))),
    }
    snr = np.ravel(row.get("sn_median", []))
    if snr.size == 5:
        meta.update({f"snr_{band}": number(value) for band, value in zip("ugriz", snr)})
        meta["snr"] = meta["snr_g"]
    plate = [row.get(key, header.get(key.upper()[:8])) for key in ("plate", "mjd", "fiberid")]
    if all(value is not None for value in plate):
        meta["obsid"] = "{:04d}-{:05d}-{:04d}".format(*(int(value) for value in plate))
    catalogid = row.get("catalogid", row.get("thing_id"))
    if catalogid is not None and int(catalogid) > 0:
        meta["star_id"] = f"SDSS {int(catalogid)}"
    raw.meta.update({name: [value] for name, value in meta.items()})


def _spspec(hdus: Any) -> Raw:
    """``spSpec-MJD-PLATE-FIBER.fit`` of DR1-DR7: rows flux, continuum-free flux, error, mask."""
    header, rows = hdus[0].header, np.asarray(hdus[0].data, dtype=np.float64)
    raw = Raw(
        wave=_log_wave(header, rows.shape[1]),
        flux=rows[:1],
        ivar=variance_inverse(error=rows[2:3]),
        unit="angstrom",
    )
    meta = {
        "object": _text(header.get("OBJECT")),
        "ra": number(header.get("RAOBJ")),
        "dec": number(header.get("DECOBJ")),
        "redshift": number(header.get("Z")),
        "snr": number(header.get("SN_G")),
    }
    keys = [header.get(key) for key in ("PLATEID", "MJD", "FIBERID")]
    if all(isinstance(value, int) for value in keys):
        meta["obsid"] = "{:04d}-{:05d}-{:04d}".format(*keys)
    raw.meta.update({name: [value] for name, value in meta.items()})
    return raw


def _eigenstar(hdus: Any) -> Raw:
    """``spEigenStar-MJD.fits``: a template a row, zero outside its coverage, no errors."""
    header, rows = hdus[0].header, np.asarray(hdus[0].data, dtype=np.float64)
    names = [_text(header.get(f"NAME{i}")) for i in range(rows.shape[0])]
    stellar = ["STAR" if name else None for name in names]
    return Raw(
        wave=_log_wave(header, rows.shape[1]),
        flux=rows,
        # Zero means no coverage, also between pieces of a template.
        bad=rows == 0,
        unit="angstrom",
        meta={
            "survey": ["sdss_eigenstar"] * len(names),
            "object": [f"spEigenStar {i}" for i in range(len(names))],
            "class": stellar,
            "subclass": [None if n is None else re.sub(r"\s+", " ", n) for n in names],
        },
    )


def _log_wave(header: Any, n_pix: int) -> Any:
    return 10.0 ** (float(header["COEFF0"]) + float(header["COEFF1"]) * np.arange(n_pix))


def _text(value: Any) -> str | None:
    return None if value is None else str(value).strip() or None
