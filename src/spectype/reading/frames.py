"""Air or vacuum: what files say of it, in how many words, and what is assumed where they do not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spectype.core.grid import LOG_STEP
from spectype.formats.blocks import Cards

_YES = {"t", "true", "yes", "y", "1", "1.0", "on", "vacuum", "vac"}
_NO = {"f", "false", "no", "n", "0", "0.0", "off", "air"}
_CONVERTED = r"(?:convert|transform|correct|shift)\w*\s+(?:\w+\s+)?(?:to|into)\s+"
_TO_VACUUM = rf"air[\s_-]*(?:to|2|->|into)[\s_-]*vac|{_CONVERTED}vac"
_TO_AIR = rf"vac(?:uum)?[\s_-]*(?:to|2|->|into)[\s_-]*air|{_CONVERTED}air"
_WAVE = r"(?:wave|wav|wavelength|lambda|lam|wl)"
_NOT = r"(?:\bnot?\b|\bnever\b|\binstead of\b|\brather than\b|n't)\s+(?:\w+\s+){0,3}?"
_OFF = re.compile(r"=\s*(?:F|0|'\s*(?:no|false|none|off|f|0)\s*')\s*(?:/|$)", re.I)
_ABOUT_WAVES = re.compile(
    r"wave|lambda|\bwl\b|dispersion|spectral axis|frame|airorvac|air2vac|vac2air|airtovac|vactoair"
    r"|(vacuum|air)\s*[:=]",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame of some wavelengths and why: `name` is "air" or "vacuum"."""

    name: str
    note: str = ""


def frame_in_text(text: str) -> str | None:
    """ "air" or "vacuum" where a text says which of them wavelengths are in, else None.

    Examples
    --------
    >>> frame_in_text("wavelengths converted from air to vacuum")
    'vacuum'
    """
    lower = re.sub(r"\s+", " ", text.lower().replace("vacuo", "vacuum"))
    negated = bool(re.search(rf"{_NOT}(?:{_TO_VACUUM}|converted to vac)", lower))
    if re.search(_TO_VACUUM, lower) and not negated:
        return "vacuum"
    if re.search(_TO_AIR, lower):
        return "air"
    air, vacuum = (
        re.search(
            rf"(?<![a-z])(?:{word})(?![a-z])|(?<![a-z])(?:{word}){_WAVE}|{_WAVE}s?(?:{word})(?![a-z])",
            lower,
        )
        for word in ("air|awav", "vac|vacuum")
    )
    if air and re.search(rf"{_NOT}(?:in )?air\b", lower):
        return "vacuum"
    if vacuum and re.search(rf"{_NOT}(?:in |to )?vac", lower):
        return "air"
    if bool(air) == bool(vacuum):
        return None
    return "air" if air else "vacuum"


def frame_in_cards(cards: Cards) -> str | None:
    """ "air" or "vacuum" where a header's keywords say so in words, else None."""
    for key in ("VACUUM", "VACWAVE", "INVACUUM", "VACUUMWL", "VAC"):
        said = str(cards.get(key, "")).strip().lower()
        if said in _YES:
            return "vacuum"
        if said in _NO:
            return "air"
    for key in ("AIR", "AIRWAVE", "INAIR"):
        said = str(cards.get(key, "")).strip().lower()
        if said in _YES:
            return "air"
        if said in _NO:
            return "vacuum"
    if "obs.atmos" in str(cards.get("TUCD1", "")):
        return "air"  # so say ESO's science data products
    for key in ("AIRORVAC", "WAVEFRAM", "VACORAIR", "WAVETYPE", "WAVEMED", "MEDIUM", "REFRAME",
                "WFRAME", "WAVE_FRAME", "LAMFRAME", "WAT1_001", "TTYPE1", "CUNIT1",
                "CNAME1"):  # fmt: skip
        frame = frame_in_text(str(cards.get(key, "")))
        if frame:
            return frame
    return None


