"""LAMOST low-resolution spectra: three layouts, their traps, and the survey's names and URLs.

Data: Cui+2012 (RAA 12, 1197), Luo+2015 (RAA 15, 1095), http://www.lamost.org. The layouts are
told apart by structure alone; release numbers in file names and headers contradict each other.
"""

from __future__ import annotations

from functools import lru_cache
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.core.grid import log_grid
from spectype.core.spectra import BoolArray, FloatArray, Spectra
from spectype.formats.fastfits import (
    Hdu,
    Header,
    equal_columns,
    float_rows,
    numbers_of,
    texts_of,
)  # fmt: skip
from spectype.formats.slowfits import open_fits
from spectype.formats.source import Source
from spectype.reading.quality import FILL_PIXELS, filled
from spectype.surveys.lamost_names import FileName, parse_name

CITATION = "Cui et al. 2012, RAA 12, 1197; Luo et al. 2015, RAA 15, 1095"
SNR_CAP = 999.0  #: the pipeline writes this where it could not have measured a larger S/N
MISSING = -9999.0  #: the pipeline's "no value" for redshift and S/N

_COLUMNS = ("FLUX", "IVAR", "WAVELENGTH", "ANDMASK", "ORMASK")
_BANDS = "ugriz"
_TEXTS = ("PLANID", "OBSID", "DATA_V", "DESIG", "CLASS", "SUBCLASS", "UID", "GAIA_ID")
_NUMBERS = ("LMJD", "SPID", "FIBERID", "RA", "DEC", "Z")
_CARDS = (*_TEXTS, *_NUMBERS, "SNRU", "SNRG", "SNRR", "SNRI", "SNRZ")
_OLD_CARDS = (*_TEXTS, *_NUMBERS, "SN_U", "SN_G", "SN_R", "SN_I", "SN_Z")


def layout_of(hdus: list[Hdu]) -> str | None:
    """Which LAMOST low-resolution layout these HDUs have; None if they are something else.

    Returns
    -------
    {"image-subcontinuum", "image-wavelength", "bintable-coadd"} or None
    """
    if not hdus:
        return None
    header = hdus[0].header
    if header.get("NAXIS") == 0:
        if len(hdus) == 1:
            return None
        if _is_coadd(hdus[1].header):
            return "bintable-coadd"
        # The image of the older layouts, copied into an extension, or there compressed (fpack).
        return _image_layout(hdus[1].header)
    return _image_layout(header)


def _image_layout(header: Header) -> str | None:
    prefix = "Z" if header.get("ZIMAGE") else ""
    if header.get("XTENSION", "IMAGE").strip() == "BINTABLE" and not prefix:
        return None
    if header.get(f"{prefix}NAXIS") != 2 or header.get(f"{prefix}NAXIS2") != 5:
        return None
    if header.get(f"{prefix}BITPIX") not in (-32, -64):
        return None
    rows = str(header.get("EXTEN0", "")).lower()
    if not rows.startswith("flux") and header.get("TELESCOP") != "LAMOST":
        return None
    return "image-subcontinuum" if "subcontinuum" in rows else "image-wavelength"


@lru_cache(maxsize=64)
def _is_coadd(header: Header) -> bool:
    """Whether a table is LAMOST's coadd: its name, and its first five columns."""
    names = tuple(header.text(f"TTYPE{i}") for i in range(1, 6))
    return header.text("EXTNAME") == "COADD" and names == _COLUMNS


@lru_cache(maxsize=64)
def _coadd_pixels(header: Header) -> int:
    return equal_columns(header, _COLUMNS)


def recognise(source: Source) -> bool:
    """Whether `source` is a LAMOST low-resolution spectrum."""
    return layout_of(source.hdus) is not None


