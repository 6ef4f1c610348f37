"""Wavelengths from the cards of a header.

World coordinates as in Greisen+2006 (A&A 446, 747) with the matrices of Greisen & Calabretta 2002
(A&A 395, 1061), IRAF's older habits (DC-FLAG, multispec, LTV and LTM of image sections), and
COEFF0, COEFF1 of SDSS and LAMOST.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from spectype.formats.blocks import Cards
from spectype.formats.source import Source
from spectype.reading.units import Floats

_SKY = ("RA-", "DEC-", "GLON", "GLAT", "ELON", "ELAT")
_NO_AXIS = {"VELO": "a velocity", "VRAD": "a velocity", "VOPT": "a velocity", "ZOPT": "a redshift",
            "BETA": "a velocity", "TIME": "time", "STOKES": "polarisation"}  # fmt: skip
_KIND_UNITS = {"FREQ": "Hz", "WAVN": "m-1", "ENER": "J"}
ASK = "give a table, or an image with CRVAL1 and CDELT1 in its header"


@dataclass(slots=True, kw_only=True)
class Axis:
    """Wavelengths of the pixels: `wave` (n_pix,) or (n_rows, n_pix) in `unit`, and notes."""

    wave: Floats
    unit: str | None
    notes: list[str] = field(default_factory=list)


def from_cards(cards: Cards, shape: tuple[int, ...], source: Source) -> Axis | None:
    """The wavelength axis that a header describes; None if it has none.

    Parameters
    ----------
    cards : Cards
        The image's (or table's) header.
    shape : tuple
        Of the flux: (n_rows, n_pix).

    Raises
    ------
    ReadError
        If the axis is said to be something else, or is not linear in a way not known.
    """
    kind = (cards.text("CTYPE1") or "").upper()
    if kind.startswith(_SKY):
        raise source.fail("is an image of the sky, not a spectrum", remedy=ASK)
    if kind[:4] in _NO_AXIS or kind in _NO_AXIS:
        what = _NO_AXIS.get(kind[:4]) or _NO_AXIS[kind]
        raise source.fail(f"its axis (CTYPE1 {kind}) is {what}, not a wavelength", remedy=ASK)
    if kind.startswith("MULTISPE"):
        return Axis(wave=_multispec(cards, shape, source), unit="angstrom")
    world, coefficients = _world(cards, shape[1], kind, source), _coefficients(cards, shape[1])
    if coefficients is None or world is None:
        return world or coefficients
    step = abs(coefficients.wave[1] - coefficients.wave[0])
    if world.unit is None and world.wave.max() < 12:
        world = Axis(wave=10.0**world.wave, unit="angstrom")
    if world.unit in (None, "angstrom", "Angstrom") and (
        abs(world.wave[0] - coefficients.wave[0]) < 0.3 * step
        and abs(world.wave[-1] - coefficients.wave[-1]) < 0.001 * coefficients.wave[-1]
    ):
        return coefficients
    world.notes.append("COEFF0 and COEFF1 contradict CRVAL1: CRVAL1 and its step used")
    return world


def _coefficients(cards: Cards, n_pix: int) -> Axis | None:
    """``10**(COEFF0 + COEFF1 i)``, with i counted in the image before IRAF cut it."""
    start, step = cards.number("COEFF0"), cards.number("COEFF1")
    if start is None or step is None:
        return None
    pixel = _physical(cards, np.arange(1.0, n_pix + 1)) - 1
    with np.errstate(over="ignore"):
        return Axis(wave=10.0 ** (start + step * pixel), unit="angstrom")


def _physical(cards: Cards, logical: Floats) -> Floats:
    """Pixel numbers (from 1) of the whole image from those of a section of it: LTV, LTM."""
    offset, scale = cards.number("LTV1") or 0.0, cards.number("LTM1_1") or 1.0
    return (logical - offset) / scale


def _step(cards: Cards) -> float | None:
    """Wavelength a pixel: CD1_1, or PC1_1 times CDELT1."""
    matrix, delta = cards.number("CD1_1"), cards.number("CDELT1")
    if matrix:
        return matrix
    rotation = cards.number("PC1_1") or cards.number("PC001001")
    if rotation:
        return rotation * (1.0 if delta is None else delta)
    return delta


def _world(cards: Cards, n_pix: int, kind: str, source: Source) -> Axis | None:
    """CRVAL1, CRPIX1 and the step, linear or logarithmic."""
    start, step = cards.number("CRVAL1"), _step(cards)
    if not start or not step or kind.startswith(("PIXEL", "PIX")):
        return None
    if (start, step) in ((0, 1), (1, 1)):
        return None  # pixel numbers, not wavelengths
    reference = cards.number("CRPIX1")
    linear = start + (np.arange(1.0, n_pix + 1) - (1.0 if reference is None else reference)) * step
    unit = _axis_unit(cards)
    family, _, law = kind.partition("-")
    law = law.strip("-")
    is_log10 = (start < 5.2 and abs(step) < 0.1) and linear.min() > 2.8 and linear.max() < 5.2
    if law == "LOG" and not is_log10:
        # Greisen+2006, eq. 5: for any unit, and for frequencies too.
        with np.errstate(over="ignore"):
            linear = start * np.exp((linear - start) / start)
    elif cards.get("DC-FLAG") == 1 or ("LOG" in kind and is_log10):
        if linear.max() > 12:
            return Axis(wave=linear, unit=unit, notes=["DC-FLAG 1, but wavelengths are linear"])
        return Axis(wave=10.0**linear, unit="angstrom")
    elif law and law not in ("LOG", "LINEAR", "LIN", "TAN") and len(law) == 3:
        raise source.fail(
            f"its axis (CTYPE1 {kind}) is not linear in a way not known",
            remedy="make it linear, or export it as text",
        )
    if family in _KIND_UNITS:
        return Axis(wave=linear, unit=unit or _KIND_UNITS[family])
    if linear.max() < 12 and (unit or "").lower().startswith("a"):
        unit = None  # logarithms under a linear label
    return Axis(wave=linear, unit=unit)


def _axis_unit(cards: Cards) -> str | None:
    unit = cards.text("CUNIT1")
    if unit:
        return unit
    found = re.search(r"units=(\w+)", str(cards.get("WAT1_001", "")))
    return found[1] if found else None


def _multispec(cards: Cards, shape: tuple[int, ...], source: Source) -> Floats:
    """Wavelengths of IRAF's multispec, for linear and log-linear dispersion."""
    pieces, number = [], 1
    while (piece := cards.get(f"WAT2_{number:03d}")) is not None:
        pieces.append(str(piece).ljust(68))
        number += 1
    specs = dict(re.findall(r'spec(\d+)\s*=\s*"([^"]*)"', "".join(pieces)))
    wave = np.empty(shape)
    pixel = _physical(cards, np.arange(1.0, shape[1] + 1))
    for row in range(shape[0]):
        words = specs.get(str(row + 1), "").split()
        if len(words) < 6 or words[2] not in ("0", "1"):
            raise source.fail(
                "has a non-linear IRAF dispersion (multispec)",
                remedy="make it linear (dispcor), or export it as text",
            )
        start, step = float(words[3]), float(words[4])
        redshift = float(words[6]) if len(words) > 6 else 0.0
        linear = start + step * (pixel - 1)
        wave[row] = (10.0**linear if words[2] == "1" else linear) / (1.0 + redshift)
    return wave
