"""Spectra in FITS images: wavelengths from the header, rows that are spectra.

World coordinates as in Greisen+2006 (A&A 446, 747) and IRAF's older habits (DC-FLAG,
multispec); COEFF0/COEFF1 as in SDSS and LAMOST.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.surveys import columns as cols
from spectype.surveys.clean import Floats, Raw, guess_unit, variance_inverse
from spectype.surveys.source import Source

_FEW = 6  # a small axis may hold wavelength, flux, error ... rather than spectra
_ASK = "give a table, or an image with CRVAL1 and CDELT1 in its header"


def read_raw(source: Source, hdus: Any) -> Raw:
    """Spectra of the image HDUs of a file opened by astropy.

    Understands one spectrum a row, one-dimensional images, images by name (FLUX, IVAR, ERR,
    WAVELENGTH, MASK), IRAF's bands, and images whose rows are wavelength, flux and error.
    """
    images = [
        hdu for hdu in hdus if getattr(hdu, "is_image", False) and hdu.header.get("NAXIS", 0) > 0
    ]
    if not images:
        raise source.fail(
            "holds neither an image nor a table with a spectrum",
            remedy="is the extension with the data missing? fetch the file again",
        )
    roles = {role: hdu for role, hdu in _named(images).items() if hdu.data is not None}
    main = roles.get("flux", images[0])
    header = main.header
    if str(header.get("CTYPE1", "")).startswith(("RA-", "DEC-", "GLON", "GLAT")):
        raise source.fail("is an image of the sky, not a spectrum", remedy=_ASK)
    flux, error = _rows(main, source)
    variance = {
        role: np.atleast_2d(np.asarray(roles[role].data, dtype=np.float64))
        for role in ("error", "variance", "ivar")
        if role in roles and np.size(roles[role].data) == flux.size
    }
    raw = Raw(wave=np.empty(0), flux=flux, frame=stated_frame(header))
    if "ivar" in variance:
        raw.ivar = variance["ivar"].reshape(flux.shape)
    elif variance or error is not None:
        raw.ivar = variance_inverse(
            error=variance.get("error", error), variance=variance.get("variance")
        )
        raw.ivar = None if raw.ivar is None else raw.ivar.reshape(flux.shape)
    if "mask" in roles and np.size(roles["mask"].data) == flux.size:
        raw.bad = (np.asarray(roles["mask"].data) != 0).reshape(flux.shape)
    if "wave" in roles:
        raw.wave = _fit(np.asarray(roles["wave"].data, dtype=np.float64), flux, source)
        raw.unit = roles["wave"].header.get("BUNIT")
    elif not from_header(header, raw, source):
        _from_rows(raw, source)
    raw.per_frequency = is_per_frequency(header.get("BUNIT"))
    raw.meta["layout"] = [f"image {'x'.join(map(str, main.shape))}"] * raw.flux.shape[0]
    return raw


def is_per_frequency(unit: object) -> bool:
    """Whether a flux unit is per frequency: Jy, or something per Hz."""
    return bool(re.search(r"jy\b|/hz|hz-1|hz\^-1|hz\*\*-1", str(unit or "").lower()))


def stated_frame(header: Any) -> str | None:
    """ "air" or "vacuum" where a FITS header says so, else None.

    CTYPE1 is AWAV for air and WAVE for vacuum (Greisen+2006, table 1).
    """
    for key in ("VACUUM", "VACWAVE"):
        if key in header:
            return "vacuum" if header[key] in (True, 1, "T", "true", "True") else "air"
    for key in ("AIRORVAC", "WAVEFRAM", "VACORAIR", "WAVETYPE", "WAT1_001", "TTYPE1"):
        frame = cols.frame_in_text(str(header.get(key, "")))
        if frame:
            return frame
    kind = str(header.get("CTYPE1", "")).strip().upper()
    kind = kind.partition("-")[0]  # "WAVE-LOG"; but "WAVELENGTH" is nobody's standard
    return {"AWAV": "air", "WAVE": "vacuum"}.get(kind)


def frame_in_comments(header: Any) -> str | None:
    """The frame that COMMENT or HISTORY cards give to the wavelengths."""
    lines = [str(line) for key in ("COMMENT", "HISTORY") for line in header.get(key, [])]
    return cols.frame_in_text(" ".join(line for line in lines if "wave" in line.lower()))


def from_header(header: Any, raw: Raw, source: Source) -> bool:
    """Fill ``raw.wave`` and ``raw.unit`` from a header; False if it has no dispersion."""
    n_pix = raw.flux.shape[1]
    pixel = np.arange(n_pix, dtype=np.float64)
    if "COEFF0" in header and "COEFF1" in header:
        raw.wave = 10.0 ** (float(header["COEFF0"]) + float(header["COEFF1"]) * pixel)
        raw.unit = "angstrom"
        return True
    kind = str(header.get("CTYPE1", "")).upper()
    if kind.startswith("MULTISPE"):
        raw.wave, raw.unit = _multispec(header, raw.flux.shape, source), "angstrom"
        return True
    step = header.get("CD1_1") or header.get("CDELT1") or header.get("CD1_1 ")
    start = header.get("CRVAL1")
    if not _is_number(start) or not _is_number(step) or kind.startswith("PIXEL"):
        return False
    linear = start + (pixel + 1 - float(header.get("CRPIX1", 1))) * step
    if (start, step) in ((0, 1), (1, 1)):
        return False  # pixel numbers, not wavelengths
    raw.wave, raw.unit = linear, _axis_unit(header)
    if kind[4:8] == "-LOG" and start > 100:
        raw.wave = start * np.exp((linear - start) / start)
    elif header.get("DC-FLAG") == 1 or ("LOG" in kind and start < 5.2):
        raw.wave, raw.unit = 10.0**linear, "angstrom"
    elif linear.max() < 12 and raw.unit == "angstrom":
        raw.unit = None  # logarithms under a linear label
    return True


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and bool(np.isfinite(value)) and value != 0


def _axis_unit(header: Any) -> str | None:
    unit = header.get("CUNIT1")
    if unit:
        return str(unit)
    found = re.search(r"units=(\w+)", str(header.get("WAT1_001", "")))
    return found[1] if found else None


def _named(images: list[Any]) -> dict[str, Any]:
    """Images by role, from their EXTNAME."""
    by_name = {str(hdu.header.get("EXTNAME", "")).strip(): hdu for hdu in reversed(images)}
    by_name.pop("", None)
    by_name.pop("PRIMARY", None)
    roles = {role: by_name[name] for role, name in cols.guess(by_name).items()}
    if "flux" not in roles and images[0] not in roles.values():
        roles["flux"] = images[0]
    return roles


def _rows(hdu: Any, source: Source) -> tuple[Floats, Floats | None]:
    """Flux (n_spec, n_pix) and, from IRAF's bands, its error."""
    data = np.asarray(hdu.data, dtype=np.float64)
    if data.ndim <= 2:
        return np.atleast_2d(data), None
    if data.ndim == 3 and data.shape[0] <= _FEW:
        labels = [str(hdu.header.get(f"BANDID{i + 1}", "")) for i in range(data.shape[0])]
        sigma = next((i for i, text in enumerate(labels) if text.startswith("sigma")), None)
        return data[0], None if sigma is None else data[sigma]
    raise source.fail(f"holds an image of {data.ndim} axes {data.shape}, not spectra", remedy=_ASK)


