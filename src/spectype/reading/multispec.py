"""IRAF's multispec: a dispersion for each aperture in the cards WAT2_nnn (Valdes 1993, NOAO)."""

from __future__ import annotations

import re

import numpy as np

from spectype.formats.blocks import Cards
from spectype.formats.source import Source
from spectype.reading.units import Floats

_LINEAR, _LOG, _FUNCTION = "0", "1", "2"
_SERIES = {1: np.polynomial.chebyshev.chebval, 2: np.polynomial.legendre.legval}


def wavelengths(cards: Cards, n_rows: int, pixel: Floats, source: Source) -> Floats:
    """Wavelengths [Angstrom] of all apertures, shape (n_rows, n_pix).

    Parameters
    ----------
    cards : Cards
        The image's header.
    n_rows : int
        Apertures.
    pixel : ndarray, shape (n_pix,)
        Numbers of the pixels, from 1.
    source : Source
        For messages.

    Raises
    ------
    ReadError
        If a dispersion is missing, or of a kind that is not known (splines).
    """
    specs = dict(re.findall(r'spec(\d+)\s*=\s*"([^"]*)"', _joined(cards)))
    wave = np.empty((n_rows, pixel.size))
    for row in range(n_rows):
        words = specs.get(str(row + 1), "").split()
        found = _of_aperture(words, pixel)
        if found is None:
            raise source.fail(
                "has a non-linear IRAF dispersion (multispec) that is no polynomial",
                remedy="make it linear (dispcor), or export it as text",
            )
        wave[row] = found
    return wave


def _joined(cards: Cards) -> str:
    """The attributes of the second axis, which fill card after card to the last of 68 places."""
    pieces, number = [], 1
    while (piece := cards.get(f"WAT2_{number:03d}")) is not None:
        pieces.append(str(piece).ljust(68))
        number += 1
    return "".join(pieces)


def _of_aperture(words: list[str], pixel: Floats) -> Floats | None:
    """Wavelengths by the words "aperture beam type start step count redshift low high ..."."""
    if len(words) < 6:
        return None
    redshift = float(words[6]) if len(words) > 6 else 0.0
    if words[2] in (_LINEAR, _LOG):
        wave = float(words[3]) + float(words[4]) * (pixel - 1)
        wave = 10.0**wave if words[2] == _LOG else wave
    elif words[2] == _FUNCTION:
        series = _sum_of_series([float(word) for word in words[9:]], pixel)
        if series is None:
            return None
        wave = series
    else:
        return None
    return wave / (1.0 + redshift)


def _sum_of_series(numbers: list[float], pixel: Floats) -> Floats | None:
    """Weighted functions, each "weight zero kind order low high coefficient ..."."""
    if not numbers:
        return None
    total = np.zeros(pixel.size)
    while numbers:
        if len(numbers) < 6 or int(numbers[2]) not in _SERIES:
            return None
        weight, zero, kind, order, low, high = numbers[:6]
        coefficients, numbers = numbers[6 : 6 + int(order)], numbers[6 + int(order) :]
        if len(coefficients) < int(order) or high <= low:
            return None
        x = (2 * pixel - (high + low)) / (high - low)
        total += weight * (zero + _SERIES[int(kind)](x, coefficients))
    return total
