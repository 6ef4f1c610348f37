"""Units of wavelengths and fluxes: as files spell them, as the numbers tell."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from spectype.formats.source import Source

Floats = NDArray[np.float64]

#: Angstrom in one unit, by the unit's spelling in lower case without blanks.
_ANGSTROM_IN: dict[str, float] = {
    **dict.fromkeys(
        ("angstrom", "angstroms", "angstroem", "a", "aa", "ang", "å", "0.1nm", "1e-10m"), 1.0
    ),
    **dict.fromkeys(("nm", "nanometer", "nanometers", "nanometre", "nanometres"), 10.0),
    **dict.fromkeys(
        ("um", "micron", "microns", "µm", "μm", "mum", "micrometer", "micrometers", "micrometre"),
        1e4,
    ),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1e10),
}
_LOG10 = ("log10", "log", "dex", "loglam")
UNITS = (
    "Angstrom, nm, micron, m, log10 or ln (of Angstrom), or a unit of frequency, wavenumber"
    " or energy such as THz, cm-1, eV"
)
_TITLES = {"log10": "log10 of Angstrom", "ln": "ln of Angstrom", "um": "micron"}
_FRAME_WORDS = re.compile(r"[\s,;:(\[]*\b(in\s+)?(std\.?\s+)?(vac(uum)?|air)\b[\s)\]]*", re.I)
_NO_WORDS = {"", "none", "unknown", "unitless", "n/a", "na", "-", "--", "?", "null", "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wavelengths:
    """Wavelengths in Angstrom and how they came about.

    Parameters
    ----------
    wave : ndarray, float64
        Angstrom.
    notes : list of str
        What was decided.
    in_vacuum : bool
        They come from frequencies, wavenumbers or energies, which know no air.
    """

    wave: Floats
    notes: list[str] = field(default_factory=list)
    in_vacuum: bool = False


def to_angstrom(
    wave: Floats, stated: str | None, source: Source, *, asked: str | None = None
) -> Wavelengths:
    """Wavelengths in Angstrom.

    Parameters
    ----------
    wave : ndarray, float64
        Finite, positive numbers.
    stated : str, optional
        The unit as the file spells it; None where it says nothing.
    source : Source
        For messages.
    asked : str, optional
        The user's unit, which counts more than the file's.

    Raises
    ------
    ReadError
        If the unit is none of wavelength, frequency, wavenumber or energy, or the numbers are
        no wavelengths in any unit.
    """
    if asked is not None:
        converted = _convert(wave, asked, source)
        if converted is None:
            raise source.fail(f"wavelength unit {asked!r} is not known", remedy=f"one of {UNITS}")
        return converted
    notes: list[str] = []
    if stated is not None and plain(stated) not in _NO_WORDS:
        converted = _convert(wave, stated, source)
        if converted is not None and _optical(converted.wave):
            return converted
        notes = [f"unit {stated!r} does not fit the wavelengths"]
        if converted is None:
            notes = [f"wavelength unit {stated!r} not understood"]
    guessed = guess_unit(wave)
    if guessed is None:
        raise source.fail(
            f"{wave.min():.6g} to {wave.max():.6g} are not optical wavelengths in any usual unit",
            remedy="name the column or the unit: --columns wave=...,flux=... or --unit ...",
        )
    if notes:
        notes = [f"{notes[0]}: taken as {guessed}"]
    elif guessed != "angstrom":
        notes = [f"wavelength unit not stated: taken as {_TITLES.get(guessed, guessed)}"]
    known = _known(wave, guessed)
    assert known is not None  # guess_unit gives known units only
    return Wavelengths(wave=known, notes=notes)


def plain(unit: str) -> str:
    """A unit in lower case without blanks, brackets and words of air and vacuum."""
    text = _FRAME_WORDS.sub("", unit).strip().lower().replace(" ", "")
    return text.strip("[]'\".") if "(" in text else text.strip("[]()'\".")


def _convert(wave: Floats, unit: str, source: Source) -> Wavelengths | None:
    """Wavelengths from `unit`; None if the spelling is not known.

    Raises `ReadError` where it is known and is no wavelength, nor anything of the kind.
    """
    text = plain(unit)
    known = _known(wave, text)
    if known is not None:
        return Wavelengths(wave=known)
    if text in _UNITS_OF:
        raise source.fail(
            f"its {text} is in no unit that gives optical wavelengths",
            remedy="say which: --unit THz (or 1/cm, eV ...)",
        )
    factor, kind = _by_astropy(_FRAME_WORDS.sub("", unit).strip().strip("[]'\""))
    if kind == "length":
        return Wavelengths(wave=wave * factor)
    if kind in ("frequency", "wavenumber", "energy"):
        return Wavelengths(
            wave=factor / wave, notes=[f"{kind} [{unit.strip()}] converted"], in_vacuum=True
        )
    if kind is not None or text in ("pixel", "pixels", "pix", "channel", "channels", "index"):
        raise source.fail(
            f"the axis is in {unit.strip()!r} ({kind or 'pixels'}), which is no wavelength",
            remedy="name the wavelengths and their unit: --columns wave=...,flux=... --unit ...",
        )
    return None


def _known(wave: Floats, text: str) -> Floats | None:
    """Angstrom from a length or logarithm of the table above; None for anything else."""
    inner = re.fullmatch(r"(log10|log|ln|dex)[(\[]?(?:lambda/|wave/)?([^()\[\]]*)[)\]]?", text)
    if text.startswith(("log", "dex", "ln")) and inner is not None:
        factor = _ANGSTROM_IN.get(inner[2], 1.0)
        with np.errstate(over="ignore"):
            value = np.exp(wave) if inner[1] == "ln" else 10.0**wave
        return np.asarray(value * factor)
    if text.startswith(("log10", "log(", "loglam")) or text in _LOG10:
        with np.errstate(over="ignore"):
            return np.asarray(10.0**wave)
    if text in _ANGSTROM_IN:
        return wave * _ANGSTROM_IN[text]
    return None


@lru_cache(maxsize=64)
def _by_astropy(text: str) -> tuple[float, str | None]:
    """Factor to Angstrom (or Angstrom times the unit, where inverse) and the kind of a unit."""
    from astropy import units as u

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for spelling in (text, text.lower(), re.sub(r"\s*\(.*\)$", "", text)):
            try:
                unit = u.Unit(spelling)
            except (ValueError, TypeError):
                continue
            if unit == u.dimensionless_unscaled:
                return 1.0, None
            kinds = [("length", u.AA), ("frequency", u.Hz), ("wavenumber", 1 / u.cm),
                     ("energy", u.eV)]  # fmt: skip
            for kind, like in kinds:
                if unit.is_equivalent(like):
                    return float((1 * unit).to(u.AA, u.spectral()).value), kind
            return 1.0, str(unit.physical_type)
    return 1.0, None


def _optical(wave: Floats) -> bool:
    """Whether numbers can be wavelengths [Angstrom] at all, from X-rays to the far infrared."""
    low, high = float(wave.min()), float(wave.max())
    return bool(np.isfinite(high)) and low > 0 and 300 < high < 1e7


def guess_unit(wave: Floats) -> str | None:
    """The unit in which these numbers are optical wavelengths, or None.

    Judged by range: Angstrom in the thousands, nm in the hundreds, micron near 1, log10 of
    Angstrom 3-5, of nm 2.5-3, ln of Angstrom 7-11.5, metres below 1e-4.
    """
    low, high = float(wave.min()), float(wave.max())
    if low <= 0:
        return None
    if high < 1e-4:
        return "m"
    # 3.5-4 could be mid-infrared micron; an optical typing tool takes it as log10.
    if low > 2.9 and high < 5.1 and high - low < 1.7:
        return "log10"
    if low > 6.9 and high < 11.6 and high - low < 3:
        return "ln"
    if low > 2.47 and high < 3.05:  # as microns where no ground-based spectrograph looks
        return "log10(nm)"
    if low > 0.05 and high < 30:
        return "um"
    if 90 < low < 1000 and high < 2700:
        return "nm"
    if low > 50 and 800 < high < 1e6:
        return "angstrom"
    return None


# Units of what is no wavelength, in the order in which they are tried.
_UNITS_OF = {
    "frequency": ("Hz", "GHz", "THz"),
    "wavenumber": ("1/cm", "1/m", "1/um"),
    "energy": ("eV", "keV", "J", "erg"),
}


def guess_unit_of(kind: str, values: Floats) -> str | None:
    """The unit in which a frequency, wavenumber or energy is of the optical range, or None.

    Parameters
    ----------
    kind : {"frequency", "wavenumber", "energy"}
    values : ndarray, float64
    """
    sound = values[np.isfinite(values) & (values > 0)]
    if not sound.size:
        return None
    for unit in _UNITS_OF[kind]:
        wave = _by_astropy(unit)[0] / sound
        if wave.min() > 900 and wave.max() < 3e4:
            return unit
    return None


def is_length(unit: str | None) -> bool:
    """Whether a unit is a wavelength's."""
    text = plain(unit or "")
    return text in _ANGSTROM_IN or (bool(text) and _by_astropy(str(unit).strip())[1] == "length")


def is_logarithm(unit: object) -> bool:
    """Whether a flux unit is a magnitude or a logarithm: ``mag(AB)``, ``log(erg/s/cm2/A)``."""
    text = plain(str(unit or ""))
    return bool(re.match(r"(ab|st|vega)?mag|log(10)?\W|dex|log(10)?$", text))


def is_per_frequency(unit: object) -> bool:
    """Whether a flux unit is per frequency: Jy, or something per Hz, however it is spelt."""
    text = str(unit or "")
    if not text.strip():
        return False
    lower = text.lower()
    if re.search(r"jy\b|/hz|hz-1|hz\^-1|hz\*\*-1|hz\^\(-1\)|hz\*\*\(-1\)|hz\^{-1}|jansky", lower):
        return True
    denominator = lower.partition("/")[2]
    return "hz" in denominator and not re.search(r"\bhz\b\s*\)?\s*\*", denominator)
