"""LAMOST low-resolution files: the three layouts found in the wild, written byte for byte.

Header keywords, their order, their comments and the structure are those of real files of DR1,
DR5-DR8 and DR9-DR10.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from spectype.core.files import atomic_path
from spectype.simulate.instrument import Exposure

Layout = Literal["image-subcontinuum", "image-wavelength", "bintable-coadd"]
LAYOUTS: tuple[Layout, ...] = ("image-subcontinuum", "image-wavelength", "bintable-coadd")
_BLOCK = 2880
_COLUMNS = ("FLUX", "IVAR", "WAVELENGTH", "ANDMASK", "ORMASK", "NORMALIZATION")

# One line a card: keyword, how the value is printed, comment. A value in {} is filled in; others
# are what the survey's pipeline writes for every spectrum. Marks: d DR1 only, w image-wavelength
# only, t table only, n not DR1; no mark: everywhere.
_CARDS = """
 |COMMENT|--------FILE INFORMATION|
 |FILENAME|'{filename}'|
n|OBSID|{obsid:d}|Unique number ID of this spectrum
 |AUTHOR|'LAMOST Pipeline'|Who compiled the information
n|DATA_V|'{release}'|Data release version
d|N_EXTEN|1|The extension number
d|EXTEN0|'Flux Inverse Subcontinuum Andmask Ormask'|
w|EXTEN0|'Flux, Inverse, Wavelength, Andmask, Ormask'|
w|N_EXTEN|1|The extension number
w|EXTNAME|'Flux'|The extension name
t|N_EXTEN|2|The amount of extension
t|NORM|0|1 if there exists a normalizated spectrum
 |ORIGIN|'NAOC-LAMOST'|Organization responsible for creating this file
 |DATE|'{date}'|Time when this HDU is created (UTC)
 |COMMENT|--------TELESCOPE PARAMETERS|
 |TELESCOP|'LAMOST'|GuoShouJing Telescope
 |LONGITUD|117.58|[deg] Longitude of site
 |LATITUDE|40.39|[deg] Latitude of site
 |FOCUS|19964|[mm] Telescope focus
 |CAMPRO|'NEWCAM'|Camera program name
 |CAMVER|'v2.0'|Camera program version
 |COMMENT|--------OBSERVATION PARAMETERS|
 |DATE-OBS|'{date_obs}'|The observation median UTC
 |LMJD|{lmjd:d}|Local Modified Julian Day
 |MJD|{mjd:d}|Modified Julian Day
 |PLANID|'{planid}'|Plan ID in use
 |RA|{ra:.6f}|[deg] Right ascension of object
 |DEC|{dec:.6f}|[deg] Declination of object
n|RA_OBS|{ra:.6f}|[deg] Right ascension during observing
n|DEC_OBS|{dec:.6f}|[deg] Declination during observing
n|OFFSET|F|Whether there's a offset during observing
n|OFFSET_V|0.00|Offset value in arcsecond
 |DESIG|'LAMOST {designation}'|Designation of LAMOST target
 |FIBERID|{fiberid:d}|Fiber ID of Object
 |OBJNAME|'{objname}'|Name of object
 |OBJTYPE|'{objtype}'|Object type from input catalog
