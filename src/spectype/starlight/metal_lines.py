"""Lines of metals and neutral helium: the list, and Voigt profiles.

The list is `atomic_lines.txt` beside this module; its head says what it was checked against.
Damping: radiation, the classical constant; neutral hydrogen and helium, see `_NEUTRAL`; electrons:
Griem 1974 (Spectral Line Broadening by Plasmas) and Dimitrijevic & Sahal-Brechot 1990 (A&AS 82,
519) for He I, a mean of such widths for other lines of hot stars.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from spectype.core.grid import air_to_vacuum
from spectype.starlight.gas import ELEMENTS, K_ERG, K_EV, LIGHT, MASS_H, Gas, partition

Floats = NDArray[np.float64]

# Full width at half maximum by electrons [Angstrom] at 1e16 cm-3 and 20,000 K.
_HELIUM = {
    4471: 5.5, 4026: 6.5, 4388: 4.5, 4387: 4.5, 4921: 2.6, 4143: 8.0, 4009: 9.0, 3819: 8.0,
    3926: 12.0, 3705: 10.0, 5875: 0.34, 6678: 0.80, 7065: 0.46, 4713: 0.86, 4120: 1.7, 5015: 0.80,
    5047: 1.6, 3888: 0.21, 3964: 1.3, 4437: 2.6, 7281: 0.8,
}  # fmt: skip


# Collisions with neutral hydrogen, by element, stage and lower energy [eV]: cross-section [atomic
# units] at 10 km/s and its velocity exponent (Anstee & O'Mara 1995, MNRAS 276, 859; Barklem &
# O'Mara 1997, MNRAS 290, 102; 1998, MNRAS 300, 863). Other lines: Unsoeld, raised by as much as
# these theories raise lines of Fe I.
_NEUTRAL = {
    ("Na", 0, 0.0): (407.0, 0.273), ("Mg", 0, 2.71): (731.0, 0.238), ("Ca", 0, 0.0): (372.0, 0.238),
    ("Ca", 1, 0.0): (234.0, 0.223), ("Ca", 1, 1.69): (291.0, 0.275),
}  # fmt: skip
_UNSOELD = 1.4


@dataclass(frozen=True, slots=True, kw_only=True)
class MetalLine:
    """One line: element, stage (0 neutral), vacuum wavelength [Angstrom], energy [eV], log gf."""

    element: str
    stage: int
    wave: float
    energy: float
    loggf: float


@lru_cache(maxsize=1)
def line_list() -> tuple[MetalLine, ...]:
    """All lines of the package's list, by wavelength."""
    text = files("spectype.starlight").joinpath("atomic_lines.txt").read_text(encoding="utf-8")
    found = []
    for row in text.splitlines():
        if row.startswith("#") or not row.strip():
            continue
        ion, energy, values = (part.strip() for part in row.split("|"))
        element, stage = ion.split()
        for value in values.split():
            wave, loggf = value.split(":")
            found.append(
                MetalLine(
                    element=element,
                    stage=int(stage) - 1,
                    wave=float(air_to_vacuum(float(wave))),
                    energy=float(energy),
                    loggf=float(loggf),
                )
            )
    return tuple(sorted(found, key=lambda line: line.wave))


def populations(gas: Gas) -> dict[tuple[str, int], Floats]:
    """Number density over partition function [cm-3] of every ion that has lines."""
    ions = {(line.element, line.stage) for line in line_list()}
    return {
        (name, stage): gas.stages[name][stage] / partition(name, stage, gas.temperature)
        for name, stage in sorted(ions)
    }


def strength(line: MetalLine, gas: Gas, populated: dict[tuple[str, int], Floats]) -> Floats:
    """Opacity integrated over frequency [cm-1 Hz] at each depth; `populated`: `populations`."""
    boltzmann = np.exp(-line.energy / (K_EV * gas.temperature))
    number = populated[line.element, line.stage]
    return np.asarray(0.02654 * 10**line.loggf * number * boltzmann, dtype=np.float64)


def widths(line: MetalLine, gas: Gas, turbulence: float) -> tuple[Floats, Floats]:
    """Doppler width [Angstrom] and Voigt parameter at each depth."""
    mass = ELEMENTS[line.element].mass * MASS_H
    speed = np.sqrt(2 * K_ERG * gas.temperature / mass + turbulence**2)
    doppler = line.wave * speed / LIGHT
    damping = _damping(line, gas) * line.wave**2 / (4 * np.pi * 2.99792458e18)
    return doppler, np.asarray(damping / doppler, dtype=np.float64)


def _damping(line: MetalLine, gas: Gas) -> Floats:
    """Full width [rad/s] by radiation, neutral perturbers and electrons."""
    radiation = 0.2223e16 / line.wave**2
    charge = line.stage + 1
    limit = ELEMENTS[line.element].energies[line.stage]
    upper = limit - line.energy - 12398.4 / line.wave
    lower = limit - line.energy
    neutral = gas.stages["H"][0] + 0.42 * gas.stages["He"][0]
    c6 = 0.3e-30 * charge**2 * (1 / max(upper, 0.3) ** 2 - 1 / max(lower, 0.4) ** 2)
    known = _NEUTRAL.get((line.element, line.stage, line.energy))
    speed = _mean_speed(line, gas)
    if known is not None:
        cross, alpha = known
        shape = (4 / np.pi) ** (alpha / 2) * 0.952  # Gamma(2 - alpha / 2), within 1 %
        waals = 2 * shape * speed * cross * 2.8003e-17 * (speed / 1e6) ** -alpha * neutral
    else:
        waals = _UNSOELD * 17.0 * max(c6, 1e-33) ** 0.4 * speed**0.6 * neutral
    if line.element == "He":
        full = _HELIUM.get(int(line.wave - 1.0), _HELIUM.get(int(line.wave - 1.5), 1.0))
        stark = 2 * np.pi * 2.99792458e18 / line.wave**2 * full * gas.electrons / 1e16
    else:
        stark = gas.electrons * (2e-6 if line.energy > 6 else 3e-7)
    return np.asarray(radiation + waals + stark, dtype=np.float64)


def _mean_speed(line: MetalLine, gas: Gas) -> Floats:
    reduced = 1 / (1 / 1.008 + 1 / ELEMENTS[line.element].mass)
    return np.sqrt(8 * K_ERG * gas.temperature / (np.pi * reduced * MASS_H))


def voigt(u: Floats, a: Floats) -> Floats:
    """Voigt function H(a, u) (the real part of the Faddeeva function)."""
    from scipy.special import wofz

    return np.asarray(wofz(u + 1j * a).real, dtype=np.float64)
