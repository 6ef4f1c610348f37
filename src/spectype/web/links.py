"""Addresses of pages about the place in the sky and the observation; nothing is fetched."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from spectype.core.spectra import Spectra
from spectype.web.shelf import plain

_SKY = {
    "SIMBAD": "https://simbad.cds.unistra.fr/simbad/sim-coo?Coord={place}"
    "&CooFrame=ICRS&Radius=5&Radius.unit=arcsec",
    "Aladin": "https://aladin.cds.unistra.fr/AladinLite/?target={place}&fov=0.05",
}
#: By the beginning of the survey's name; by position, which is right for every release.
_SURVEYS = {
    "lamost": (
        "LAMOST at VizieR",
        "https://vizier.cds.unistra.fr/viz-bin/VizieR-4?-source=V/156&-c={place}&-c.rs=5",
    ),
    "sdss": (
        "SDSS",
        "https://skyserver.sdss.org/dr18/VisualTools/explore/summary?ra={ra:.6f}&dec={dec:.6f}",
    ),
    "desi": ("DESI", "https://www.legacysurvey.org/viewer?ra={ra:.6f}&dec={dec:.6f}&zoom=14"),
}
_RELEASE = re.compile(r"\bDR(\d+)", re.IGNORECASE)


def links(row: Mapping[str, Any], spectrum: Spectra | None = None) -> dict[str, str]:
    """Name to address for a row and, where it could be read, its spectrum (a batch of one)."""
    header = {} if spectrum is None else {k: v[0] for k, v in spectrum.meta.items()}
    survey = str(row.get("survey") or header.get("survey") or "").lower()
    found: dict[str, str] = {}
    ra, dec = (plain(row.get(name)) for name in ("ra", "dec"))
    if isinstance(ra, int | float) and isinstance(dec, int | float) and math.isfinite(ra + dec):
        pages = list(_SKY.items())
        pages += [page for start, page in _SURVEYS.items() if survey.startswith(start)]
        place = quote(f"{ra:.6f} {dec:+.6f}")
        found = {name: page.format(ra=ra, dec=dec, place=place) for name, page in pages}
    obsid = str(row.get("obsid") or "")
    release = _RELEASE.search(str(row.get("release") or header.get("release") or ""))
    if survey.startswith("lamost") and obsid.isdigit() and release:
        found[f"LAMOST DR{release[1]}"] = lamost_page(obsid, int(release[1]))
    return found


def lamost_page(obsid: str, release: int) -> str:
    """The survey's page of an observation in the release that its file was written for.

    Files name a release's number but not its version: up to DR7 a release has a server, which
    knows its latest version; from DR8 on v2.0 is the last.
    """
    if release < 8:
        return f"http://dr{release}.lamost.org/spectrum/view?obsid={obsid}"
    return f"https://www.lamost.org/dr{release}/v2.0/spectrum/view?obsid={obsid}"