d|OBJSOURC|'SIMULATION'|Name of input catalog
d|T_INFO|'NULL'|Target information
d|T_FROM|'NULL'|Target catalog
n|TSOURCE|'SIMULATION'|Name of input catalog
n|TCOMMENT|'.'|Target information
n|TFROM|'-'|Target catalog
d|FIBERTYP|'Obj'|Fiber type of object
w|FIBERTYP|'Obj'|Fiber type of object
w|FIBERMAS|0|Bitmask of warning values, 0 means all is well
t|FIB_TYPE|'Obj'|Fiber type of object
t|FIB_MASK|0|Bitmask of warning values, 0 means good
d|MAGTYPE|'ugrizjh'|Magnitude type of object
w|MAGTYPE|'ugrizjh'|Magnitude type of object
d|MAG1|99.00|[mag] Mag1 of object
d|MAG2|{mag_g:.2f}|[mag] Mag2 of object
d|MAG3|{mag_r:.2f}|[mag] Mag3 of object
d|MAG4|{mag_i:.2f}|[mag] Mag4 of object
w|MAG1|99.00|[mag] Mag1 of object
w|MAG2|{mag_g:.2f}|[mag] Mag2 of object
w|MAG3|{mag_r:.2f}|[mag] Mag3 of object
w|MAG4|{mag_i:.2f}|[mag] Mag4 of object
t|MAG_PS_G|{mag_g:.2f}|[mag] Magnitude of object
t|MAG_PS_R|{mag_r:.2f}|[mag] Magnitude of object
t|MAG_PS_I|{mag_i:.2f}|[mag] Magnitude of object
t|MAG_PS_Z|-999.00|[mag] Magnitude of object
t|MAG_PS_Y|-999.00|[mag] Magnitude of object
 |OBS_TYPE|'OBJ'|The type of target (OBJ, FLAT, ARC or BIAS)
 |RADECSYS|'FK5'|Equatorial coordinate system
 |EQUINOX|2000.00|Equinox in years
 |COMMENT|--------SPECTROGRAPH PARAMETERS|
 |SPID|{spid:d}|Spectrograph ID
 |SLIT_MOD|'x2/3'|Slit mode, x1 ,x2/3 or x1/2
 |COMMENT|--------DATA REDUCTION PARAMETERS|
 |EXTRACT|'aperture'|Extraction method
 |SFLATTEN|T|Super flat has been applied
 |PCASKYSB|T|PCA sky-subtraction has been applied
 |HELIO|T|Heliocentric correction
 |HELIO_RV|{helio_rv:.5f}|[km/s] Heliocentric correction
 |VACUUM|T|Wavelengths are in vacuum
 |NWORDER|2|Number of linear-log10 coefficients
 |WFITTYPE|'LOG-LINEAR'|Linear-log10 dispersion
 |COEFF0|3.5682|Central wavelength (log10) of first pixel
 |COEFF1|0.0001|Log10 dispersion per pixel
 |WAT0_001|'system=linear'|
 |WAT1_001|'wtype=linear label=Wavelength units=Angstroms'|
 |CRVAL1|3.5682|Central wavelength (log10) of first pixel
 |CD1_1|0.0001|Log10 dispersion per pixel
 |CRPIX1|1|Starting pixel (1-indexed)
 |CTYPE1|'LINEAR'|
 |DC-FLAG|1|Log-linear flag
 |COMMENT|--------SPECTRA ANALYSIS RESULTS|
d|VERSPIPE|'v2.6.4'|Version of Pipeline
w|VERSPIPE|'v2.9.7'|Version of Pipeline
t|VERSPIPE|'v2.9.8'|Version of Pipeline
 |CLASS|'{class}'|Class of object
 |SUBCLASS|'{subclass}'|Subclass of object
 |Z|{z:.8f}|Redshift of object
 |Z_ERR|{z_err:.8f}|Redshift error of object
