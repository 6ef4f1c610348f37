"""Wavelengths from the cards of a header.

World coordinates as in Greisen+2006 (A&A 446, 747) with the matrices of Greisen & Calabretta 2002
(A&A 395, 1061), IRAF's older habits (DC-FLAG, multispec, LTV and LTM of image sections), and
COEFF0, COEFF1 of SDSS and LAMOST.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spectype.formats.blocks import Cards
from spectype.formats.source import Source
from spectype.reading import multispec
from spectype.reading.units import Floats, is_length

_SKY = ("RA-", "DEC-", "GLON", "GLAT", "ELON", "ELAT")
_NO_AXIS = {"VELO": "a velocity", "VRAD": "a velocity", "VOPT": "a velocity", "ZOPT": "a redshift",
            "BETA": "a velocity", "TIME": "time", "STOKES": "polarisation"}  # fmt: skip
# Algorithms of Greisen+2006 (tables 1 and 2) and tables that are not linear in what they name.
_LAWS = ("TAB", "GRI", "GRA", *(f"{a}2{b}" for a in "FWVA" for b in "FWVA"))
_SPECTRAL = ("WAVE", "AWAV", "FREQ", "WAVN", "ENER", "LAMBDA", "WAVELENGTH")
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
        pixel = _physical(cards, np.arange(1.0, shape[1] + 1))
        wave = multispec.wavelengths(cards, shape[0], pixel, source)
        return Axis(wave=wave, unit="angstrom")
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


class Turned:
    """A header in which another axis than the first holds the wavelengths, as if it were the first.

    Parameters
    ----------
    cards : Cards
        The header.
    axis : int
        The axis of wavelengths, from 1.
    """

    def __init__(self, cards: Cards, axis: int) -> None:
        self._cards = cards
        self._axis = axis

    def _key(self, key: str) -> str:
        if key.endswith("1_1"):
            return f"{key[:-3]}{self._axis}_{self._axis}"
        return f"{key[:-1]}{self._axis}" if key in _AXIS_KEYS else key

    def __contains__(self, key: str) -> bool:
        return self._key(key) in self._cards

    def get(self, key: str, default: Any = None) -> Any:
        """Value of a card."""
        return self._cards.get(self._key(key), default)

    def text(self, key: str) -> str | None:
        """The value as text."""
        return self._cards.text(self._key(key))

    def number(self, key: str) -> float | None:
        """The value as a finite float."""
        return self._cards.number(self._key(key))

    def commentary(self) -> str:
        """Comment and history lines."""
        return self._cards.commentary()

    def lines(self) -> str:
        """Every card."""
        return self._cards.lines()


_AXIS_KEYS = ("CTYPE1", "CUNIT1", "CRVAL1", "CRPIX1", "CDELT1", "CNAME1", "LTV1")


def spectral_axis(cards: Cards, n_axes: int) -> int:
    """The axis that holds the wavelengths, from 1: the first, unless another says so instead."""
    for axis in range(1, n_axes + 1):
        kind = (cards.text(f"CTYPE{axis}") or "").upper().partition("-")[0].strip()
        if kind in _SPECTRAL or is_length(cards.text(f"CUNIT{axis}")):
            return axis
    return 1


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
    elif law in _LAWS:
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
