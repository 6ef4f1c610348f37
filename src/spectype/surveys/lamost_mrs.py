"""LAMOST medium-resolution spectra: a blue and a red arm, coadds and single exposures.

R = 7500 in 4950-5350 and 6300-6800 A (Liu+2020, arXiv:2005.07210); http://www.lamost.org. The
arms of the coadd are joined to one spectrum; it is typed on what the model's range has of it.
"""

from __future__ import annotations

import re

from spectype.core.spectra import Spectra, number
from spectype.formats.source import Source
from spectype.reading import arms, generic
from spectype.reading.clean import assemble, parts_of

CITATION = "Liu et al. 2020, arXiv:2005.07210"
_COADD = re.compile(r"COADD_([BR])$")
_EXPOSURE = re.compile(r"(EPOCH_)?([BR])(-\d+)?$")


def recognise(source: Source) -> bool:
    """Whether `source` is a LAMOST medium-resolution file: tables named by its arms."""
    names = [hdu.header.text("EXTNAME") or "" for hdu in source.hdus[1:]]
    if any(_COADD.match(name) for name in names):
        return True
    telescope = source.hdus[0].header.text("TELESCOP") if source.hdus else None
    return telescope == "LAMOST" and any(_EXPOSURE.match(name) for name in names)


def read(source: Source, *, frame: str | None = None) -> Spectra:
    """Read the coadd, its arms joined; exposures only where there is no coadd.

    Raises
    ------
    ReadError
        If no arm can be read.
    """
    raws, _ = generic.find(source, None)
    coadds = [raw for raw in raws if _COADD.match(raw.name)]
    chosen = coadds or raws
    pieces = []
    for raw in chosen:
        raw.frame = "vacuum"
        raw.notes = [*raw.notes, "LAMOST medium resolution: R = 7500"]
        if len(raws) > len(chosen):
            raw.notes.append(f"{len(raws) - len(chosen)} arms of single exposures left out")
        pieces.append(parts_of(raw, source, frame=frame, unit=None))
    spectra = assemble(arms.gather(pieces), source)
    n_spec = len(spectra)
    header = source.hdus[0].header
    meta = {
        **spectra.meta,
        "survey": ["lamost_mrs"] * n_spec,
        "layout": ["coadd arms" if coadds else "exposure arms"] * n_spec,
        "obsid": [header.text("OBSID")] * n_spec,
        "object": [header.text("DESIG") or header.text("OBJECT")] * n_spec,
        "ra": [number(header.get("RA"))] * n_spec,
        "dec": [number(header.get("DEC"))] * n_spec,
        "star_id": [header.text("UID") or header.text("GAIA_ID")] * n_spec,
    }
    return Spectra(
        wave=spectra.wave, flux=spectra.flux, ivar=spectra.ivar, mask=spectra.mask, meta=meta
    )