n|ZFLAG|'PIPELINE'|Which method computes the redshift
d|SN_U|{snru:.2f}|SNR of u filter
d|SN_G|{snrg:.2f}|SNR of g filter
d|SN_R|{snrr:.2f}|SNR of r filter
d|SN_I|{snri:.2f}|SNR of i filter
d|SN_Z|{snrz:.2f}|SNR of z filter
n|SNRU|{snru:.2f}|SNR of u filter
n|SNRG|{snrg:.2f}|SNR of g filter
n|SNRR|{snrr:.2f}|SNR of r filter
n|SNRI|{snri:.2f}|SNR of i filter
n|SNRZ|{snrz:.2f}|SNR of z filter
"""
_MARKS = {"image-subcontinuum": " d", "image-wavelength": " wn", "bintable-coadd": " tn"}
_LINES = [line.split("|") for line in _CARDS.strip("\n").split("\n")]


def to_bytes(exposure: Exposure, *, layout: Layout, header: Mapping[str, Any]) -> bytes:
    """The FITS file of one exposure.

    Parameters
    ----------
    exposure : Exposure
        Arrays of shape (n_pixels,).
    layout : str
        One of `LAYOUTS`.
    header : mapping
        Values of the cards, see the braces in this module's list.

    Returns
    -------
    bytes
        A whole, uncompressed FITS file.
    """
    n = len(exposure.flux)
    third = _third_row(exposure, layout)
    rows = [exposure.flux, exposure.ivar, third, exposure.andmask, exposure.ormask]
    cards = _filled(layout, header)
    axes = [_card("NAXIS1", str(n)), _card("NAXIS2", "5"), _card("EXTEND", "T")]
    if layout != "bintable-coadd":
        start = [_card("SIMPLE", "T"), _card("BITPIX", "-32"), _card("NAXIS", "2"), *axes]
        data = np.stack(rows).astype(">f4").tobytes()
        return _header([*start, *cards]) + _padded(data)
    # The primary is empty, yet carries NAXIS1 and NAXIS2: so do the survey's own files.
    start = [_card("SIMPLE", "T"), _card("BITPIX", "16"), _card("NAXIS", "0"), *axes]
    data = np.stack([*rows, np.full(n, -9999.0)]).astype(">f4").tobytes()
    return _header([*start, *cards]) + _header(_table_cards(n)) + _padded(data)


def write(path: Path, exposure: Exposure, *, layout: Layout, header: Mapping[str, Any]) -> None:
    """Write one exposure to `path` (gzip if the name ends in .gz), whole or not at all."""
    from isal import igzip

    content = to_bytes(exposure, layout=layout, header=header)
    if path.suffix == ".gz":
        # mtime 0: the same simulation gives the same bytes.
        content = igzip.compress(content, compresslevel=2, mtime=0)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def _third_row(exposure: Exposure, layout: Layout) -> np.ndarray[Any, Any]:
    """Wavelengths, except in DR1: there a spectrum divided by its continuum."""
    if layout != "image-subcontinuum":
        return exposure.wave
    from scipy.ndimage import uniform_filter1d

    continuum = uniform_filter1d(exposure.flux.astype(np.float64), 301, mode="nearest")
    safe = np.where(np.abs(continuum) > 1e-6, continuum, 1.0)
    return np.asarray(np.clip(exposure.flux / safe, -10, 10))


def _filled(layout: Layout, header: Mapping[str, Any]) -> list[str]:
    marks = _MARKS[layout]
    return [
        _card(keyword, value.format_map(header), comment)
        for mark, keyword, value, comment in _LINES
        if mark in marks
    ]


def _card(keyword: str, value: str, comment: str = "") -> str:
    if keyword == "COMMENT":
        return f"COMMENT {value}"[:80].ljust(80)
    if value.startswith("'"):
        text = f"{keyword:<8}= '{value[1:-1]:<8}'"
        return f"{text:<30} / {comment}"[:80].ljust(80)
    return f"{keyword:<8}= {value:>20} / {comment}"[:80].ljust(80)


def _table_cards(n: int) -> list[str]:
    cards = [
        _card("XTENSION", "'BINTABLE'", "Binary table written by MWRFITS v1.11b"),
        _card("BITPIX", "8"), _card("NAXIS", "2"), _card("NAXIS1", str(4 * n * len(_COLUMNS))),
        _card("NAXIS2", "1"), _card("PCOUNT", "0"), _card("GCOUNT", "1"),
        _card("TFIELDS", str(len(_COLUMNS))), _card("EXTNAME", "'COADD'", "The extension name"),
    ]  # fmt: skip
    cards += [_card(f"TTYPE{i}", f"'{name}'") for i, name in enumerate(_COLUMNS, start=1)]
    return cards + [_card(f"TFORM{i}", f"'{n}E'") for i in range(1, len(_COLUMNS) + 1)]


def _header(cards: list[str]) -> bytes:
    text = "".join([*cards, "END".ljust(80)])
    return text.ljust(-(-len(text) // _BLOCK) * _BLOCK).encode("ascii")


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % _BLOCK)
