"""Emission by the winds of hot stars over their photospheres, a factor on the flux.

Of supergiants show N III 4634-4642 and He II 4686 in emission (the f phenomenon, Sota et al. 2011,
ApJS 193, 24); in O and B supergiants a wind fills in H alpha and, less, the other Balmer lines,
which is how mass loss is measured (Crowther et al. 2006, A&A 446, 279; Markova & Puls 2008, A&A
478, 823). The equivalent widths here bring class I stars to the medians of those in Jacoby's atlas
and MILES; single stars of one type differ by more than these amounts. They fall with the cube
of the place between dwarfs and supergiants.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spectype.starlight.calibration import highness

Floats = NDArray[np.float64]
COOLEST = 8500.0  #: effective temperature [K] below which there is no emission
Parts = tuple[tuple[float, float, float], ...]
# Vacuum wavelength, sigma [Angstrom], share of the row's equivalent width; then effective
# temperatures [K] and equivalent widths [Angstrom] of supergiants.
_LINES: tuple[tuple[Parts, tuple[float, ...], tuple[float, ...]], ...] = (
    (((6564.6, 5.0, 1.0), (4862.7, 3.7, 0.2), (4341.7, 3.3, 0.1), (4102.9, 3.1, 0.05)),
     (8500, 10000, 11500, 16000, 20000, 26000, 29000, 34000, 40000),
     (0.0, 0.3, 1.4, 1.4, 2.0, 1.2, 2.8, 4.0, 7.5)),
    (((4687.0, 3.5, 1.0),), (27000, 29600, 31000, 34000, 38500), (0.0, 0.3, 0.8, 2.0, 3.5)),
    (((4635.3, 1.8, 0.38), (4642.0, 1.8, 0.62)), (29600, 31000, 34000), (0.0, 1.5, 2.0)),
    (((5697.5, 2.0, 1.0),), (29000, 38000), (0.0, 0.5)),
)  # fmt: skip
# Of any class: wavelengths, sigmas and widths at the hotter end of a range of temperature.
_ANY: tuple[Parts, tuple[float, float]] = (
    ((4635.3, 1.8, 0.15), (4642.0, 1.8, 0.25), (4687.0, 3.5, 0.25)),
    (29000, 38000),
)


def wind(wave: Floats, teff: float, logg: float) -> Floats:
    """Factor on the flux at vacuum wavelengths [Angstrom] of an effective temperature [K]."""
    factor = np.ones_like(wave)
    if teff < COOLEST:
        return factor
    height = highness(teff, logg) ** 3
    for parts, temperatures, widths in _LINES:
        amount = height * float(np.interp(teff, temperatures, widths))
        if amount > 0:
            factor += amount * _profile(wave, parts)
    parts, ends = _ANY
    amount = float(np.interp(teff, ends, (0.0, 1.0)))
    return factor + amount * _profile(wave, parts) if amount > 0 else factor


def _profile(wave: Floats, parts: Parts) -> Floats:
    """Sum of Gaussians [1/Angstrom] of these wavelengths, sigmas and areas."""
    found = np.zeros_like(wave)
    for centre, sigma, share in parts:
        low, high = np.searchsorted(wave, (centre - 8 * sigma, centre + 8 * sigma))
        x = (wave[low:high] - centre) / sigma
        found[low:high] += share / (sigma * 2.5066) * np.exp(-0.5 * x * x)
    return found
