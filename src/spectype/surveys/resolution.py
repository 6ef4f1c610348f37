"""Resolution of the instruments: how blunt a survey's or library's spectra are by nature."""

from __future__ import annotations

import math

#: Full width at half maximum [km/s] in the blue and green, of what `read` knows by name: R = 1800
#: of LAMOST; R = 2000 of SDSS and what is made of its spectra; 4.5 A of Jacoby's atlas
#: and 2.5 A of MILES at 5000 A; R = 500 of Pickles; 5.5 A of the STIS spectra of CALSPEC; 3 A of
#: STELIB, 1 A of the Indo-US library, 0.4 A of MELCHIORS' averages, R = 1800 of MaStar.
NATIVE_FWHM = {
    "lamost": 167.0,
    "sdss": 150.0,
    "bochanski": 150.0,
    "jacoby": 270.0,
    "miles": 150.0,
    "pickles": 600.0,
    "calspec": 330.0,
    "stelib": 180.0,
    "indo_us": 60.0,
    "melchiors": 30.0,
    "mastar": 167.0,
    "kesseli": 150.0,
}


def native_fwhm(survey: str | None) -> float:
    """Full width at half maximum [km/s] of a survey's spectra; NaN where it is not known.

    Parameters
    ----------
    survey : str or None
        The metadata's ``survey``, in any spelling that holds the name: ``"LAMOST LRS"``,
        ``"sdss_templates"``.
    """
    text = (survey or "").lower()
    return next((width for name, width in NATIVE_FWHM.items() if name in text), math.nan)
