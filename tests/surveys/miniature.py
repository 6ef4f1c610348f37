"""Miniature files in the true on-disk layouts, written by astropy."""

from __future__ import annotations

import gzip
import io
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits

LAMOST_CARDS = {
    "OBSID": 707009,
    "DATA_V": "LAMOST DR5",
    "TELESCOP": "LAMOST",
    "LMJD": 55862,
    "PLANID": "M31_011N40_B1",
    "SPID": 7,
    "FIBERID": 9,
    "RA": 354.521234,
    "DEC": -1.25,
    "DESIG": "LAMOST J233805.09-011500.0",
    "VACUUM": True,
    "COEFF0": 3.5682,
    "COEFF1": 0.0001,
    "CRVAL1": 3.5682,
    "CD1_1": 0.0001,
    "CRPIX1": 1,
    "CTYPE1": "LINEAR",
    "DC-FLAG": 1,
    "CLASS": "STAR",
    "SUBCLASS": "G8",
    "Z": -0.00029681,
    "SNRU": 0.43,
    "SNRG": 12.65,
    "SNRR": 28.0,
    "SNRI": 37.14,
    "SNRZ": 24.12,
}
ROWS = ("FLUX", "IVAR", "WAVELENGTH", "ANDMASK", "ORMASK", "NORMALIZATION")


def lamost_wave(n_pix: int) -> np.ndarray:
    """LAMOST's wavelengths as its files hold them, float32."""
    return (10 ** (3.5682 + 1e-4 * np.arange(n_pix))).astype(np.float32)


def lamost_rows(n_pix: int = 300, *, seed: int = 0) -> np.ndarray:
    """Flux, ivar, wavelength, and-mask, or-mask of a good spectrum, shape (5, n_pix)."""
    rng = np.random.default_rng(seed)
    flux = 300 + 20 * rng.normal(size=n_pix)
    ivar = rng.uniform(0.5, 2.0, n_pix)
    nothing = np.zeros(n_pix)
    return np.stack([flux, ivar, lamost_wave(n_pix), nothing, nothing]).astype(np.float32)


def lamost_bytes(rows: np.ndarray, layout: str, **cards: object) -> bytes:
    """A LAMOST file in memory; cards given as None are left out.

    Stray NAXIS1 and NAXIS2 cards stand in the empty primary of the table, as in real files.
    """
    values = {**LAMOST_CARDS, **cards}
    if layout == "image-subcontinuum":
        values["EXTEN0"] = "Flux Inverse Subcontinuum Andmask Ormask"
        for band in "URGIZ":
            values[f"SN_{band}"] = values.pop(f"SNR{band}")
    elif layout == "image-wavelength":
        values["EXTEN0"] = "Flux, Inverse, Wavelength, Andmask, Ormask"
    header = fits.Header()
    for key, value in values.items():
        if value is not None:
            header[key] = value
    if layout != "bintable-coadd":
        return to_bytes([fits.PrimaryHDU(rows.astype(np.float32), header)])
    columns = [
        fits.Column(name=name, format=f"{rows.shape[1]}E", array=row[None])
        for name, row in zip(ROWS, [*rows[:5], np.full(rows.shape[1], -9999.0)])
    ]
    table = fits.BinTableHDU.from_columns(columns, name="COADD")
    raw = to_bytes([fits.PrimaryHDU(header=header), table])
    stray = b"".join(
        f"NAXIS{i}  = {n:20d} / Number of array dimensions".ljust(80).encode()
        for i, n in ((1, rows.shape[1]), (2, 5))
    )
    # Overwrite two cards of little worth rather than move all that follows.
    at = raw.index(b"CRPIX1  =")
    raw = raw[:at] + stray[:80] + raw[at + 80 :]
    at = raw.index(b"DC-FLAG =")
    return raw[:at] + stray[80:] + raw[at + 80 :]


def to_bytes(hdus: list) -> bytes:
    """The bytes of a FITS file of these HDUs."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits.HDUList(hdus).writeto(buffer)
    return buffer.getvalue()


def write(path: Path, data: bytes) -> Path:
    """Write `data`, gzipped if the name ends in .gz."""
    path.write_bytes(gzip.compress(data) if path.name.endswith(".gz") else data)
    return path


def table_bytes(columns: dict[str, np.ndarray], *, units: dict | None = None, **cards) -> bytes:
    """A FITS file with one binary table: vectors a row where arrays have two axes."""
    made = []
    for name, values in columns.items():
        values = np.asarray(values)
        code = {"f4": "E", "f8": "D", "i4": "J", "i8": "K", "b1": "L"}.get(values.dtype.str[1:])
        if code is None:
            code = f"{values.dtype.itemsize}A"
        form = code if values.ndim == 1 else f"{values.shape[1]}{code}"
        unit = (units or {}).get(name)
        made.append(fits.Column(name=name, format=form, array=values, unit=unit))
    table = fits.BinTableHDU.from_columns(made)
    for key, value in cards.items():
        table.header[key] = value
    return to_bytes([fits.PrimaryHDU(), table])


def image_bytes(data: np.ndarray, **cards: object) -> bytes:
    """A FITS file whose primary is the image `data`; ``_`` in names of cards stands for -."""
    hdu = fits.PrimaryHDU(np.asarray(data))
    for key, value in cards.items():
        hdu.header[key.replace("__", "-")] = value
    return to_bytes([hdu])