def read(source: Source, *, frame: str | None = None) -> Spectra:
    """Read a LAMOST low-resolution spectrum of any layout.

    Parameters
    ----------
    source : Source
        The file.
    frame : {"air", "vacuum"}, optional
        The user's word for the wavelengths; LAMOST's are vacuum, so another is noted, not followed.

    Returns
    -------
    Spectra
        Of one spectrum; flux, ivar and wavelengths are the file's own numbers. Bad pixels
        (ivar <= 0, not finite, ORMASK set, runs of zeros) have ivar 0.

    Raises
    ------
    ReadError
        If the data do not have the shape that the headers promise.
    """
    layout = layout_of(source.hdus)
    header = source.hdus[0].header
    if header.get("NAXIS") == 0 and layout != "bintable-coadd":
        header = source.hdus[1].header
    rows = _rows(source, layout)
    notes: list[str] = []
    wave = _wavelengths(rows[2], header, layout, notes)
    if wave is None:
        raise source.fail(
            "has no usable wavelengths: neither a wavelength row nor COEFF0 and COEFF1",
            remedy="the file is damaged: fetch it again",
        )
    both = rows[:2].astype(np.float32)
    mask = _bad_pixels(both[0], both[1], rows[4])
    _mask_holes(mask, wave, both[0], notes)
    both[1][mask] = 0.0
    meta = _metadata(source.path, header, str(layout), notes)
    if frame == "air":
        notes.append("frame air asked for, but LAMOST's is vacuum: kept")
    meta["notes"] = ["; ".join(notes)]
    return Spectra(wave=wave, flux=both[:1], ivar=both[1:], mask=mask[None], meta=meta)


def _rows(source: Source, layout: str | None) -> FloatArray:
    """Flux, ivar, wavelength (or the like), and-mask, or-mask: shape (5, n_pix), as stored."""
    if layout == "bintable-coadd":
        hdu, bits = source.hdus[1], 32
        n_pix = _coadd_pixels(hdu.header)
        if n_pix == 0:
            return _by_astropy(source)
    else:
        number = 0 if source.hdus[0].size else 1
        hdu = source.hdus[number]
        if "BSCALE" in hdu.header or "BZERO" in hdu.header or hdu.header.get("ZIMAGE"):
            with open_fits(source) as hdus:
                return np.asarray(hdus[number].data, dtype=np.float64)
        bits, n_pix = abs(int(hdu.header.get("BITPIX"))), int(hdu.header.get("NAXIS1"))
    if n_pix < 2:
        raise source.fail(f"has {n_pix} pixels", remedy="the file is damaged: fetch it again")
    return float_rows(source.data, start=hdu.start, n_rows=5, n_pix=n_pix, bits=bits)


def _by_astropy(source: Source) -> FloatArray:
    """The five rows of a COADD table in any other column format."""
    n_rows = source.hdus[1].header.get("NAXIS2")
    if n_rows != 1:
        raise source.fail(f"table COADD has {n_rows} rows, not one", remedy="fetch the file again")
    with open_fits(source) as hdus:
        row = hdus[1].data[0]
        columns = [np.ravel(row[name]) for name in _COLUMNS]
    if len({column.size for column in columns}) != 1 or columns[0].size < 2:
        sizes = ", ".join(str(column.size) for column in columns)
        raise source.fail(
            f"columns of table COADD have {sizes} pixels", remedy="fetch the file again"
        )
    return np.stack(columns).astype(np.float64)


def _wavelengths(
    row: FloatArray, header: Header, layout: str | None, notes: list[str]
) -> NDArray[np.float64] | None:
    """The wavelength row, or what COEFF0 and COEFF1 say where that is not wavelength."""
    if layout != "image-subcontinuum":
        wave = _shared_wave(row)
        if wave is not None:
            return wave
        notes.append("the wavelength row holds no wavelengths: COEFF0 and COEFF1 used")
    start, step = header.number("COEFF0"), header.number("COEFF1")
    if start is None or step is None or not (2.0 < start < 5.0 and 0 < step < 0.01):
        return None
    return _log_wave(start, step, row.size)


def _shared_wave(row: FloatArray) -> NDArray[np.float64] | None:
    """A wavelength row as float64; None if it holds no increasing wavelengths [Angstrom].

    The survey has a few dozen different rows, so spectra share the (read-only) result.
    """
    raw = row.tobytes()
    key = (raw[:4], raw[-4:], len(raw))
    known = _known_rows.get(key)
    if known is not None and known[0] == raw:
        return known[1]
    wave = row.astype(np.float64)
    if not (wave[0] > 1000.0 and wave[-1] < 30000.0 and (wave[1:] > wave[:-1]).all()):
        return None
    wave.flags.writeable = False
    if len(_known_rows) < _MANY_ROWS:
        _known_rows[key] = (raw, wave)
    return wave


_MANY_ROWS = 256
_known_rows: dict[tuple[bytes, bytes, int], tuple[bytes, NDArray[np.float64]]] = {}