def _fit(wave: Floats, flux: Floats, source: Source) -> Floats:
    """`wave` in a shape that goes with `flux`."""
    wave = np.squeeze(wave)
    if wave.shape in (flux.shape, flux.shape[1:]):
        return wave
    raise source.fail(f"wavelengths have shape {wave.shape}, flux {flux.shape}", remedy=_ASK)


def _from_rows(raw: Raw, source: Source) -> None:
    """Take the rows (or columns) of a small image as wavelength, flux and error."""
    data = raw.flux
    if data.shape[1] <= _FEW < data.shape[0]:
        data = data.T
    if not 2 <= data.shape[0] <= _FEW or not _looks_like_wave(data[0]):
        raise source.fail(
            f"image {raw.flux.shape} has no wavelengths in its header or rows", remedy=_ASK
        )
    raw.wave, raw.flux = data[0], data[1:2]
    raw.ivar = variance_inverse(error=data[2:3]) if data.shape[0] > 2 else None


def _looks_like_wave(row: Floats) -> bool:
    finite = row[np.isfinite(row)]
    if finite.size < row.size or finite.size < 3:
        return False
    step = np.diff(finite)
    one_way = bool((step > 0).all() or (step < 0).all())
    return one_way and guess_unit(finite) is not None


def _multispec(header: Any, shape: tuple[int, ...], source: Source) -> NDArray[np.float64]:
    """Wavelengths of IRAF's multispec, for linear and log-linear dispersion."""
    text = "".join(
        str(header[key]).ljust(68) for key in sorted(header) if str(key).startswith("WAT2_")
    )
    specs = dict(re.findall(r'spec(\d+)\s*=\s*"([^"]*)"', text))
    wave = np.empty(shape)
    for row in range(shape[0]):
        words = specs.get(str(row + 1), "").split()
        if len(words) < 6 or words[2] not in ("0", "1"):
            raise source.fail(
                "has a non-linear IRAF dispersion (multispec)",
                remedy="make it linear (dispcor), or export it as text",
            )
        start, step, redshift = (
            float(words[3]),
            float(words[4]),
            float(words[6]) if len(words) > 6 else 0.0,
        )
        linear = start + step * np.arange(shape[1])
        wave[row] = (10.0**linear if words[2] == "1" else linear) / (1.0 + redshift)
    return wave
