"""Departures from local thermodynamic equilibrium: factors on the opacity of lines.

In O and B stars the lower levels of H, He I and He II are overpopulated and the cores of their
lines are deeper than Saha and Boltzmann allow; the effect grows with temperature and as gravity
falls, and is larger in the red lines of He I (Leckrone 1971, A&A 11, 387; Auer & Mihalas 1972,
ApJS 24, 193, and 1973, ApJS 25, 433; Przybilla & Nieva 2006, A&A 455, L23). Such calculations
give profiles, not one number a line, so the factors here are measured: they bring the equivalent
widths of simulated stars to those of stars of Jacoby's atlas and MILES, by
`recipes/hot_star_lines.py --fit`, which judges them on stars of other libraries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spectype.starlight import calibration

Floats = NDArray[np.float64]

#: Knots along effective temperature [K].
TEMPERATURES = (9000.0, 12000.0, 16000.0, 20000.0, 25000.0, 29000.0, 31500.0, 34000.0, 38000.0)
Tables = tuple[tuple[float, ...], tuple[float, ...]]
#: Factors at `TEMPERATURES` on the opacity of dwarfs and of supergiants, by group of lines.
OPACITY: dict[str, Tables] = {
    "H": ((1.0,) * 9, (1.0,) * 9),
    "He I": ((1.2,) * 9, (2.0,) * 9),
    "He I red": ((1.5,) * 9, (4.0,) * 9),
    "Si IV": ((1, 1, 1, 1, 2, 2.5, 2, 1.3, 1), (1, 1, 1, 1, 5, 4, 2, 1, 1)),
    "He II": ((1, 1, 1, 1, 1, 7, 14, 11, 3.6), (1, 1, 1, 1, 1, 11, 13, 7, 2)),
    "He II 4686": ((1, 1, 1, 1, 1, 1, 7, 11, 2.8), (1, 1, 1, 1, 1, 8, 14, 8, 3)),
}
#: The same on the source function of the lines at the surface, against Planck's function.
SOURCE: dict[str, Tables] = {
    "H": ((1, 1, 0.95, 0.9, 0.8, 0.72, 0.72, 0.75, 0.8),
          (1, 0.65, 0.6, 0.65, 0.6, 0.65, 0.85, 1, 1)),
    "He I": ((1, 0.9, 0.77, 0.72, 0.75, 0.72, 0.71, 0.79, 0.9),
             (1, 0.4, 0.6, 0.75, 0.75, 0.6, 0.5, 0.7, 1)),
    "He I red": ((1, 0.5, 0.6, 0.72, 0.72, 0.63, 0.62, 0.75, 0.9),
                 (1, 0.35, 0.45, 0.65, 0.75, 0.8, 0.9, 1, 1)),
}  # fmt: skip
_FADES = 0.1  # Rosseland depth at which half of the source function's departure is left
_RED = 5500.0  # wavelength [Angstrom] from which on lines of He I are the strengthened ones


@dataclass(frozen=True, slots=True)
class Departure:
    """Factors on the opacity of a group of lines and on their source function at the surface."""

    opacity: float = 1.0
    source: float = 1.0

    def dark(self, tau: Floats) -> Floats:
        """Share of Planck's function that the lines do not send out, at Rosseland depths."""
        return np.asarray((1 - self.source) / (1 + tau / _FADES))


NONE = Departure()
#: log g of white dwarfs, in most of which helium has sunk below what can be seen (Schatzman 1958;
#: three in four are DA: Kepler et al. 2019, MNRAS 486, 2169).
SETTLED = 7.0


def at(teff: float, logg: float) -> dict[str, Departure]:
    """Departures of each group of lines at an effective temperature [K] and log g.

    In the dense gas of hot subdwarfs collisions restore equilibrium. Hydrogen's lines stay deeper
    all the same: without, H beta of white dwarfs of 20,000 K and more has half the width (HZ 2 of
    CALSPEC, 20,900 K: 24 Angstrom, in equilibrium 18, so 22).
    """
    place, high = float(np.log(teff)), calibration.highness(teff, logg)
    thin = float(np.clip(6.0 - logg, 0.0, 1.0))

    def between(group: str, tables: Tables) -> float:
        low, top = (np.interp(place, np.log(TEMPERATURES), np.log(t)) for t in tables)
        power = 1.0 if group == "H" else thin
        return float(np.exp(power * ((1 - high) * low + high * top)))

    found = {
        group: Departure(
            between(group, tables), between(group, SOURCE[group]) if group in SOURCE else 1.0
        )
        for group, tables in OPACITY.items()
    }
    if logg >= SETTLED:
        found |= {group: Departure(opacity=0.0) for group in OPACITY if group.startswith("He")}
    # In A and early F stars the ultraviolet ionises Ca II beyond Saha's share.
    found["Ca II"] = Departure(float(np.interp(teff, [5600, 7500, 12000], [1.0, 0.85, 0.8])))
    return found


def metal_group(element: str, stage: int, wave: float) -> str:
    """The group of a line of a metal or of He I; empty if it is in equilibrium."""
    if element == "He":
        return "He I red" if wave > _RED else "He I"
    return {("Ca", 1): "Ca II", ("Si", 3): "Si IV"}.get((element, stage), "")


def series_group(charge: int, lower: int) -> str:
    """The group of a line of H I or He II."""
    if charge == 1:
        return "H"
    return "He II 4686" if lower == 3 else "He II"