@lru_cache(maxsize=64)
def _log_wave(start: float, step: float, n_pix: int) -> NDArray[np.float64]:
    wave = log_grid(start, step=step, n_pix=n_pix)
    wave.flags.writeable = False
    return wave


def _bad_pixels(
    flux: NDArray[np.float32], ivar: NDArray[np.float32], or_mask: FloatArray
) -> BoolArray:
    """Pixels not to be used, True where bad.

    They have ivar <= 0, are not finite, have any bit of ORMASK, or belong to the leading or
    trailing run of zero flux, where LAMOST keeps ivar > 0 and the masks at 0.
    """
    good = ivar > 0
    # The sum of products is not finite as soon as one pixel is not; an overflow costs nothing.
    if not isfinite(flux.dot(ivar)):
        good &= np.isfinite(flux) & np.isfinite(ivar)
    good &= (
        or_mask.view(np.uint32 if or_mask.itemsize == 4 else np.uint64) == 0
    )  # byte order does not matter to zero
    if flux[0] == 0.0:
        good[: _zeros_at_start(flux)] = False
    if flux[-1] == 0.0:
        good[flux.size - _zeros_at_start(flux[::-1]) :] = False
    return np.logical_not(good, out=good)


def _mask_holes(
    mask: BoolArray, wave: FloatArray, flux: NDArray[np.float32], notes: list[str]
) -> None:
    """Mask zeros in the midst of a spectrum: rare, and as little measured as those at its ends."""
    zeros = (flux == 0.0) & ~mask
    if np.count_nonzero(zeros) < FILL_PIXELS:  # nearly always; the rest need not be fast
        return
    holes = filled(wave, flux[None], ~mask[None])[0] & zeros
    if holes.any():
        mask |= holes
        notes.append("pixels filled with one value: masked")


def _zeros_at_start(flux: NDArray[np.float32]) -> int:
    """Length of the run of zeros with which `flux` begins."""
    for part in (flux[:64], flux):  # the run is short in nearly all files
        first = int((part != 0.0).argmax())
        if part[first] != 0.0:
            return first
    return flux.size


def _metadata(path: str, header: Header, layout: str, notes: list[str]) -> dict[str, list[Any]]:
    """One value a name for the single spectrum; what is odd about the header goes to `notes`."""
    fields = header.pick(_CARDS if "SNRG" in header else _OLD_CARDS)
    n = len(_TEXTS)
    planid, obsid, release, name, kind, subclass, uid, gaia = texts_of(fields[:n])
    lmjd, spid, fiberid, ra, dec, z, *snr = numbers_of(fields[n:-1])
    identity = (_whole(lmjd), planid, _whole(spid), _whole(fiberid))
    snr_u, snr_g, snr_r, snr_i, snr_z = snr = [_present(value) for value in snr]
    if SNR_CAP in snr:
        capped = [f"snr_{band}" for band, value in zip(_BANDS, snr) if value == SNR_CAP]
        notes.append(f"{', '.join(capped)} at the cap of {SNR_CAP:.0f}")
    if obsid is None:
        notes.append("no OBSID in the header")
    notes.extend(_name_differs(path, identity))
    return {
        "path": [path],
        "index": [0],
        "survey": ["lamost"],
        "layout": [layout],
        "release": [release],
        "object": [name],
        "obsid": [obsid],
        "ra": [ra],
        "dec": [dec],
        "class": [kind],
        "subclass": [subclass],
        "redshift": [_present(z)],
        "snr": [snr_g],
        "snr_u": [snr_u],
        "snr_g": [snr_g],
        "snr_r": [snr_r],
        "snr_i": [snr_i],
        "snr_z": [snr_z],
        "star_id": [uid or gaia],
        "has_errors": [True],
        "wave_frame": ["vacuum"],
        "lmjd": [identity[0]],
        "planid": [identity[1]],
        "spid": [identity[2]],
        "fiberid": [identity[3]],
    }


def _present(value: float | None) -> float | None:
    return None if value is None or value <= MISSING else value


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _name_differs(path: str, header: tuple[Any, ...]) -> list[str]:
    """What the header says otherwise than the file's name."""
    named = parse_name(path)
    if named is None or named == header:
        return []
    return [
        f"header {name.upper()} {found} differs from the file name ({said})"
        for name, said, found in zip(FileName._fields, named, header)
        if found is not None and found != said
    ]
