"""Quality flags: named bits that say why a spectrum or its type deserves doubt.

Bits 0-15 concern the spectrum, 16-31 the type. A bit keeps its meaning for ever;
new ones are appended.
"""

from __future__ import annotations

from enum import IntFlag
from functools import lru_cache


class Flag(IntFlag):
    """Named quality bits; 0 means no known problem.

    Examples
    --------
    >>> Flag(5)
    <Flag.LOW_SNR|PARTIAL_COVERAGE: 5>
    >>> bool(65537 & Flag.OUT_OF_DISTRIBUTION)
    True
    """

    LOW_SNR = 1 << 0
    LITTLE_COVERAGE = 1 << 1
    PARTIAL_COVERAGE = 1 << 2
    MANY_BAD_PIXELS = 1 << 3
    NEGATIVE_FLUX = 1 << 4
    NO_ERRORS = 1 << 5
    SHAPE_UNRELIABLE = 1 << 6
    OUT_OF_DISTRIBUTION = 1 << 16
    UNCERTAIN_TYPE = 1 << 17
    BOUNDARY_TYPE = 1 << 18


#: What each says, with its threshold.
MEANINGS: dict[Flag, str] = {
    Flag.LOW_SNR: "median S/N a pixel below 5",
    Flag.LITTLE_COVERAGE: "under 10 % of the wavelengths the model needs",
    Flag.PARTIAL_COVERAGE: "under 60 % of the wavelengths the model needs",
    Flag.MANY_BAD_PIXELS: "over 20 % of the pixels inside the coverage are bad",
    Flag.NEGATIVE_FLUX: "the median flux is not positive",
    Flag.NO_ERRORS: "the file gives no errors; S/N estimated from the flux itself",
    Flag.SHAPE_UNRELIABLE: "the flux jumps where the two arms of a spectrograph join",
    Flag.OUT_OF_DISTRIBUTION: "unlike every spectrum the model was trained on",
    Flag.UNCERTAIN_TYPE: "probability of the type below 0.6, or subclass error above 4",
    Flag.BOUNDARY_TYPE: "within one subclass of a neighbouring type",
}


@lru_cache(maxsize=1024)
def names(value: int) -> str:
    """Names of the set bits of `value`, space-separated, lowest first.

    Examples
    --------
    >>> names(5)
    'LOW_SNR PARTIAL_COVERAGE'
    """
    return " ".join(str(flag.name) for flag in Flag if value & flag)


def describe() -> list[str]:
    """Lines in which the flags are explained, a row of a Markdown table each."""
    rows = [f"| {flag.value} | `{flag.name}` | {said} |" for flag, said in MEANINGS.items()]
    return ["| bit | name | set where |", "|---|---|---|", *rows]
