"""Quality flags: named bits that say why a spectrum or its type deserves doubt.

Bits 0-15 concern the spectrum, 16-31 the type. A bit keeps its meaning for ever;
new ones are appended.
"""

from __future__ import annotations

from enum import IntFlag
from functools import lru_cache


class Flag(IntFlag):
    """Named quality bits; 0 means no known problem."""

    LOW_SNR = 1 << 0  #: median S/N a pixel below 5
    LITTLE_COVERAGE = 1 << 1  #: under 10 % of the wavelengths the model needs
    PARTIAL_COVERAGE = 1 << 2  #: under 60 % of the wavelengths the model needs
    MANY_BAD_PIXELS = 1 << 3  #: over 20 % of the pixels inside the coverage are bad
    NEGATIVE_FLUX = 1 << 4  #: the median flux is not positive
    NO_ERRORS = 1 << 5  #: the file gives no errors; S/N estimated from the flux itself
    SHAPE_UNRELIABLE = 1 << 6  #: the flux jumps where the two arms of a spectrograph join
    OUT_OF_DISTRIBUTION = 1 << 16  #: unlike every spectrum the model was trained on
    UNCERTAIN_TYPE = 1 << 17  #: probability of the type below 0.6, or subclass error above 4
    BOUNDARY_TYPE = 1 << 18  #: within one subclass of a neighbouring type


@lru_cache(maxsize=1024)
def names(value: int) -> str:
    """Names of the set bits of `value`, space-separated, lowest first.

    Examples
    --------
    >>> names(5)
    'LOW_SNR PARTIAL_COVERAGE'
    """
    return " ".join(str(flag.name) for flag in Flag if value & flag)
