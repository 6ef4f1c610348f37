"""Stellar libraries that files are commonly taken from: how to know them, what they assume.

A library is known by its structure or its header, by the file's name only where the files
hold nothing but numbers. Knowing it settles what its files do not say, foremost whether
wavelengths are in air.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from spectype.formats.source import Source
from spectype.reading.clean import Raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """A library read by the generic reader.

    Parameters
    ----------
    name : str
        Short name, for the metadata.
    title, citation : str
        Who made it.
    frame : {"air", "vacuum"}
        Of its wavelengths.
    columns : str, optional
        Which columns are what, where names do not say.
    """

    name: str
    title: str
    citation: str
    frame: str
    columns: str | None = None

    def recognise(self, source: Source) -> bool:
        """Whether `source` is of this library."""
        return _RECOGNISE[self.name](source)

    def adjust(self, raw: Raw, source: Source) -> None:
        """Settle what the file leaves open."""
        raw.frame = raw.frame or self.frame
        if self.name == "calspec" and raw.bad is not None and not raw.turned:
            raw.bad = ~raw.bad  # CALSPEC's DATAQUAL: 1 good, 0 bad
        if self.name == "stelib":
            # RA and DEC of STELIB are in radians.
            for axis in ("ra", "dec"):
                values = raw.meta.get(axis, [None])
                raw.meta[axis] = [None if v is None else math.degrees(v) for v in values]
        if self.name == "pickles":
            found = re.search(r"spectral type:\s*(\S+)", _cards(source, "COMMENT1"))
            if found and found[1]:
                raw.meta["subclass"], raw.meta["class"] = [found[1]], ["STAR"]


def _cards(source: Source, key: str) -> str:
    return str(source.hdus[0].header.get(key, "")) if source.is_fits else ""


def _miles(source: Source) -> bool:
    return _cards(source, "TPLLIB").startswith("MILES") or bool(
        source.is_fits and re.match(r"(MILES_|[ms]\d{4}V?$)", source.name)
    )


def _pickles(source: Source) -> bool:
    return source.is_fits and "Pickles" in source.hdus[0].header.commentary()


def _calspec(source: Source) -> bool:
    if _cards(source, "MAPKEY").lower() == "calspec":
        return True
    if len(source.hdus) < 2:
        return False
    header = source.hdus[1].header
    names = {header.get(f"TTYPE{i}") for i in range(1, 8)}
    return {"WAVELENGTH", "FLUX", "STATERROR", "SYSERROR", "FWHM"} <= names


def _pyhammer(source: Source) -> bool:
    if len(source.hdus) < 2:
        return False
    header = source.hdus[1].header
    names = {str(header.get(f"TTYPE{i}", "")).upper() for i in range(1, 6)}
    return "PROPERR" in names and ("LOGLAM" in names or header.get("EXTNAME") == "TEMPLATE")


def _bochanski(source: Source) -> bool:
    return not source.is_fits and "bochanski" in source.name.lower()


def _named(start: str) -> Callable[[Source], bool]:
    """Known by the file's name alone: such files hold a wavelength and a flux and little else."""

    def recognise(source: Source) -> bool:
        return source.name.lower().startswith(start)

    return recognise


def _stelib(source: Source) -> bool:
    return source.name.upper().startswith("STELIB") or (
        source.is_fits and "STARIDEN" in source.hdus[0].header and bool(_cards(source, "ISEXTINC"))
    )


def _indo_us(source: Source) -> bool:
    # As handed on with SDSS's idlspec2d, a star of the library a file.
    return bool(re.match(r"spEigenStar-55734_\d+|indo_?us", source.name, re.I))


def _sdss_cv(source: Source) -> bool:
    return not source.is_fits and bool(re.match(r"spec-\d+-\d+-\d+-cat[A-Z]$", source.name))


_RECOGNISE: dict[str, Callable[[Source], bool]] = {
    "miles": _miles,
    "pickles": _pickles,
    "calspec": _calspec,
    "sdss_templates": _pyhammer,
    "bochanski": _bochanski,
    "stelib": _stelib,
    "indo_us": _indo_us,
    "melchiors": _named("melchiors"),
    "kesseli": _named("kesseli"),
    "krisciunas": _named("krisciunas"),
    "mastar": _named("mastar"),
    "sdss_dr2": _named("sdss_dr2"),
    "sdss_cv": _sdss_cv,
}

LIBRARIES = (
    Library(
        name="miles",
        title="MILES stellar library",
        citation="Sanchez-Blazquez et al. 2006, MNRAS 371, 703",
        frame="air",
    ),
    Library(
        name="pickles",
        title="Pickles UVK flux library",
        citation="Pickles 1998, PASP 110, 863",
        frame="air",
    ),
    Library(
        name="calspec",
        title="CALSPEC flux standards",
        citation="Bohlin, Gordon & Tremblay 2014, PASP 126, 711",
        frame="vacuum",
    ),
    Library(
        name="sdss_templates",
        title="SDSS/BOSS template spectra of PyHammer",
        citation="Kesseli et al. 2017, ApJS 230, 16",
        frame="vacuum",
    ),
    Library(
        name="bochanski",
        title="SDSS M dwarf templates",
        citation="Bochanski et al. 2007, AJ 133, 531",
        frame="vacuum",
        columns="0,1,2",  # the third is the scatter of the stars
    ),
    Library(
        name="stelib",
        title="STELIB stellar library",
        citation="Le Borgne et al. 2003, A&A 402, 433",
        frame="air",
    ),
    Library(
        name="indo_us",
        title="Indo-US library of coude feed stellar spectra",
        citation="Valdes et al. 2004, ApJS 152, 251",
        frame="air",
    ),
    Library(
        name="melchiors",
        title="MELCHIORS library of HERMES spectra (often continuum-normalised)",
        citation="Royer et al. 2024, A&A 681, A107",
        frame="air",
    ),
    Library(
        name="kesseli",
        title="M dwarfs and subdwarfs, radii and spectra",
        citation="Kesseli et al. 2019, AJ 157, 63",
        frame="vacuum",
    ),
    Library(
        name="krisciunas",
        title="Spectrophotometric standards of bright stars",
        citation="Krisciunas et al. 2017, PASP 129, 054504",
        frame="air",
    ),
    Library(
        name="mastar",
        title="MaNGA stellar library (MaStar)",
        citation="Yan et al. 2019, ApJ 883, 175",
        frame="vacuum",
    ),
    Library(
        name="sdss_dr2",
        title="SDSS DR2 spectral cross-correlation templates",
        citation="Abazajian et al. 2004, AJ 128, 502",
        frame="vacuum",
    ),
    Library(
        name="sdss_cv",
        title="SDSS cataclysmic variables",
        citation="Szkody et al. 2011, AJ 142, 181",
        frame="vacuum",
    ),
)
