"""Names and addresses of LAMOST's files."""

from __future__ import annotations

import re
from typing import NamedTuple

from spectype.core.errors import UsageError

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
    return f"spec-{lmjd:05d}-{planid}_sp{spid:02d}-{fiberid:03d}.fits.gz"


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
        base = f"http://dr{number}.lamost.org/{short_version(version)}/spectrum/fits/{obsid}"
    else:
        base = (
            f"https://www.lamost.org/openapi/dr{number}/{long_version(version)}/lrs/spectrum/fits"
        )
        return f"{base}?obsid={obsid}" + (f"&token={token}" if token else "")
    return base + (f"?token={token}" if token else "")


def night_url(obsdate: str, release: str) -> str:
    """Address of the archive of all low-resolution spectra of one night (a tar file)."""
    number, version = split_release(release)
    if version is None:
        raise UsageError(f"DR{number} has versions", remedy=f"write it like dr{number}/v2.0")
    night = obsdate.strip().replace("-", "")
    return f"https://www.lamost.org/dr{number}/{long_version(version)}/tar/lrs-fits/{night}.tar.gz"


def long_version(version: str) -> str:
    """``v2`` as ``v2.0``, as newer servers have it."""
    return version if "." in version else f"{version}.0"


def short_version(version: str) -> str:
    """``v2.0`` as ``v2``, as older servers have it."""
    return version.removesuffix(".0")
