"""LAMOST low-resolution spectra: three layouts, their traps, and the survey's names and URLs.

Data: Cui+2012 (RAA 12, 1197), Luo+2015 (RAA 15, 1095), http://www.lamost.org. The layouts are
told apart by structure alone; release numbers in file names and headers contradict each other.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectype.core.errors import UsageError
from spectype.core.spectra import BoolArray, Spectra
from spectype.surveys.fastfits import Hdu, Header, float_columns, image_rows
from spectype.surveys.source import Source

CITATION = "Cui et al. 2012, RAA 12, 1197; Luo et al. 2015, RAA 15, 1095"
SNR_CAP = 999.0  #: the pipeline writes this where it could not have measured a larger S/N
MISSING = -9999.0  #: the pipeline's "no value" for redshift and S/N

_COLUMNS = ("FLUX", "IVAR", "WAVELENGTH", "ANDMASK", "ORMASK")
_BANDS = "ugriz"
_SNR_KEYS = tuple((f"snr_{b}", f"SNR{b.upper()}    ".encode()) for b in _BANDS)
_OLD_SNR_KEYS = tuple((f"snr_{b}", f"SN_{b.upper()}    ".encode()) for b in _BANDS)
_NAME = re.compile(
    r"spec-(?P<lmjd>\d{5})-(?P<planid>[^/\\]+)_sp(?P<spid>\d{2})-(?P<fiberid>\d{3})"
    r"(?:_[^/\\]*)?\.fits?(?:\.gz)?$"
)


class FileName(NamedTuple):
    """What a LAMOST file name says."""

    lmjd: int
    planid: str
    spid: int
    fiberid: int


def file_name(lmjd: int, planid: str, spid: int, fiberid: int) -> str:
    """Name of the file of one spectrum.

    Parameters
    ----------
    lmjd : int
        Local modified Julian day.
    planid : str
        Plan identifier; may contain underscores.
    spid : int
        Spectrograph, 1-16.
    fiberid : int
        Fibre, 1-250.

    Examples
    --------
    >>> file_name(55863, "M31_011N40_B1", 8, 25)
    'spec-55863-M31_011N40_B1_sp08-025.fits.gz'
    """
    return f"spec-{int(lmjd):05d}-{planid.strip()}_sp{int(spid):02d}-{int(fiberid):03d}.fits.gz"


def parse_name(path: str) -> FileName | None:
    """The inverse of `file_name`, with or without folders and ``.gz``; None for other names."""
    found = _NAME.search(path)
    if found is None:
        return None
    lmjd, planid, spid, fiberid = found.groups()
    return FileName(int(lmjd), planid, int(spid), int(fiberid))


def tree_path(obsdate: str, planid: str, *, lmjd: int, spid: int, fiberid: int) -> str:
    """Place of a spectrum in the survey's tree, ``YYYYMMDD/PLANID/spec-....fits.gz``.

    Parameters
    ----------
    obsdate : str
        Night of observation as in the catalogue: ``2011-10-28`` or ``20111028``.
    planid, lmjd, spid, fiberid
        As in `file_name`.
    """
    night = obsdate.strip()[:10].replace("-", "")
    if len(night) != 8 or not night.isdigit():
        raise UsageError(f"{obsdate!r} is not a night", remedy="write it as YYYY-MM-DD")
    return f"{night}/{planid.strip()}/{file_name(lmjd, planid, spid, fiberid)}"


def split_release(release: str) -> tuple[int, str | None]:
    """Number and version of a release: ``"dr10/v2.0"`` -> ``(10, "v2.0")``, ``"DR3"`` -> (3, None).

    Raises
    ------
    UsageError
        If `release` is not written like that.
    """
    found = re.fullmatch(r"dr(\d+)(?:[/_ -]?v(\d+(?:\.\d+)?))?", release.strip().lower())
    if found is None:
        raise UsageError(
            f"{release!r} is not a LAMOST release", remedy="write it like dr10/v2.0 or dr6/v2"
        )
    version = found[2]
    return int(found[1]), None if version is None else f"v{version}"


def spectrum_url(obsid: int | str, release: str, *, token: str | None = None) -> str:
    """Address of one spectrum in the survey's archive.

    Parameters
    ----------
    obsid : int or str
        The survey's number of the spectrum.
    release : str
        ``"dr10/v2.0"``; DR1-DR3 need no version.
    token : str, optional
        The user's own; needed for internal releases only.

    Returns
    -------
    str
        The open interface from DR6 on, the release's own server before.

    Raises
    ------
    UsageError
        If the release is not known or lacks its version, or `obsid` is no number.
    """
    number, version = split_release(release)
    if not str(obsid).strip().isdigit():
        raise UsageError(f"{obsid!r} is not an obsid", remedy="it is a whole number")
    obsid = int(obsid)
    if number <= 3:
        base = f"http://dr{number}.lamost.org/spectrum/fits/{obsid}"
    elif version is None:
        raise UsageError(f"DR{number} has versions", remedy=f"write it like dr{number}/v2.0")
    elif number <= 5:
        base = f"http://dr{number}.lamost.org/{_short(version)}/spectrum/fits/{obsid}"
    else:
        base = f"https://www.lamost.org/openapi/dr{number}/{_long(version)}/lrs/spectrum/fits"
        return f"{base}?obsid={obsid}" + (f"&token={token}" if token else "")
    return base + (f"?token={token}" if token else "")


def night_url(obsdate: str, release: str) -> str:
    """Address of the archive of all low-resolution spectra of one night (a tar file)."""
    number, version = split_release(release)
    if version is None:
        raise UsageError(f"DR{number} has versions", remedy=f"write it like dr{number}/v2.0")
    night = obsdate.strip().replace("-", "")
    return f"https://www.lamost.org/dr{number}/{_long(version)}/tar/lrs-fits/{night}.tar.gz"


def _long(version: str) -> str:
    return version if "." in version else f"{version}.0"


def _short(version: str) -> str:
    return version.removesuffix(".0")


def layout_of(hdus: list[Hdu]) -> str | None:
    """Which LAMOST layout these HDUs have: "image-subcontinuum", "image-wavelength", "bintable-coadd".

    None if they are no LAMOST low-resolution spectrum.
    """
    if not hdus:
        return None
    header = hdus[0].header
    if header.get(b"NAXIS   ") == 2:
        rows = str(header.get(b"EXTEN0  ", "")).lower()
        known = rows.startswith("flux") or header.get(b"TELESCOP") == "LAMOST"
        if not known or header.get(b"NAXIS2  ") != 5 or header.get(b"BITPIX  ") != -32:
            return None
        return "image-subcontinuum" if "subcontinuum" in rows else "image-wavelength"
    if len(hdus) > 1 and header.get(b"NAXIS   ") == 0:
        table = hdus[1].header
        if table.get(b"EXTNAME ") == "COADD" and table.get(b"TTYPE3  ") == "WAVELENGTH":
            names = tuple(table.get(f"TTYPE{i}  ".encode()) for i in range(1, 6))
            return "bintable-coadd" if names == _COLUMNS else None
    return None


def recognise(source: Source) -> bool:
    """Whether `source` is a LAMOST low-resolution spectrum."""
    return layout_of(source.hdus) is not None


def read(source: Source) -> Spectra:
    """Read a LAMOST low-resolution spectrum of any layout.

    Returns
    -------
    Spectra
        Of one spectrum; flux, ivar and wavelengths are the file's own numbers. Bad pixels
        (ivar <= 0, not finite, ORMASK set, leading or trailing zeros) have ivar 0.

    Raises
    ------
    ReadError
        If the data do not have the shape that the headers promise.
    """
    layout = layout_of(source.hdus)
    header = source.hdus[0].header
    rows = _rows(source, layout)
    wave, flux, ivar, or_mask = rows[2], rows[0], rows[1], rows[4]
    warnings: list[str] = []
    if layout == "image-subcontinuum":
        grid = _log_wave(header, flux.size)
    elif _is_wave(wave):
        grid = wave.astype(np.float64)
    else:
        grid = _log_wave(header, flux.size)
        warnings.append("third row is not wavelength; wavelengths from COEFF0 and COEFF1")
    if grid is None:
        raise source.fail(
            "has no usable wavelengths: neither a wavelength row nor COEFF0 and COEFF1",
            remedy="the file is damaged: fetch it again",
        )
    good = (ivar > 0) & (or_mask == 0) & np.isfinite(flux) & np.isfinite(ivar)
    mask = ~_inside_zeros(flux, good)
    ivar[mask] = 0.0
    meta = _metadata(source.path, header, str(layout), warnings)
    return Spectra(wave=grid, flux=flux[None], ivar=ivar[None], mask=mask[None], meta=meta)


def _rows(source: Source, layout: str | None) -> NDArray[np.float32]:
    """Flux, ivar, wavelength (or the like), and-mask, or-mask: shape (>= 5, n_pix)."""
    if layout != "bintable-coadd":
        rows = image_rows(source.data, source.hdus[0])
    else:
        hdu = source.hdus[1]
        n_rows = int(hdu.header.get(b"NAXIS2  ", 0))
        if n_rows != 1:
            raise source.fail(
                f"table COADD has {n_rows} rows, not one", remedy="fetch the file again"
            )
        table = float_columns(source.data, hdu, n_rows)
        rows = _by_astropy(source) if table is None else table[0]
    if rows.shape[1] < 2:
        raise source.fail(f"has {rows.shape[1]} pixels", remedy="the file is damaged")
    return rows


def _by_astropy(source: Source) -> NDArray[np.float32]:
    """The five rows of a COADD table in any column format."""
    from spectype.surveys.slowfits import open_fits

    with open_fits(source) as hdus:
        row = hdus[1].data[0]
        return np.stack([np.atleast_1d(row[name]) for name in _COLUMNS]).astype(np.float32)


def _is_wave(row: NDArray[np.float32]) -> bool:
    """Whether a row is increasing wavelength in Angstrom."""
    return bool(row[0] > 1000.0 and row[-1] < 30000.0 and (row[1:] > row[:-1]).all())


def _log_wave(header: Header, n_pix: int) -> NDArray[np.float64] | None:
    start, step = header.number(b"COEFF0  "), header.number(b"COEFF1  ")
    if start is None or step is None or not (2.0 < start < 5.0 and 0 < step < 0.01):
        return None
    return np.asarray(10.0 ** (start + step * np.arange(n_pix)), dtype=np.float64)


def _inside_zeros(flux: NDArray[np.float32], good: BoolArray) -> BoolArray:
    """`good` without the leading and trailing runs of flux 0, where LAMOST keeps ivar > 0."""
    lit = flux != 0
    first = int(lit.argmax())
    if not lit[first]:
        return np.zeros_like(good)
    good[:first] = False
    good[flux.size - int(lit[::-1].argmax()) :] = False
    return good


def _metadata(path: str, header: Header, layout: str, warnings: list[str]) -> dict[str, list[Any]]:
    """One value a name for the single spectrum, and what is odd about the header."""
    text, number = header.text, header.number
    meta: dict[str, Any] = {
        "path": path,
        "index": 0,
        "survey": "lamost",
        "layout": layout,
        "release": text(b"DATA_V  "),
        "object": text(b"DESIG   "),
        "obsid": text(b"OBSID   "),
        "ra": number(b"RA      "),
        "dec": number(b"DEC     "),
        "class": text(b"CLASS   "),
        "subclass": text(b"SUBCLASS"),
        "redshift": _present(number(b"Z       ")),
        "star_id": text(b"UID     ") or text(b"GAIA_ID ") or text(b"GAIA_SOU"),
        "has_errors": True,
        "wave_frame": "vacuum",
    }
    keys = _SNR_KEYS if b"SNRG    " in header._at else _OLD_SNR_KEYS
    for name, key in keys:
        meta[name] = value = _present(number(key))
        if value == SNR_CAP:
            warnings.append(f"{name} is {SNR_CAP:.0f}, a cap")
    meta["snr"] = meta["snr_g"]
    identity = (
        number(b"LMJD    "), text(b"PLANID  "), number(b"SPID    "), number(b"FIBERID ")
    )  # fmt: skip
    meta.update(zip(FileName._fields, map(_whole, identity)))
    warnings.extend(_name_differs(path, identity))
    if meta["obsid"] is None:
        warnings.append("no OBSID in the header")
    meta["warnings"] = "; ".join(warnings)
    return {name: [value] for name, value in meta.items()}


def _present(value: float | None) -> float | None:
    return None if value is None or value <= MISSING else value


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) else value


def _name_differs(path: str, identity: tuple[Any, ...]) -> list[str]:
    """What the header says otherwise than the file's name."""
    named = parse_name(path)
    if named is None or named == identity:
        return []
    return [
        f"header {name.upper()} {_whole(found)} differs from the file name ({said})"
        for name, said, found in zip(FileName._fields, named, identity)
        if found is not None and found != said
    ]
