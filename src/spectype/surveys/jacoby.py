"""The Jacoby, Hunter & Christian (1984) atlas: 161 stars, 3510-7427 A, ``jc_N.fits``.

The spectra are dereddened, in air wavelengths, at about 4.5 A resolution. Stars and types
stand in CDS III/92; STScI holds the files.
"""

from __future__ import annotations

import re

import numpy as np

from spectype.core.errors import UsageError
from spectype.core.spectra import Spectra
from spectype.formats.source import Source
from spectype.reading import generic
from spectype.reading.clean import Raw

CITATION = "Jacoby, Hunter & Christian 1984, ApJS 56, 257"
N_STARS = 161
N_PIX = 2799
FIRST_WAVE, STEP = 3510.0, 1.4  #: Angstrom, air
_ARCHIVE = "https://archive.stsci.edu/hlsps/reference-atlases/cdbs/grid/jacobi"


def file_name(number: int) -> str:
    """Name of the file of star `number`, 1-161."""
    if not 1 <= number <= N_STARS:
        raise UsageError(f"the Jacoby atlas has no star {number}", remedy=f"1 to {N_STARS}")
    return f"jc_{number}.fits"


def spectrum_url(number: int) -> str:
    """Address of star `number` at STScI."""
    return f"{_ARCHIVE}/{file_name(number)}"


def recognise(source: Source) -> bool:
    """Whether `source` is a table of the atlas: 2 columns, 2799 pixels (its length is unique)."""
    if len(source.hdus) < 2 or source.hdus[0].size:
        return False
    header = source.hdus[1].header
    return (
        header.get("TFIELDS") == 2
        and header.get("NAXIS2") == N_PIX
        and str(header.get("TTYPE1", "")).upper().startswith("WAVE")
    )


def read(source: Source, *, frame: str | None = None) -> Spectra:
    """Read one star of the atlas; without errors, in air by default."""
    return generic.read(source, frame=frame, survey="jacoby", adjust=_adjust)


def _adjust(raw: Raw, source: Source) -> None:
    grid = FIRST_WAVE + STEP * np.arange(N_PIX)
    if raw.wave.shape[-1] == N_PIX and np.abs(np.ravel(raw.wave)[:N_PIX] - grid).max() > STEP:
        raw.notes.append("not on the atlas's wavelengths 3510 + 1.4 i")
    raw.frame = raw.frame or "air"
    number = re.search(r"jc_(\d+)", source.name)
    raw.meta["obsid"] = [f"jc_{number[1]}" if number else None]
