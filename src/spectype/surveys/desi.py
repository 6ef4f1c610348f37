"""DESI: coadd and spectra files, a target a row, the arms b, r and z joined.

Data model: https://desidatamodel.readthedocs.io; DESI Collaboration 2024 (AJ 168, 58).
Wavelengths are vacuum.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from spectype.core.spectra import Spectra, number
from spectype.formats.slowfits import open_fits
from spectype.formats.source import Source
from spectype.reading import arms, quality
from spectype.reading.clean import Raw, assemble, parts_of

CITATION = "DESI Collaboration et al. 2024, AJ 168, 58"
_ARMS = ("B", "R", "Z", "BRZ")


def recognise(source: Source) -> bool:
    """Whether `source` has images of flux and wavelength by arm: B_FLUX, B_WAVELENGTH ..."""
    names = {(hdu.header.text("EXTNAME") or "").upper() for hdu in source.hdus[1:]}
    return any({f"{arm}_FLUX", f"{arm}_WAVELENGTH"} <= names for arm in _ARMS)


def read(source: Source, *, frame: str | None = None) -> Spectra:
    """Read all targets of a file.

    Raises
    ------
    ReadError
        If flux and wavelengths have shapes that do not go together.
    """
    with open_fits(source) as hdus:
        by_name = {hdu.name.upper(): hdu for hdu in hdus}
        raws = [_arm(by_name, arm, source) for arm in _ARMS if f"{arm}_FLUX" in by_name]
        about = _fibermap(by_name, len(raws[0]))
    pieces = [parts_of(raw, source, frame=frame, unit=None) for raw in raws]
    spectra = assemble(arms.gather(pieces), source)
    if len(spectra) != len(about["survey"]):
        raise source.fail("its arms do not cover one range", remedy="is the file complete?")
    return replace(spectra, meta={**spectra.meta, **about})


def _arm(by_name: dict[str, Any], arm: str, source: Source) -> Raw:
    """One arm of all targets."""
    flux = np.atleast_2d(np.asarray(by_name[f"{arm}_FLUX"].data, np.float32))
    wave = np.ravel(np.asarray(by_name[f"{arm}_WAVELENGTH"].data, np.float64))
    if flux.shape[-1] != wave.size:
        raise source.fail(
            f"arm {arm} has {flux.shape[-1]} pixels and {wave.size} wavelengths",
            remedy="the file is damaged: fetch it again",
        )
    values = {
        role: np.atleast_2d(by_name[f"{arm}_{name}"].data)
        for role, name in (("ivar", "IVAR"), ("mask", "MASK"))
        if f"{arm}_{name}" in by_name and by_name[f"{arm}_{name}"].data is not None
    }
    found = quality.judge(flux, {r: v for r, v in values.items() if v.shape == flux.shape})
    return Raw(
        wave=wave,
        flux=flux,
        ivar=found.ivar,
        bad=found.bad,
        unit="angstrom",
        frame="vacuum",
        name=arm,
        notes=found.notes,
    )


def _fibermap(by_name: dict[str, Any], n_spec: int) -> dict[str, list[Any]]:
    """What the table of fibres says of each target."""
    meta: dict[str, list[Any]] = {
        "survey": ["desi"] * n_spec,
        "layout": ["arms"] * n_spec,
    }
    table = by_name.get("FIBERMAP")
    if table is None or table.data is None or len(table.data) != n_spec:
        return meta
    names = {name.upper(): name for name in table.columns.names}
    if "TARGETID" in names:
        ids = [str(int(value)) for value in table.data[names["TARGETID"]]]
        names_of = [f"DESI {i}" for i in ids]
        meta |= {"obsid": ids, "object": names_of, "star_id": names_of}
    for key, column in (("ra", "TARGET_RA"), ("dec", "TARGET_DEC")):
        if column in names:
            meta[key] = [number(value) for value in table.data[names[column]]]
    return meta