def frame_in_code(cards: Cards) -> str | None:
    """The frame that CTYPE1 (or 2, 3) stands for: AWAV air, WAVE vacuum (Greisen+2006, table 1)."""
    named = {"AWAV": "air", "WAVE": "vacuum", "FREQ": "vacuum", "WAVN": "vacuum", "ENER": "vacuum"}
    # "WAVE-LOG", too; but "WAVELENGTH" is nobody's standard.
    kinds = (str(cards.get(f"CTYPE{i}", "")).strip().upper().partition("-")[0] for i in (1, 2, 3))
    return next((named[kind] for kind in kinds if kind in named), None)


def of_headers(headers: Sequence[Cards]) -> Frame | None:
    """The frame that headers give, the most specific first; None where they are silent.

    Words count more than the code in CTYPE1, which many write without a thought of air.
    """
    words = (
        frame_in_cards(h) or frame_in_comments(h.commentary()) or frame_in_lines(h.lines())
        for h in headers
    )
    said = next((frame for frame in words if frame), None)
    code = next((frame for frame in map(frame_in_code, headers) if frame), None)
    if said and code and said != code:
        return Frame(said, f"CTYPE1 stands for {code}, but the header's words say {said}: {said}")
    return Frame(said or code or "") if said or code else None


def frame_in_comments(text: str) -> str | None:
    """The frame that lines of comment or history give to the wavelengths; the last line wins."""
    said = [frame_in_text(line) for line in text.splitlines() if _ABOUT_WAVES.search(line)]
    return next((frame for frame in reversed(said) if frame), None)


def frame_in_lines(text: str) -> str | None:
    """The frame that any card gives to the wavelengths, in a keyword, value or comment of its own.

    Cards that are switched off, like ``AIR2VAC = F``, say nothing; nor do cards that contradict
    one another.
    """
    lines = (line for line in text.splitlines() if re.search(r"wav|lambda|\blam", line, re.I))
    said = {frame_in_text(line) for line in lines if not _OFF.search(line)} - {None}
    return said.pop() if len(said) == 1 else None


def settle(
    stated: str | None, asked: str | None, wave: NDArray[np.float64], *, habit: str | None
) -> Frame:
    """The frame of wavelengths [Angstrom], in the order file, user, habit, grid.

    Parameters
    ----------
    stated, asked : {"air", "vacuum"}, optional
        By the file (or its survey), and by the user.
    wave : ndarray, float64
        In Angstrom, increasing.
    habit : {"air", "vacuum"}, optional
        What files with these names of columns have by convention.
    """
    if stated is not None:
        if asked is not None and asked != stated:
            return Frame(stated, f"frame {asked} asked for, but the file says {stated}: kept")
        return Frame(stated)
    if asked is not None:
        return Frame(asked, f"frame {asked} as asked for")
    if on_log_grid(wave):
        return Frame("vacuum", "wavelength frame not stated: vacuum assumed (SDSS pixels)")
    if habit is not None:
        return Frame(habit, f"wavelength frame not stated: {habit} assumed (SDSS columns)")
    return Frame("air", "wavelength frame not stated: air assumed")


def on_log_grid(wave: NDArray[np.float64]) -> bool:
    """Whether wavelengths [Angstrom] lie on the log10 grid of SDSS and LAMOST: so in vacuum.

    Their pixels are ``10**(1e-4 * k)`` with k whole, a coincidence for any other instrument.
    Tolerates wavelengths rounded to 0.1 A, and a pixel in a hundred elsewhere; gaps are allowed.
    """
    if wave.size < 100:
        return False
    k = np.log10(wave) / LOG_STEP
    # A pixel is 0.85 A wide at 3700 A and 2.4 A at 10400 A, where 0.05 A is 0.02 pixels.
    off = np.quantile(np.abs(k - np.rint(k)), 0.99)
    return bool(off < 0.06 and np.quantile(np.diff(k), 0.01) > 0.5)
